"""Meta-prompt templates: text that anyone may edit."""

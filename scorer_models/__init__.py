"""Language-model backends, one a file."""

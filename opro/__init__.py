"""The workbench's engine."""

"""Proposers: where new candidates come from, one a file."""

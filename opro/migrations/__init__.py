"""Alembic's migrations of the store: append-only; `opro.schema` shows what the newest leaves."""

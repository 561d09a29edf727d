"""Why the scoring of an example failed, and indexes that let a store be surveyed without reading its texts."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column and the indexes."""
    op.add_column("answers", Column("failure", Text, nullable=False, server_default=""))
    op.create_index("values_of_run", "trials", ["run", "step", "value"])
    op.create_index("costs_of_run", "generations", ["run", "prompt_tokens", "completion_tokens", "usd"])

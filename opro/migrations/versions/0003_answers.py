"""What a scorer answered, example by example."""

from alembic import op
from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, String, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "answers",
        Column("run", String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        Column("trial", Integer, primary_key=True),
        Column("split", String(16), primary_key=True),
        Column("example", String(64), primary_key=True),
        Column("score", Float, nullable=True),
        Column("extracted", Text, nullable=True),
        Column("gold", Text, nullable=False),
        Column("flagged", Boolean, nullable=False),
        Column("generation", Integer, nullable=True),
        Column("tokens", Integer, nullable=False),
    )

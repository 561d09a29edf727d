"""Why the scoring of an example failed."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("answers", Column("failure", Text, nullable=False, server_default=""))

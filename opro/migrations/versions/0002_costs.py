"""Samples in parts, money, scorers, and what went wrong on the way."""

import json
from hashlib import sha256

import sqlalchemy as sa
from alembic import op
from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, String, Text

revision = "0002"
down_revision = "0001"


_FREE = """
UPDATE generations SET usd = 0 WHERE run IN (
    SELECT id FROM runs WHERE model NOT LIKE 'openai:%' OR model LIKE '%@http://127.0.0.1%' OR model LIKE '%@http://localhost%'
)"""  # what ran on the user's own machine cost nothing


def upgrade() -> None:
    """Number the samples of a request through its parts; add what a generation cost, and the events of a run."""
    with op.batch_alter_table("runs") as runs:
        runs.add_column(Column("scorer", Text, nullable=False, server_default=""))
        runs.add_column(Column("scorer_fingerprint", Text, nullable=False, server_default=""))
        runs.add_column(Column("seconds", Float, nullable=False, server_default="0"))
    _renew_keys()
    op.drop_index("generation_of_request", "generations")
    with op.batch_alter_table("generations") as generations:
        generations.add_column(Column("first", Integer, nullable=False, server_default="0"))
        generations.add_column(Column("estimated", Boolean, nullable=False, server_default=sa.false()))
        generations.add_column(Column("usd", Float, nullable=True))
    op.execute(_FREE)
    op.create_index("samples_of_request", "generations", ["run", "role", "key", "first"])
    op.create_table(
        "events",
        Column("id", Integer, primary_key=True),
        Column("run", String(64), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
        Column("step", Integer, nullable=False),
        Column("role", String(16), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("text", Text, nullable=False),
        Column("facts", JSON, nullable=False),
        Column("tokens", Integer, nullable=False),
        Column("usd", Float, nullable=True),
        Column("created", Float, nullable=False),
    )
    op.create_index("events_of_run", "events", ["run", "step"])


def _renew_keys() -> None:
    """Write the keys of requests without their number of samples, so that an interrupted step finds its answers."""
    table = sa.table("generations", sa.column("id"), sa.column("key"), sa.column("request", JSON))
    connection = op.get_bind()
    for row in connection.execute(sa.select(table.c.id, table.c.request)).all():
        same = {name: value for name, value in row.request.items() if name != "n"}
        key = sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        connection.execute(sa.update(table).where(table.c.id == row.id).values(key=key))

"""The tables of the store, as its newest migration leaves them."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

REVISION = "0004"
"""The newest migration that this version knows."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("study", String(64), nullable=False),
    Column("parent", String(64), nullable=True),
    Column("problem", String(200), nullable=False),
    Column("proposer", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("direction", String(16), nullable=False),
    Column("reference_values", JSON, nullable=False),
    Column("config", JSON, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("problem_fingerprint", Text, nullable=False),
    Column("scorer", Text, nullable=False),
    Column("scorer_fingerprint", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("seconds", Float, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("run", String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("asking", Float, nullable=False),
    Column("scoring", Float, nullable=False),
)

trials = Table(
    "trials",
    metadata,
    Column("run", String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("step", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("value", Float, nullable=True),
    Column("reason", Text, nullable=False),
    Column("feedback", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("generation", Integer, nullable=True),
    Column("sample", Integer, nullable=True),
    Column("temperature", Float, nullable=True),
    Index("values_of_run", "run", "step", "value"),
)

generations = Table(
    "generations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", String(64), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("key", String(64), nullable=False),
    Column("first", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("samples", JSON, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("usd", Float, nullable=True),
    Column("seconds", Float, nullable=False),
    Column("created", Float, nullable=False),
    Index("samples_of_request", "run", "role", "key", "first"),
    Index("costs_of_run", "run", "prompt_tokens", "completion_tokens", "usd"),
)

events = Table(
    "events",
    metadata,
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
    Index("events_of_run", "run", "step"),
)

answers = Table(
    "answers",
    metadata,
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
    Column("failure", Text, nullable=False, server_default=""),
)

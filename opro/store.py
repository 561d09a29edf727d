"""The durable record: SQLAlchemy Core over SQLite (one file, WAL) by default, or the database that a URL names.

SQLite is opened with `synchronous=NORMAL`: what was recorded survives a killed process; a power cut may cost the last
moments, never the file.
"""

import os
import platform
import secrets
import socket
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from platformdirs import user_cache_path, user_data_path
from sqlalchemy import event, exc
from sqlalchemy.engine import make_url

from opro import schema
from opro.errors import StoreError
from opro.journal import BUSY_SECONDS, Journal, store_errors
from opro.records import RunSpec, Status


def default_store() -> str:
    """Return the store that is used when none is named: $OPRO_STORE, or a file in the user's data directory."""
    return os.environ.get("OPRO_STORE") or str(user_data_path("opro", appauthor=False) / "opro.db")


def store_url(store: str) -> sa.URL:
    """Return the database URL of a store given as a URL or as the path of an SQLite file."""
    try:
        store.encode()
    except UnicodeEncodeError:
        raise StoreError(f"the name of the store is not UTF-8: {store!r}") from None
    if "://" in store:
        try:
            return make_url(store)
        except exc.ArgumentError as error:
            raise StoreError(f"{store!r} is neither a database URL nor a path: {error}") from error
    return sa.URL.create("sqlite", database=str(Path(store).expanduser().resolve()))


def check_revision(connection: sa.Connection, where: str) -> str | None:
    """Return the revision of the tables, None for an empty database.

    Raises:
        StoreError: the tables were made by a newer version of the workbench.
    """
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision > schema.REVISION:
        raise StoreError(
            f"{where} was written by a newer version of the workbench (its tables are at {revision}, this version "
            f"knows {schema.REVISION}): upgrade with `pip install -U opro-workbench`, or use another --store"
        )
    return revision


def _create(connection: sa.Connection) -> None:
    """Make all tables as the newest migration leaves them; what Alembic does step by step takes ten times as long."""
    schema.metadata.create_all(connection)
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": schema.REVISION})


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # a third of a second that an up-to-date store need not pay
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "opro:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


class Store:
    """The writer's side of a store; makes the tables, or brings them up to date."""

    def __init__(self, store: str) -> None:
        """Open `store`, a database URL or the path of an SQLite file, which is made if there is none."""
        self.url = store_url(store)
        self.name = self.url.render_as_string(hide_password=True)
        with store_errors(f"cannot open the store {self.name}"):
            self._make_folder()
            self.engine = sa.create_engine(self.url, **_engine_options(self.url))
            if self.url.get_backend_name() == "sqlite":
                _set_up_sqlite(self.engine)
            with self.engine.begin() as connection:
                revision = check_revision(connection, self.name)
                if revision is None:
                    _create(connection)
                elif revision != schema.REVISION:
                    _upgrade(connection)

    def _make_folder(self) -> None:
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            try:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot make the folder of the store {self.name}: {error}") from error

    def new_run(self, spec: RunSpec) -> Journal:
        """Record a new run and return its journal."""
        run = f"{Path(spec.problem.split(':')[-1]).stem}-{secrets.token_hex(4)}"
        now = time.time()
        row = {
            "id": run,
            "study": spec.study or run,
            "parent": spec.parent,
            "problem": spec.problem,
            "proposer": spec.proposer,
            "model": spec.model,
            "seed": spec.seed,
            "direction": spec.direction,
            "reference_values": [asdict(reference) for reference in spec.references],
            "config": dict(spec.config),
            "fingerprint": spec.fingerprint,
            "problem_fingerprint": spec.problem_fingerprint,
            "scorer": spec.scorer,
            "scorer_fingerprint": spec.scorer_fingerprint,
            "versions": _versions(),
            "status": Status.RUNNING,
            "reason": "",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "created": now,
            "updated": now,
            "seconds": 0.0,
        }
        lock = _hold(run)
        with store_errors(f"cannot record a run in {self.name}"), self.engine.begin() as connection:
            connection.execute(sa.insert(schema.runs), row)
        return Journal(self.engine, self.name, run, lock)

    def continue_run(self, run: str, config: Mapping[str, Any]) -> Journal:
        """Return the journal of a stored run, to go on with it under `config`.

        Raises:
            StoreError: a living process works on it.
        """
        lock = _hold(run)
        values: dict[str, Any] = {
            "config": dict(config),
            "status": Status.RUNNING,
            "reason": "",
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        with store_errors(f"cannot resume {run} in {self.name}"), self.engine.begin() as connection:
            connection.execute(sa.update(schema.runs).where(schema.runs.c.id == run).values(**values))
        return Journal(self.engine, self.name, run, lock)

    def delete(self, runs: Sequence[str]) -> None:
        """Delete runs with all that is recorded under them, and what was made on their behalf.

        Raises:
            StoreError: a living process works on one of them; none is deleted then.
        """
        table = schema.runs.c
        with store_errors(f"cannot remove runs of {self.name}"), self.engine.begin() as connection:
            made = connection.execute(sa.select(table.id).where(table.parent.in_(runs))).scalars().all()
        every = dict.fromkeys((*runs, *made))
        with ExitStack() as held:
            for run in every:
                held.callback(_hold(run).release)
            with store_errors(f"cannot remove runs of {self.name}"), self.engine.begin() as connection:
                connection.execute(sa.delete(schema.runs).where(table.id.in_(every)))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def lock_of(run: str) -> FileLock:
    """Return the lock that the process working on a run holds; the system frees it when that process dies."""
    folder = user_cache_path("opro", appauthor=False) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{run}.lock", thread_local=False)


def _hold(run: str) -> FileLock:
    lock = lock_of(run)
    try:
        lock.acquire(timeout=0.5)  # whoever asks whether a run is alive holds it for a moment
    except Timeout:
        raise StoreError(f"another process is working on {run}: wait for it, or stop it first") from None
    return lock


def _engine_options(url: sa.URL) -> dict[str, object]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    return {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}


def _set_up_sqlite(engine: sa.Engine) -> None:
    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below opens the transactions
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


def _versions() -> dict[str, str]:
    packages = ("opro-workbench", "torch", "transformers", "xgrammar", "vllm", "aiohttp", "numpy", "scipy")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

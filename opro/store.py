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
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from platformdirs import user_data_path
from sqlalchemy import event, exc
from sqlalchemy.engine import make_url

from opro import schema
from opro.errors import StoreError
from opro.journal import BUSY_SECONDS, Journal, store_errors
from opro.locks import as_run_id, hold, is_run_id, let_go
from opro.ours import check_file, check_tables
from opro.passwords import masked
from opro.records import RunSpec, Status


def default_store() -> str:
    """Return the store that is used when none is named: $OPRO_STORE, or a file in the user's data directory."""
    return os.environ.get("OPRO_STORE") or str(user_data_path("opro", appauthor=False) / "opro.db")


def existing_store(store: str | Path | None) -> str:
    """Return the name of a store, or of the default one; one that does not exist is a StoreError."""
    name = str(store or default_store())
    if "://" not in name and not Path(name).expanduser().exists():
        raise StoreError(f"there is no store {name} yet: `opro run` makes it")
    return name


def store_url(store: str) -> sa.URL:
    """Return the database URL of a store given as a URL or as the path of an SQLite file."""
    try:
        store.encode()
    except UnicodeEncodeError:
        raise StoreError(f"the name of the store is not UTF-8: {store!r}") from None
    if "://" in store:
        try:
            return make_url(store)
        except (exc.ArgumentError, ValueError) as error:
            raise StoreError(f"{masked(store)!r} is neither a database URL nor a path: {masked(str(error))}") from None
    return sa.URL.create("sqlite", database=str(Path(store).expanduser().resolve()))


def shown(url: sa.URL) -> str:
    """Return the name of a store as people may see it: without a password."""
    return masked(url.render_as_string(hide_password=True))


def file_of(url: sa.URL) -> Path | None:
    """Return the file of an SQLite store, None for another database.

    Raises:
        StoreError: the URL names it in a way that hides which file it is.
    """
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    if url.database.startswith("file:") or url.query:
        raise StoreError(f"{shown(url)!r} is not how a store is named: give the path of its file")
    return Path(url.database)


def check_revision(connection: sa.Connection, where: str) -> str | None:
    """Return the revision of the tables, None for an empty database.

    Raises:
        StoreError: the tables are another program's, or were made by a newer version of the workbench.
    """
    names = sa.inspect(connection).get_table_names()
    versions = sa.text("SELECT version_num FROM alembic_version")
    revision = connection.execute(versions).scalar() if "alembic_version" in names else None
    check_tables(where, names, revision)
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
        self.name = shown(self.url)
        if file := file_of(self.url):
            check_file(file)
        with store_errors(f"cannot open the store {self.name}"):
            self._make_folder()
            self.engine = sa.create_engine(self.url, **_engine_options(self.url))
            weakref.finalize(self.engine, self.engine.pool.dispose)  # a journal may outlive the store that made it
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
        run = f"{as_run_id(Path(spec.problem.split(':')[-1]).stem)}-{secrets.token_hex(4)}"
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
        lock = hold(run)
        with _held(lock), store_errors(f"cannot record a run in {self.name}"), self.engine.begin() as connection:
            connection.execute(sa.insert(schema.runs), row)
        return Journal(self.engine, self.name, run, lock)

    def continue_run(self, run: str, config: Mapping[str, Any]) -> Journal:
        """Return the journal of a stored run, to go on with it under `config`.

        Raises:
            StoreError: a living process works on it.
        """
        lock = hold(run)
        values: dict[str, Any] = {
            "config": dict(config),
            "status": Status.RUNNING,
            "reason": "",
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        with _held(lock), store_errors(f"cannot resume {run} in {self.name}"), self.engine.begin() as connection:
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
            for run in filter(is_run_id, every):  # a store that somebody tampered with may have others
                held.callback(let_go, hold(run))
            with store_errors(f"cannot remove runs of {self.name}"), self.engine.begin() as connection:
                connection.execute(sa.delete(schema.runs).where(table.id.in_(every)))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


@contextmanager
def _held(lock: FileLock) -> Generator[None]:
    """Let a lock go if what is done under it fails."""
    try:
        yield
    except StoreError:
        let_go(lock)
        raise


def _engine_options(url: sa.URL) -> dict[str, object]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    return {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}


def _set_up_sqlite(engine: sa.Engine) -> None:
    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below opens the transactions
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "trusted_schema=OFF"):
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

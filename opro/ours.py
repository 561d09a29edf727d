"""Is a database a store of ours? Found out before it is opened, so that another program's stays as it is.

The file is read by SQLite alone. The system ties the locks of a file to the process, and frees them when the process
closes any descriptor of it; SQLite keeps count of its own, but a plain `open` and `close` would take the locks of every
connection that this process has. Another process then takes itself for the last user, and removes the log.
"""

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from opro.errors import StoreError

OURS = frozenset({"alembic_version", "runs", "steps", "trials", "generations"})
"""Tables that every version has made."""

_REVISION = re.compile(r"\d{4}")
_ELSEWHERE = "use another --store"


def check_file(path: Path) -> None:
    """Look into a file without changing anything in or beside it.

    Raises:
        StoreError: it is neither a store nor empty, so that it is left alone.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise StoreError(f"{path} is {'a folder' if path.is_dir() else 'no file'}: a store is a file; {_ELSEWHERE}")
    if not os.access(path, os.R_OK):
        raise StoreError(f"cannot read the store {path}: permission denied")
    try:
        if path.stat().st_size:
            _check_content(path)
    except OSError as error:
        raise StoreError(f"cannot read the store {path}: {error.strerror or error}") from error
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            said = f"{path} is not a store, nor any SQLite file: it is left as it is; {_ELSEWHERE}"
            raise StoreError(said) from error
        raise StoreError(f"cannot read the store {path}: {error} (restore a copy, or {_ELSEWHERE})") from error


def check_tables(where: str, tables: Iterable[str], revision: str | None) -> None:
    """Raise a StoreError unless there are no tables, or those of a store; other databases than files hold others too.

    `revision` is what the table of revisions says, None without one.
    """
    names = set(tables)
    foreign = not names >= OURS or revision is None or not _REVISION.fullmatch(revision)
    if names & OURS and foreign:
        raise StoreError(f"{where} is another program's database: it is left as it is; {_ELSEWHERE}")


def _check_content(path: Path) -> None:
    kinds, revision = _content(path)
    log = Path(f"{path}-wal")
    if not kinds and log.exists() and log.stat().st_size:  # all that was written is still in the log beside it
        with tempfile.TemporaryDirectory(prefix="opro-") as folder:
            copy = Path(folder) / "copy.db"
            with _frozen(path) as database:
                copy.write_bytes(database.serialize())
            Path(f"{copy}-wal").write_bytes(log.read_bytes())  # nobody locks the log itself
            kinds, revision = _content(copy, frozen=False)
    if kinds and not kinds.keys() >= OURS:
        raise StoreError(f"{path} is another program's database: it is left as it is; {_ELSEWHERE}")
    check_tables(str(path), kinds, revision)
    odd = [name for name, kind in kinds.items() if kind not in ("table", "index")]
    if odd:
        raise StoreError(f"{path} holds {kinds[odd[0]]}s, which no store has: somebody has changed it; {_ELSEWHERE}")


def _frozen(path: Path) -> "closing[sqlite3.Connection]":
    """Open a database such that SQLite writes nothing in or beside it."""
    return closing(sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True))


def _content(path: Path, *, frozen: bool = True) -> tuple[dict[str, str], str | None]:
    """Return what a database holds, by name, and the revision of its tables."""
    with _frozen(path) if frozen else closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        rows = database.execute("SELECT name, type, sql FROM sqlite_master").fetchall()
        kinds = {str(name): _kind(kind, sql) for name, kind, sql in rows}
        if kinds.get("alembic_version") != "table":
            return kinds, None
        try:
            found = database.execute("SELECT version_num FROM alembic_version LIMIT 1").fetchone()
        except sqlite3.OperationalError:  # a table of this name with other columns
            return kinds, None
    return kinds, str(found[0]) if found else None


def _kind(kind: str, sql: str | None) -> str:
    return "virtual table" if (sql or "").upper().startswith("CREATE VIRTUAL") else kind

"""A store named by mistake: another program's file is left as it is, byte for byte, and nothing appears beside it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from opro.errors import StoreError
from opro.reader import Reader
from opro.records import RunSpec
from opro.store import Store
from opro.types import Direction
from tests.unit.conftest import Command


def places(path: Path) -> None:
    """What a browser keeps: in WAL mode."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE moz_places (id INTEGER, url TEXT)")
        database.commit()


def migrated(path: Path) -> None:
    """A program that has migrations of its own, one of them numbered as ours are, and a table called as ours is."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('0001')")
        database.execute("CREATE TABLE runs (id TEXT)")
        database.commit()


def renumbered(path: Path) -> None:
    """All our tables, under a revision that is none of ours."""
    Store(str(path)).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ae1027a6acf'")
        database.commit()


def nameless(path: Path) -> None:
    """A table of revisions with other columns."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (number TEXT)")
        database.commit()


def triggered(path: Path) -> None:
    """A store to which somebody added what runs by itself."""
    Store(str(path)).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM trials; END")
        database.commit()


def letter(path: Path) -> None:
    path.write_text("Dear Sir or Madam")


def busy(path: Path) -> None:
    """A file of a program that is at work: all that it wrote is in the log."""
    origin = path.with_name("origin.db")
    with closing(sqlite3.connect(origin)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("CREATE TABLE moz_places (id INTEGER, url TEXT)")
        database.commit()
        shutil.copy(origin, path)
        shutil.copy(f"{origin}-wal", f"{path}-wal")
    for rest in path.parent.glob("origin*"):
        rest.unlink()


@pytest.mark.parametrize("make", [places, migrated, renumbered, nameless, triggered, letter, busy])
def test_another_programs_file_is_left_as_it_is(
    tmp_path: Path, opro: Command, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "files" / "places.sqlite"
    path.parent.mkdir()
    make(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for opened in (Store, Reader):
        with pytest.raises(StoreError, match=r"another --store"):
            opened(str(path))
    for arguments in (["list"], ["run", "linear-regression", "--proposer", "random"], ["delete", "x", "--yes"]):
        code, _, error = opro(*arguments, "--store", str(path))
        assert (code, error.count("\n")) == (1, 1), error
        assert str(path) in error
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_folder_is_told_to_be_none(tmp_path: Path, opro: Command) -> None:
    for arguments in (["list"], ["run", "linear-regression", "--proposer", "random"]):
        code, _, error = opro(*arguments, "--store", str(tmp_path))
        assert (code, "is a folder" in error) == (1, True)


def test_a_url_that_hides_which_file_it_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    places(path)
    before = path.read_bytes()
    for opened in (Store, Reader):
        with pytest.raises(StoreError, match="give the path"):
            opened(f"sqlite:///file:{path}?uri=true")
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch()
    Store(str(path)).close()
    assert Reader(str(path)).runs() == []


def test_a_store_of_which_all_is_still_in_the_log_is_one(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.db"))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 0")
        connection.commit()
    run = store.new_run(RunSpec("hill", Direction.MAXIMIZE, "random", "", 0, {"problem": "hill"})).run
    copy = tmp_path / "killed"
    copy.mkdir()
    for file in tmp_path.glob("store.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    assert [one.id for one in Reader(str(copy / "store.db")).runs()] == [run]

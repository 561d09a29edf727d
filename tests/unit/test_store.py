"""The store: what is written comes back, and what goes wrong is said."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from opro import schema
from opro.errors import ConfigError, StoreError
from opro.journal import Arrived, Journal
from opro.reader import Reader, is_alive
from opro.records import Event, EventKind, RunSpec, Spending, Status, request_json, request_key
from opro.store import Store
from opro.types import (
    Candidate,
    Direction,
    Evaluation,
    Generation,
    Message,
    Origin,
    Reference,
    Request,
    Sample,
    Source,
    Trial,
    Usage,
)

ROOT = Path(__file__).parents[2]
NO_TOKENS = Usage()
SPEC = RunSpec(
    problem="hill",
    direction=Direction.MAXIMIZE,
    proposer="opro",
    model="local",
    seed=7,
    config={"problem": "hill", "set": {"n": 3}},
    references=(Reference("optimum", 1.5, optimum=True, solution="x=1"),),
    fingerprint="abc",
)


@pytest.fixture
def journal(store: str) -> Journal:
    return Store(store).new_run(SPEC)


def test_every_field_of_a_run_comes_back(store: str, journal: Journal) -> None:
    run = Reader(store).run(journal.run)
    assert run.spec.problem == "hill"
    assert run.spec.direction is Direction.MAXIMIZE
    assert run.spec.references == SPEC.references
    assert (run.spec.seed, run.spec.fingerprint) == (7, "abc")
    assert SPEC.config.items() <= run.spec.config.items()
    assert (run.spec.study, run.spec.parent, run.status) == (run.id, None, Status.RUNNING)
    assert "python" in run.versions


def test_every_field_of_trials_and_steps_comes_back(store: str, journal: Journal) -> None:
    trials = [
        Trial(0, 0, Candidate("x=1"), Evaluation(1 / 3, feedback="good", metrics={"speed": 2.0})),
        Trial(1, 0, Candidate("x=“\U0001f600", Origin(5, 2, 1.3)), Evaluation.failed("not a number")),
    ]
    journal.record_step(trials, asking=0.5, scoring=0.25)
    reader = Reader(store)
    assert reader.trials(journal.run) == trials
    assert reader.trials(journal.run, after=0) == trials[1:]
    (step,) = reader.steps(journal.run)
    assert (step.step, step.asking, step.scoring) == (0, 0.5, 0.25)


def arrived(request: Request, *texts: str, role: str = "optimizer", usage: Usage = NO_TOKENS) -> Arrived:
    fields = request_json(request)
    generation = Generation(tuple(Sample(text) for text in texts), usage, 0.5, usd=0.25)
    return Arrived(role, request_key(fields), fields, generation)


def test_every_field_of_a_generation_comes_back(store: str, journal: Journal) -> None:
    request = Request(prompt=(Message("user", "go"),), n=2, first=3, seed=3)
    usage = Usage(9, 2, 1, estimated=True)
    (made,) = journal.record_generations([arrived(request, "a", "b", usage=usage)])
    (record,) = Reader(store).generations(journal.run, step=0)
    assert [sample.source for sample in made.samples] == [Source(record.id, 0), Source(record.id, 1)]
    assert (record.samples, record.usage, record.prompt, record.usd) == (("a", "b"), usage, "[user]\ngo", 0.25)
    assert (record.first, record.seconds, record.role) == (3, 0.5, "optimizer")
    assert Reader(store).samples(journal.run) == 2


def test_samples_are_found_by_request_role_and_number(store: str, journal: Journal) -> None:
    request = Request(prompt="go", n=2, seed=3)
    journal.record_generations([arrived(request, "a", "b"), arrived(replace(request, first=4), "e", "f")])
    key = request_key(request_json(replace(request, n=9)))
    found = journal.stored("optimizer", key, range(1, 5))
    assert [(first, [sample.text for sample in made.samples]) for first, made in found] == [
        (0, ["a", "b"]),
        (4, ["e", "f"]),
    ]
    assert len(journal.stored("optimizer", key, range(2, 5))) == 1
    assert journal.stored("optimizer", key, range(2, 4)) == []
    assert journal.stored("scorer", key, range(9)) == []
    assert journal.stored("optimizer", request_key(request_json(replace(request, seed=4))), range(9)) == []
    journal.finish(Status.STOPPED, "")
    again = Store(store).continue_run(journal.run, {})
    assert again.stored("optimizer", key, range(1, 5)) == found


def test_what_a_run_cost_is_summed_by_step_and_role(store: str, journal: Journal) -> None:
    one, two = Request(prompt="one"), Request(prompt="two")
    usage = Usage(10, 2, 4)
    journal.record_generations([arrived(one, "a", usage=usage), arrived(two, "b", usage=usage)])
    journal.step = 1
    journal.record_generations([arrived(one, "c", usage=Usage(1, 1, estimated=True), role="scorer")])
    journal.record_event(Event(1, "scorer", EventKind.FAULT, "no answer", {"status": None}, 70, None))
    journal.record_event(Event(1, "", EventKind.NOTE, "something", {}))
    assert Reader(store).spending(journal.run) == [
        Spending(0, "optimizer", 2, Usage(20, 4, 8), 1.0, 0.5),
        Spending(1, "scorer", 1, Usage(1, 1, estimated=True), 0.5, 0.25, 1, 70, None),
    ]
    assert [event.text for event in Reader(store).events(journal.run, step=1)] == ["no answer", "something"]


def test_what_no_database_can_hold_is_replaced() -> None:
    assert Sample("a\ud800b\0").text == "a�b�"


def test_a_step_is_recorded_whole_or_not_at_all(store: str, journal: Journal) -> None:
    twice = [Trial(0, 0, Candidate("x"), Evaluation(1.0)), Trial(0, 0, Candidate("y"), Evaluation(2.0))]
    with pytest.raises(StoreError, match="UNIQUE"):
        journal.record_step(twice, asking=0, scoring=0)
    assert Reader(store).steps(journal.run) == []
    assert Reader(store).trials(journal.run) == []


def test_a_reader_cannot_write(store: str, journal: Journal) -> None:
    reader = Reader(store)
    with pytest.raises(sa.exc.OperationalError, match="readonly"), reader._engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM runs"))


def test_a_reader_sees_what_was_committed_while_a_writer_is_in_the_middle(store: str, journal: Journal) -> None:
    with journal._write() as connection:
        connection.execute(sa.text("UPDATE runs SET reason = 'half'"))
        assert Reader(store).run(journal.run).reason == ""
    assert Reader(store).run(journal.run).reason == "half"


def test_two_runs_in_one_store_do_not_mix(store: str) -> None:
    first, second = Store(store).new_run(SPEC), Store(store).new_run(SPEC)
    first.record_step([Trial(0, 0, Candidate("x"), Evaluation(1.0))], asking=0, scoring=0)
    second.record_step([Trial(0, 0, Candidate("y"), Evaluation(2.0))], asking=0, scoring=0)
    assert [trial.text for trial in Reader(store).trials(second.run)] == ["y"]


ANOTHER = """
import sys
from opro.reader import Reader
from opro.records import Status
from opro.store import Store
from tests.unit.test_store import SPEC
store = Store(sys.argv[1])
store.new_run(SPEC).finish(Status.DONE, "")
reader = Reader(sys.argv[1])
print(*(len(reader.steps(run.id)) for run in reader.runs()))
reader.close()
store.close()  # the last one to close a store tidies up
"""


def test_processes_that_share_a_store_lose_nothing(store: str, journal: Journal) -> None:
    Reader(store).runs()
    for step in range(3):  # the other process comes and goes while this one is at work
        journal.step = step
        journal.record_step([], asking=0.0, scoring=0.0)
        other = [sys.executable, "-c", ANOTHER, store]
        seen = subprocess.run(other, check=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
        assert seen == [str(step + 1), *["0"] * (step + 1)]
    assert len(Reader(store).runs()) == 4
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_run_is_alive_until_it_is_finished(store: str, journal: Journal) -> None:
    assert is_alive(Reader(store).run(journal.run))
    with pytest.raises(StoreError, match="another process is working"):
        Store(store).continue_run(journal.run, {})
    journal.finish(Status.DONE, "enough")
    assert not is_alive(Reader(store).run(journal.run))
    run = Reader(store).run(journal.run)
    assert (run.status, run.reason) == (Status.DONE, "enough")


def test_a_run_is_found_by_a_part_of_its_id_that_fits_no_other(store: str, journal: Journal) -> None:
    reader = Reader(store)
    assert reader.run(journal.run[-6:]).id == journal.run
    Store(store).new_run(SPEC)
    with pytest.raises(ConfigError, match="fits 2 runs"):
        reader.run("hill")
    with pytest.raises(ConfigError, match="hill-"):
        reader.run(f"{journal.run}x")


def test_a_newer_store_is_refused_and_left_alone(store: str, journal: Journal) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for opened in (Store, Reader):
        with pytest.raises(StoreError, match="newer version"):
            opened(store)


def test_an_empty_database_is_brought_up_to_date_by_a_writer_only(tmp_path: Path) -> None:
    path = str(tmp_path / "empty.db")
    sqlite3.connect(path).execute("VACUUM")
    with pytest.raises(StoreError, match="has no tables yet"):
        Reader(path)
    Store(path)
    assert Reader(path).runs() == []


def first_version(store: str) -> sa.Engine:
    """Make a store as version 0001 made it."""
    from alembic import command
    from alembic.config import Config

    engine = sa.create_engine(f"sqlite:///{store}")
    config = Config()
    config.set_main_option("script_location", "opro:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    return engine


def test_the_migrations_end_in_the_tables_that_a_new_store_has(store: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    first_version(store)
    for name in (store, f"{store}.new"):
        with Store(name).engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_store_of_the_first_version_keeps_its_runs_and_finds_what_was_paid_for(store: str) -> None:
    engine, request = first_version(store), Request(prompt=(Message("user", "go"),), n=2, seed=3)
    fields = request_json(request)
    del fields["first"]
    with engine.begin() as connection:
        old = sa.MetaData()
        old.reflect(connection)
        run = dict.fromkeys((column.name for column in old.tables["runs"].c), "x") | {
            "id": "hill-1",
            "parent": None,
            "direction": "maximize",
            "status": "stopped",
            "config": {},
            "seed": 0,
            "pid": 0,
            "created": 0.0,
            "updated": 0.0,
            "reference_values": [],
            "versions": {},
        }
        connection.execute(sa.insert(old.tables["runs"]), run)
        generation = {
            "id": 5,
            "run": "hill-1",
            "step": 0,
            "role": "optimizer",
            "key": "old",
            "seconds": 1.0,
            "created": 0.0,
            "request": fields,
            "samples": [["a", True], ["b", True]],
            "prompt_tokens": 9,
            "cached_tokens": 1,
            "completion_tokens": 2,
        }
        connection.execute(sa.insert(old.tables["generations"]), generation)
    journal = Store(store).continue_run("hill-1", {})
    ((first, made),) = journal.stored("optimizer", request_key(request_json(request)), range(2))
    assert (first, [sample.text for sample in made.samples], made.usage) == (0, ["a", "b"], Usage(9, 2, 1))
    assert Reader(store).run("hill-1").spec.scorer == ""


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(StoreError, match=r"letter\.db.*not a store"):
        Store(str(path))


def test_a_damaged_store_is_named(store: str, journal: Journal) -> None:
    journal.record_step([Trial(i, 0, Candidate(f"{i}" * 99), Evaluation(1.0)) for i in range(500)], asking=0, scoring=0)
    Store(store).close()
    path = Path(store)
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"malformed|damaged"):
        Reader(store).runs()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        Store(str(tmp_path / "file" / "store.db"))


def test_a_full_disk_loses_nothing(store: str, journal: Journal) -> None:
    trial = Trial(0, 0, Candidate("x"), Evaluation(1.0))
    journal.record_step([trial], asking=0, scoring=0)
    journal.step = 1
    with journal._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # what a full disk does to SQLite
        connection.commit()
    big = Trial(1, 1, Candidate("y" * 1_000_000), Evaluation(1.0))
    with pytest.raises(StoreError, match=r"full.*resume"):
        journal.record_step([big], asking=0, scoring=0)
    assert Reader(store).trials(journal.run) == [trial]


def test_a_store_that_another_program_holds_is_said_to_be_locked(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opro.store.BUSY_SECONDS", 0.1)
    journal = Store(store).new_run(SPEC)
    holder = sqlite3.connect(store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        journal.record_step([], asking=0, scoring=0)
    holder.execute("ROLLBACK")
    journal.record_step([], asking=0, scoring=0)


@pytest.mark.parametrize("name", ["a#b.db", "a?b.db", "50%25.db", "with space.db"])
def test_a_store_may_have_any_name(tmp_path: Path, name: str) -> None:
    run = Store(str(tmp_path / name)).new_run(SPEC).run
    assert Reader(str(tmp_path / name)).run(run).id == run
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in tmp_path.iterdir()} == {name}


def test_a_url_with_a_password_is_shown_without_it() -> None:
    with pytest.raises(StoreError) as caught:
        Store("nonsense://me:secret@localhost/x")
    assert "secret" not in str(caught.value)


def test_a_store_that_may_not_be_written_is_named(store: str, journal: Journal) -> None:
    Store(store).close()
    Path(store).chmod(stat.S_IREAD)
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        connection.execute("SELECT 1")
    engine = sa.create_engine(f"sqlite:///file:{store}?mode=ro&uri=true")
    closed = Journal(engine, store, journal.run, journal._lock)
    with pytest.raises(StoreError, match="may not be written"):
        closed.record_step([], asking=0, scoring=0)

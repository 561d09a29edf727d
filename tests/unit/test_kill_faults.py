"""Faults and kill -9 together: the trajectory is an undisturbed one, and what is stored is never paid for again."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from opro.reader import Reader
from opro.records import GenerationRecord, Status
from opro.types import Request
from scorer_models.openai import _seed
from tests.conftest import KEY
from tests.fault_server import FaultServer, fault_server

KILLS = 10
ROOT = Path(__file__).parents[2]


def start(store: Path, server: FaultServer, run: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.unit.killed_faulty_run", str(store), server.url, run]
    return subprocess.Popen(command, cwd=ROOT)


def finished(store: Path) -> list[object]:
    reader = Reader(str(store))
    (run,) = reader.runs()
    assert run.status is Status.DONE
    return [(trial.number, trial.step, trial.text, trial.evaluation) for trial in reader.trials(run.id)]


def stored(store: Path) -> list[GenerationRecord]:
    """Return what is in the record, which may have no tables yet."""
    if not store.exists():
        return []
    reader = Reader(str(store))
    return [generation for run in reader.runs() for generation in reader.generations(run.id)]


@pytest.fixture
def sound_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[object], float]:
    """The trajectory of a sound server, and how long a run takes beyond its start."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    store = tmp_path / "sound.db"
    with fault_server(delay=0.02) as server:
        process = start(store, server, "new")
        while not server.books.entries:
            time.sleep(0.01)
        began = time.perf_counter()
        assert process.wait() == 0
    return finished(store), time.perf_counter() - began


@pytest.mark.slow
def test_a_run_with_faults_that_is_killed_ten_times_ends_as_if_nothing_had_been(
    tmp_path: Path, sound_run: tuple[list[object], float]
) -> None:
    expected, length = sound_run
    random, store = Random(1), tmp_path / "store.db"
    name = "new"
    with fault_server(rate=0.3, seed=3, delay=0.02, slow=1.0) as server:
        for _ in range(KILLS):
            before, asked = stored(store), len(server.books.entries)
            process = start(store, server, name)
            while len(server.books.entries) == asked and process.poll() is None:
                time.sleep(0.005)
            time.sleep(random.uniform(0, length / 3))
            process.kill()
            process.wait()
            nothing_is_paid_again(server, asked, before)
            name = Reader(str(store)).runs()[0].id
        before, asked = stored(store), len(server.books.entries)
        assert start(store, server, name).wait() == 0
        nothing_is_paid_again(server, asked, before)
    assert finished(store) == expected


def nothing_is_paid_again(server: FaultServer, since: int, before: list[GenerationRecord]) -> None:
    """No request after the first `since` asks for a sample that was stored before: samples are known by their seeds."""
    known = {seed for generation in before for seed in seeds(generation)}
    for entry in server.books.entries[since:]:
        first = entry.body["seed"]
        assert not known & set(range(first, first + entry.body.get("n", 1)))


def seeds(generation: GenerationRecord) -> range:
    """Return the seeds with which the server was asked for the samples of a generation."""
    request = Request(prompt="", seed=generation.request["seed"], first=generation.first)
    return range(_seed(request), _seed(request) + len(generation.samples))

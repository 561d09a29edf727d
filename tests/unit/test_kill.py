"""Kill -9 at 20 random moments: a resumed run equals an uninterrupted one, and nothing stored is asked for again."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from opro.reader import Reader
from opro.records import Status

MOMENTS = 20
TOGETHER = 5
ROOT = Path(__file__).parents[2]


class Victim:
    """One run in a process of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.store = folder / "store.db"
        self.log = folder / "asked.log"
        self.process = self.start("new")

    def start(self, run: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.unit.killed_run", str(self.store), str(self.log), run]
        return subprocess.Popen(command, cwd=ROOT)

    def asked(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def stored(self) -> list[str]:
        with sqlite3.connect(self.store) as connection:
            return [key for (key,) in connection.execute("SELECT key FROM generations")]

    def wait_for_first_request(self) -> None:
        while not self.asked() and self.process.poll() is None:
            time.sleep(0.005)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def outcome(self) -> Sequence[object]:
        reader = Reader(str(self.store))
        (run,) = reader.runs()
        assert run.status is Status.DONE
        steps = [step.step for step in reader.steps(run.id)]
        trials = [(t.number, t.step, t.text, t.evaluation) for t in reader.trials(run.id)]
        generations = [(g.step, g.request, g.samples) for g in reader.generations(run.id)]
        reader.close()
        return steps, trials, generations


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequence[object], float]:
    victim = Victim(tmp_path_factory.mktemp("whole") / "run")
    victim.wait_for_first_request()
    began = time.perf_counter()
    assert victim.process.wait() == 0
    return victim.outcome(), time.perf_counter() - began


@pytest.mark.parametrize("batch", range(MOMENTS // TOGETHER))
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    batch: int, tmp_path: Path, uninterrupted: tuple[Sequence[object], float]
) -> None:
    expected, length = uninterrupted
    moments = random.Random(batch)
    victims = [Victim(tmp_path / str(number)) for number in range(TOGETHER)]
    for victim in victims:
        victim.wait_for_first_request()
    cuts = sorted((moments.uniform(0, length), number) for number in range(TOGETHER))
    began = time.perf_counter()
    for moment, number in cuts:
        time.sleep(max(0.0, began + moment - time.perf_counter()))
        victims[number].kill()
    before = [(victim.stored(), len(victim.asked())) for victim in victims]
    runs = [Reader(str(victim.store)).runs()[0].id for victim in victims]
    for process in [victim.start(run) for victim, run in zip(victims, runs, strict=True)]:
        assert process.wait() == 0
    for victim, (stored, asked) in zip(victims, before, strict=True):
        assert victim.outcome() == expected
        assert not set(victim.asked()[asked:]) & set(stored)

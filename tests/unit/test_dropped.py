"""What a race dropped has only an estimate: no run is said to have found it, however high that is."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from opro.config import run_config
from opro.pictures import best_so_far
from opro.progress_lines import run_lines
from opro.reader import Reader
from opro.report import Summary, summaries, summarize, verdict
from opro.trajectory import Trajectory
from opro.types import Candidate, Direction, Evaluation, Trial
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel
from tests.problems import Hill
from tests.unit.conftest import Command
from tests.unit.test_page_states import shown

__all__ = ["shown"]

STARTED, FULL, DROPPED = "x=10", "x=30", "x=42"


class Raced(Hill):
    """A hill of which the summit is dropped on the way."""

    def start(self, seed: int) -> Sequence[Candidate]:
        del seed
        return [Candidate(STARTED)]

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        return [
            Evaluation(one.value, metrics={"n": 21.0, "dropped": 1.0}) if candidate.text == DROPPED else one
            for candidate, one in zip(candidates, await super().evaluate(candidates), strict=True)
        ]


def searched(store: str, *replies: str) -> str:
    config = {"problem": "hill", "steps": len(replies), "per_step": 1, "stop_at_optimum": False, "baselines": "never"}
    workbench = Workbench(store)
    run = asyncio.run(workbench.run(run_config(config), problem=Raced(), model=ScriptedModel(list(replies))))
    workbench.close()
    return run


def trial(number: int, value: float, *, dropped: bool = False) -> Trial:
    metrics = {"dropped": 1.0} if dropped else {}
    return Trial(number, number, Candidate(f"text {number}"), Evaluation(value, metrics=metrics))


TRIALS = [trial(0, 1.0), trial(1, 9.0, dropped=True), trial(2, 3.0), trial(3, 8.0, dropped=True)]


def test_the_best_of_a_run_is_what_was_scored_in_full_wherever_it_is_told(store: str) -> None:
    run = searched(store, "42", "30")
    reader = Reader(store)
    record = reader.run(run)
    told: list[Summary] = [summarize(reader, record), *summaries(reader), Workbench(store).result(run).cost]
    assert [one.best for one in told] == [FULL] * 3
    value = told[0].best_value
    assert [one.best_value for one in told] == [value] * 3
    assert reader.standings()[run].best(record.spec.direction) == value
    result = Workbench(store).result(run)
    assert (result.prompt, result.best and result.best.text) == (FULL, FULL)


def test_a_run_whose_only_better_solution_was_dropped_is_not_said_to_have_bettered_its_start(store: str) -> None:
    searched(store, "42")
    reader = Reader(store)
    said = str(verdict(reader, reader.runs()))
    assert "found nothing better than the best starting solution" in said
    assert "did not reach the optimum" in said


def test_show_lists_what_was_scored_in_full_first_and_marks_what_was_dropped(store: str, opro: Command) -> None:
    run = searched(store, "42", "30")
    out = opro("show", run)[1]
    listed = out[out.index("best solutions") :]
    assert listed.index(FULL) < listed.index(STARTED) < listed.index(DROPPED)
    assert "dropped" in next(line for line in listed.splitlines() if DROPPED in line)
    assert "dropped" not in next(line for line in listed.splitlines() if FULL in line)
    assert "dropped" in opro("show", run, "--step", "1")[1].split("trials of step")[1]
    assert json.loads(opro("list", "--json")[1])["best"] == FULL


def test_the_page_counts_and_draws_what_was_scored_in_full(store: str, shown: Any) -> None:
    run = searched(store, "42", "30")
    app = shown(run)
    assert not app.exception
    value = summarize(Reader(store), Reader(store).run(run)).best_value
    cards = {metric.label: metric.value for metric in app.metric}
    assert float(cards["best value"].replace(",", "")) == pytest.approx(value, rel=1e-3)
    table = next(frame.value for frame in app.dataframe if "solution" in frame.value.columns)
    assert list(table["solution"]) == [FULL, STARTED, DROPPED]
    assert list(table["scored"]) == ["in full", "in full", "dropped"]
    assert best_so_far(TRIALS, Direction.MAXIMIZE)[1] == [1.0, 3.0, 3.0]


def test_a_trajectory_tells_what_was_found_and_still_teaches_by_estimates() -> None:
    trajectory = Trajectory(Direction.MAXIMIZE, TRIALS)
    assert trajectory.found == TRIALS[2]
    assert trajectory.best == TRIALS[1]
    assert [one.number for one in trajectory.leaders(3)] == [2, 0, 1]
    assert [one.number for one in trajectory.leaders(1)] == [2]
    assert Trajectory(Direction.MAXIMIZE, TRIALS[1:2]).found is None


def test_the_progress_of_a_run_names_the_best_that_was_scored_in_full(capfd: pytest.CaptureFixture[str]) -> None:
    with run_lines(1, Direction.MAXIMIZE) as watch:
        watch(0, TRIALS[:1])
        watch(1, [TRIALS[1], Trial(4, 1, Candidate("no"), Evaluation.failed("no"))])
    assert "step 1 of 1: best 1 (1 scored, 1 invalid)" in capfd.readouterr().err

"""Who is to blame for a run that came to nothing: the optimizer model only for what it wrote."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import opro
from evaluators.task_guesses import honest_sizes
from opro.budget import Budget
from opro.diagnosis import unscored, unusable
from opro.errors import BudgetError, ScoringError
from opro.examination import Examined, Report
from opro.judging import Outcome, judge
from opro.ledger import Cost, Ledger
from opro.loop import Limits, Progress
from opro.paired import accuracy, compare
from opro.reader import Reader
from opro.records import Status
from opro.report import verdict
from opro.types import Candidate, Direction, Evaluation, Trial
from tests.problems import Hill
from tests.unit.conftest import Command
from tests.unit.test_winning import arguments, asked, data, trial

__all__ = ["arguments", "data"]

BROKEN = Evaluation(None, "the scoring failed on all 20 examples: ZeroDivisionError", metrics={"failed": 20.0})


def unmeasured(number: int, step: int, text: str) -> Trial:
    return Trial(number, step, Candidate(text), BROKEN)


def test_replies_of_a_step_that_a_budget_ended_are_neither_refused_nor_repeats() -> None:
    assert unusable([asked(1, "x=5", "x=7")], [trial(0, 0, "x=1", 1.0)], Hill()) is None
    finding = unusable([asked(1, "x=5", "x=1")], [trial(0, 0, "x=1", 1.0)], Hill())
    assert finding is not None
    assert finding.what.startswith("None of the 1 reply")
    assert "1 was a repeat of a known one" in finding.what
    assert "refused" not in finding.what


def test_a_scoring_that_fails_is_told_and_the_optimizer_is_not_blamed() -> None:
    trials = [unmeasured(0, 0, "x=1"), unmeasured(1, 1, "x=5")]
    assert unusable([asked(1, "x=5")], trials, Hill()) is None
    finding = unscored(trials)
    assert finding is not None
    assert "the scoring failed on all 20 examples: ZeroDivisionError." in finding.sentence
    assert "Look at the metric or the scorer" in finding.sentence
    assert "They are empty" not in finding.sentence
    assert unscored([*trials, trial(2, 1, "x=6", 1.0)]) is None


def test_a_run_whose_metric_fails_on_every_start_asks_no_optimizer(store: str) -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return "<INS>Think.</INS>"

    def metric(reply: str, example: Any) -> float:
        del reply, example
        return 1 / 0

    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(20)]
    with pytest.raises(ScoringError, match=r"no starting solution could be scored.*ZeroDivisionError"):
        opro.optimize(
            "instructions", data=rows, metric=metric, scorer=lambda prompt: "4", model=model, start="Go.", store=store
        )
    assert not prompts
    (run,) = Reader(store).runs()
    assert run.status is Status.FAILED
    assert "ZeroDivisionError" in run.reason


def test_a_start_that_is_refused_or_has_a_fellow_with_a_value_does_not_end_a_run() -> None:
    for evaluations in ([Evaluation.failed("no number")], [BROKEN, Evaluation(1.0)]):
        progress = Progress(Direction.MAXIMIZE)
        progress.add([Trial(i, 0, Candidate(f"{i}"), one) for i, one in enumerate(evaluations)], 0.0)
        progress.check_scoring()


# Words


def test_one_is_told_as_one() -> None:
    progress = Progress(Direction.MAXIMIZE)
    progress.add([trial(0, 0, "a", 1.0)], 0.0)
    assert progress.end(Limits(steps=0)) == "0 steps were made"
    assert progress.end(Limits(trials=1)) == "1 trial was made"
    progress.add([trial(1, 1, "b", 1.0)], 0.0)
    assert progress.end(Limits(steps=1)) == "1 step was made"
    assert progress.end(Limits(patience=1)) == "1 step brought nothing better"
    assert honest_sizes(1, 1)[0].startswith("1 training example tells")
    assert honest_sizes(1, 1)[1].startswith("1 test example can show")


def test_an_equal_value_is_not_said_to_be_bettered() -> None:
    outcome = Outcome(seed=0, start=0.0, best=0.0, evaluations=1, steps=1, found=None, references=())
    said = str(judge("opro", [outcome], {}, Direction.MAXIMIZE))
    assert "opro found nothing better than the best starting solution: 0." in said
    assert "bettered" not in said


def test_where_no_reply_could_be_read_nothing_is_compared(
    opro: Command, arguments: list[str], store: str, tmp_path: Path
) -> None:
    (tmp_path / "scorer.txt").write_text("I like turtles.\n")
    opro(*arguments)
    reader = Reader(store)
    said = str(verdict(reader, reader.runs()))
    assert "replies could be read, so nothing is compared" in said
    assert "against" not in said


def test_a_text_in_a_sentence_of_the_verdict_is_quoted_and_a_name_is_not() -> None:
    scores = {str(number): 1.0 for number in range(8)}
    share = accuracy(list(scores.values()))
    examined = [
        Examined("Answer with a number.", "Answer with a number.", share, 8, 0, 0, 9, quoted=True),
        Examined("no instruction", "", share, 0, 0, 0, 9),
    ]
    made = Report("r", "test", tuple(examined), (compare(scores, "no instruction", scores),), train=1.0)
    said = "\n".join(made.sentences)
    assert '"Answer with a number." against no instruction on 8 examples' in said
    assert 'No reply to "Answer with a number." could be read.' in said
    assert "it had 100.0 %, the same." in said


def test_a_budget_of_which_nothing_was_spent_is_called_too_small() -> None:
    ledger = Ledger(Budget(tokens=408))
    with pytest.raises(BudgetError, match="408 tokens is too small: the first request may take 500 tokens"):
        asyncio.run(ledger.reserve(Cost(500)))

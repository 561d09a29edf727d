"""What is said at the end of a run: what won, whole, how far to trust it, and why nothing came of it."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from opro.config import run_config
from opro.diagnosis import diagnose, unreadable, unusable
from opro.reader import Reader
from opro.records import GenerationRecord
from opro.types import Candidate, Evaluation, Trial, Usage
from opro.winning import LONG, best_of
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel
from tests.problems import Hill
from tests.unit.conftest import Command
from tests.unit.test_examination import models
from tests.unit.test_page_states import said, shown

__all__ = ["shown"]

LINES = "Think hard.\n\n  1. Read the question.\n  2. Add, [bold]slowly[/bold]."


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {i} plus {i % 7}?", "answer": str(i + i % 7)} for i in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def arguments(data: str, tmp_path: Path) -> list[str]:
    """Those of a command that searches from an instruction of several lines, with a scorer that knows one answer."""
    (tmp_path / "optimizer.txt").write_text("<INS>Guess.</INS>\n<INS>Guess again.</INS>\n")
    (tmp_path / "scorer.txt").write_text("The answer is 1000.\n")
    settings = {"task": data, "kind": "number", "train": "20", "start": json.dumps([LINES])}
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    models = ["--model", f"scripted:{tmp_path / 'optimizer.txt'}", "--scorer", f"scripted:{tmp_path / 'scorer.txt'}"]
    return ["run", "instructions", *given, *models, "--option", "style=chat", "--steps", "1", "--per-step", "2"]


def run_of(out: str) -> str:
    return re.findall(r"instructions-[0-9a-f]{8}", out)[0]


def test_a_run_prints_the_whole_prompt_and_calls_its_score_that_of_training(
    opro: Command, arguments: Sequence[str]
) -> None:
    code, out, _ = opro(*arguments)
    assert code == 0
    assert LINES in out
    assert "best of seed 0, training score 0.0 % on 20 examples, 0.0 to 16.1:" in out
    assert f"run `opro verdict {run_of(out)}` for examples that it has not seen: about " in out


def test_a_prompt_is_never_cut_however_long_it_is(opro: Command, arguments: Sequence[str]) -> None:
    long = "\n".join(f"Step {number}: think about it once more, and say so." for number in range(40))
    assert len(long) > LONG
    _, out, _ = opro(*(f"start={json.dumps([long])}" if part.startswith("start=") else part for part in arguments))
    assert long in out


def test_the_foreseen_requests_of_a_verdict_are_about_those_that_it_makes(
    opro: Command, arguments: Sequence[str], store: str
) -> None:
    _, out, _ = opro(*arguments)
    foreseen = int(out.partition("not seen: about ")[2].split()[0].replace(",", ""))
    run = run_of(out)
    opro("verdict", run)
    reader = Reader(store)
    made = [part.requests for one in reader.made_for(run) for part in reader.spending(one.id)]
    assert sum(made) / 1.5 <= foreseen <= 1.5 * sum(made)
    _, again, _ = opro("resume", run)
    assert "not seen" not in again  # for it has been asked


def test_best_prints_the_prompt_and_nothing_else(opro: Command, arguments: Sequence[str], tmp_path: Path) -> None:
    _, out, _ = opro(*arguments)
    run = run_of(out)
    assert opro("best", run)[:2] == (0, f"{LINES}\n")
    opro("best", run, "--out", str(tmp_path / "prompt.txt"))
    assert (tmp_path / "prompt.txt").read_text() == f"{LINES}\n"
    told = json.loads(opro("best", run, "--json")[1])
    assert told.items() >= {"run": run, "text": LINES, "n": 20, "value": 0.0, "split": "train", "step": 0}.items()
    assert told["interval"][0] == 0.0 < told["interval"][1]
    assert told["unseen"] is None
    opro("verdict", run, "--no-best-of-n")
    assert json.loads(opro("best", run, "--json")[1])["unseen"]["n"] == 40


def test_best_refuses_a_run_that_found_nothing(opro: Command, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("I will not.\n")
    problem = tmp_path / "dead.py"
    problem.write_text(
        "from opro.types import Evaluation\nfrom tests.problems import Hill\nclass Dead(Hill):\n"
        "    async def evaluate(self, candidates):\n"
        "        return [Evaluation.failed('too steep') for _ in candidates]\n"
    )
    _, out, _ = opro("run", f"{problem}:Dead", "--model", f"scripted:{script}", "--steps", "1", "--json")
    code, out, err = opro("best", json.loads(out)["run"])
    assert (code, out) == (2, "")
    assert "no solution that was scored in full" in err
    assert "too steep" in err


def test_best_prefers_what_was_scored_in_full(store: str) -> None:
    class Racing(Hill):
        async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
            return [self._marked(candidate.text) for candidate in candidates]

        def _marked(self, text: str) -> Evaluation:
            value = self._value(text)
            return Evaluation(value.value, metrics={"dropped": 1.0}) if text == "x=42" else value

    workbench = Workbench(store)
    config = run_config({"problem": "hill", "steps": 2, "per_step": 1, "stop_at_optimum": False, "baselines": "never"})
    run = asyncio.run(workbench.run(config, problem=Racing(), model=ScriptedModel(["42", "41"])))
    assert best_of(workbench.reader, workbench.reader.run(run)).text == "x=41"
    workbench.close()


def test_a_long_tour_is_cut_and_says_how_to_have_all_of_it(opro: Command) -> None:
    _, out, _ = opro("run", "tsp", "--set", "n=250", "--proposer", "random", "--steps", "1", "--baselines", "never")
    run = next(word for word in out.split() if word.startswith("tsp-"))
    _, whole, _ = opro("best", run)
    assert len(whole) > LONG
    assert whole.strip() not in out
    assert f"opro best {run}" in out


def test_a_run_with_verdict_is_judged_at_once(opro: Command, arguments: Sequence[str], store: str) -> None:
    code, out, _ = opro(*arguments, "--verdict")
    assert code == 0
    assert "test examples" in out
    assert "opro verdict" not in out
    assert len(Reader(store).examinations_of(run_of(out))) == 1


def test_a_verdict_at_once_stays_within_the_budget_of_the_run(
    opro: Command, arguments: Sequence[str], store: str
) -> None:
    code, out, err = opro(*arguments, "--verdict", "--budget", "4000tok")
    reader = Reader(store)
    run = run_of(out + err)
    spent = sum(part.tokens for one in (reader.run(run), *reader.made_for(run)) for part in reader.spending(one.id))
    assert spent <= 4000
    assert code == 1
    assert f"opro verdict {run} --budget LARGER" in err


def test_a_verdict_at_once_is_refused_before_the_run_where_nothing_is_kept_for_it(opro: Command, store: str) -> None:
    code, _, err = opro("run", "tsp", "--proposer", "random", "--verdict")
    assert code == 2
    assert "tsp keeps no examples" in err
    assert not Path(store).exists()


@pytest.mark.parametrize(
    ("reply", "more", "cause"),
    [
        ("I like\x1b[m turtles.", [], 'One of them: "I like [m turtles.". Likely the model does not do'),
        ("Well, let us see what we have got here first of all", ["--set", "reply_tokens=5"], "cut at 5 tokens"),
    ],
)
def test_a_run_whose_scorer_cannot_be_read_says_so_with_a_reply_and_the_cause(
    opro: Command, arguments: Sequence[str], tmp_path: Path, reply: str, more: Sequence[str], cause: str
) -> None:
    (tmp_path / "scorer.txt").write_text(f"{reply}\n")
    _, out, _ = opro(*arguments, *more)
    line = " ".join(out.split())
    assert "replies of the scorer could be read" in line
    assert cause in line
    _, out, err = opro(*arguments, *more, "--json")
    assert cause in " ".join(err.split())
    assert len(out.splitlines()) == 1


def test_a_run_whose_optimizer_writes_nothing_new_says_why(
    opro: Command, arguments: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "optimizer.txt").write_text("<INS>The answer is 42</INS>\n")
    _, out, _ = opro(*arguments)
    line = " ".join(out.split())
    assert "of the optimizer model became a new solution: 4 were refused (most often: there is a digit in it" in line
    assert 'One of them: "<INS>The answer is 42</INS>"' in line


def test_a_run_whose_replies_are_all_repeats_is_told_to_heat_the_model() -> None:
    repeats = [asked(1, "x=5", "x=5", "x=7")]
    finding = unusable(repeats, [trial(0, 0, "x=5", 1.0), trial(1, 0, "x=7", 1.0)], Hill())
    assert finding is not None
    assert "3 were repeats of known ones" in finding.what
    assert "temperature" in finding.cause


def test_a_run_with_some_new_solutions_is_not_suspected() -> None:
    replies = [asked(1, *["x=5"] * 20, "x=7")]
    assert unusable(replies, [trial(0, 0, "x=5", 1.0), trial(1, 1, "x=7", 1.0)], Hill()) is None


def test_a_scorer_is_suspected_only_where_hardly_a_reply_could_be_read() -> None:
    assert unreadable(89, 100, []) is None
    assert unreadable(90, 100, []) is not None
    assert unreadable(0, 0, []) is None


def test_empty_replies_are_told_as_such() -> None:
    finding = unreadable(2, 2, [asked(1, " "), asked(2, "")])
    assert finding is not None
    assert "They are empty." in finding.sentence
    assert "form=plain" in finding.sentence


async def test_a_good_run_has_no_findings(data: str, store: str) -> None:
    workbench, given = Workbench(store), models()
    settings = {"task": data, "kind": "number", "train": 30, "start": ["Think."]}
    config = {"problem": "instructions", "set": settings, "steps": 2, "per_step": 3, "options": {"style": "chat"}}
    run = await workbench.run(run_config(config), model=given.optimizer, scorer=given.scorer)
    assert diagnose(workbench.reader, workbench.reader.run(run), None) == []
    workbench.close()


def test_the_page_shows_the_prompt_whole_to_be_copied_and_what_is_wrong(
    opro: Command, arguments: Sequence[str], shown: Any, tmp_path: Path
) -> None:
    (tmp_path / "scorer.txt").write_text("I like turtles.\n")
    _, out, _ = opro(*arguments)
    app = shown(run_of(out))
    assert not app.exception
    assert LINES in [code.value for code in app.code]
    assert "training score 0.0 % on 20 examples" in said(app)
    assert "replies of the scorer could be read" in said(app)


def asked(number: int, *samples: str) -> GenerationRecord:
    request = {"prompt": [{"role": "user", "content": "?"}], "max_tokens": 9, "lead": "", "temperature": 1.0}
    whole = tuple(True for _ in samples)
    return GenerationRecord(number, 1, "optimizer", 0, request, samples, Usage(), 0.0, 0.0, whole)


def trial(number: int, step: int, text: str, value: float) -> Trial:
    return Trial(number, step, Candidate(text), Evaluation(value))

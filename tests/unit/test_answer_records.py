"""What the scorer answered is kept example by example, and can be looked at, exported and explained."""

import csv
import json
import sys
from pathlib import Path

import pytest

from opro import cli
from opro.config import run_config
from opro.errors import ContextError
from opro.export import answer_rows
from opro.headway import heard
from opro.reader import Reader
from opro.records import EventKind
from opro.report import verdict
from opro.types import Generation, Request
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel


class Narrow(ScriptedModel):
    """A model with a window of 1,000 characters."""

    async def generate(self, request: Request) -> Generation:
        if len(str(request.prompt)) > 1000:
            raise ContextError("the prompt is too long", excess=len(str(request.prompt)) - 1000)
        return await super().generate(request)


def rows_of(path: Path) -> str:
    lines = [{"question": f"What is {n} plus 1?", "answer": str(n + 1)} for n in range(30)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


async def scored(store: str, data: str, texts: list[str], scorer: ScriptedModel, **more: str) -> str:
    settings = {"task": data, "kind": "number", "start": texts, "racing": False, "train": 6, **more}
    config = run_config({"problem": "instructions", "proposer": "none", "steps": 0, "set": settings})
    workbench = Workbench(store)
    run = await workbench.run(config, scorer=scorer)
    workbench.close()
    return run


async def test_an_instruction_too_long_for_the_scorer_fails_and_the_others_are_scored(
    store: str, tmp_path: Path
) -> None:
    run = await scored(store, rows_of(tmp_path / "sums.jsonl"), ["Add.", "x" * 100_000], Narrow(["It is 3."]))
    good, long = Reader(store).trials(run)
    assert good.value is not None
    assert "the prompt is too long" in long.evaluation.reason
    answers = Reader(store).answers(run)
    assert all(answer.failure == "" for answer in answers[0])


async def test_examples_on_which_a_users_function_raises_are_counted_where_a_run_is_shown(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = tmp_path / "judge.py"
    judge.write_text("def right(reply, gold):\n    return {'3': 1, '4': 0}[gold]\n")
    run = await scored(store, rows_of(tmp_path / "sums.jsonl"), ["Add."], ScriptedModel(["3"]), kind=f"{judge}:right")
    failed, answers, reason = Reader(store).failed_answers(run)
    assert 0 < failed <= answers == 6
    assert reason.startswith("KeyError")
    said = verdict(Reader(store), [Reader(store).run(run)]).sentences
    assert said[-1] == f"The scoring failed on {failed} of 6 examples, first with: {reason}."
    monkeypatch.setattr(sys, "argv", ["opro", "show", run, "--store", store])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"failed on {failed} examples, first with KeyError" in " ".join(capsys.readouterr().out.split())


async def test_the_answers_are_exported_with_the_replies(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await scored(store, rows_of(tmp_path / "sums.jsonl"), ["Add."], ScriptedModel(["It is 3."]))
    monkeypatch.setattr(sys, "argv", ["opro", "export", run, "--what", "answers", "--store", store])
    with pytest.raises(SystemExit):
        cli.main()
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 6
    assert {row["reply"] for row in rows} == {"It is 3."}
    assert all((row["score"] == "1.0") == (row["gold"] == "3") for row in rows)


async def test_the_answers_are_exported_with_the_question_and_what_came_before_the_final_answer(
    store: str, tmp_path: Path
) -> None:
    scorer = ScriptedModel(lambda request: ["It is 3." if len(request.prompt) > 1 else "Let me see: 1 and 2."])
    run = await scored(store, rows_of(tmp_path / "sums.jsonl"), ["Add."], scorer, final="So the answer is")
    reader = Reader(store)
    rows = answer_rows(reader, reader.run(run))
    assert rows
    assert all("What is" in row["prompt"] and "Let me see: 1 and 2." in row["prompt"] for row in rows)
    assert {row["reply"] for row in rows} == {"It is 3."}


async def test_flagged_replies_are_shown_for_a_person_to_decide(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "The answer is 3. Some say 77."
    run = await scored(store, rows_of(tmp_path / "sums.jsonl"), ["Add."], ScriptedModel([said]))
    monkeypatch.setattr(sys, "argv", ["opro", "show", run, "--flagged", "--store", store])
    with pytest.raises(SystemExit):
        cli.main()
    assert "77" in capsys.readouterr().out


async def test_the_record_says_what_the_data_were_and_what_is_odd_in_them(store: str, tmp_path: Path) -> None:
    data = tmp_path / "sums.jsonl"
    rows_of(data)
    data.write_text(data.read_text() + json.dumps({"question": "What is 0 plus 1?", "answer": "1"}) + "\n")
    run = await scored(store, str(data), ["Add."], ScriptedModel(["It is 3."]))
    notes = [event.text for event in Reader(store).events(run) if event.kind is EventKind.NOTE]
    assert any("sums.jsonl" in note and "sha256" in note.lower() for note in notes)
    (remark,) = Reader(store).remarks(run)
    assert "more than once" in remark


async def test_how_far_the_scoring_has_come_is_told_to_the_end(store: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with heard(lambda done, most: told.append((done, most))):
        await scored(store, rows_of(tmp_path / "sums.jsonl"), ["Add.", "Sum."], ScriptedModel(["It is 3."]))
    assert [done for done, _ in told] == list(range(1, 13))
    assert told[-1] == (12, 12)

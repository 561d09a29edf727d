"""The verdict on instructions: scored on examples that no optimization has seen, and no more said than they allow."""

import json
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from opro.config import run_config
from opro.console import examination_table
from opro.errors import ConfigError, ContextError
from opro.examination import BEST_OF_N, Report, report
from opro.export import answer_rows
from opro.reader import Reader
from opro.types import Request
from opro.workbench import Models, Workbench
from scorer_models.scripted import ScriptedModel
from tests.unit.conftest import Command
from tests.unit.test_instructions import SKILL, able

WORDS = ("Think.", "Think hard.", "Guess.")


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {i} plus {i % 7}?", "answer": str(i + i % 7)} for i in range(200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def models() -> Models:
    def propose(request: Request) -> Sequence[str]:
        bits = [request.seed >> 2 * i for i in range(request.n)]
        return [f"<INS>{WORDS[bit % 3]} {'abcdefgh'[bit // 4 % 8]}.</INS>" for bit in bits]

    scorer = able(SKILL)
    scorer.fingerprint = "scorer"
    return Models(ScriptedModel(propose, fingerprint="optimizer"), scorer)


async def optimized(workbench: Workbench, data: str, given: Models) -> str:
    settings = {"task": data, "kind": "number", "train": 40, "start": ["Think."]}
    config = {"problem": "instructions", "set": settings, "steps": 3, "per_step": 3, "options": {"style": "chat"}}
    return await workbench.run(run_config(config), model=given.optimizer, scorer=given.scorer)


def reverse(data: str) -> None:
    lines = Path(data).read_text().splitlines(keepends=True)
    Path(data).write_text("".join(reversed(lines)))


def asked(scorer: Any, questions: set[str]) -> int:
    texts = [request.prompt[-1].content for request in scorer.requests]
    return sum(any(question in text for question in questions) for text in texts)


async def test_the_verdict_is_about_examples_that_were_kept_away(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    before = workbench.reader.answers(run, split="test")
    made = await workbench.examine(run, models=given)
    assert before == {}
    assert [one.name for one in made.examined] == ["found", "start", "no instruction", "step by step"]
    assert made.examined[0].accuracy is not None
    assert made.examined[0].accuracy.n == 160
    train = {answer.example for answers in Reader(store).answers(run).values() for answer in answers}
    test = {a.example for answers in Reader(store).answers(made.run, split="test").values() for a in answers}
    assert len(train) == 40
    assert not train & test
    assert "a gain is shown" in made.sentences[2]
    workbench.close()


async def test_a_verdict_is_paid_for_once(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    first = await workbench.examine(run, models=given)
    count = len(given.scorer.requests)  # type: ignore[union-attr]
    assert await workbench.examine(run, models=given) == first
    assert len(given.scorer.requests) == count  # type: ignore[union-attr]
    assert [record.id for record in workbench.reader.runs()] == [run]
    workbench.close()


async def test_a_verdict_asks_only_what_an_earlier_one_of_the_run_did_not(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    first = await workbench.examine(run, best_of_n=False, models=given)
    options = Models(ScriptedModel(["<INS>Think hard. Now.</INS>"], fingerprint="optimizer"), given.scorer)
    given.scorer.requests.clear()  # type: ignore[union-attr]
    second = await workbench.examine(run, models=options)
    on_test = workbench.reader.generations(second.run, role="scorer")
    assert [one.name for one in second.examined] == [*(one.name for one in first.examined), BEST_OF_N]
    assert len(on_test) == 160
    assert second.examined[:4] == first.examined
    assert second.costs["earlier examinations"] == first.costs["this examination"]
    rows = answer_rows(workbench.reader, workbench.reader.run(second.run))
    assert len(rows) == 5 * 160
    assert all(row["reply"] for row in rows)
    workbench.close()


async def test_the_best_of_n_is_drawn_without_showing_any_solution(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    made = await workbench.examine(run, models=Models(models().optimizer, given.scorer))
    (blind,) = workbench.reader.baselines_of(run)
    prompts = [one.prompt for one in workbench.reader.generations(blind.id, role="optimizer")]
    assert prompts
    assert not any("score:" in prompt for prompt in prompts)
    assert set(made.costs) == {"the search", "opro (blind)", "this examination"}
    workbench.close()


async def test_where_nothing_differs_no_gain_is_claimed(data: str, store: str) -> None:
    lazy = ScriptedModel(["The answer is 3."], fingerprint="lazy")
    workbench = Workbench(store)
    optimizer = models().optimizer
    run = await optimized(workbench, data, Models(optimizer, lazy))
    made = await workbench.examine(run, models=Models(optimizer, lazy))
    assert made.comparisons
    assert not any(comparison.shown for comparison in made.comparisons)
    workbench.close()


async def test_a_verdict_on_data_that_changed_is_refused_before_anything_is_asked(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    reverse(data)
    count = len(given.scorer.requests)  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="is not what it was when the run began"):
        await workbench.examine(run, models=given)
    assert len(given.scorer.requests) == count  # type: ignore[union-attr]
    workbench.close()


@pytest.mark.parametrize("best_of_n", [True, False])
async def test_a_verdict_with_another_scorer_is_refused_before_anything_is_asked(
    data: str, store: str, *, best_of_n: bool
) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    other = ScriptedModel(["The answer is 3."], fingerprint="other scorer")
    with pytest.raises(ConfigError, match=r"the scorer of .* was scorer, and is other scorer now"):
        await workbench.examine(run, best_of_n=best_of_n, models=Models(given.optimizer, other))
    assert other.requests == []
    assert workbench.reader.made_for(run) == []
    workbench.close()


async def test_a_verdict_with_another_optimizer_is_refused(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    run = await optimized(workbench, data, given)
    other = ScriptedModel(["<INS>Think.</INS>"], fingerprint="other optimizer")
    with pytest.raises(ConfigError, match=r"the model of .* was optimizer, and is other optimizer now"):
        await workbench.examine(run, models=Models(other, given.scorer))
    assert other.requests == []
    workbench.close()


async def test_no_search_sees_the_test_split(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    settings = {"task": data, "kind": "number", "train": 40, "split": "test"}
    with pytest.raises(ConfigError, match="no search may see"):
        await workbench.run(
            run_config({"problem": "instructions", "set": settings}), model=given.optimizer, scorer=given.scorer
        )
    assert workbench.reader.runs() == []
    workbench.close()


async def test_a_run_that_was_scored_on_the_test_split_has_no_verdict(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    settings = {"task": data, "kind": "number", "train": 40, "split": "test", "start": ["Think.", "Guess."]}
    config = run_config({"problem": "instructions", "set": settings, "proposer": "none", "steps": 0})
    run = await workbench.run(config, scorer=given.scorer)
    with pytest.raises(ConfigError, match="was scored on the test examples"):
        await workbench.examine(run, models=given)
    workbench.close()


def narrow(request: Request) -> Sequence[str]:
    if "HUGE" in request.prompt[-1].content:  # type: ignore[union-attr]
        raise ContextError("the prompt is longer than the window")
    return ["The answer is 3."]


async def evaluated(workbench: Workbench, data: str, *texts: str) -> Report:
    settings = {"task": data, "kind": "number", "train": 40, "split": "test", "start": texts}
    config = run_config({"problem": "instructions", "set": settings, "proposer": "none", "steps": 0})
    run = await workbench.run(config, scorer=ScriptedModel(narrow))
    return report(workbench.reader, workbench.reader.run(run))


async def test_an_instruction_whose_scoring_fails_everywhere_is_told_with_the_reason(data: str, store: str) -> None:
    workbench = Workbench(store)
    made = await evaluated(workbench, data, "HUGE.", "Think.", "HUGE too.")
    assert [one.name for one in made.examined] == ["HUGE.", "Think.", "HUGE too."]
    failed, scored, *_ = made.sentences
    assert "failed on all 160 examples: the prompt is longer than the window" in failed
    assert scored.startswith('"Think.": 0.0 %')
    assert made.comparisons == ()
    made = await evaluated(workbench, data, "Think.", "HUGE.", "Guess.")
    assert [one.other for one in made.comparisons] == ["Guess."]
    assert '"HUGE.": the scoring failed on all 160 examples' in made.sentences[1]
    with Console(record=True, width=160, file=StringIO()) as console:
        console.print(examination_table(made))
    assert "HUGE." in console.export_text()
    workbench.close()


async def test_where_all_scoring_fails_the_error_says_why(data: str, store: str) -> None:
    workbench = Workbench(store)
    with pytest.raises(ConfigError, match="the prompt is longer than the window"):
        await evaluated(workbench, data, "HUGE.")
    workbench.close()


async def test_a_search_that_found_nothing_better_than_its_start_is_told_as_such(data: str, store: str) -> None:
    given, workbench = models(), Workbench(store)
    settings = {"task": data, "kind": "number", "train": 10, "test": 20, "start": ["Think."]}
    config = run_config({"problem": "instructions", "set": settings, "steps": 0})
    run = await workbench.run(config, model=given.optimizer, scorer=given.scorer)
    made = await workbench.examine(run, best_of_n=False, models=given)
    assert "The search found nothing better than what it began with." in made.sentences
    assert 'The text of "start" is that of "found".' in made.sentences
    workbench.close()


async def test_a_best_of_n_that_is_the_found_text_is_told_as_such(data: str, store: str) -> None:
    given, workbench = (
        Models(ScriptedModel(["<INS>Think hard.</INS>"], fingerprint="one"), models().scorer),
        Workbench(store),
    )
    settings = {"task": data, "kind": "number", "train": 10, "test": 20, "start": ["Guess."]}
    options = {"style": "chat"}
    config = run_config({"problem": "instructions", "set": settings, "steps": 1, "per_step": 1, "options": options})
    run = await workbench.run(config, model=given.optimizer, scorer=given.scorer)
    made = await workbench.examine(run, models=given)
    assert made.merged == {BEST_OF_N: "found"}
    assert f'The text of "{BEST_OF_N}" is that of "found".' in made.sentences
    assert "nothing better" not in " ".join(made.sentences)
    workbench.close()


async def test_long_texts_are_called_by_how_they_begin_each_by_a_name_of_its_own(data: str, store: str) -> None:
    workbench = Workbench(store)
    made = await evaluated(workbench, data, *(f"{'word ' * 40}\n{n}." for n in range(3)))
    names = [one.name for one in made.examined]
    assert len(set(names)) == 3
    assert all(len(name) < 70 and "\n" not in name for name in names)
    assert [one.other for one in made.comparisons] == names[1:]
    workbench.close()


async def test_a_problem_without_kept_examples_has_no_such_verdict(store: str) -> None:
    workbench = Workbench(store)
    run = await workbench.run(run_config({"problem": "linear-regression", "proposer": "random", "steps": 1}))
    with pytest.raises(ConfigError, match="keeps no examples"):
        await workbench.examine(run)
    workbench.close()


@pytest.fixture
def evaluation(data: str, tmp_path: Path) -> Sequence[str]:
    """The arguments of an evaluation of two instructions on 20 examples."""
    script = tmp_path / "replies.txt"
    script.write_text("The answer is 12.\n")
    arguments = ["eval", data, "--set", "kind=number", "--set", "test=20", "--scorer", f"scripted:{script}"]
    return [*arguments, "--instruction", "", "--instruction", "Think."]


def test_given_instructions_are_scored_and_compared(opro: Command, evaluation: Sequence[str]) -> None:
    code, out, _ = opro(*evaluation, "--json")
    made = json.loads(out)
    assert code == 0
    assert [one["name"] for one in made["examined"]] == ["no instruction", "Think."]
    assert made["examined"][0]["accuracy"]["n"] == 20
    assert "no difference is shown" in made["sentences"][1]


def test_what_is_odd_in_the_data_is_told_at_once_and_shown_later(
    opro: Command, data: str, evaluation: Sequence[str], tmp_path: Path, store: str
) -> None:
    lines = Path(data).read_text().splitlines(keepends=True)[:30]
    Path(data).write_text("".join(lines + lines))
    arguments = [sys.executable, "-m", "opro", *evaluation, "--json", "--store", store]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stderr.count("asked more than once") == 1
    _, out, _ = opro("run", "instructions", *searching(data, tmp_path), "--json")
    for made in (json.loads(done.stdout), json.loads(out)):
        assert "asked more than once" in made["remarks"][0]
        assert "asked more than once" in opro("show", made["run"])[1]


def searching(data: str, tmp_path: Path) -> Sequence[str]:
    """Arguments of a search that only scores its start."""
    script = tmp_path / "searching.txt"
    script.write_text("The answer is 12.\n")
    settings = ["--set", f"task={data}", "--set", "kind=number", "--set", "train=10", "--set", "test=20"]
    return [*settings, "--model", f"scripted:{script}", "--steps", "0"]


def test_an_evaluation_that_its_budget_stopped_says_how_to_go_on_and_its_result_is_had_then(
    opro: Command, evaluation: Sequence[str], store: str
) -> None:
    code, out, error = opro(*evaluation, "--json", "--budget", "60tok")
    (run,) = Reader(store).runs()
    assert (code, out) == (1, "")
    assert f"opro resume {run.id} --budget LARGER goes on" in error
    code, out, error = opro("resume", run.id, "--budget", "90tok")
    assert (code, "opro resume" in error) == (1, True)
    code, out, _ = opro("resume", run.id, "--budget", "1e6tok")
    assert code == 0
    assert "no difference is shown" in out
    _, shown, _ = opro("show", run.id)
    assert "no difference is shown" in shown
    _, again, _ = opro("resume", run.id, "--json")
    assert [one["name"] for one in json.loads(again)["examined"]] == ["no instruction", "Think."]


def test_a_verdict_that_its_budget_stopped_says_how_to_go_on(opro: Command, data: str, tmp_path: Path) -> None:
    _, out, _ = opro("run", "instructions", *searching(data, tmp_path), "--json")
    run = json.loads(out)["run"]
    code, _, error = opro("verdict", run, "--no-best-of-n", "--budget", "60tok")
    assert (code, f"opro verdict {run} --budget LARGER goes on" in error) == (1, True)
    code, out, _ = opro("verdict", run, "--no-best-of-n", "--budget", "1e6tok")
    assert (code, "found: " in out) == (0, True)


def test_instructions_are_shown_without_terminal_codes_and_cut(opro: Command, evaluation: Sequence[str]) -> None:
    code, out, _ = opro(*evaluation, "--instruction", "\x1b[31mred" + "x" * 5000)
    run = out.split("run ")[-1].strip()
    _, shown, _ = opro("show", run)
    assert (code, "red" in out, "red" in shown) == (0, True, True)
    assert all(mark not in text for text in (out, shown) for mark in ("\x1b", "x" * 300))


def test_replies_of_which_none_can_be_read_are_told(opro: Command, evaluation: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "replies.txt").write_text("I do not know.\n")
    _, out, _ = opro(*evaluation, "--json")
    assert 'No reply to "Think." could be read.' in json.loads(out)["sentences"]


def test_an_instruction_that_is_no_text_is_refused_before_a_run_is_made(
    opro: Command, evaluation: Sequence[str], store: str
) -> None:
    code, _, error = opro(*evaluation, "--instruction", "bad\udcff")
    assert (code, r"bad\udcff" in error, Path(store).exists()) == (2, True, False)


def test_a_file_of_instructions_may_begin_with_a_mark_and_has_only_real_line_breaks(
    opro: Command, evaluation: Sequence[str], tmp_path: Path
) -> None:
    file = tmp_path / "instructions.txt"
    file.write_bytes("\ufeffThink\u2028hard.\r\nGuess.\n".encode())
    _, out, _ = opro(*evaluation, "--file", str(file), "--json")
    assert [one["text"] for one in json.loads(out)["examined"]][2:] == ["Think\u2028hard.", "Guess."]


def test_an_evaluation_without_instructions_is_refused(opro: Command, data: str) -> None:
    code, _, error = opro("eval", data)
    assert (code, "which instructions?" in error) == (2, True)

"""The user's own prompt as the start: kept letter by letter, of any length, with fields, or as the system message."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluators.instructions import Instructions
from evaluators.prompt_fields import common_fields, fields_in, filled, kept
from opro.errors import ConfigError, InvalidSolutionError
from opro.proposers.opro import Opro
from opro.reader import Reader
from opro.recording import RecordedModel
from opro.records import RunSpec
from opro.registry import configure
from opro.store import Store
from opro.types import Candidate, Evaluation, Message, Request, Trial
from scorer_models.scripted import ScriptedModel
from tests.unit.conftest import Command

PROMPT = "Classify this review: {review}\nProduct: {product}\nAnswer:"
LINES = 'You are careful.\n\n  1. Read "it" twice.\n  2. Answer with **one** word.'

Make = Callable[..., Instructions]


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Reviews of products, with their moods."""
    rows = [
        {"review": f"fine {i} {{product}}", "product": f"pen {i % 3}", "mood": ("good", "bad")[i % 2]}
        for i in range(40)
    ]
    path = tmp_path / "reviews.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def sums(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i} + 1?", "answer": i + 1}) + "\n" for i in range(40)))
    return str(path)


def make(task: str, scorer: ScriptedModel | None = None, **settings: Any) -> Instructions:
    values = {"task": task, "racing": False, "answer": "mood" if "reviews" in task else "answer", **settings}
    problem = Instructions(configure(Instructions.Config, values, "instructions"))
    return problem.scored_by(scorer) if scorer else problem


async def asked(task: str, text: str, **settings: Any) -> list[tuple[Message, ...]]:
    """Return what the scorer is asked under a start."""
    scorer = ScriptedModel(["good"])
    problem = make(task, scorer, start=text, train=4, **settings)
    await problem.evaluate(problem.start(0))
    prompts = [request.prompt for request in scorer.requests]
    return [prompt for prompt in prompts if not isinstance(prompt, str)]


async def test_a_start_of_several_lines_reaches_the_scorer_letter_by_letter(sums: str) -> None:
    for prompt in await asked(sums, LINES):
        assert f"Q: {LINES}\n" in prompt[-1].content


def test_a_start_may_be_a_plain_text(sums: str) -> None:
    assert [one.text for one in make(sums, start="Add them.").start(0)] == ["Add them."]


def test_a_proposal_may_have_several_lines_where_the_start_has(sums: str) -> None:
    several = make(sums, start=LINES)
    assert several.parse("<INS>\nAdd them.\n\n  - Slowly.  \n</INS> Good luck!") == "Add them.\n\n  - Slowly."
    assert several.parse("<INS>```\nAdd.\nSlowly.\n```</INS>") == "Add.\nSlowly."
    assert several.parse(r"<INS>Add.\n  Slowly.</INS>") == "Add.\n  Slowly."
    assert several.parse('<INS>Say **"yes"**\nor "no"</INS>') == 'Say **"yes"**\nor "no"'
    assert make(sums).parse("<INS>Add\nthem **now**.</INS>") == "Add them now."


def test_what_the_start_has_is_not_refused_in_a_proposal(sums: str) -> None:
    problem = make(sums, start="Instruction: give 2 numbers.\nQ: how?\nScore: 5")
    assert problem.parse("Instruction: think, give 2 numbers.\nQ: why?\nScore: 5").startswith("Instruction")
    with pytest.raises(InvalidSolutionError, match="a digit"):
        problem.parse("Give 3 numbers.")
    with pytest.raises(InvalidSolutionError, match="a marker"):
        problem.parse("Give numbers. Ground truth: some")


async def test_the_users_start_is_never_refused(sums: str) -> None:
    start = "<INS> score: 80\nGround truth: 42 " + "x" * 900
    (made,) = await make(sums, ScriptedModel(["It is 3."]), start=start).evaluate([Candidate(start)])
    assert made.value is not None


def test_a_proposal_may_be_longer_than_a_long_start_and_its_model_has_room_for_it(sums: str) -> None:
    long = make(sums, start="word " * 400)
    assert long.parse("text " * 590)
    with pytest.raises(InvalidSolutionError, match="more than the 2,998 allowed"):
        long.parse("text " * 610)
    assert long.brief().max_tokens > 900
    assert any("2,998 characters" in said for said in long.announcements)
    assert make(sums).brief().max_tokens == 125
    assert make(sums, start="word " * 400, longest=50).brief().max_tokens == 16


async def test_the_instruction_may_be_the_system_message(sums: str) -> None:
    for prompt in await asked(sums, LINES, position="system"):
        assert prompt[0] == Message("system", LINES)
        assert prompt[1].content.startswith("Q: ")
        assert LINES not in prompt[1].content
    problem = make(sums, start=LINES, position="system")
    assert problem.exemplar(problem.examples()[0]).startswith("System: <INS>\n\nQ: ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"position": "system", "form": "plain"}, "position=system is for a chat"),
        ({"position": "system", "system": "Be brief."}, "the instruction is the system message"),
        ({"position": "Q_end", "start": PROMPT}, "leave `position` out"),
        ({"start": [PROMPT, "Think."]}, "'Think.' has no fields, and another one has the fields"),
        ({"start": "Is it {{review}}?"}, r"a field is written \{review\}"),
        ({"start": "{review} is {mood}"}, r"the field \{mood\}, which is the right answer"),
        ({"start": PROMPT, "template": "{review}"}, "`template` would have no effect"),
    ],
)
def test_prompts_that_contradict_other_settings_are_an_error(data: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(data, **settings)


async def test_a_prompt_with_fields_is_the_whole_message(data: str) -> None:
    prompts = await asked(data, PROMPT)
    assert len(prompts) == 4
    for (only,) in prompts:
        number = only.content.split()[4]
        assert only.content == (
            f"Classify this review: fine {number} {{product}}\nProduct: pen {int(number) % 3}\nAnswer:"
        )


async def test_the_labels_stand_where_a_prompt_wants_them(data: str) -> None:
    prompts = await asked(data, "{review}\n{options}\nSo?")
    assert all(only.content.endswith("\nOptions:\n- bad\n- good\nSo?") for (only,) in prompts)


async def test_the_question_is_a_field_whatever_its_column_is_called(data: str) -> None:
    prompts = await asked(data, "Q: {question}\nA:", question="review")
    assert all(only.content.startswith("Q: fine ") and "Options" not in only.content for (only,) in prompts)


def test_a_proposal_keeps_the_fields(data: str) -> None:
    problem = make(data, start=PROMPT)
    assert problem.parse("Review: {review}\nOf: {product}\nMood?") == "Review: {review}\nOf: {product}\nMood?"
    for proposal, reason in (
        ("Review: {review}\nMood?", r"it has lost the field \{product\}"),
        ("Review this.", r"it has lost the fields \{review\}, \{product\}"),
        (PROMPT + " {mood}", r"it has the field \{mood\}, which is none of the start's"),
    ):
        with pytest.raises(InvalidSolutionError, match=reason):
            problem.parse(proposal)


def test_the_meta_prompt_tells_the_fields_and_what_stood_at_them(data: str) -> None:
    problem = make(data, start=PROMPT)
    assert "{review}, {product}" in problem.brief().facts
    shown = problem.exemplar(problem.examples()[0])
    assert shown.startswith("<INS> with\n{review} = fine ")
    assert "\n{product} = pen " in shown


def test_rivals_of_a_prompt_with_fields_have_them_too(data: str) -> None:
    rivals = make(data, start=PROMPT).rivals
    assert rivals["no instruction"] == "review: {review}\nproduct: {product}"
    assert rivals["step by step"].endswith("\nLet's think step by step.")
    assert make(data, start="{review}", split="test").rivals["no instruction"] == "{review}"


def test_a_word_in_braces_that_is_nearly_a_column_is_told(data: str) -> None:
    (remark,) = make(data, start="Classify: {reveiw}").remarks
    assert remark.endswith(
        "fields may be {review}, {product}, {question}, {options}; did you mean {review} by {reveiw}?"
    )
    (remark,) = make(data, start="Classify {this}.").remarks
    assert "{this} in the prompt will be sent as it stands" in remark
    assert make(data, start="Classify {review} as {this}.").remarks == []
    assert make(data, start="Classify {question}: {options}", question="review").remarks == []
    (remark,) = make(data, start="Classify {review} {optoins}").remarks
    assert remark.endswith("did you mean {options} by {optoins}?")
    (remark,) = make(data, start="Classify {review} {options}", kind="text").remarks
    assert "{options} in the prompt will be sent as it stands" in remark


@pytest.mark.parametrize("command", ["run", "eval"])
def test_a_field_that_is_misspelt_is_told_before_anything_is_spent(opro: Command, data: str, command: str) -> None:
    prompt = "Classify: {reveiw}"
    chosen = {
        "run": ["run", "instructions", "--set", f"task={data}", "--set", f"start={prompt}"],
        "eval": ["eval", data, "--instruction", prompt],
    }
    line = [*chosen[command], "--set", "answer=mood"]
    code, _, err = opro(*line, "--dry-run")
    assert code == 0
    assert err.count("did you mean {review} by {reveiw}?") == 1
    code, _, err = opro(*line, "--scorer", "scripted:none.txt")
    assert code != 0  # there is no such model
    assert err.count("did you mean {review} by {reveiw}?") == 1


def test_an_instruction_with_braces_that_are_no_fields_is_kept_letter_by_letter(sums: str) -> None:
    text = "Reply as {answer} or {{answer}} for $dollars & <b>sums</b> %s."
    problem = make(sums, start=text)
    assert problem.task.fields == ()
    assert [one.text for one in problem.start(0)] == [text]
    assert problem.parse(f"<INS>{text}</INS>") == text


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ('Say {{"mood": "good"}} of {review}', 'Say {"mood": "good"} of a {b}'),
        ('Say {"mood": {"is": "good"}} of {review}', 'Say {"mood": {"is": "good"}} of a {b}'),
        ("{review} {unknown} {{x}}", "a {b} {unknown} {{x}}"),
        ("100 % of ${review}", "100 % of $a {b}"),
    ],
)
def test_braces_beside_fields_are_what_they_look_like(prompt: str, sent: str) -> None:
    assert filled(prompt, {"review": "a {b}"}) == sent
    assert fields_in(prompt, ["review", "mood"]) == ["review"]
    assert common_fields([prompt], ["review", "mood"], "mood") == ("review",)
    assert kept(prompt, ["review"], ["review", "mood"]) == ""


def test_a_prompt_file_is_the_start_and_a_run_rewrites_it_with_its_fields(
    opro: Command, data: str, tmp_path: Path, store: str
) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text(PROMPT + "\n", encoding="utf-8-sig")
    optimizer, scorer = tmp_path / "optimizer.txt", tmp_path / "scorer.txt"
    optimizer.write_text("Mood of {review} ({product})?\\nOne word:\nMood?\n")
    scorer.write_text("good\nbad\n")
    code, out, error = opro(
        *("run", "instructions", "--set", f"task={data}", "--set", "answer=mood", "--prompt-file", str(file)),
        *("--model", f"scripted:{optimizer}", "--scorer", f"scripted:{scorer}", "--steps", "1", "--per-step", "2"),
        *("--option", "style=chat", "--json"),
    )
    assert code == 0, error
    assert "fields of the prompt: {review}, {product}" in error
    trials = Reader(store).trials(json.loads(out)["run"])
    assert trials[0].text == PROMPT
    assert "Mood of {review} ({product})?\nOne word:" in [trial.text for trial in trials]
    assert any("it has lost the fields" in trial.evaluation.reason for trial in trials)
    shown = list(Reader(store).generations(json.loads(out)["run"], step=1))
    assert any(f"<INS>{PROMPT}</INS>" in one.prompt for one in shown)


async def test_a_prompt_of_several_lines_has_one_line_in_a_list_that_is_continued(sums: str, store: str) -> None:
    problem = make(sums, start=LINES)
    model = ScriptedModel([r" Add.\n  Slowly."])
    options = Opro.resolve({"style": "continuation"}, "instructions", model)
    spec = RunSpec("instructions", problem.direction, "opro", "", 0, {})
    proposer = Opro(problem, options, 0, RecordedModel(model, Store(store).new_run(spec)))
    proposer.tell([Trial(0, 0, Candidate(LINES), Evaluation(0.5))])
    (candidate,) = await proposer.ask(1, 1)
    assert candidate.text == "Add.\n  Slowly."
    assert f"instruction: {LINES.replace(chr(10), chr(92) + 'n')}\n" in str(model.requests[0].prompt)


def test_prompt_files_are_evaluated_whole_and_lines_are_evaluated_each(
    opro: Command, sums: str, tmp_path: Path
) -> None:
    first, second, lines = (tmp_path / name for name in ("first.txt", "second.txt", "lines.txt"))
    first.write_text(LINES)
    second.write_text("Add.\n")
    lines.write_text("One.\nTwo.\n")
    scorer = tmp_path / "scorer.txt"
    scorer.write_text("It is 3.\n")
    files = ["--prompt-file", str(first), "--prompt-file", str(second), "--file", str(lines)]
    code, out, error = opro("eval", sums, *files, "--scorer", f"scripted:{scorer}", "--json")
    assert code == 0, error
    assert [one["text"] for one in json.loads(out)["examined"]] == [LINES, "Add.", "One.", "Two."]


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (None, [], "cannot read the prompt in"),
        (b" \n", [], "the file is empty"),
        (b"\xff\xfe", [], "it is not UTF-8 at byte 0"),
        (b"Think.", ["--set", "start=Guess."], "give one of them"),
    ],
)
def test_a_prompt_file_that_cannot_be_used_is_an_error(
    opro: Command, sums: str, tmp_path: Path, content: bytes | None, more: list[str], message: str
) -> None:
    file = tmp_path / "prompt.txt"
    if content is not None:
        file.write_bytes(content)
    code, _, error = opro("run", "instructions", "--set", f"task={sums}", "--prompt-file", str(file), *more)
    assert (code, message in error) == (2, True)


def test_a_start_on_the_command_line_may_have_several_lines(opro: Command, sums: str, tmp_path: Path) -> None:
    scorer = tmp_path / "scorer.txt"
    scorer.write_text("It is 3.\n")
    options = ["--proposer", "none", "--steps", "0", "--scorer", f"scripted:{scorer}", "--json"]
    code, out, error = opro("run", "instructions", "--set", f"task={sums}", "--set", "start=5\nx = 3", *options)
    assert code == 0, error
    assert json.loads(out)["best"] == "5\nx = 3"


def test_a_reply_in_a_chat_has_room_for_a_long_prompt(sums: str) -> None:
    request = Request(prompt="", max_tokens=make(sums, start="word " * 1000).brief().max_tokens)
    assert request.max_tokens > 2000

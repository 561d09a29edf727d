"""Instructions: how they are asked for, scored, raced and remembered."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from evaluators.instructions import Instructions
from opro.config import run_config
from opro.errors import ConfigError, InvalidSolutionError
from opro.reader import Reader
from opro.registry import configure
from opro.types import Candidate, Request
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel

SKILL = {"": 0.2, "Think.": 0.5, "Think hard.": 0.9, "Guess.": 0.1}


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A task of 200 sums."""
    path = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {i} plus {i % 7}?", "answer": str(i + i % 7)} for i in range(200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


Make = Callable[..., Instructions]


@pytest.fixture
def make(data: str) -> Make:
    def build(scorer: ScriptedModel | None = None, **settings: Any) -> Instructions:
        values = {"task": data, "kind": "number", "train": 100, **settings}
        problem = Instructions(configure(Instructions.Config, values, "instructions"))
        return problem.scored_by(scorer) if scorer else problem

    return build


def able(skill: dict[str, float]) -> ScriptedModel:
    """A scorer that is right as often as the instruction deserves; the same questions are hard under all of them."""

    def reply(request: Request) -> Sequence[str]:
        assert not isinstance(request.prompt, str)
        text = request.prompt[-1].content
        number = int(text.partition("What is ")[2].split()[0])
        instruction = max((name for name in skill if name in text), key=len)
        luck = 0.7 * Random(number).random() + 0.3 * Random(text).random()
        right = luck < skill[instruction]
        return [f"The answer is {number + number % 7 if right else 'unknown'}."]

    return ScriptedModel(reply)


def candidates(*texts: str) -> list[Candidate]:
    return [Candidate(text) for text in texts]


@pytest.mark.parametrize(
    ("position", "prompt"),
    [
        ("before_Q", "Think.\nQ: Why?\n\nA:"),
        ("Q_begin", "Q: Think.\nWhy?\n\nA:"),
        ("Q_end", "Q: Why?\nThink.\n\nA:"),
        ("A_begin", "Q: Why?\n\nA: Think."),
    ],
)
def test_an_instruction_stands_where_it_is_asked_to(position: Any, prompt: str) -> None:
    from evaluators.prompting import Layout
    from opro.types import Message

    assert Layout(position).text("Why?", "Think.") == prompt
    assert Layout(position, markers=False).text("Why?", "").strip() == "Why?"
    assert Layout(position, chat=False).prompt("Why?", "Think.") == prompt
    assert Layout(position, system="Be brief.").prompt("Why?", "Think.") == (
        Message("system", "Be brief."),
        Message("user", prompt),
    )


@pytest.mark.parametrize(
    ("reply", "instruction"),
    [
        ("Sure! <INS>Think twice.</INS> I hope it helps.", "Think twice."),
        ("<INS>Think\n twice.", "Think twice."),
        (" [Think twice.]\n", "Think twice."),
        ("[INS]Think twice.[/INS]", "Think twice."),
        ("Answer with [Yes] or [No] only.", "Answer with [Yes] or [No] only."),
        ("instruction: Think twice.", "Think twice."),
        (' "Think **twice**." ', "Think twice."),
        ("Réfléchis « bien » 😀 {braces} %s", "Réfléchis « bien » 😀 {braces} %s"),
    ],
)
def test_an_instruction_is_read_from_a_reply(make: Make, reply: str, instruction: str) -> None:
    assert make().parse(reply) == instruction


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "no instruction"),
        ("<INS> ... </INS>", "no instruction"),
        ("x" * 501, "501 characters"),
        ("Say 42.", "a digit"),
        ("Write <INS> here <INS> twice", "a marker"),
        ("Add the numbers. Ground truth answer: x", "a marker"),
        ("Add the numbers.\n\nscore: 80 %", "a marker"),
        ("Add them. instruction: Think.", "a marker"),
        ("Add them.\nQ: Why?", "a marker"),
    ],
)
def test_what_is_no_instruction_is_refused_with_a_reason(make: Make, reply: str, reason: str) -> None:
    with pytest.raises(InvalidSolutionError, match=reason):
        make().parse(reply)


async def test_the_value_is_the_share_of_right_answers_with_an_interval(make: Make) -> None:
    (made,) = await make(able(SKILL), racing=False).evaluate(candidates("Think hard."))
    right = sum(answer.score or 0 for answer in made.answers)
    assert made.value == right / 100
    assert made.metrics["n"] == 100
    assert made.metrics["low"] < made.value < made.metrics["high"]
    assert {answer.extracted for answer in made.answers if answer.score == 0} == {None}


async def test_the_test_split_is_not_asked_while_optimizing(make: Make) -> None:
    scorer = able(SKILL)
    problem = make(scorer)
    await problem.evaluate(candidates("Think.", "Think hard."))
    asked = {request.prompt[-1].content for request in scorer.requests if not isinstance(request.prompt, str)}
    assert not any(example.question in text for example in problem.task.test for text in asked)
    assert problem.task.test


async def test_a_race_leaves_the_bad_early_and_finds_the_best(make: Make) -> None:
    scorer = able({**SKILL, **{f"Bad {word}.": 0.1 for word in "abcdefg"}})
    problem = make(scorer)
    await problem.evaluate(candidates("Think."))
    asked = len(scorer.requests)
    made = await problem.evaluate(candidates("Think hard.", *(f"Bad {word}." for word in "abcdefg")))
    assert made[0].metrics["n"] == 100
    assert all(one.metrics.get("dropped") and one.feedback for one in made[1:])
    assert len(scorer.requests) - asked < 400
    assert max(made, key=lambda one: one.value or 0) is made[0]


async def test_a_problem_that_recalls_the_past_races_as_one_that_lived_it(make: Make) -> None:
    from opro.types import Trial

    first = candidates("Think.", "Guess.")
    lived = make(able(SKILL))
    past = await lived.evaluate(first)
    told = make(able(SKILL))
    told.recall([Trial(i, 0, one, made) for i, (one, made) in enumerate(zip(first, past, strict=True))])
    then = candidates("Think hard.", "")
    assert await told.evaluate(then) == await lived.evaluate(then)


async def test_a_second_prompt_asks_for_the_final_answer(make: Make) -> None:
    scorer = ScriptedModel(["I think it is 12, or 13.", "14"])
    (made,) = await make(scorer, final="So the final answer is", racing=False, train=1).evaluate(candidates("Think."))
    assert made.answers[0].extracted == "14"
    assert [turn.role for turn in scorer.requests[1].prompt if not isinstance(turn, str)] == [
        "user",
        "assistant",
        "user",
    ]


async def test_the_words_of_the_second_prompt_are_no_answer(make: Make) -> None:
    said = ScriptedModel([""])
    quiz = make(said, final="So the final answer in at most 3 digits is", racing=False, train=1)
    (made,) = await quiz.evaluate(candidates("Think."))
    assert made.answers[0].extracted is None


def test_no_exemplar_is_of_the_test_split(make: Make) -> None:
    problem = make()
    assert set(problem.examples()) == {example.id for example in problem.task.train}
    shown = problem.exemplar(problem.examples()[0])
    assert "<INS>" in shown
    assert "Ground truth answer: " in shown


def test_a_system_message_for_a_scorer_that_continues_a_text_is_an_error(make: Make) -> None:
    with pytest.raises(ConfigError, match="`system` is for a chat"):
        make(form="plain", system="Be brief.")


def test_an_empty_training_split_is_an_error(make: Make) -> None:
    with pytest.raises(ConfigError, match="the train split is empty"):
        make(train=0)


async def test_a_run_records_every_answer_and_ends_as_if_it_had_not_been_cut(data: str, store: str) -> None:
    words = ["Think.", "Think hard.", "Guess.", "Wonder."]

    def propose(request: Request) -> Sequence[str]:
        bits = [request.seed >> 2 * i for i in range(request.n)]
        return [f"<INS>{words[bit % 4]} {'abcdefgh'[bit // 4 % 8]}.</INS>" for bit in bits]

    def models() -> dict[str, ScriptedModel]:
        optimizer = ScriptedModel(propose, fingerprint="optimizer")
        scorer = able({**SKILL, "Wonder.": 0.4})
        scorer.fingerprint = "scorer"
        return {"model": optimizer, "scorer": scorer}

    settings = {"task": data, "kind": "number", "train": 40, "start": ["", "Think."]}
    config = run_config(
        {"problem": "instructions", "set": settings, "steps": 4, "per_step": 3, "options": {"style": "chat"}}
    )
    workbench = Workbench(store)
    whole = await workbench.run(config, **models())
    cut = await workbench.run(config.model_copy(update={"steps": 2}), **models())
    await workbench.resume(cut, {"steps": 4}, **models())
    reader = Reader(store)
    assert _without_sources(reader, cut) == _without_sources(reader, whole)
    answers = reader.answers(whole)
    assert all(len(given) >= 4 for given in answers.values())
    assert {part.role for part in reader.spending(whole)} == {"optimizer", "scorer"}
    workbench.close()


def _without_sources(reader: Reader, run: str) -> list[object]:
    """Return the trajectory without the numbers of generations, which count through the store."""
    return [
        (trial.number, trial.text, trial.value, [(a.example, a.score, a.extracted) for a in trial.evaluation.answers])
        for trial in reader.whole_trials(run)
    ]

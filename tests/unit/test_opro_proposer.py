"""OPRO's proposer: what the model is shown and asked for, and what becomes of its replies."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opro.constraints import Regex
from opro.errors import ConfigError, ContextError
from opro.metaprompt import Shown, shortened
from opro.proposers.opro import Opro
from opro.recording import RecordedModel
from opro.records import RunSpec
from opro.store import Store
from opro.types import Brief, Generation, Message, Request, Style, Trial
from scorer_models.scripted import ScriptedModel
from tests.problems import Hill

PROBLEM = Hill()
TEMPLATE = """
item = "$score: $solution\\n"
prompt = "$task\\n${items}$goal: $lead"
"""


@pytest.fixture
def make(store: str) -> Callable[..., tuple[Opro, ScriptedModel]]:
    def build(replies: Sequence[str], style: Style = Style.CONTINUATION, **settings: Any) -> tuple[Opro, ScriptedModel]:
        model = ScriptedModel(replies, style=style)
        config = Opro.resolve({"template": TEMPLATE, **settings}, "hill", model)
        return Opro(PROBLEM, config, 0, recorded(model, store)), model

    return build


def prompt(model: ScriptedModel, number: int = 0) -> str:
    text = model.requests[number].prompt
    assert isinstance(text, str)
    return text


async def test_the_best_are_shown_worst_first_and_a_better_score_is_asked_for(make: Any, trial: Any) -> None:
    proposer, model = make(["1"], shown=2, goals=[0.5])
    proposer.tell([trial(0, "x=10", 68.0), trial(1, "x=40", 98.0), trial(2, "x=20", 78.0)])
    await proposer.ask(1, 1)
    assert prompt(model) == "A number x and how good it is.\n78: x=20\n98: x=40\n99: x="


async def test_the_control_shows_the_scores_in_reverse(make: Any, trial: Any) -> None:
    proposer, model = make(["1"], shown=3, control="flipped-scores")
    proposer.tell([trial(0, "x=10", 68.0), trial(1, "x=40", 98.0), trial(2, "x=20", 78.0)])
    await proposer.ask(1, 1)
    assert "68: x=40\n78: x=20\n98: x=10\n" in prompt(model)


async def test_solutions_spread_over_the_ranks_can_be_added(make: Any, trial: Any) -> None:
    proposer, model = make(["99"], shown=1, spread=3)
    proposer.tell([trial(i, f"x={i}", float(i)) for i in range(11)])
    await proposer.ask(1, 1)
    assert "0: x=0\n5: x=5\n10: x=10\n" in prompt(model)


async def test_each_goal_has_a_prompt_and_its_share_of_what_is_kept(make: Any, trial: Any) -> None:
    proposer, model = make([str(i) for i in range(50, 90)], goals=[0.9, 0.1], draw=8)
    proposer.tell([trial(0, "x=10", 0.0)])
    candidates = await proposer.ask(1, 2)
    assert [request.n for request in model.requests] == [4, 4]
    assert {candidate.origin.generation for candidate in candidates} == {1, 2}


async def test_repeats_are_not_paid_for_and_the_temperature_rises(make: Any, trial: Any) -> None:
    proposer, model = make(["10", "10", "010", "11"], draw=2, rounds=3, heat=2.0)
    proposer.tell([trial(0, "x=10", 68.0)])
    candidates = await proposer.ask(1, 2)
    assert [candidate.text for candidate in candidates] == ["x=11"]
    assert [request.temperature for request in model.requests] == [1.0, 2.0, 2.5]
    assert candidates[0].origin and candidates[0].origin.temperature == 2.0


async def test_valid_replies_come_before_those_that_fail(make: Any) -> None:
    proposer, _ = make(["no", "7", "never", "8"], draw=4, rounds=1)
    assert [candidate.text for candidate in await proposer.ask(1, 3)] == ["x=7", "x=8", "x=no"]


@pytest.mark.parametrize(
    "reply", ["", " ", "a" * 100_000, "nan", "inf", "1e400", "٤٢", "-1", "4 2", "[4, 2]", "\x1b[31m42", "4\n2\ud800"]
)
async def test_any_reply_at_all_is_a_candidate_or_nothing(make: Any, reply: str) -> None:
    proposer, _ = make(lambda _request: [reply], rounds=1)
    for candidate in await proposer.ask(1, 1):
        (evaluation,) = await PROBLEM.evaluate([candidate])
        assert evaluation.value is not None or evaluation.reason


async def test_a_chat_model_is_asked_in_a_chat(make: Any, trial: Any) -> None:
    proposer, model = make(["x=3"], style=Style.CHAT)
    proposer.tell([trial(0, "x=10", 68.0)])
    (candidate,) = await proposer.ask(1, 1)
    ((message,),) = (request.prompt for request in model.requests)
    assert isinstance(message, Message) and message.role == "user"
    assert candidate.text == "x=3"


def test_the_style_of_the_model_is_overridden_by_the_user() -> None:
    model = ScriptedModel(["1"], style=Style.CHAT)
    assert Opro.resolve({}, "hill", model).style == "chat"
    assert Opro.resolve({"style": "continuation"}, "hill", model).style == "continuation"


def test_settings_of_a_template_stand_between_the_defaults_and_the_users(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEMPLATE + "[settings]\nshown = 7\ndraw = 9\n")
    config = Opro.resolve({"template": str(path), "draw": 11}, "hill", ScriptedModel(["1"]))
    assert (config.shown, config.draw, config.rounds) == (7, 11, Opro.Config().rounds)
    path.unlink()
    assert Opro.resolve(config.model_dump(), "hill", None) == config  # a stored run needs the file no more


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item = ''", "needs two texts"),
        ("item = 3\nprompt = ''", "needs two texts"),
        ("item = ", "not TOML"),
        ("item = '$scor'\nprompt = '$items'\n", "placeholder 'scor'; known are"),
        ("item = '$score'\nprompt = 'costs 5 $'\n", "placeholder"),
    ],
)
async def test_a_template_that_is_wrong_says_what_is_wrong(
    make: Any, trial: Any, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        proposer, _ = make(["1"], template=str(path))
        proposer.tell([trial(0, "x=10", 68.0)])
        await proposer.ask(1, 1)


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot read the template nowhere\.toml"):
        Opro.resolve({"template": "nowhere.toml", "style": "chat"}, "hill", None)


def test_the_trajectory_ranks_100_000_trials_quickly_enough_to_forget_it(trial: Callable[..., Trial]) -> None:
    from opro.trajectory import Trajectory

    trajectory = Trajectory(PROBLEM.direction, (trial(i, f"x={i}", float(i * 7919 % 100_003)) for i in range(100_000)))
    assert [t.value for t in trajectory.top(2)] == [100_002.0, 100_001.0]
    assert trajectory.unique == 100_000


async def test_a_prompt_that_is_too_long_is_shortened_and_keeps_the_best(store: str, trial: Any) -> None:
    model = Narrow(window=90)
    proposer = Opro(PROBLEM, settings(model), 0, recorded(model, store))
    proposer.tell([trial(number, f"x={number}", float(number)) for number in range(20)])
    await proposer.ask(1, 2)
    fitting = model.requests[-1].prompt
    assert isinstance(fitting, str)
    assert len(fitting) <= 90
    assert "x=19\n" in fitting
    assert "x=3\n" not in fitting
    shown = [int(line.partition("x=")[2]) for line in fitting.splitlines() if re.search("x=[0-9]", line)]
    assert shown == list(range(20 - len(shown), 20))


async def test_a_prompt_that_cannot_fit_is_an_error_that_says_by_how_much(store: str, trial: Any) -> None:
    model = Narrow(window=10)
    proposer = Opro(PROBLEM, settings(model), 0, recorded(model, store))
    proposer.tell([trial(number, f"x={number}", float(number)) for number in range(20)])
    with pytest.raises(ContextError, match=r"even with no solution shown: \d+ tokens too many"):
        await proposer.ask(1, 2)


def test_a_constraint_that_the_model_does_not_keep_is_told(store: str, caplog: pytest.LogCaptureFixture) -> None:
    model = ScriptedModel(["1"])
    Opro(SpelledHill(), settings(model), 0, recorded(model, store))
    assert "does not keep a Regex while it writes" in caplog.text


class SpelledHill(Hill):
    def brief(self) -> Brief:
        return replace(super().brief(), constraint=Regex("[0-9]{1,2}"))


class Narrow(ScriptedModel):
    """A model whose window holds so many characters."""

    def __init__(self, window: int) -> None:
        super().__init__(["1", "2"])
        self._window = window

    async def generate(self, request: Request) -> Generation:
        excess = len(request.prompt) - self._window
        if excess > 0:
            raise ContextError("too long", excess=excess // 4 + 1)
        return await super().generate(request)


def settings(model: ScriptedModel) -> Any:
    return Opro.resolve({"template": TEMPLATE}, "hill", model)


def recorded(model: ScriptedModel, store: str) -> RecordedModel:
    spec = RunSpec(problem="hill", direction=PROBLEM.direction, proposer="opro", model="", seed=0, config={})
    return RecordedModel(model, Store(store).new_run(spec))


async def test_the_newest_failures_are_shown_with_their_reason_where_the_template_has_a_place(make: Any, trial: Any):
    template = TEMPLATE.replace("${items}", "${failures}${items}") + 'failure = "$solution: $note\\n"\n'
    proposer, model = make(["1"], template=template, failures=2)
    bad = [trial(0, "x=999", None), trial(1, "well,\n x=100", None), trial(2, "y" * 300, None)]
    proposer.tell([*bad, trial(3, "x=40", 98.0)])
    await proposer.ask(1, 1)
    cut = "..." + "y" * 120
    assert prompt(model).startswith(f"A number x and how good it is.\nwell, x=100: no good\n{cut}: no good\n98: x=40\n")


async def test_failures_are_left_out_first_where_a_prompt_is_too_long(make: Any, trial: Any):
    shown = [Shown("bad", "", "no good"), Shown("x=1", "1")]
    assert shortened(shown, ContextError("too long")) == [Shown("x=1", "1")]


async def test_what_the_evaluator_notes_of_a_solution_can_be_shown(make: Any, trial: Any):
    proposer, model = make(["1"], template=TEMPLATE.replace("$solution", "$solution ($note)"))
    noted = trial(0, "x=40", 98.0)
    proposer.tell([replace(noted, evaluation=replace(noted.evaluation, feedback="the same as y"))])
    await proposer.ask(1, 1)
    assert "98: x=40 (the same as y)\n" in prompt(model)

"""What every proposer in the table must do."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from evaluators.linear_regression import LinearRegression
from opro.build import build_proposer, resolve_options
from opro.config import run_config
from opro.errors import ConfigError
from opro.journal import Journal
from opro.proposers import PROPOSERS
from opro.protocols import Proposer
from opro.recording import RecordedModel
from opro.records import RunSpec
from opro.store import Store
from opro.types import Candidate, Evaluation, Request, Style, Trial
from scorer_models.scripted import ScriptedModel

PROBLEM = LinearRegression(LinearRegression.Config(), 0)
Make = Callable[[int], Proposer]


def pairs(request: Request) -> Sequence[str]:
    """Answer in both styles, differently for different seeds."""
    numbers = [(request.seed + 7 * i) % 90 for i in range(request.n)]
    lead = "" if isinstance(request.prompt, str) else "w="
    return [f"{lead}{number}, b={number // 3}" for number in numbers]


@pytest.fixture(params=[*PROPOSERS, "opro in chat"])
def make(request: pytest.FixtureRequest, store: str) -> Make:
    return maker(request.param, store)


@pytest.fixture(params=[*(name for name in PROPOSERS if name != "none"), "opro in chat"])
def active(request: pytest.FixtureRequest, store: str) -> Make:
    """One that proposes something, which is not the whole point of all of them."""
    return maker(request.param, store)


def maker(param: str, store: str) -> Make:
    style = Style.CHAT if "chat" in param else Style.CONTINUATION
    name = param.split()[0]

    def build(seed: int) -> Proposer:
        model = ScriptedModel(pairs, style=style)
        config = run_config({"problem": "linear-regression", "proposer": name, "seed": seed})
        config = config.model_copy(update={"options": resolve_options(config, model)})
        return build_proposer(config, PROBLEM, RecordedModel(model, journal(store)))

    return build


def journal(store: str) -> Journal:
    spec = RunSpec(problem="x", direction=PROBLEM.direction, proposer="x", model="", seed=0, config={})
    return Store(store).new_run(spec)


async def past(count: int, *, first: int = 0) -> list[Trial]:
    candidates = [Candidate(f"w={i}, b={i}") for i in range(first, first + count)]
    evaluations = await PROBLEM.evaluate(candidates)
    return [Trial(i, 0, *pair) for i, pair in enumerate(zip(candidates, evaluations, strict=True), start=first)]


def texts(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.text for candidate in candidates]


async def test_it_proposes_at_most_n(make: Make) -> None:
    proposer = make(0)
    proposer.tell(await past(9))
    for n in (1, 3, 8):
        assert len(await proposer.ask(1, n)) <= n


async def test_it_proposes_something_when_nothing_is_known(active: Make) -> None:
    assert await active(0).ask(1, 4)


async def test_it_goes_on_after_failures_and_does_not_repeat_them(active: Make) -> None:
    proposer = active(0)
    first = await proposer.ask(1, 4)
    proposer.tell([Trial(i, 1, candidate, Evaluation.failed("no")) for i, candidate in enumerate(first)])
    second = await proposer.ask(2, 4)
    assert second
    assert not set(texts(first)) & set(texts(second))


async def test_being_told_in_two_halves_is_being_told_at_once(make: Make) -> None:
    trials = await past(12)
    once, twice = make(0), make(0)
    once.tell(trials)
    twice.tell(trials[:5])
    twice.tell(trials[5:])
    assert texts(await once.ask(3, 6)) == texts(await twice.ask(3, 6))


async def test_the_same_seed_and_past_give_the_same_candidates(make: Make) -> None:
    one, other = make(5), make(5)
    for proposer in (one, other):
        proposer.tell(await past(10))
    assert texts(await one.ask(2, 6)) == texts(await other.ask(2, 6))


async def test_another_step_gives_other_candidates(active: Make) -> None:
    proposer = active(5)
    assert texts(await proposer.ask(1, 6)) != texts(await proposer.ask(2, 6))


async def test_it_never_proposes_what_it_was_told(make: Make) -> None:
    proposer = make(0)
    trials = await past(40)
    proposer.tell(trials)
    proposed = [text for step in range(1, 6) for text in texts(await proposer.ask(step, 8))]
    assert not set(proposed) & {trial.text for trial in trials}


async def test_candidates_of_a_step_differ(make: Make) -> None:
    proposer = make(0)
    proposer.tell(await past(9))
    proposed = texts(await proposer.ask(1, 8))
    assert len(set(proposed)) == len(proposed)


@pytest.mark.parametrize("name", PROPOSERS)
def test_an_unknown_setting_is_an_error_that_names_the_nearest(name: str) -> None:
    config = run_config({"problem": "linear-regression", "proposer": name, "options": {"temprature": 1}})
    with pytest.raises(ConfigError, match="temprature"):
        resolve_options(config, None)


@pytest.mark.parametrize(
    ("name", "need"), [("random", "draw"), ("evolution", "mutate"), ("surrogate", "point"), ("controller", "follow")]
)
def test_a_problem_that_does_not_fit_is_refused_with_what_it_lacks(name: str, need: str) -> None:
    bare: Any = object()
    config = run_config({"problem": "x", "proposer": name})
    with pytest.raises(ConfigError, match=need):
        build_proposer(config, bare, None)

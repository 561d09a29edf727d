"""What a run will cost is told before it costs anything."""

import re
from collections.abc import Sequence
from random import Random
from typing import Any

from opro.config import run_config
from opro.estimate import Estimate, estimate
from opro.outline import Outline
from opro.protocols import LanguageModel
from opro.standins import writer
from opro.types import Candidate, Evaluation, Request, Style
from tests.problems import Hill

MODEL = Outline(frozenset(), Style.CONTINUATION)
HOSTED = Outline(frozenset(), Style.CHAT, ("gpt-4o-mini", "api.openai.com"))


class Asked(Hill):
    """A hill whose values come from a scorer model: two questions a candidate."""

    def __init__(self, scorer: LanguageModel | None = None) -> None:
        super().__init__()
        self.scorer = scorer

    def scored_by(self, scorer: LanguageModel) -> "Asked":
        return Asked(scorer)

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        assert self.scorer
        for candidate in candidates:
            for question in ("high?", "really?"):
                await self.scorer.generate(Request(prompt=f"{candidate.text} {question}", max_tokens=30))
        return await super().evaluate(candidates)


async def estimated(problem: Hill, scorer: Outline | None = None, **settings: Any) -> list[Estimate]:
    return await estimate(run_config({"problem": "hill", "steps": 10, **settings}), problem, MODEL, scorer)


async def test_every_step_and_both_roles_are_counted() -> None:
    optimizer, scorer = await estimated(Asked(), MODEL, per_step=4)
    assert optimizer.role == "optimizer"
    assert 10 <= optimizer.requests <= 14  # repeats are drawn again
    assert optimizer.most_requests == 10 * 4
    assert (scorer.role, scorer.requests) == ("scorer", 2 * (1 + 10 * 4))
    assert scorer.most.completion == 30 * scorer.requests


async def test_twice_the_steps_cost_about_twice_as_much() -> None:
    (ten,) = await estimated(Hill())
    (twenty,) = await estimated(Hill(), steps=20)
    assert 1.8 < twenty.likely.prompt / ten.likely.prompt < 2.2
    assert ten.likely.completion <= ten.most.completion


async def test_trials_end_a_run_before_its_steps_do() -> None:
    optimizer, scorer = await estimated(Asked(), MODEL, per_step=4, trials=23)
    assert scorer.requests == 2 * 23
    assert optimizer.most_requests == 6 * 4
    _, few = await estimated(Asked(), MODEL, steps=1000, trials=500)
    assert few.requests == 2 * 500


async def test_a_hosted_model_has_a_price_and_one_without_is_unknown() -> None:
    config = run_config({"problem": "hill", "steps": 10})
    (priced,) = await estimate(config, Hill(), HOSTED, None)
    assert priced.likely_usd
    assert priced.most_usd
    assert 0 < priced.likely_usd <= priced.most_usd
    unknown = Outline(frozenset(), Style.CHAT, ("nobody", "api.example.com"))
    (free,) = await estimate(config, Hill(), unknown, None)
    assert free.likely_usd is None


async def test_a_server_that_writes_one_sample_a_request_is_foreseen_at_most() -> None:
    config = run_config({"problem": "hill", "steps": 10})
    (own,) = await estimate(config, Hill(), Outline(frozenset(), Style.CHAT, ("x", "127.0.0.1")), None)
    (openai,) = await estimate(config, Hill(), HOSTED, None)
    assert own.requests == openai.requests == openai.most_requests == 10
    assert own.most_requests == 10 * 8


class Strict:
    """A problem without `draw` that takes nothing but a word and a number below 50."""

    def parse(self, text: str) -> str:
        from opro.errors import InvalidSolutionError

        if not re.fullmatch(r"take [0-4]?[0-9]", text):
            raise InvalidSolutionError("no")
        return text


def test_solutions_are_made_up_that_the_problem_accepts() -> None:
    problem: Any = Strict()
    made = {writer(problem, ["take 12"])(Random(seed)) for seed in range(50)}
    assert len(made) > 20
    assert all(problem.parse(text) == text for text in made)

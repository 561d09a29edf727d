"""What a run will cost is told before it costs anything."""

from collections.abc import Sequence
from typing import Any

import pytest

from opro.config import run_config
from opro.estimate import Estimate, estimate
from opro.protocols import LanguageModel
from opro.types import Candidate, Evaluation, Generation, Request
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel
from tests.problems import Hill

MODEL = ScriptedModel(["1"])


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


async def estimated(problem: Hill, scorer: ScriptedModel | None = None, **settings: Any) -> list[Estimate]:
    return await estimate(run_config({"problem": "hill", "steps": 10, **settings}), problem, MODEL, scorer)


async def test_no_model_is_asked_anything() -> None:
    await estimated(Asked(), MODEL)
    assert MODEL.requests == []


async def test_every_step_and_both_roles_are_counted() -> None:
    optimizer, scorer = await estimated(Asked(), MODEL, per_step=4)
    assert optimizer.role == "optimizer"
    assert 10 <= optimizer.requests <= 14  # repeats are drawn again
    assert (scorer.role, scorer.requests) == ("scorer", 2 * (1 + 10 * 4))
    assert scorer.most.completion == 30 * scorer.requests


async def test_twice_the_steps_cost_about_twice_as_much() -> None:
    (ten,) = await estimated(Hill())
    (twenty,) = await estimated(Hill(), steps=20)
    assert 1.8 < twenty.likely.prompt / ten.likely.prompt < 2.2
    assert ten.likely.completion <= ten.most.completion


class Hosted(ScriptedModel):
    served_as = ("gpt-4o-mini", "api.openai.com")
    widest = 99


async def test_a_hosted_model_has_a_price_and_one_without_is_unknown() -> None:
    config = run_config({"problem": "hill", "steps": 10})
    (priced,) = await estimate(config, Hill(), Hosted(["1"]), None)
    assert priced.likely_usd
    assert priced.most_usd
    assert 0 < priced.likely_usd <= priced.most_usd
    unknown = Hosted(["1"])
    unknown.served_as = ("nobody", "api.example.com")
    (free,) = await estimate(config, Hill(), unknown, None)
    assert free.likely_usd is None


async def test_the_estimate_is_near_what_the_run_then_takes(store: str) -> None:
    """Words are the tokens of a scripted model, so prompts are compared by their number only."""

    class Counting(ScriptedModel):
        async def generate(self, request: Request) -> Generation:
            generation = await super().generate(request)
            assert isinstance(request.prompt, str)
            self.read = getattr(self, "read", 0) + len(request.prompt) / 4
            return generation

    model = Counting(lambda request: [str((request.seed >> i) % 99) for i in range(request.n)])
    (before,) = await estimate(run_config({"problem": "hill", "steps": 10}), Hill(), model, None)
    workbench = Workbench(store)
    await workbench.run(run_config({"problem": "tests.problems:Hill", "steps": 10, "silence": 99}), model=model)
    workbench.close()
    assert before.likely.prompt == pytest.approx(model.read, rel=0.35)

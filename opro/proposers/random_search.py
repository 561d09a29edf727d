"""The plainest baseline: solutions drawn at random, none twice."""

from collections.abc import Sequence
from random import Random

from pydantic import BaseModel, ConfigDict

from opro.errors import ConfigError
from opro.protocols import LanguageModel, Problem, Sampled
from opro.types import Candidate, Trial

TRIES = 50
"""Draws for one new solution before the space counts as used up."""


class RandomSearch:
    """Draws what the problem draws."""

    needs_model = False

    class Config(BaseModel):
        """No settings."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None = None) -> None:
        """Take a problem whose solutions can be drawn; there is nothing to configure, and no model is used."""
        del config, model
        if not isinstance(problem, Sampled):
            raise ConfigError("the proposer `random` needs a problem with a method `draw`")
        self._problem = problem
        self._seed = seed
        self._known: set[str] = set()

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return up to `n` new solutions; fewer when the space is nearly used up."""
        random = Random(f"{self._seed}:{step}")
        drawn: dict[str, None] = {}
        for _ in range(TRIES * n):
            text = self._problem.draw(random)
            if text not in self._known:
                drawn[text] = None
            if len(drawn) == n:
                break
        return [Candidate(text) for text in drawn]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember what was tried."""
        self._known.update(trial.text for trial in trials)

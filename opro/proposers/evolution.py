"""Regularized evolution (Real et al., 2019), with its population of 100 and tournaments of 25."""

from collections import deque
from collections.abc import Sequence
from random import Random

from pydantic import BaseModel, ConfigDict, Field

from opro.errors import ConfigError
from opro.proposers.random_search import TRIES
from opro.protocols import Crossable, LanguageModel, Mutable, Problem
from opro.types import Candidate, Trial


class Evolution:
    """Mutates the best of a few, drawn from the youngest solutions; the problem supplies the mutation."""

    needs_model = False

    class Config(BaseModel):
        """Settings of the search."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        population: int = Field(100, ge=1, description="how many of the youngest solutions can be parents")
        tournament: int = Field(25, ge=1, description="how many are drawn to find one parent")
        crossover: float = Field(
            0.0, ge=0, le=1, description="share of children that have two parents, where solutions can be crossed"
        )

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None = None) -> None:
        """Take a problem whose solutions can be drawn and mutated; no model is used."""
        del model
        if not isinstance(problem, Mutable):
            raise ConfigError("the proposer `evolution` needs a problem with the methods `draw` and `mutate`")
        if config.crossover and not isinstance(problem, Crossable):
            raise ConfigError("the setting `crossover` needs a problem with a method `cross`; leave it at 0")
        self._direction = problem.direction
        self._problem: Mutable = problem
        self._config = config
        self._seed = seed
        self._known: set[str] = set()
        self._population: deque[tuple[float, str]] = deque(maxlen=config.population)

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return up to `n` new mutants, or random solutions while nothing has a value."""
        random = Random(f"{self._seed}:{step}")
        children: dict[str, None] = {}
        for _ in range(TRIES * n):
            child = self._child(random)
            if child not in self._known:
                children[child] = None
            if len(children) == n:
                break
        return [Candidate(text) for text in children]

    def _child(self, random: Random) -> str:
        if not self._population:
            return self._problem.draw(random)
        parent = self._parent(random)
        crossover = self._config.crossover
        if crossover and isinstance(self._problem, Crossable) and random.random() < crossover:
            return self._problem.cross(parent, self._parent(random), random)
        return self._problem.mutate(parent, random)

    def _parent(self, random: Random) -> str:
        """Return the winner of a tournament."""
        size = min(self._config.tournament, len(self._population))
        return min(random.sample(self._population, size))[1]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take successes into the population, the oldest leave it."""
        for trial in trials:
            self._known.add(trial.text)
            if trial.value is not None:
                self._population.append((self._direction.cost(trial.value), trial.text))

"""The strong classical baseline for numeric problems: fit a quadratic to what is known, propose around its minimum."""

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from opro.errors import ConfigError
from opro.proposers.random_search import TRIES
from opro.protocols import LanguageModel, Numeric, Problem
from opro.types import Candidate, Trial

Floats = NDArray[np.float64]


class Surrogate:
    """Fits all coefficients of a quadratic by least squares; random solutions until there are enough points."""

    needs_model = False

    class Config(BaseModel):
        """Settings of the search."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        spread: float = Field(1.0, gt=0, description="standard deviation of the candidates around the fitted optimum")

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None = None) -> None:
        """Take a problem whose solutions are points; no model is used."""
        del model
        if not isinstance(problem, Numeric):
            raise ConfigError("the proposer `surrogate` needs a numeric problem: one with `draw`, `point` and `text`")
        self._direction = problem.direction
        self._problem: Numeric = problem
        self._config = config
        self._seed = seed
        self._costs: dict[str, float] = {}
        self._known: set[str] = set()

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return up to `n` new solutions: the fitted optimum first, then points around it."""
        random = Random(f"{self._seed}:{step}")
        centre = self._optimum()
        texts: dict[str, None] = {}
        for number in range(TRIES * n):
            text = self._text(centre, random, jitter=number > 0)
            if text not in self._known:
                texts[text] = None
            if len(texts) == n:
                break
        return [Candidate(text) for text in texts]

    def _text(self, centre: Floats | None, random: Random, *, jitter: bool) -> str:
        if centre is None:
            return self._problem.draw(random)
        noise = np.array([random.gauss(0, self._config.spread) for _ in centre]) if jitter else 0.0
        return self._problem.text(centre + noise)

    def _optimum(self) -> Floats | None:
        """Return the stationary point of the fitted quadratic, the best known point where it has no minimum."""
        if not self._costs:
            return None
        points = np.array([self._problem.point(text) for text in self._costs])
        costs = np.array(list(self._costs.values()))
        dimensions = points.shape[1]
        best: Floats = points[costs.argmin()]
        if len(costs) < (dimensions + 1) * (dimensions + 2) // 2:
            return None
        middle, scale = points.mean(0), points.std(0) + 1e-9
        hessian, gradient = _fit((points - middle) / scale, costs / (np.abs(costs).max() or 1.0))
        if np.linalg.eigvalsh(hessian).min() <= 0:
            return best
        return middle + scale * np.linalg.solve(hessian, -gradient)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn the values of successes."""
        for trial in trials:
            self._known.add(trial.text)
            if trial.value is not None:
                self._costs[trial.text] = self._direction.cost(trial.value)


def _fit(points: Floats, costs: Floats) -> tuple[Floats, Floats]:
    """Fit cost = c + g.x + x.H.x/2 to points (m, d) and costs (m,); return H (d, d) and g (d,)."""
    count, dimensions = points.shape
    rows, columns = np.triu_indices(dimensions)
    products = points[:, rows] * points[:, columns]
    solution = np.linalg.lstsq(np.hstack([np.ones((count, 1)), points, products]), costs, rcond=None)[0]
    hessian = np.zeros((dimensions, dimensions))
    hessian[rows, columns] = solution[1 + dimensions :]
    return hessian + hessian.T, solution[1 : 1 + dimensions].astype(np.float64)

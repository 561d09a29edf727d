"""What earlier candidates tell about the training examples of a race: the bar, and how hard each example is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SHARED = 0.3
"""Correlation of two candidates' scores that is assumed until it can be estimated: what instructions often have."""

MOST_SHARED = 0.5
"""Correlation that is believed at most: a new kind of candidate may share less with the earlier ones than they do."""

Scores = Mapping[str, float]
"""Example -> score in [0, 1]; nan, or nothing, where there is none because the scorer failed."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """What earlier candidates tell about the examples, in the order of the race.

    Attributes:
        full: scores of those that were scored in full, shape (m, N); nan where the scorer failed.
        partial: scores of those that were dropped, shape (d, N); nan where they have none.
    """

    full: Floats
    partial: Floats

    @property
    def total(self) -> int:
        """How many examples there are (N)."""
        return self.full.shape[1]

    def bar(self, keep: int) -> float | None:
        """Return the score of the best but `keep`-1 of those scored in full; None when they are fewer than that."""
        means = np.sort(np.nanmean(self.full, axis=1)) if len(self.full) else np.empty(0)
        return float(means[-keep]) if len(means) >= keep else None

    @cached_property
    def shared(self) -> float:
        """The correlation of two candidates' scores on the same example."""
        residuals, seen = self._residuals
        pairs = float((seen * (seen - 1)).sum())
        square = float((residuals**2).sum())
        if not pairs or not square:
            return SHARED
        together = float((residuals.sum(axis=0) ** 2).sum()) - square
        return min(max((together / pairs) / (square / float(seen.sum())), 0.0), MOST_SHARED)

    @cached_property
    def ease(self) -> Floats:
        """By how much an average candidate's score on each example is expected to differ from its mean, shape (N,).

        The best linear prediction: the earlier candidates' mean, the less shrunk the more of them there are.
        """
        residuals, seen = self._residuals
        expected = residuals.sum(axis=0) * self.shared / (1 + (seen - 1) * self.shared)
        return expected - expected.mean()

    @cached_property
    def explained(self) -> float:
        """The share of a candidate's variance that `ease` is expected to take out."""
        _, seen = self._residuals
        return float(np.mean(seen * self.shared**2 / (1 + (seen - 1) * self.shared)))

    @cached_property
    def _residuals(self) -> tuple[Floats, Floats]:
        """Scores minus their candidate's mean (0 where there is none), and how many there are of each example."""
        scores = np.vstack([self.full, self.partial])
        present = ~np.isnan(scores)
        counts = np.maximum(present.sum(axis=1, keepdims=True), 1)
        means = np.where(present, scores, 0.0).sum(axis=1, keepdims=True) / counts
        return np.where(present, scores - means, 0.0), present.sum(axis=0).astype(np.float64)


def survey(examples: Sequence[str], full: Sequence[Scores], partial: Sequence[Scores] = ()) -> Field:
    """Return the field for a race over `examples`, in the order in which they will be scored."""
    return Field(_table(examples, full), _table(examples, partial))


def _table(examples: Sequence[str], rows: Sequence[Scores]) -> Floats:
    values = [[row.get(example, np.nan) for example in examples] for row in rows]
    return np.array(values, dtype=np.float64).reshape(len(rows), len(examples))

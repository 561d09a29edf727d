"""What scores on the same examples allow to say: one accuracy, and the difference of two. Pure functions of values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri, stdtr, stdtrit

CONFIDENCE = 0.95

ROUNDING = 1e-9
"""Scores that differ by less are the same."""

Floats = NDArray[np.float64]

_Z = float(ndtri((1 + CONFIDENCE) / 2))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The mean of n scores in [0, 1], with the 95 % interval of what examples of the same kind would give."""

    n: int
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it in percent, with its interval."""
        return f"{percent(self.mean)} % ({percent(self.low)} to {percent(self.high)}, n = {self.n})"


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """One scored text against another, paired by example.

    Attributes:
        other: what the second one is called.
        n: examples that both have scores of.
        wins: examples on which the first one's score is higher.
        losses: examples on which it is lower.
        mean: the first one's mean score on these examples.
        other_mean: the second one's.
        difference: mean - other_mean.
        low: lower end of the 95 % interval of the difference (see `difference_interval`).
        high: its upper end.
        p: two-sided p-value: McNemar's exact test where all scores are 0 or 1, else the t-test of the interval.
        among: comparisons that are made at once; p is corrected for them (Holm 1979).
    """

    other: str
    n: int
    wins: int
    losses: int
    mean: float
    other_mean: float
    difference: float
    low: float
    high: float
    p: float
    among: int = 1

    @property
    def ties(self) -> int:
        """Examples on which both have the same score."""
        return self.n - self.wins - self.losses

    @property
    def shown(self) -> bool:
        """Whether a difference is shown: the test rejects equality, and the interval leaves zero out."""
        return self.p < 1 - CONFIDENCE and not self.low <= 0 <= self.high

    def sentence(self, name: str, other: str = "") -> str:
        """Say it in plain words, claiming no more than test and interval allow; `other` replaces the second name."""
        return (
            f"{name} against {other or self.other} on {self.n} example{'' if self.n == 1 else 's'}: "
            f"{percent(self.mean)} % against {percent(self.other_mean)} %, "
            f"better on {self.wins}, worse on {self.losses}; {self._claim()}"
        )

    def _claim(self) -> str:
        evidence = (
            f"{points(self.difference)} points, 95 % interval {points(self.low)} to {points(self.high)}, "
            f"p = {self.p:.2g}{f', corrected for {self.among} comparisons' if self.among > 1 else ''}"
        )
        if not self.shown:
            return f"no difference is shown ({evidence})"
        return f"a {'gain' if self.difference > 0 else 'loss'} is shown ({evidence})"


def percent(share: float) -> str:
    """Write a share in percent with one decimal, and no minus before a zero."""
    return f"{round(100 * share, 1) + 0.0:.1f}"


def points(difference: float) -> str:
    """Write a difference of shares in points, with its sign."""
    text = percent(difference)
    return text if text.startswith("-") or text == "0.0" else f"+{text}"


def accuracy(scores: Sequence[float]) -> Accuracy:
    """Return the mean of scores in [0, 1] with its Wilson interval.

    For scores between 0 and 1 the interval is wider than need be: none can vary more than zeros and ones do.

    Raises:
        ValueError: without scores, or for one outside [0, 1].
    """
    values = _checked(scores)
    n, mean = len(values), float(values.mean())
    middle = (mean + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z / (1 + _Z**2 / n) * math.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2))
    return Accuracy(n, mean, max(0.0, min(mean, middle - reach)), min(1.0, max(mean, middle + reach)))


def compare(ours: Mapping[str, float], other: str, theirs: Mapping[str, float]) -> PairedComparison:
    """Compare the scores (example -> score in [0, 1]) of two texts on the examples that both have.

    Raises:
        ValueError: when they share no example, or a score is outside [0, 1].
    """
    shared = [example for example in ours if example in theirs]
    own = _checked([ours[example] for example in shared])
    rival = _checked([theirs[example] for example in shared])
    differences = own - rival
    differences[np.abs(differences) < ROUNDING] = 0.0
    low, high = difference_interval(differences)
    return PairedComparison(
        other=other,
        n=len(shared),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        mean=float(own.mean()),
        other_mean=float(rival.mean()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        p=paired_p(differences),
    )


def together(comparisons: Sequence[PairedComparison]) -> list[PairedComparison]:
    """Return comparisons that are made at once, with p-values that bound the chance of any false claim (Holm 1979)."""
    order = sorted(range(len(comparisons)), key=lambda place: comparisons[place].p)
    corrected, least = list(comparisons), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * comparisons[place].p))
        corrected[place] = replace(comparisons[place], p=least, among=len(order))
    return corrected


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: wins and losses are tosses of a fair coin."""
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def paired_p(differences: Floats) -> float:
    """Return the two-sided p-value that the mean of paired differences in [-1, 1], shape (n,), is zero."""
    if _is_binary(differences):
        return mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
    middle, error, freedom = _steadied(differences)
    return min(1.0, 2 * float(stdtr(freedom, -abs(middle) / error)))


def difference_interval(differences: Floats) -> tuple[float, float]:
    """Return the 95 % interval of the mean of paired differences in [-1, 1], shape (n,).

    Differences of zeros and ones get Tango's score interval (Statistics in Medicine 17, 1998), which keeps its
    coverage with few examples and has a width even where no two scores differ. Others get Student's interval.
    """
    if _is_binary(differences):
        n, wins, losses = len(differences), int((differences > 0).sum()), int((differences < 0).sum())
        return -_tango_edge(n, losses, wins), _tango_edge(n, wins, losses)
    middle, error, freedom = _steadied(differences)
    reach = error * float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
    mean = float(differences.mean())
    return max(-1.0, min(mean, middle - reach)), min(1.0, max(mean, middle + reach))


def _is_binary(differences: Floats) -> bool:
    return bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())


def _steadied(differences: Floats) -> tuple[float, float, int]:
    """Return mean, standard error and degrees of freedom, with two pairs added: the largest difference, either way.

    They do to differences what Bonett and Price (2012) do to counts: a few alike no longer seem to have no spread.
    """
    largest = np.abs(differences).max()
    more = np.append(differences, (largest, -largest))
    return float(more.mean()), float(more.std(ddof=1)) / math.sqrt(len(more)), len(more) - 1


def _tango_edge(n: int, wins: int, losses: int) -> float:
    """Return the largest difference of accuracies at which the score test does not reject, by bisection."""
    inside, outside = (wins - losses) / n, 1.0
    for _ in range(50):
        shift = (inside + outside) / 2
        gap = n * shift - (wins - losses)
        # The losses' share that is most likely at this difference: the larger root of a quadratic.
        b = (2 * n - wins + losses) * shift - wins - losses
        c = -losses * shift * (1 - shift)
        share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        spread = math.sqrt(max(0.0, n * (2 * share + shift * (1 - shift))))
        inside, outside = (shift, outside) if gap <= _Z * spread else (inside, shift)
    return outside


def _checked(scores: Sequence[float]) -> Floats:
    values = np.array(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("there is no (shared) example, so nothing can be said")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"scores lie in [0, 1], not {values[~((values >= 0) & (values <= 1))][0]}")
    return values

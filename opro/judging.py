"""What may honestly be said of runs: pure functions of values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from opro.texts import counted
from opro.types import Direction, Reference

ENOUGH = 6
"""Pairs below which no test is made: with five, even five wins of five have p = 0.06 in a two-sided sign-flip test."""

EXACT = 13
"""Pairs up to which the test tries all flips of signs."""

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run (a seed of one contestant) reached with how many evaluations."""

    seed: int
    start: float | None
    best: float | None
    evaluations: int
    steps: int
    found: bool | None
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One contestant against another, paired by seed.

    Attributes:
        difference: mean over seeds of how much better the first one's value is (positive: better).
        low: lower end of the interval of that mean (see `interval`); None with fewer than ENOUGH pairs.
        high: its upper end.
        p: two-sided p-value of the paired sign-flip test; None with fewer than ENOUGH pairs.
    """

    other: str
    pairs: int
    wins: int
    ties: int
    mean: float
    other_mean: float
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def losses(self) -> int:
        """Pairs in which the other is better."""
        return self.pairs - self.wins - self.ties

    def sentence(self, name: str) -> str:
        """Say it in plain words, claiming no more than the test allows."""
        counts = ((self.wins, f"better in {self.wins} of {self.pairs}"), (self.ties, f"equal in {self.ties}"))
        counts = (*counts, (self.losses, f"worse in {self.losses}"))
        score = ", ".join(told for place, (count, told) in enumerate(counts) if count or not place)
        means = f"{_mean(self.pairs)}{number(self.mean)} against {number(self.other_mean)}"
        return f"{name} against {self.other}: {score}; {means}; {self._claim()}"

    @property
    def shown(self) -> bool:
        """Whether the test shows a difference."""
        return self.p is not None and self.p < 1 - CONFIDENCE

    def _claim(self) -> str:
        if self.p is None or self.low is None or self.high is None:
            return f"{self.pairs} {'seed is' if self.pairs == 1 else 'seeds are'} too few for a test"
        evidence = f"p = {self.p:.2g}; {_by(self.difference)} on average, 95 % interval {_from_to(self.low, self.high)}"
        if not self.shown:
            return f"no difference is shown ({evidence})"
        return f"a {'gain' if self.difference > 0 else 'loss'} is shown ({evidence})"


def _by(difference: float) -> str:
    """Say by how much the first one is better or worse."""
    if not difference:
        return "equal"
    return f"{'better' if difference > 0 else 'worse'} by {number(abs(difference))}"


def _from_to(low: float, high: float) -> str:
    """Say an interval of differences without a minus."""
    if low >= 0:
        return f"{number(low)} to {number(high)} better"
    if high <= 0:
        return f"{number(-high)} to {number(-low)} worse"
    return f"{number(-low)} worse to {number(high)} better"


def _mean(count: int) -> str:
    """Return the word before a value of several runs; that of one is no mean."""
    return "" if count == 1 else "mean "


def number(value: float) -> str:
    """Write a value with four significant digits."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def compare(name: str, ours: Sequence[Outcome], theirs: Sequence[Outcome], direction: Direction) -> Comparison | None:
    """Compare the best values of two contestants over the seeds that both have; None where they share none."""
    others = {outcome.seed: outcome.best for outcome in theirs}
    pairs = [
        (outcome.best, other)
        for outcome in ours
        if outcome.best is not None and (other := others.get(outcome.seed)) is not None
    ]
    if not pairs:
        return None
    values = np.array(pairs, dtype=np.float64)
    differences = np.array([direction.cost(other) - direction.cost(own) for own, other in pairs])
    low, high = interval(differences)
    return Comparison(
        other=name,
        pairs=len(pairs),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        mean=float(values[:, 0].mean()),
        other_mean=float(values[:, 1].mean()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        p=paired_test(differences),
    )


def paired_test(differences: Floats, shift: float = 0.0) -> float | None:
    """Return the two-sided p-value of the paired sign-flip test that the mean of differences, shape (n,), is `shift`.

    All flips are tried up to EXACT pairs, 2**EXACT - 1 random ones beyond. None for fewer than ENOUGH pairs.
    """
    if len(differences) < ENOUGH:
        return None
    moved = differences - shift
    sums = np.abs(_flips(len(moved)) @ moved)
    seen = abs(moved.sum())
    return float((sums >= seen - 1e-9 * max(seen, 1e-300)).mean())


def interval(differences: Floats) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % interval of the mean of differences, shape (n,): the shifts that the test does not reject.

    With few pairs it can be as wide as the differences are far apart; equal differences leave it without width, for
    then the test knows no spread.
    """
    if len(differences) < ENOUGH:
        return None, None
    middle, reach = float(differences.mean()), float(np.ptp(differences)) + 1e-12
    return middle - _edge(differences, middle, -reach), middle + _edge(differences, middle, reach)


def _edge(differences: Floats, middle: float, reach: float) -> float:
    """Return how far from the middle, on the side of `reach`, the test begins to reject."""
    inside, outside = 0.0, 1.0
    for _ in range(40):
        share = (inside + outside) / 2
        p = paired_test(differences, middle + share * reach)
        inside, outside = (share, outside) if p is not None and p > 1 - CONFIDENCE else (inside, share)
    return outside * abs(reach)


@cache
def _flips(pairs: int) -> Floats:
    """Return the signs to try, shape (m, pairs); the first row leaves all as they are."""
    if pairs <= EXACT:
        return np.array(list(product((1.0, -1.0), repeat=pairs)))
    random = np.random.default_rng(0).choice((1.0, -1.0), size=(2**EXACT - 1, pairs))
    return np.vstack([np.ones(pairs), random])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences for people, and the comparisons behind them."""

    sentences: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()

    def __str__(self) -> str:
        """Return the sentences, one a line."""
        return "\n".join(self.sentences)


def judge(
    name: str, outcomes: Sequence[Outcome], baselines: Mapping[str, Sequence[Outcome]], direction: Direction
) -> Verdict:
    """Return what may be said of `name`, whose runs are `outcomes`, beside baselines of the same allowance."""
    if all(outcome.best is None for outcome in outcomes):
        return Verdict((f"{name} found no valid solution: every candidate failed.",))
    compared = [compare(other, outcomes, runs, direction) for other, runs in baselines.items()]
    comparisons = tuple(comparison for comparison in compared if comparison is not None)
    sentences = [
        *_optimum(name, outcomes, direction),
        *_start(name, outcomes, direction),
        *_references(outcomes, direction),
        *(comparison.sentence(name) + "." for comparison in comparisons),
        *(_reached(other, runs) for other, runs in baselines.items() if any(run.found for run in runs)),
    ]
    if comparisons:
        quicker = [other for other, runs in baselines.items() if _is_quicker(runs, outcomes)]
        sentences.append(_bottom_line(name, comparisons, quicker))
    return Verdict(tuple(sentences), comparisons)


def _optimum(name: str, outcomes: Sequence[Outcome], direction: Direction) -> list[str]:
    known = [outcome for outcome in outcomes if outcome.found is not None]
    if not known:
        return ["No optimum is known for this problem, so nothing is said of the distance to it."]
    rest = [outcome for outcome in known if not outcome.found]
    if len(rest) == len(known):
        where = "" if len(known) == 1 else f" in any of {len(known)} runs"
        return [f"{name} did not reach the optimum{where}{_gap('; ', known, direction)}."]
    return [_reached(name, known)[:-1] + _gap("; where it did not, ", rest, direction) + "."]


def _reached(name: str, outcomes: Sequence[Outcome]) -> str:
    found = [outcome for outcome in outcomes if outcome.found]
    steps = float(np.mean([outcome.steps for outcome in found]))
    evaluations = float(np.mean([outcome.evaluations for outcome in found]))
    if len(found) == 1:
        took = f"{counted(round(steps), 'step')} and {counted(round(evaluations), 'evaluation')}"
    else:
        took = f"{steps:.1f} steps and {evaluations:.1f} evaluations on average"
    return f"{name} reached the optimum in {len(found)} of {counted(len(outcomes), 'run')}, after {took}."


def _is_quicker(theirs: Sequence[Outcome], ours: Sequence[Outcome]) -> bool:
    """Say whether others reached the optimum wherever we did, with fewer evaluations on average."""
    evaluations = {outcome.seed: outcome.evaluations for outcome in theirs if outcome.found}
    found = [outcome for outcome in ours if outcome.found]
    if not found or any(outcome.seed not in evaluations for outcome in found):
        return False
    return sum(evaluations[outcome.seed] for outcome in found) < sum(outcome.evaluations for outcome in found)


def _gap(lead: str, outcomes: Sequence[Outcome], direction: Direction) -> str:
    gaps = [
        100 * (direction.cost(outcome.best) - direction.cost(reference.value)) / abs(reference.value)
        for outcome in outcomes
        for reference in outcome.references
        if reference.optimum and reference.value and outcome.best is not None
    ]
    if not gaps:
        return ""
    mean = float(np.mean(gaps))
    distance = f"{mean:.1f}" if mean < 100 else f"{mean:,.0f}"
    return f"{lead}its best is {distance} % worse than the optimum{'' if len(gaps) == 1 else ' on average'}"


def _start(name: str, outcomes: Sequence[Outcome], direction: Direction) -> list[str]:
    pairs = [(o.best, o.start) for o in outcomes if o.best is not None and o.start is not None]
    if not pairs:
        return []
    better = sum(direction.better(best, start) for best, start in pairs)
    best = float(np.mean([best for best, _ in pairs]))
    start = float(np.mean([start for _, start in pairs]))
    if all(best == start for best, start in pairs):
        where = "" if len(pairs) == 1 else f" in any of {len(pairs)} runs"
        return [
            f"{name} found nothing better than the best starting solution{where}: {_mean(len(pairs))}{number(best)}."
        ]
    return [
        f"{name} bettered the best starting solution in {better} of {counted(len(pairs), 'run')}: "
        f"{_mean(len(pairs))}{number(best)} against {number(start)}."
    ]


def _references(outcomes: Sequence[Outcome], direction: Direction) -> list[str]:
    names = dict.fromkeys(r.name for outcome in outcomes for r in outcome.references if not r.optimum)
    sentences: list[str] = []
    for name in names:
        pairs = [
            (outcome.best, reference.value)
            for outcome in outcomes
            for reference in outcome.references
            if reference.name == name and outcome.best is not None
        ]
        equal = sum(math.isclose(best, value, rel_tol=1e-9) for best, value in pairs)
        better = sum(
            direction.better(best, value) and not math.isclose(best, value, rel_tol=1e-9) for best, value in pairs
        )
        mean = number(float(np.mean([value for _, value in pairs])))
        told = f"bettered in {better} of {len(pairs)}, equalled in {equal}"
        if len(pairs) == 1:
            told = "bettered" if better else "equalled" if equal else "not reached"
        sentences.append(f"Reference {name} ({_mean(len(pairs))}{mean}): {told}.")
    return sentences


def _bottom_line(name: str, comparisons: Sequence[Comparison], quicker: Sequence[str]) -> str:
    """Say what it comes to: of enough seeds what the tests show, of fewer what was seen, called no more than that."""
    if min(c.pairs for c in comparisons) < ENOUGH:
        return f"In short, of these few seeds alone: {_seen(name, comparisons, quicker)}"
    gains = [c.other for c in comparisons if c.shown and c.difference > 0]
    losses = [c.other for c in comparisons if c.shown and c.difference < 0]
    rest = [c.other for c in comparisons if not c.shown]
    if losses:
        return f"In short: with the same allowance, {' and '.join(losses)} did better than {name}."
    if quicker:
        return f"In short: {' and '.join(quicker)} reached the optimum as often as {name}, with fewer evaluations."
    if not rest:
        return f"In short: {name} did better than every baseline with the same allowance."
    if gains:
        return f"In short: {name} did better than {' and '.join(gains)}; against {' and '.join(rest)} nothing is shown."
    return f"In short: between {name} and its baselines no difference is shown."


def _seen(name: str, comparisons: Sequence[Comparison], quicker: Sequence[str]) -> str:
    """Say what few seeds brought."""
    if lost := [c.other for c in comparisons if c.difference < 0]:
        return (
            f"{' and '.join(lost)} came out ahead of {name}; whether that is more than luck, {ENOUGH} seeds or more "
            "may tell."
        )
    if quicker:
        return f"{' and '.join(quicker)} reached the optimum as often as {name}, with fewer evaluations."
    return f"{name} was not worse than its baselines on average, but no gain over all of them is shown."

"""Racing: which candidates of a step deserve more training examples. Pure functions of scores, without any I/O.

The candidates of a step are scored on growing blocks of the N training examples, in a random order that is drawn anew
for the step. After each block of a candidate (a look) a test asks whether its score on all N could still be more than
a margin above the bar: the k-th best score of the candidates that were scored in full before. If not, it is dropped.

What is promised. A candidate whose score on all N examples is better than the bar by more than the margin (one
standard error of that score, by default) is dropped with a probability of about alpha, over all its looks together.
So the best of a run is lost to something that is more than a margin worse with that probability at most, however many
candidates and steps there are: only the best one's own race can lose it. The scores on all N are fixed numbers, the
order of examples is the only chance, and full scoring leaves none: the error of a mean of n of N examples has the
variance v (1/n - 1/N). "About", for the test takes means for normal: tests/bench/bench_racing.py --errors measures it.
Near 100 %, where what is worth finding has less than two answers wrong, they are not, and only who cannot reach it any
more is dropped.

What makes it cheap. Earlier candidates have shown which examples are hard, so scores are compared with what an average
candidate gets on the same examples: that takes out the part of the variance that candidates share, as pairing does,
without the second candidate's own luck. The limits of all looks are set together: at look t the error has the
information 1 / (1/n - 1/N), and correlates over looks as in any group-sequential trial (Jennison and Turnbull 2000).

While fewer than k candidates were scored in full before, there is no bar. Then a candidate is dropped when at least k
others (earlier ones, or rivals in the same race) are better on the same examples by a paired test, with the same alpha
divided among the others (Bonferroni). Where just k were, as in the first step of a run behind its start, the bar may be
so low that it drops nobody: then both tests are held, with half of alpha each.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from opro.field import Field, Floats
from opro.looks import block_ends, limit

CONFIDENCE = 0.95

FEW = 2
"""Wrong answers below which a score allows no test: one of two that turns up early says next to nothing."""

WEIGHT = 5
"""Of how many examples the expected variance has the weight, beside the observed one."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a race is to find, and how sure.

    Attributes:
        keep: how many of the best are to be found (k).
        alpha: how probable it may be to drop a candidate that is better than the bar by more than the margin.
        margin: standard errors of a full score by which a candidate must be better to be worth finding.
    """

    keep: int = 1
    alpha: float = 0.1
    margin: float = 1.0

    def __post_init__(self) -> None:
        if self.keep < 1 or not 0 < self.alpha < 1 or self.margin < 0:
            raise ValueError(f"keep >= 1, 0 < alpha < 1 and margin >= 0 are needed, not {self}")


class State(StrEnum):
    """Where a candidate stands."""

    RACING = "racing"
    DROPPED = "dropped"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a candidate's score on all training examples.

    Attributes:
        n: examples with scores that it rests on.
        mean: their mean; nan while there are none.
        estimate: the score on all examples: the mean, corrected for how hard the examples were. It equals the mean
            once all examples have scores.
        low: lower end of the 95 % interval of that score, which holds at whatever look the race stopped.
        high: its upper end.
        reason: why it was dropped; empty otherwise.
    """

    state: State
    n: int = 0
    mean: float = float("nan")
    estimate: float = float("nan")
    low: float = 0.0
    high: float = 1.0
    reason: str = ""


def judge(scores: Floats, ends: tuple[int, ...], field: Field, rules: Rules) -> Standing:
    """Return where a candidate stands with its scores on the first n examples, shape (n,): by the bar, if there is one.

    `ends` are the looks (see `block_ends`); n is one of them.
    """
    bar = field.bar(rules.keep)
    standing = assess(scores, ends, field)
    if standing.state is State.FINISHED or bar is None:
        return standing
    target = worth_finding(bar, field.total, rules.margin)
    reach = (np.nansum(scores) + np.isnan(scores).sum() + field.total - len(scores)) / field.total
    if reach < target - 1e-9:
        return _dropped(standing, f"can reach {reach:.3f} at most, and {target:.3f} is worth finding")
    if not standing.n or (1 - target) * field.total < FEW:
        return standing
    z = (target - standing.estimate) / _error(scores, target, field)
    if z > limit(ends, rules.alpha, 1):
        return _dropped(standing, f"significantly below {target:.3f} (z = {-z:.2f}, estimate {standing.estimate:.3f})")
    return standing


def assess(scores: Floats, ends: tuple[int, ...], field: Field) -> Standing:
    """Return what scores on the first n examples, shape (n,), tell of the score on all; nobody is dropped here."""
    state = State.FINISHED if len(scores) == field.total else State.RACING
    present = ~np.isnan(scores)
    n, total = int(present.sum()), float(np.nansum(scores))
    if not n:
        return Standing(state)
    estimate = total / n - float(field.ease[: len(scores)][present].mean())
    least, most = total / field.total, (total + field.total - n) / field.total
    reach = limit(ends, 1 - CONFIDENCE, 2) * _error(scores, (total + 1) / (n + 2), field) if n < field.total else 0.0
    estimate = min(max(estimate, least), most)
    return Standing(state, n, total / n, estimate, max(estimate - reach, least), min(estimate + reach, most))


def outdone(ours: Floats, others: Floats, ends: tuple[int, ...], error: float, shared: float) -> int:
    """Return how many of the others, scores of shape (m, n), are significantly better than ours, shape (n,).

    `error` is the probability with which one that is no better may seem so, at any look.
    """
    return sum(_paired_z(ours, other, ends[-1], shared) < -limit(ends, error, 1) for other in others)


def _paired_z(ours: Floats, theirs: Floats, total: int, shared: float) -> float:
    differences = ours - theirs
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if not n:
        return 0.0
    middle = (float(np.nansum(ours + theirs)) + 1) / (2 * n + 2)
    variance = _variance(differences, 2 * middle * (1 - middle) * (1 - shared))
    return float(differences.mean()) / (variance * (1 / n - 1 / total)) ** 0.5


def _error(scores: Floats, expected: float, field: Field) -> float:
    """Return the standard error of an estimate, if the score on all examples is the expected one."""
    present = ~np.isnan(scores)
    share = min(max(expected, 1 / field.total), 1 - 1 / field.total)
    left = scores[present] - field.ease[: len(scores)][present]
    return (_variance(left, share * (1 - share) * (1 - field.explained)) * (1 / len(left) - 1 / field.total)) ** 0.5


def _variance(values: Floats, expected: float) -> float:
    """Return the variance to reckon with: the expected one, or more where the values, shape (n,), vary more.

    Never less: a few low scores happen to be alike more often than they should, just when they mislead.
    """
    seen = float(((values - values.mean()) ** 2).sum())
    return max(expected, (WEIGHT * expected + seen) / (WEIGHT + len(values) - 1))


def worth_finding(bar: float, total: int, margin: float) -> float:
    """Return the score on `total` examples of which the bar is just `margin` standard errors short.

    The standard error is that of the score returned, so this is Wilson's upper limit of the bar.
    """
    middle = bar + margin**2 / (2 * total)
    spread = margin * (bar * (1 - bar) / total + margin**2 / (4 * total**2)) ** 0.5
    return (middle + spread) / (1 + margin**2 / total)


def _dropped(standing: Standing, reason: str) -> Standing:
    return replace(standing, state=State.DROPPED, reason=reason)


@dataclass(frozen=True, slots=True)
class Heat:
    """A block of examples on which a candidate is to be scored."""

    candidate: str
    block: int


class Race:
    """The race of a step's candidates: which blocks may be scored now, and where everybody stands.

    Reports may come in any order: the result is the same. A look at a candidate reads its own blocks up to the look
    and what was known before the race, nothing else, so that no candidate waits for another. Only where rivals drop
    each other does it also read the rivals' same blocks, and is held as soon as all of them are there; meanwhile
    everybody may be scored on the block after it, and what that says of one that the look drops is left out. Where
    there are too few to drop any, all blocks may be scored at once. To resume, report what is stored and go on.
    """

    def __init__(self, candidates: Sequence[str], field: Field, rules: Rules | None = None) -> None:
        """Start a race over the examples of the field, in their order there.

        Raises:
            ValueError: for candidates that are not unique, or a field without examples.
        """
        if len(set(candidates)) != len(candidates) or not field.total:
            raise ValueError(f"a race needs examples ({field.total} given) and candidates that differ: {candidates}")
        self._field = field
        self._rules = rules or Rules()
        self._ends = block_ends(field.total)
        self._rivals_matter = len(candidates) > 1 and len(field.full) <= self._rules.keep
        if self._rivals_matter and len(field.full) == self._rules.keep:  # two tests share alpha
            self._rules = replace(self._rules, alpha=self._rules.alpha / 2)
        self._unopposed = len(candidates) - 1 + len(field.full) < self._rules.keep
        self._reports: dict[Heat, Floats] = {}
        self._looks = dict.fromkeys(candidates, 0)
        self._standings = dict.fromkeys(candidates, Standing(State.RACING))

    @property
    def standings(self) -> Mapping[str, Standing]:
        """Where each candidate stands, as of its last look."""
        return MappingProxyType(self._standings)

    @property
    def over(self) -> bool:
        """Whether all are dropped or finished."""
        return not self._racing()

    def examples(self, block: int) -> range:
        """Return which examples, by their place in the order, a block holds."""
        return range(self._ends[block - 1] if block else 0, self._ends[block])

    def counted(self, candidate: str) -> int:
        """Return how many blocks of a candidate its standing rests on; what came later is left out."""
        return self._looks[candidate]

    def next_blocks(self, in_flight: Collection[Heat] = ()) -> list[Heat]:
        """Return what may be scored now and is not in flight: early blocks first, for all candidates alike."""
        ahead = len(self._ends) if self._unopposed else 1 if self._rivals_matter else 0
        heats = [
            Heat(candidate, block)
            for candidate in self._racing()
            for block in range(self._looks[candidate], min(self._looks[candidate] + ahead + 1, len(self._ends)))
        ]
        waiting = [heat for heat in heats if heat not in self._reports and heat not in in_flight]
        return sorted(waiting, key=lambda heat: heat.block)

    def report(self, heat: Heat, scores: Sequence[float]) -> None:
        """Take the scores of a block, in its order: in [0, 1], or nan where the scorer failed.

        Raises:
            ValueError: for an unknown candidate or block, a second report, or scores that are too many, few or wrong.
        """
        values = np.array(scores, dtype=np.float64)
        if heat.candidate not in self._looks or not 0 <= heat.block < len(self._ends) or heat in self._reports:
            raise ValueError(f"{heat} is no block of this race, or was reported before")
        if len(values) != len(self.examples(heat.block)) or ((values < 0) | (values > 1)).any():
            raise ValueError(f"{heat} has {len(self.examples(heat.block))} scores in [0, 1], not {scores}")
        self._reports[heat] = values
        while ready := self._ready():
            self._standings.update({candidate: self._look(candidate) for candidate in ready})
            self._looks.update({candidate: self._looks[candidate] + 1 for candidate in ready})

    def _racing(self) -> list[str]:
        return [candidate for candidate, standing in self._standings.items() if standing.state is State.RACING]

    def _ready(self) -> list[str]:
        """Return the candidates whose next look can be held."""
        racing = self._racing()
        ready = [candidate for candidate in racing if Heat(candidate, self._looks[candidate]) in self._reports]
        return ready if not self._rivals_matter or len(ready) == len(racing) else []

    def _look(self, candidate: str) -> Standing:
        scores = self._scores(candidate, self._looks[candidate])
        standing = judge(scores, self._ends, self._field, self._rules)
        opponents = len(self._standings) - 1 + len(self._field.full)
        if not self._rivals_matter or standing.state is not State.RACING or self._unopposed:
            return standing
        rivals = [self._scores(other, self._looks[candidate]) for other in self._racing() if other != candidate]
        others = np.vstack([self._field.full[:, : len(scores)], *rivals])
        better = outdone(scores, others, self._ends, self._rules.alpha / opponents, self._field.shared)
        if better < self._rules.keep:
            return standing
        return _dropped(standing, f"significantly worse than {better} of {len(others)} on {len(scores)} examples")

    def _scores(self, candidate: str, look: int) -> Floats:
        return np.concatenate([self._reports[Heat(candidate, block)] for block in range(look + 1)])

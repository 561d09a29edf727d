"""The trials of a run in the order of their worth: what proposers and reports look things up in."""

from bisect import insort
from collections.abc import Iterable, Sequence
from itertools import islice

from opro.types import Direction, Trial

MANY = 1000
"""From so many trials at once on, sorting all is quicker than finding a place for each."""


class Trajectory:
    """Trials as they come; ranking and look-ups stay quick at 100,000 of them."""

    def __init__(self, direction: Direction, trials: Iterable[Trial] = ()) -> None:
        self.direction = direction
        self.length = 0
        self.invalid = 0
        self.known: set[str] = set()
        self._ranked: list[tuple[float, int, Trial]] = []
        self._found: Trial | None = None
        self.extend(trials)

    def extend(self, trials: Iterable[Trial]) -> None:
        """Add trials; of those with the same text, only the first is ranked."""
        added: list[tuple[float, int, Trial]] = []
        for trial in trials:
            self.length += 1
            if trial.value is None:
                self.invalid += 1
            elif trial.text not in self.known:
                added.append((self.direction.cost(trial.value), trial.number, trial))
                self._find(trial, trial.value)
            self.known.add(trial.text)
        if len(added) > MANY:
            self._ranked = sorted(self._ranked + added)
        else:
            for ranked in added:
                insort(self._ranked, ranked)

    def _find(self, trial: Trial, value: float) -> None:
        found = self._found
        if not trial.dropped and (found is None or self.direction.better(value, found.value or 0.0)):
            self._found = trial

    @property
    def best(self) -> Trial | None:
        """The best trial, the earliest of equals, those that a race dropped among them; None while there is none.

        This is what a proposer learns from. What a run is said to have found is `found`.
        """
        return self._ranked[0][2] if self._ranked else None

    @property
    def found(self) -> Trial | None:
        """The best trial that was scored in full, the earliest of equals; None while there is none."""
        return self._found

    @property
    def unique(self) -> int:
        """How many different solutions have a value."""
        return len(self._ranked)

    def top(self, count: int) -> Sequence[Trial]:
        """Return the best `count` trials, best first."""
        return [trial for _, _, trial in self._ranked[:count]]

    def leaders(self, count: int) -> Sequence[Trial]:
        """Return up to `count` trials, the best that were scored in full before the best that a race dropped."""
        full = list(islice((trial for _, _, trial in self._ranked if not trial.dropped), count))
        dropped = (trial for _, _, trial in self._ranked if trial.dropped)
        return [*full, *islice(dropped, count - len(full))]

    def spread(self, count: int) -> Sequence[Trial]:
        """Return up to `count` trials at even ranks from the best to the worst, best first."""
        if count >= self.unique:
            return self.top(count)
        last = self.unique - 1
        return [self._ranked[round(place * last / max(count - 1, 1))][2] for place in range(count)]

"""The progress of a run where nobody watches a terminal: plain lines on standard error, one every few seconds."""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from opro.headway import heard
from opro.judging import number
from opro.loop import Watcher
from opro.trajectory import Trajectory
from opro.types import Direction, Trial

EVERY = 5.0
"""Seconds between two lines at least; the last one always comes."""


class _Lines:
    """Writes a line, unless one was written a moment ago."""

    def __init__(self) -> None:
        self.tokens = 0
        self._began = self._written = time.monotonic()
        self._held = ""

    def count(self, tokens: int) -> None:
        """Count tokens."""
        self.tokens += tokens

    def write(self, text: str) -> None:
        """Write a line now, or hold it back."""
        now = time.monotonic()
        used = f", {self.tokens:,} tokens" if self.tokens else ""
        self._held = f"{text}, {now - self._began:.0f} s{used}\n"
        if now - self._written >= EVERY:
            self._written = now
            self.flush()

    def flush(self) -> None:
        """Write the line that was held back."""
        sys.stderr.write(self._held)
        sys.stderr.flush()
        self._held = ""


def _scored(trials: Sequence[Trial]) -> str:
    """Say how many candidates of a step have a value, and how many have none."""
    invalid = sum(trial.value is None for trial in trials)
    return f"{len(trials) - invalid} scored, {invalid} invalid"


@contextmanager
def run_lines(steps: int, direction: Direction) -> Generator[Watcher]:
    """Tell of every step, and of the answers in one that takes long."""
    lines, trajectory, at = _Lines(), Trajectory(direction), -1

    def watch(step: int, trials: Sequence[Trial]) -> None:
        nonlocal at
        at = step
        trajectory.extend(trials)
        best = number(trajectory.found.value or 0.0) if trajectory.found else "none"
        lines.write(f"step {step} of {steps}: best {best} ({_scored(trials)})")

    def answered(done: int, most: int) -> None:
        lines.write(f"step {at + 1} of {steps}: {done:,} of {most:,} answers at most")

    with heard(answered, lines.count):
        try:
            yield watch
        finally:
            lines.flush()


@contextmanager
def answer_lines(what: str) -> Generator[None]:
    """Tell how many answers are there."""
    lines = _Lines()
    with heard(lambda done, most: lines.write(f"{what}: {done:,} of {most:,} at most"), lines.count):
        try:
            yield
        finally:
            lines.flush()

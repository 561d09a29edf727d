"""Showing how far a run is where Python started it: a bar in a terminal, a line in a notebook or a log."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from rich.console import Console

from opro.config import RunConfig
from opro.console import live_answers, live_run
from opro.judging import number
from opro.loop import Watcher
from opro.running import in_notebook
from opro.trajectory import Trajectory
from opro.types import Direction, Trial


@contextmanager
def shown(progress: bool | None, config: RunConfig, direction: Direction, watch: Watcher) -> Generator[Watcher]:  # noqa: FBT001
    """Show a run while it goes, if `progress` says so, or nothing and somebody looks; `watch` is told as well."""
    console = Console(stderr=True)
    if not is_wanted(progress):
        yield watch
    elif console.is_terminal:
        with live_run(console, config, direction) as live:
            yield _both(live, watch)
    else:
        line = _Line(config.steps, direction)
        try:
            yield _both(line, watch)
        finally:
            line.end()


@contextmanager
def shown_answers(progress: bool | None, what: str) -> Generator[None]:  # noqa: FBT001
    """Show how many answers of a scorer are there, if `progress` says so, or nothing and somebody looks."""
    if not is_wanted(progress):
        yield
        return
    with live_answers(Console(stderr=True), what):
        yield


def is_wanted(progress: bool | None) -> bool:  # noqa: FBT001
    """Say whether progress is to be shown: as the caller says, else in a terminal or a notebook."""
    return (sys.stderr.isatty() or in_notebook()) if progress is None else progress


def _both(shower: Watcher, watch: Watcher) -> Watcher:
    def told(step: int, trials: Sequence[Trial]) -> object:
        shower(step, trials)
        return watch(step, trials)

    return told


class _Line:
    """Writes a line a step, in a notebook over the one before."""

    def __init__(self, steps: int, direction: Direction) -> None:
        self._steps = steps
        self._trajectory = Trajectory(direction)
        self._over = in_notebook()

    def __call__(self, step: int, trials: Sequence[Trial]) -> None:
        self._trajectory.extend(trials)
        best = self._trajectory.found
        value = "none yet" if best is None or best.value is None else number(best.value)
        told = f"step {step} of {self._steps}: best {value}, {self._trajectory.unique} evaluated"
        sys.stderr.write(f"\r{told:<70}" if self._over else f"{told}\n")
        sys.stderr.flush()

    def end(self) -> None:
        if self._over:
            sys.stderr.write("\n")

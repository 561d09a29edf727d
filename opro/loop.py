"""The loop: ask, evaluate, record, tell."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from opro.errors import InvalidSolutionError, ScoringError, StopRun
from opro.journal import Journal
from opro.protocols import Problem, Proposer
from opro.texts import counted
from opro.trajectory import Trajectory
from opro.types import Candidate, Direction, Evaluation, Trial


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends, whichever comes first. The starting solutions are step 0 and count as trials.

    Attributes:
        steps: proposing steps.
        per_step: candidates asked for in a step.
        trials: trials in all, None for no limit.
        patience: steps in a row without a better best, None for no limit.
        seconds: of asking and scoring, over all sessions of the run; looked at between steps. None for no limit.
        silence: steps in a row in which the proposer had nothing to propose.
        target: a value that ends the run once it is reached, such as the known optimum.
    """

    steps: int = 50
    per_step: int = 8
    trials: int | None = None
    patience: int | None = None
    seconds: float | None = None
    silence: int = 5
    target: float | None = None


class Progress:
    """Where a run stands: a function of its recorded steps, so that a resumed run stands where it stood."""

    def __init__(self, direction: Direction) -> None:
        self.trajectory = Trajectory(direction)
        self.steps = -1
        self._started: list[Evaluation] = []
        self.since_better = 0
        self.silent = 0
        self.seconds = 0.0

    def add(self, trials: Sequence[Trial], seconds: float) -> None:
        """Take in the next recorded step."""
        before = self.trajectory.best
        self.trajectory.extend(trials)
        if self.steps < 0:
            self._started = [trial.evaluation for trial in trials]
        self.steps += 1
        self.seconds += seconds
        self.since_better = 0 if self.trajectory.best is not before else self.since_better + 1
        self.silent = 0 if trials or self.steps == 0 else self.silent + 1

    def reached(self, target: float | None) -> bool:
        """Say whether the best value is as good as `target`, but for rounding."""
        best = self.trajectory.best
        return is_reached(best.value if best else None, target, self.trajectory.direction)

    def check_scoring(self) -> None:
        """Raise a ScoringError if all that was tried failed in the same way, and no candidate is to blame for it."""
        reasons = {one.reason for one in self._started}
        if len(reasons) == 1 and not self.trajectory.unique and all(one.unscored for one in self._started):
            raise ScoringError(
                f"no starting solution could be scored, so nothing is optimized: {reasons.pop()}. Look at the metric "
                "or the scorer, and begin a new run"
            )

    def end(self, limits: Limits) -> str | None:
        """Return why the run is over, None while it is not."""
        ends = (
            (self.reached(limits.target), "the optimum was reached"),
            (self.steps >= limits.steps, f"{_made(limits.steps, 'step')} made"),
            (
                limits.trials is not None and self.trajectory.length >= limits.trials,
                f"{_made(limits.trials or 0, 'trial')} made",
            ),
            (
                self.since_better >= (limits.patience or math.inf),
                f"{counted(limits.patience or 0, 'step')} brought nothing better",
            ),
            (self.seconds >= (limits.seconds or math.inf), f"{limits.seconds} seconds were used"),
            (
                self.silent >= limits.silence,
                f"the proposer had nothing new in {counted(limits.silence, 'step')} in a row",
            ),
        )
        return next((reason for over, reason in ends if over), None)


def _made(count: int, noun: str) -> str:
    return f"{counted(count, noun)} {'was' if count == 1 else 'were'}"


def is_reached(value: float | None, target: float | None, direction: Direction) -> bool:
    """Say whether a value is as good as `target`, but for rounding."""
    if value is None or target is None:
        return False
    slack = 1e-9 * max(abs(target), 1e-9)
    return direction.cost(value) <= direction.cost(target) + slack


Watcher = Callable[[int, Sequence[Trial]], object]
"""Called after each step with its number and its recorded trials.

One that returns False, or raises StopRun, ends the run there. Of a run that goes on, it is first told the steps that
are recorded; they are over, so what it says to them ends nothing.
"""


def no_watch(_step: int, _trials: Sequence[Trial]) -> None:
    """Watch nothing."""


def tell_again(watch: Watcher, step: int, trials: Sequence[Trial]) -> None:
    """Tell a watcher a step of the record."""
    with suppress(StopRun):
        watch(step, trials)


@dataclass(frozen=True, slots=True)
class Loop:
    """One run of `proposer` on `problem`."""

    problem: Problem
    proposer: Proposer
    journal: Journal
    limits: Limits
    seed: int
    watch: Watcher = no_watch

    async def run(self, progress: Progress) -> str:
        """Go on from `progress` until a limit is met; return which.

        Raises:
            StopRun: the watcher wants no further step.
            ScoringError: all starting solutions failed alike, by no fault of theirs.
        """
        while progress.steps < 0 or (end := progress.end(self.limits)) is None:
            progress.check_scoring()
            await self._step(progress)
        return end

    async def _step(self, progress: Progress) -> None:
        step = self.journal.step = progress.steps + 1
        began = time.perf_counter()
        candidates = await self._candidates(step, progress.trajectory.length)
        asked = time.perf_counter()
        trials = await self._evaluate(step, progress.trajectory.length, candidates)
        asking, scoring = asked - began, time.perf_counter() - asked
        self.journal.record_step(trials, asking=asking, scoring=scoring)  # durable before anyone learns from it
        self.proposer.tell(trials)
        progress.add(trials, asking + scoring)
        if self.watch(step, trials) is False:
            raise StopRun
        await asyncio.sleep(0)  # a step that waited for nothing lets Ctrl-C in here

    async def _candidates(self, step: int, made: int) -> Sequence[Candidate]:
        if step == 0:
            return self.problem.start(self.seed)[: self.limits.trials]
        left = self.limits.per_step if self.limits.trials is None else self.limits.trials - made
        n = min(self.limits.per_step, left)
        candidates = await self.proposer.ask(step, n)
        if len(candidates) > n:
            raise RuntimeError(f"the proposer was asked for {n} candidates and returned {len(candidates)}")
        return candidates

    async def _evaluate(self, step: int, made: int, candidates: Sequence[Candidate]) -> list[Trial]:
        evaluations = await self._evaluations(candidates) if candidates else ()
        if len(evaluations) != len(candidates):
            raise RuntimeError(
                f"the problem got {len(candidates)} candidates and returned {len(evaluations)} evaluations"
            )
        pairs = zip(candidates, evaluations, strict=True)
        return [Trial(made + i, step, candidate, evaluation) for i, (candidate, evaluation) in enumerate(pairs)]

    async def _evaluations(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return what the problem makes of candidates; one that it raises an InvalidSolutionError for has failed."""
        try:
            return await self.problem.evaluate(candidates)
        except InvalidSolutionError as error:
            if len(candidates) == 1:
                return [Evaluation.failed(str(error))]
            return [(await self._evaluations([candidate]))[0] for candidate in candidates]

"""The first steps of a run with made-up solutions, in which no model is asked: what it would be asked is noted."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from opro.build import build_proposer, resolve_options
from opro.config import RunConfig
from opro.demand import NOTHING, Foreseen
from opro.outline import Outline
from opro.protocols import Problem, Proposer, Scored
from opro.standins import Mute, Scoring, scoring_of, writer
from opro.types import Candidate, Evaluation, Trial

_REHEARSED = 40
"""Candidates that are rehearsed at least; later steps are taken to cost as much as the last one."""

_ROUNDS = 4 / 3
"""Rounds of drawing that a step takes where it may take several: 1.0 to 1.5 with the default model."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the two models of a run will be asked, to its last step."""

    optimizer: Foreseen = NOTHING
    scorer: Foreseen = NOTHING


async def rehearsed(
    config: RunConfig, problem: Problem, optimizer: Outline | None, scorer: Outline | None
) -> Rehearsed:
    """Return what the models of a run will be asked; the outlines are None where there is no such model."""
    if optimizer is None and scorer is None:
        return Rehearsed()
    starts = list(problem.start(config.seed)[: config.trials])
    texts = [candidate.text for candidate in starts]
    mute = Mute(optimizer, texts[0] if texts else "") if optimizer else None
    options = resolve_options(config, mute)
    proposer = build_proposer(config.model_copy(update={"options": options}), problem, mute)
    play = _Play(problem, proposer, mute, scoring_of(problem, scorer), writer(problem, texts), Random(config.seed))
    await play.begin(starts)
    left = math.inf if config.trials is None else config.trials - len(starts)
    steps = min(config.steps, config.steps if left == math.inf else math.ceil(left / config.per_step))
    shown = int(options.get("shown", 0)) + int(options.get("spread", 0))
    acted = min(steps, math.ceil(max(_REHEARSED, shown) / config.per_step))
    for step in range(1, acted + 1):
        await play.step(step, int(min(config.per_step, left - (step - 1) * config.per_step)))
    rounds = int(options.get("rounds", 1))
    asked = play.asked + play.last_asked * (steps - acted)
    later = min((steps - acted) * play.brought, max(left - acted * config.per_step, 0))
    return Rehearsed(
        Foreseen(asked.likely * (min(rounds, _ROUNDS) / rounds), asked.most),
        play.scored + play.mean_scored * later,
    )


@dataclass(slots=True)
class _Play:
    """The steps that are rehearsed.

    Attributes:
        asked: what the optimizer model was asked, in all rounds of drawing that a step may take.
        last_asked: in the last step.
        scored: what the scorer was asked.
        brought: candidates of the last step.
    """

    problem: Problem
    proposer: Proposer
    model: Mute | None
    scoring: Scoring
    write: Callable[[Random], str]
    random: Random
    asked: Foreseen = NOTHING
    last_asked: Foreseen = NOTHING
    scored: Foreseen = NOTHING
    brought: int = 0
    _proposals: Foreseen = field(default=NOTHING, init=False)
    _made: int = field(default=0, init=False)
    _proposed: int = field(default=0, init=False)

    @property
    def mean_scored(self) -> Foreseen:
        """What the scorer was asked about a proposed candidate, on the average."""
        return self._proposals * (1 / max(self._proposed, 1))

    async def begin(self, starts: Sequence[Candidate]) -> None:
        """Score the starting solutions; one alone races against nobody."""
        self.scored += await self.scoring.take(starts, alone=len(starts) == 1)
        self._tell(starts, 0)

    async def step(self, step: int, n: int) -> None:
        """Propose and score up to `n` candidates; what a model would write is made up."""
        candidates = await self.proposer.ask(step, n)
        if self.model:
            candidates = [Candidate(self.write(self.random)) for _ in range(n)]
            self.last_asked = self.model.taken([one.text for one in candidates])
            self.asked += self.last_asked
        took = await self.scoring.take(candidates, alone=False)
        self.scored += took
        self._proposals += took
        self.brought = len(candidates)
        self._proposed += self.brought
        self._tell(candidates, step)

    def _tell(self, candidates: Sequence[Candidate], step: int) -> None:
        trials = [Trial(self._made + i, step, one, Evaluation(self._value())) for i, one in enumerate(candidates)]
        self._made += len(trials)
        self.proposer.tell(trials)

    def _value(self) -> float:
        """Return a value out of the air: a share where answers are counted."""
        return self.random.random() if isinstance(self.problem, Scored) else self.random.uniform(1, 1000)

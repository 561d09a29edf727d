"""A recurrent network that writes solutions token by token and learns by REINFORCE, as in Neural Optimizer Search.

From the paper (Bello et al., 2017): one LSTM layer of 150 units, weights uniform in [-0.08, 0.08], Adam, gradients over
5 solutions, an entropy bonus of 0.0015, and a moving average of rewards as the baseline. Ours: plain REINFORCE at a
higher rate in place of trust regions at 1e-5, for budgets of thousands and not of hundreds of thousands; and rewards in
units of their own moving spread, so that any problem's values will do.

It learns from every solution that the grammar can write, whoever proposed it, in the order of the record: so a
controller that is told the record again is the one that wrote it.
"""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from opro.errors import ConfigError, InvalidSolutionError
from opro.protocols import Grammatical, LanguageModel, Problem
from opro.types import Candidate, Trial

if TYPE_CHECKING:
    from opro.proposers.controller_network import Writer

ROUNDS = 10
"""Rounds of writing for enough new solutions."""


class Controller:
    """Writes what the problem's grammar allows, more and more of what was rewarded."""

    needs_model = False

    class Config(BaseModel):
        """Settings of network and learning."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        units: int = Field(150, ge=1, le=4096, description="units of the LSTM")
        rate: float = Field(2e-3, gt=0, le=1, description="learning rate of Adam")
        batch: int = Field(5, ge=1, description="solutions of one gradient")
        entropy: float = Field(0.0015, ge=0, description="weight of the entropy bonus")
        memory: float = Field(0.9, ge=0, lt=1, description="how much of the moving averages a reward leaves as it is")

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None = None) -> None:
        """Take a problem whose solutions a grammar writes; no language model is used."""
        del model
        if not isinstance(problem, Grammatical):
            raise ConfigError("the proposer `controller` needs a problem with the methods `follow`, `written`, ...")
        self._direction = problem.direction
        self._parse = problem.parse
        self._problem: Grammatical = problem
        self._config = config
        self._seed = seed
        self._known: set[str] = set()
        self._rewards = Rewards(config.memory)
        self._waiting: list[tuple[Sequence[str], float]] = []
        self._made: Writer | None = None

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return up to `n` new solutions; fewer once the controller repeats itself."""
        random = Random(f"{self._seed}:{step}")
        new: dict[str, None] = {}
        for _ in range(ROUNDS):
            for tokens in self._writer.write(n, random.getrandbits(31)):
                if (text := self._text(tokens)) not in self._known:
                    new[text] = None
            new.pop("", None)
            if len(new) >= n:
                break
        return [Candidate(text) for text in list(new)[:n]]

    def _text(self, tokens: Sequence[str]) -> str:
        """Return the solution that tokens write, nothing where the problem refuses it, such as a constant rule."""
        try:
            return self._parse(self._problem.written(tokens))
        except InvalidSolutionError:
            return ""

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from trials in their order, as soon as there are enough for a gradient."""
        for trial in trials:
            self._known.add(trial.text)
            advantage = self._rewards.advantage(None if trial.value is None else -self._direction.cost(trial.value))
            try:
                self._waiting.append((self._problem.spelling(trial.text), advantage))
            except InvalidSolutionError:
                continue  # such as a starting solution with a number of its own
            if len(self._waiting) == self._config.batch:
                self._writer.learn(self._waiting, self._config.entropy)
                self._waiting = []

    @property
    def _writer(self) -> "Writer":
        """The network, made when it is needed: torch takes seconds to import."""
        if self._made is None:
            from opro.proposers.controller_network import Writer

            self._made = Writer(self._problem, self._config.units, self._config.rate, self._seed)
        return self._made


class Rewards:
    """The moving average of rewards, and of how far they are from it."""

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self._mean: float | None = None
        self._spread = 0.0
        self._worst: float | None = None

    def advantage(self, reward: float | None) -> float:
        """Return how much better a reward is than was expected, in units of the spread; None is as bad as the worst."""
        if reward is None:
            reward = self._worst
        if reward is None:
            return 0.0  # nothing but failures yet
        self._worst = reward if self._worst is None else min(self._worst, reward)
        if self._mean is None:
            self._mean = reward
        distance = reward - self._mean
        self._mean += (1 - self._memory) * distance
        self._spread += (1 - self._memory) * (abs(distance) - self._spread)
        return max(-_MOST, min(_MOST, distance / self._spread)) if self._spread else 0.0


_MOST = 3.0
"""Spreads by which one reward counts at most."""

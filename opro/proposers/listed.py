"""A proposer that goes through the solutions that a problem lists."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from opro.errors import ConfigError
from opro.protocols import LanguageModel, Listed, Problem
from opro.types import Candidate, Trial


class Agenda:
    """Proposes what the problem lists, in its order."""

    needs_model = False

    class Config(BaseModel):
        """There is nothing to set."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None = None) -> None:
        """Take a problem that lists its solutions; there is nothing to configure, and no model is used."""
        del config, seed, model
        if not isinstance(problem, Listed):
            raise ConfigError("the proposer `list` needs a problem with a method `listed`")
        self._texts = list(problem.listed())
        self._known: set[str] = set()

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return the next solutions."""
        del step
        return [Candidate(text) for text in self._texts if text not in self._known][:n]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember what was tried."""
        self._known.update(trial.text for trial in trials)

"""A proposer that proposes nothing."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from opro.protocols import LanguageModel, Problem
from opro.types import Candidate, Trial


class Nothing:
    """Proposes nothing: the starting solutions are evaluated, and that is all."""

    needs_model = False

    class Config(BaseModel):
        """There is nothing to set."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None) -> None:
        """Take what every proposer takes."""
        del problem, config, seed, model

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return no candidate."""
        del step, n
        return ()

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn nothing."""

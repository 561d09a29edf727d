"""What equation problems share around the scoring: texts that are no equation, the setting, the syntax, the scale."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from evaluators.equation_space import EquationSpace
from evaluators.expressions import Node
from opro.constraints import Regex
from opro.errors import InvalidSolutionError
from opro.types import Candidate, Evaluation

if TYPE_CHECKING:
    from evaluators.child_results import Setting

FORMULA = Regex(r"[A-Za-z0-9(-][A-Za-z0-9 .,()+*/^@-]{0,119}")
"""The letters of a formula. That its brackets match no such pattern can tell: the parser does, when it is written."""

Scoring = Callable[[Sequence[Node]], list[Evaluation]]


class TrainingConfig(Protocol):
    """The settings that all trainings have."""

    @property
    def data(self) -> str:
        """The name of the data set."""
        ...

    @property
    def epochs(self) -> int:
        """Passes over the training examples."""
        ...

    @property
    def batch(self) -> int:
        """Examples a step."""
        ...

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rates."""
        ...

    @property
    def together(self) -> int:
        """Networks that are trained at once."""
        ...

    @property
    def device(self) -> str:
        """Where."""
        ...

    @property
    def dtype(self) -> Literal["float32", "float64", "bfloat16"]:
        """In which precision."""
        ...


def setting(config: TrainingConfig, network: str, hidden: tuple[int, ...]) -> "Setting":
    """Return the setting of a training, for which torch is needed."""
    import torch

    from evaluators.child_results import Setting
    from evaluators.child_training import Schedule

    kind: torch.dtype = getattr(torch, config.dtype)
    schedule = Schedule(config.epochs, config.batch, config.rates, config.device, kind)
    return Setting(config.data, network, hidden, schedule, config.together)


async def evaluations(candidates: Sequence[Candidate], space: EquationSpace, score: Scoring) -> list[Evaluation]:
    """Return an evaluation for each candidate: what `score` says of those that are equations, else why one is none."""
    trees: list[Node] = []
    reasons: list[str] = []
    for candidate in candidates:
        try:
            trees.append(space.tree(candidate.text))
            reasons.append("")
        except InvalidSolutionError as error:
            reasons.append(str(error))
    scored = iter(await asyncio.to_thread(score, trees) if trees else ())  # so that a run can be interrupted
    return [Evaluation.failed(reason) if reason else next(scored) for reason in reasons]


def percent(value: float) -> str:
    """Show an accuracy as a meta-prompt does, in percent."""
    return f"{100 * value:.2f}"

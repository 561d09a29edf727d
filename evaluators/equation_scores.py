"""What equation problems share around the scoring: texts that are no equation, the setting, the syntax, the scale."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from evaluators.equation_space import EquationSpace
from evaluators.expressions import FUNCTIONS, INFIX, NEGATION, NUMERIC_SECOND, Language, Node
from opro.constraints import Regex
from opro.errors import ConfigError, InvalidSolutionError
from opro.types import Candidate, Evaluation

if TYPE_CHECKING:
    from evaluators.child_results import Setting

NESTED = 2
"""How deep a formula that is held to a pattern can be: no pattern can tell matching brackets of any depth."""

_NUMBER = r"[0-9]{1,3}(?:\.[0-9]{1,4})?"

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Units = Annotated[int, Field(ge=1, le=10_000)]

Scoring = Callable[[Sequence[Node]], list[Evaluation]]


def formula(language: Language) -> Regex:
    """Return the pattern of the formulas of a language up to a depth; what does not fit in it, the parser sees."""
    marks = "".join(re.escape(name) for name in INFIX if name in language.functions)
    called = [name for name in sorted(language.functions) if name.isalpha() and name != NEGATION]
    one = "|".join(name for name in called if FUNCTIONS[name] == 1)
    two = "|".join(name for name in called if FUNCTIONS[name] == 2 and name not in NUMERIC_SECOND)
    numeric = "|".join(name for name in called if name in NUMERIC_SECOND)
    leaf = f"(?:{'|'.join([*sorted(language.operands, reverse=True), _NUMBER])})"
    shallow = part = leaf
    for _ in range(NESTED):
        inner = f"-?{part}(?: [{marks}] {part})*"
        part = (
            rf"(?:{leaf}|(?:{one})?\({inner}\)|(?:{numeric})\({inner}, {_NUMBER}\)|(?:{two})\({shallow}, {shallow}\))"
        )
    return Regex(f"-?{part}(?: [{marks}] {part})*")


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

    try:
        torch.empty(1, device=config.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device = {config.device!r} cannot be used here ({reason}); `cpu` always can") from error
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

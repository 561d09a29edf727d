"""What is known of a model before it is reached: enough to say what it will be asked, and what that costs."""

from dataclasses import dataclass

from opro.constraints import Constraint
from opro.protocols import LanguageModel, Served
from opro.types import Style


@dataclass(frozen=True, slots=True)
class Outline:
    """A model that is not asked anything.

    Attributes:
        enforces: the kinds of constraint that it is taken to keep while decoding.
        style: the style in which it is taken to optimize best.
        served_as: its name and its server's host, None for a model in this process.
        remark: what had to be guessed, a sentence for the user; empty where nothing was.
    """

    enforces: frozenset[type[Constraint]]
    style: Style
    served_as: tuple[str, str] | None = None
    remark: str = ""

    @classmethod
    def of(cls, model: LanguageModel) -> "Outline":
        """Return what is known of a model that is there."""
        return cls(model.enforces, model.style, model.served_as if isinstance(model, Served) else None)

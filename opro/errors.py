"""What can go wrong with the machinery. A candidate that fails is a value (`Evaluation.failed`), not an exception.

OproError
├── ConfigError          an unknown name or a wrong value; the command exits with 2
│   └── MissingExtraError    what an optional part needs is not installed
├── InvalidSolutionError      a text that is not a solution; becomes a failed trial
├── ScoringError         the scoring fails whatever it is given: the run ends, for asking on would only cost
├── StoreError           the record cannot be read or written
├── BudgetError          the next request might exceed the budget; the run stops and can be resumed with a larger one
└── ModelError           a language model cannot be loaded or did not answer
    ├── ContextError     a prompt does not fit into the model's window
    └── RequestError     a server refused a request, or gave no usable answer
"""

from collections.abc import Iterable
from difflib import get_close_matches


class OproError(Exception):
    """Base of every error that the workbench raises on purpose."""


class ConfigError(OproError):
    """A name or value given by the user is wrong; the message says which, and what to do."""


class MissingExtraError(ConfigError):
    """What an optional part of the workbench needs is not installed; the message says what to type."""


class InvalidSolutionError(OproError):
    """A text is not a solution of the problem; the message is the reason shown to the user and the model."""


class ScoringError(OproError):
    """Scoring fails whatever it is given; the message is its error."""


class StoreError(OproError):
    """The store cannot be opened, read or written."""


class BudgetError(OproError):
    """The next request might exceed the budget."""


class ModelError(OproError):
    """A language model cannot be loaded, reached, or refuses a request."""


class ContextError(ModelError):
    """A prompt does not fit into the model's window; `excess` tells by how many tokens, None where it is not known."""

    def __init__(self, message: str, *, excess: int | None = None) -> None:
        super().__init__(message)
        self.excess = excess


class RequestError(ModelError):
    """A request to a server failed.

    Attributes:
        status: HTTP's status; 200 for an answer that cannot be used, None without an answer.
        retry_after: how many seconds the server asks to wait, where it does.
        lasting: whether the same request would fail again, so that trying again is of no use.
        charged: whether the server may ask money for it: it may have written what did not arrive.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        lasting: bool = False,
        charged: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.lasting = lasting
        self.charged = charged


class StopRun(Exception):  # noqa: N818 - like StopIteration, it tells of no error
    """Raised by a `watch` to end a run after the step that it was told of; the run is kept, and can be resumed.

    Its text, where it has one, is kept as the reason.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name, with the nearest known one and the list of all."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ConfigError(f"unknown {kind} {name!r}: {hint}known: {', '.join(names) or 'none'}")

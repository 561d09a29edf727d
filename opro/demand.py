"""What requests take, before they are sent: as is likely, and at most."""

from dataclasses import dataclass

from opro.constraints import Weighed
from opro.tokens import prompt_tokens, tokens
from opro.types import Request


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests, and tokens read and written; shares of them may be fractions."""

    requests: float = 0.0
    read: float = 0.0
    written: float = 0.0

    def __add__(self, other: "Demand") -> "Demand":
        """Return the sum, field by field."""
        return Demand(self.requests + other.requests, self.read + other.read, self.written + other.written)

    def __mul__(self, factor: float) -> "Demand":
        """Return so many times as much."""
        return Demand(self.requests * factor, self.read * factor, self.written * factor)

    def within(self, most: "Demand") -> "Demand":
        """Return the same, but nothing of it more than at most."""
        return Demand(min(self.requests, most.requests), min(self.read, most.read), min(self.written, most.written))


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A demand as it is likely, and at most."""

    likely: Demand = Demand()
    most: Demand = Demand()

    def __add__(self, other: "Foreseen") -> "Foreseen":
        """Return the sum, part by part."""
        return Foreseen(self.likely + other.likely, self.most + other.most)

    def __mul__(self, factor: float) -> "Foreseen":
        """Return so many times as much."""
        return Foreseen(self.likely * factor, self.most * factor)


NOTHING = Foreseen()


def foreseen(request: Request, written: int, *, singly: bool = False) -> Foreseen:
    """Return what a request takes, if each of its samples is likely to have `written` tokens.

    At most they are as long as they may be. Prompts are counted alike. With `singly` a server may write one sample a
    request, and read the prompt for each.
    """
    if isinstance(request.constraint, Weighed):
        return _weighed(request, request.constraint.options, singly=singly)
    read, parts = prompt_tokens(request.prompt), request.n if singly else 1
    likely = Demand(1, read, request.n * min(written, request.max_tokens))
    return Foreseen(likely, Demand(parts, parts * read, request.n * request.max_tokens))


def _weighed(request: Request, options: tuple[str, ...], *, singly: bool) -> Foreseen:
    """Return what weighing takes: options of several tokens need a look behind each of their beginnings."""
    read = prompt_tokens(request.prompt)
    if not singly:
        once = Demand(1, read + sum(map(tokens, options)), 0)
        return Foreseen(once, once)
    looks = 1 + sum(tokens(option) - 1 for option in options)
    most = 1 + sum(len(option.encode()) - 1 for option in options)
    return Foreseen(Demand(1, looks * read, looks), Demand(1, most * (read + max(map(len, options))), most))

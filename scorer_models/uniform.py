"""A model that knows nothing: it writes what a constraint allows, all of it equally likely.

In the place of a language model it shows how much of a result is due to the search around the model.
"""

from random import Random
from typing import Self

from opro.constraints import Choice, Constraint, Permutation
from opro.errors import ConfigError, ModelError
from opro.types import Generation, Request, Sample, Style


class UniformModel:
    """Knows nothing: `uniform` writes a random choice or permutation, as the control for a language model."""

    fingerprint = "uniform"
    enforces: frozenset[type[Constraint]] = frozenset({Choice, Permutation})
    style = Style.CONTINUATION

    @classmethod
    def load(cls, name: str = "") -> Self:
        """Return the model; it has no variants."""
        if name:
            raise ConfigError(f"the model `uniform` has no variants; it was given {name!r}")
        return cls()

    async def generate(self, request: Request) -> Generation:
        """Return texts drawn uniformly from what the request's constraint allows; usage is zero."""
        random = Random(request.seed)
        samples = [Sample(_draw(request.constraint, random)) for _ in range(request.first + request.n)]
        return Generation(tuple(samples[request.first :]))

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def _draw(constraint: Constraint | None, random: Random) -> str:
    if isinstance(constraint, Choice):
        return random.choice(constraint.options)
    if isinstance(constraint, Permutation):
        order = random.sample(constraint.items, len(constraint.items))
        return "".join(constraint.separator + item for item in order)
    raise ModelError("the model `uniform` writes permutations and choices only, and this problem asks for neither")

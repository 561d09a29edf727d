"""What all wrappers of a language model have in common: they answer for the model inside."""

from opro.constraints import Constraint
from opro.protocols import LanguageModel
from opro.types import Style


class Wrapper:
    """Forwards what a model says of itself; a wrapper adds its own `generate`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def fingerprint(self) -> str:
        """See LanguageModel."""
        return self._model.fingerprint

    @property
    def enforces(self) -> frozenset[type[Constraint]]:
        """See LanguageModel."""
        return self._model.enforces

    @property
    def style(self) -> Style:
        """See LanguageModel."""
        return self._model.style

    async def close(self) -> None:
        """See LanguageModel."""
        await self._model.close()

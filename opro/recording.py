"""A wrapper with the protocol of a model: what arrives is recorded, and what was recorded is not asked for again."""

from opro.constraints import Constraint
from opro.journal import Journal
from opro.protocols import LanguageModel
from opro.types import Generation, Request, Style


class RecordedModel:
    """Records every generation of `model` in the journal before it is used."""

    def __init__(self, model: LanguageModel, journal: Journal, role: str = "optimizer") -> None:
        self._model = model
        self._journal = journal
        self._role = role

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

    async def generate(self, request: Request) -> Generation:
        """Return the stored generation of this request in this step, or a new one, stored."""
        stored = self._journal.find_generation(self._role, request)
        if stored is not None:
            return stored
        return self._journal.record_generation(self._role, request, await self._model.generate(request))

    async def close(self) -> None:
        """See LanguageModel."""
        await self._model.close()

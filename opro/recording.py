"""A wrapper with the protocol of a model: what arrives is recorded, and what was recorded is not asked for again."""

import asyncio

from opro.constraints import Constraint
from opro.errors import StoreError
from opro.journal import Journal
from opro.protocols import LanguageModel
from opro.types import Generation, Request, Style

TOGETHER_SECONDS = 0.001
"""Generations that arrive within so long of the first are recorded together."""


class RecordedModel:
    """Records every generation of `model` in the journal before it is used."""

    def __init__(self, model: LanguageModel, journal: Journal, role: str = "optimizer") -> None:
        self._model = model
        self._journal = journal
        self._role = role
        self._arrived: list[tuple[Request, Generation, asyncio.Future[Generation]]] = []

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
        generation = await self._model.generate(request)
        if not self._arrived:
            asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._record)
        recorded = asyncio.get_running_loop().create_future()
        self._arrived.append((request, generation, recorded))
        return await recorded

    def _record(self) -> None:
        """Record what arrived together in one transaction.

        Requests that a backend answers as one batch are so kept or lost as one: were a run killed between them, the
        rest would be answered in a smaller batch later, where a low-precision model may round otherwise.
        """
        arrived, self._arrived = self._arrived, []
        try:
            stored = self._journal.record_generations(self._role, [(request, made) for request, made, _ in arrived])
        except StoreError as error:
            for _, _, recorded in arrived:
                if not recorded.done():
                    recorded.set_exception(error)
            return
        for (_, _, recorded), generation in zip(arrived, stored, strict=True):
            if not recorded.done():
                recorded.set_result(generation)

    async def close(self) -> None:
        """See LanguageModel."""
        await self._model.close()

"""The wrapper next to the run: what arrives is recorded, what was recorded is not asked for again, all samples come."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from opro.errors import ModelError, StoreError
from opro.journal import Arrived, Journal
from opro.protocols import LanguageModel
from opro.records import add_usd, request_json, request_key
from opro.types import Generation, Request, Sample
from opro.wrapping import Wrapper

TOGETHER_SECONDS = 0.01
"""Generations that arrive within so long of the first are recorded together, if others are still awaited."""


def any_number() -> int:
    """Return how many samples a request may ask for where there is no limit."""
    return sys.maxsize


class RecordedModel(Wrapper):
    """Records every generation of `model` in the journal before it is used.

    A request is known by its prompt, settings and seed, and each of its samples by its number: whatever part of them is
    in the record is taken from there, and the rest is asked for in as few requests as `widest` allows. A request that
    its asker gave up is finished all the same, for it is paid for: see `drain`.
    """

    def __init__(
        self,
        model: LanguageModel,
        journal: Journal,
        role: str = "optimizer",
        widest: Callable[[], int] = any_number,
    ) -> None:
        super().__init__(model)
        self._journal = journal
        self._role = role
        self._widest = widest
        self._arrived: list[tuple[Arrived, asyncio.Future[Generation]]] = []
        self._asking: dict[tuple[str, int, int], asyncio.Task[Generation]] = {}

    async def generate(self, request: Request) -> Generation:
        """Return all samples of the request, stored, and what they cost, now or when they arrived."""
        key = request_key(request_json(request))
        numbers = range(request.first, request.first + request.n)
        arrived = self._journal.stored(self._role, key, numbers)
        samples: dict[int, Sample] = {}
        total = Generation((), usd=0.0)
        while True:
            for first, generation in arrived:
                samples.update(enumerate(generation.samples, first))
                total = _sum(total, generation)
            missing = [number for number in numbers if number not in samples]
            if not missing:
                break
            arrived = await self._parts(request, key, missing)
        return replace(total, samples=tuple(samples[number] for number in numbers))

    async def _parts(self, request: Request, key: str, missing: Sequence[int]) -> list[tuple[int, Generation]]:
        """Ask for missing samples, in several requests at once where one cannot return them all.

        All of them end before an error is raised, so that what arrived is in the record.
        """
        parts = [replace(request, first=part.start, n=len(part)) for part in _runs(missing, self._widest())]
        tasks = [asyncio.shield(self._started(part, key)) for part in parts]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        generations: list[Generation] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            generations.append(result)
        return [(part.first, generation) for part, generation in zip(parts, generations, strict=True)]

    def _started(self, part: Request, key: str) -> asyncio.Task[Generation]:
        """Return the task that asks for a part; two that ask for the same share it."""
        what = (key, part.first, part.n)
        task = self._asking.get(what)
        if task is None:
            task = self._asking[what] = asyncio.create_task(self._ask(part, key))
            task.add_done_callback(lambda _: self._asking.pop(what))
        return task

    async def _ask(self, part: Request, key: str) -> Generation:
        generation = await self._model.generate(part)
        if not generation.samples:
            raise ModelError("the model returned no sample where at least one is needed")
        generation = replace(generation, samples=generation.samples[: part.n])
        recorded: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        self._arrived.append((Arrived(self._role, key, request_json(part), generation), recorded))
        if len(self._arrived) == len(self._asking):  # nobody else is awaited
            self._record()
        elif len(self._arrived) == 1:
            asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._record)
        return await recorded

    def _record(self) -> None:
        """Record what arrived together in one transaction.

        Requests that a backend answers as one batch are so kept or lost as one: were a run killed between them, the
        rest would be answered in a smaller batch later, where a low-precision model may round otherwise.
        """
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        try:
            stored = self._journal.record_generations([one for one, _ in arrived])
        except StoreError as error:
            for _, recorded in arrived:
                if not recorded.done():
                    recorded.set_exception(error)
            return
        for (_, recorded), generation in zip(arrived, stored, strict=True):
            if not recorded.done():
                recorded.set_result(generation)

    async def drain(self) -> None:
        """Record what has arrived, and give up what is still asked for."""
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=2 * TOGETHER_SECONDS)
        self._record()
        late = list(self._asking.values())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _runs(numbers: Sequence[int], widest: int) -> Iterator[range]:
    """Yield the runs of consecutive ascending numbers, none longer than `widest`."""
    start = end = numbers[0]
    for number in numbers:
        if number > end or end - start == widest:
            yield range(start, end)
            start = number
        end = number + 1
    yield range(start, end)


def _sum(total: Generation, part: Generation) -> Generation:
    seconds, usd = max(total.seconds, part.seconds), add_usd(total.usd, part.usd)
    return Generation((), total.usage + part.usage, seconds, usd)

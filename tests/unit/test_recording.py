"""The recording wrapper: nothing that arrived is asked for again, and all samples come, in however many parts."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from opro.errors import RequestError, StoreError
from opro.journal import Journal
from opro.reader import Reader
from opro.recording import RecordedModel
from opro.records import RunSpec
from opro.store import Store
from opro.types import Direction, Generation, Request, Sample
from scorer_models.scripted import ScriptedModel

SPEC = RunSpec(problem="hill", direction=Direction.MAXIMIZE, proposer="opro", model="", seed=0, config={})
REQUEST = Request(prompt="go", n=5)


@pytest.fixture
def journal(store: str) -> Journal:
    return Store(store).new_run(SPEC)


def numbered(request: Request) -> Sequence[str]:
    return [f"sample {number}" for number in range(request.first, request.first + request.n)]


class Stingy(ScriptedModel):
    """Returns `most` samples a request at most, and fails when the test says so."""

    def __init__(self, most: int, fails: Callable[[Request], bool] = lambda _: False) -> None:
        super().__init__(numbered)
        self._most = most
        self._fails = fails

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        await asyncio.sleep(0.001 * request.first)
        if self._fails(request):
            raise RequestError("no answer")
        numbers = range(request.first, request.first + min(self._most, request.n))
        return Generation(tuple(Sample(f"sample {number}") for number in numbers))


async def texts(model: RecordedModel, request: Request) -> list[str]:
    return [sample.text for sample in (await model.generate(request)).samples]


def asked(model: ScriptedModel) -> list[tuple[int, int]]:
    return [(request.first, request.n) for request in model.requests]


async def test_a_stored_generation_is_used_and_not_asked_for_again(journal: Journal) -> None:
    model = ScriptedModel(["1", "2"])
    recorded = RecordedModel(model, journal)
    first = await recorded.generate(REQUEST)
    assert await recorded.generate(REQUEST) == first
    assert len(model.requests) == 1


async def test_another_seed_or_temperature_is_another_request(journal: Journal) -> None:
    model = ScriptedModel(["1", "2"])
    recorded = RecordedModel(model, journal)
    for request in (REQUEST, replace(REQUEST, seed=1), replace(REQUEST, temperature=0.5)):
        await recorded.generate(request)
    assert len(model.requests) == 3


async def test_the_samples_that_a_model_did_not_return_are_asked_for(journal: Journal) -> None:
    model = Stingy(2)
    assert await texts(RecordedModel(model, journal), REQUEST) == [f"sample {number}" for number in range(5)]
    assert asked(model) == [(0, 5), (2, 3), (4, 1)]


async def test_samples_come_in_parts_at_once_where_the_server_takes_no_more(journal: Journal, store: str) -> None:
    model = Stingy(2)
    assert await texts(RecordedModel(model, journal, widest=lambda: 2), REQUEST) == numbered(REQUEST)
    assert asked(model) == [(0, 2), (2, 2), (4, 1)]
    assert [generation.first for generation in Reader(store).generations(journal.run)] == [0, 2, 4]


async def test_what_arrived_is_kept_when_another_part_fails(journal: Journal) -> None:
    failing = Stingy(2, fails=lambda request: request.first == 0)
    with pytest.raises(RequestError, match="no answer"):
        await RecordedModel(failing, journal, widest=lambda: 2).generate(REQUEST)
    sound = Stingy(9)
    assert await texts(RecordedModel(sound, journal), REQUEST) == numbered(REQUEST)
    assert asked(sound) == [(0, 2)]


async def test_every_sample_tells_where_it_is_stored(journal: Journal, store: str) -> None:
    made = await RecordedModel(Stingy(2), journal).generate(REQUEST)
    stored = {record.id: record.samples for record in Reader(store).generations(journal.run)}
    for sample in made.samples:
        assert sample.source is not None
        assert stored[sample.source.generation][sample.source.place] == sample.text


async def test_two_that_ask_the_same_at_once_share_one_request(journal: Journal) -> None:
    model = ScriptedModel(["1", "2"])
    recorded = RecordedModel(model, journal)
    one, other = await asyncio.gather(recorded.generate(REQUEST), recorded.generate(REQUEST))
    assert one == other
    assert len(model.requests) == 1


async def test_what_has_arrived_is_recorded_at_the_end_and_the_rest_given_up(journal: Journal, store: str) -> None:
    recorded = RecordedModel(ScriptedModel(numbered, delay=0.0), journal)
    slow = RecordedModel(ScriptedModel(numbered, delay=60), journal, "scorer")
    tasks = [asyncio.create_task(model.generate(REQUEST)) for model in (recorded, slow)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(recorded.drain(), slow.drain())
    assert [generation.role for generation in Reader(store).generations(journal.run)] == ["optimizer"]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)


async def test_a_store_that_cannot_be_written_fails_all_who_wait(journal: Journal, store: str) -> None:
    recorded = RecordedModel(ScriptedModel(["1", "2"]), journal)
    with journal._write() as connection:
        connection.exec_driver_sql("ALTER TABLE generations RENAME TO elsewhere")
    requests = [recorded.generate(REQUEST), recorded.generate(replace(REQUEST, seed=1))]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(answer, StoreError) for answer in answers)


async def test_what_arrives_together_is_one_transaction(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    record = journal.record_generations

    def counted(arrived: Sequence[object]) -> list[Generation]:
        written.append(len(arrived))
        return record(arrived)  # type: ignore[arg-type]

    monkeypatch.setattr(journal, "record_generations", counted)
    recorded = RecordedModel(ScriptedModel(["1", "2"]), journal)
    await asyncio.gather(*(recorded.generate(replace(REQUEST, seed=seed)) for seed in range(6)))
    assert written == [6]

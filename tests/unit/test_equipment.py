"""What a run does with its models: nothing is sent once it ends, caps hold over sessions, limits reach the server."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from opro import retrying
from opro.config import run_config
from opro.equipment import Equipment, open_ledger
from opro.errors import BudgetError, ConfigError, RequestError
from opro.journal import Journal
from opro.ledger import Ledger
from opro.reader import Reader
from opro.records import Event, EventKind, RunSpec, Status, request_json, request_key
from opro.store import Store
from opro.types import Candidate, Direction, Evaluation, Generation, Request, Sample, Trial, Usage
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel

SPEC = RunSpec(problem="hill", direction=Direction.MAXIMIZE, proposer="opro", model="", seed=0, config={})
CONFIG: dict[str, Any] = {"problem": "tests.problems:Hill", "steps": 3, "baselines": "never"}


class Remote(ScriptedModel):
    """A scripted model behind a server."""

    served_as = ("big", "127.0.0.1")
    widest = 1000

    def __init__(self, *, delay: float = 0.0, refusal: RequestError | None = None) -> None:
        super().__init__(lambda request: [str((request.seed >> i) % 99) for i in range(request.first + request.n)])
        self.fingerprint = "remote"
        self.seconds = delay
        self.refusal = refusal
        self.sent = self.in_flight = self.highest = 0

    async def generate(self, request: Request) -> Generation:
        self.sent += 1
        self.in_flight += 1
        self.highest = max(self.highest, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
            if self.refusal:
                raise self.refusal
            return await super().generate(replaced(request, self.widest))
        finally:
            self.in_flight -= 1


def replaced(request: Request, widest: int) -> Request:
    from dataclasses import replace

    return replace(request, n=min(request.n, widest))


@pytest.fixture
def journal(store: str) -> Journal:
    return Store(store).new_run(SPEC)


def equipped(journal: Journal, model: Remote, role: str = "scorer", **settings: Any) -> tuple[Equipment, Any]:
    equipment = Equipment(journal, run_config({**CONFIG, **settings}), Ledger())
    return equipment, equipment.equip(model, role)


def many(model: Any, count: int = 100) -> list[asyncio.Task[Generation]]:
    return [asyncio.create_task(model.generate(Request(prompt=f"{i}", max_tokens=9))) for i in range(count)]


async def test_a_stopped_run_sends_nothing_more_and_keeps_what_was_in_flight(journal: Journal, store: str) -> None:
    remote = Remote(delay=0.05)
    equipment, model = equipped(journal, remote, concurrency=5)
    tasks = many(model)
    await asyncio.sleep(0.02)
    await equipment.end(stopped=True)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert remote.sent == 5
    assert len(Reader(store).generations(journal.run)) == 5


async def test_a_model_in_process_is_not_waited_for_when_a_run_is_stopped(journal: Journal) -> None:
    equipment = Equipment(journal, run_config(CONFIG), Ledger())
    model = equipment.equip(ScriptedModel(["1"], delay=60), "scorer")
    tasks = many(model, 3)
    await asyncio.sleep(0.01)
    began = time.monotonic()
    await equipment.end(stopped=True)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert time.monotonic() - began < 5


async def test_the_end_of_a_run_does_not_wait_for_pauses(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 1e-3)
    equipment, model = equipped(journal, Remote(refusal=RequestError("busy", status=429, retry_after=60.0)))
    tasks = many(model, 3)
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await equipment.end(stopped=False)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert time.monotonic() - began < 5


async def test_the_limit_in_flight_holds_for_both_roles_together(journal: Journal) -> None:
    remote = Remote(delay=0.01)
    equipment = Equipment(journal, run_config({**CONFIG, "concurrency": 3}), Ledger())
    tasks = [task for role in ("optimizer", "scorer") for task in many(equipment.equip(remote, role), 20)]
    await asyncio.gather(*tasks)
    assert remote.highest == 3


async def test_the_limit_of_requests_a_minute_reaches_the_server(journal: Journal) -> None:
    remote = Remote()
    equipment, model = equipped(journal, remote, requests_per_minute=60)
    tasks = many(model, 30)
    await asyncio.sleep(0.3)
    assert remote.sent < 10
    await equipment.end(stopped=True)
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_samples_are_asked_for_in_as_many_requests_as_the_server_needs(journal: Journal) -> None:
    remote = Remote()
    remote.widest = 2
    _, model = equipped(journal, remote)
    generation = await model.generate(Request(prompt="x", n=6, max_tokens=9))
    assert (len(generation.samples), remote.sent) == (6, 3)


async def test_a_lasting_refusal_ends_a_run_at_once(store: str) -> None:
    remote = Remote(delay=0.01, refusal=RequestError("is the key right?", status=401, lasting=True))
    workbench = Workbench(store)
    with pytest.raises(RequestError, match="is the key right"):
        await workbench.run(run_config({**CONFIG, "concurrency": 2, "options": {"goals": [0.1] * 50}}), model=remote)
    workbench.close()
    assert remote.sent <= 4


def test_a_ledger_begins_with_what_the_record_tells(store: str, journal: Journal) -> None:
    request = request_json(Request(prompt="x"))
    generation = Generation((Sample("y"),), Usage(10, 5), 1.0, usd=0.5)
    from opro.journal import Arrived

    journal.record_generations([Arrived("scorer", request_key(request), request, generation)])
    journal.record_event(Event(0, "scorer", EventKind.FAULT, "lost", {}, 100, 0.25))
    journal.record_step([Trial(0, 0, Candidate("x"), Evaluation(1.0))], asking=3.0, scoring=4.0)
    ledger = open_ledger(Reader(store), journal.run, run_config(CONFIG).caps)
    assert (ledger.spent.tokens, ledger.spent.usd, ledger.seconds) == (115, 0.75, 7.0)


async def test_the_time_of_all_sessions_counts(store: str) -> None:
    """A request takes longer than what is left: it is not sent again and again, a session at a time."""
    remote = Remote(delay=0.3)
    workbench = Workbench(store)
    run = await workbench.run(run_config({**CONFIG, "budget": "0.5s"}), model=remote)
    for _ in range(3):
        await workbench.resume(run, model=remote)
    record = workbench.reader.run(run)
    workbench.close()
    assert record.status is Status.STOPPED
    assert "the time is over" in record.reason
    assert remote.sent <= 3


async def test_a_budget_of_time_is_not_overrun_by_pauses(store: str) -> None:
    remote = Remote(refusal=RequestError("busy", status=429, retry_after=30.0))
    workbench = Workbench(store)
    began = time.monotonic()
    await workbench.run(run_config({**CONFIG, "budget": "0.3s"}), model=remote)
    workbench.close()
    assert time.monotonic() - began < 15


async def test_a_resume_that_cannot_be_leaves_the_run_as_it_was(store: str, tmp_path: Path) -> None:
    workbench = Workbench(store)
    run = await workbench.run(run_config({**CONFIG, "steps": 1}), model=Remote())
    before = workbench.reader.run(run)
    with pytest.raises(ConfigError, match="cannot read the prices"):
        await workbench.resume(run, {"prices": str(tmp_path / "nowhere.toml")}, model=Remote())
    assert workbench.reader.run(run) == before
    workbench.close()


async def test_a_new_cap_leaves_the_others_standing(store: str) -> None:
    workbench = Workbench(store)
    run = await workbench.run(run_config({**CONFIG, "steps": 1, "budget": ("9e6tok", "1h")}), model=Remote())
    await workbench.resume(run, {"steps": 2, "budget": ("8e6tok",)}, model=Remote())
    assert set(workbench.reader.run(run).spec.config["budget"]) == {"8e6tok", "1h"}
    workbench.close()


async def test_a_server_that_is_taken_to_be_free_is_named_where_money_is_capped(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    workbench = Workbench(store)
    await workbench.run(run_config({**CONFIG, "steps": 1, "budget": "1usd"}), model=Remote())
    workbench.close()
    assert "'big' at 127.0.0.1 is taken to cost nothing" in caplog.text


async def test_nothing_begins_once_a_ledger_is_closed() -> None:
    ledger = Ledger()
    ledger.close("the run ends")
    from opro.ledger import Cost

    with pytest.raises(BudgetError, match="the run ends"):
        await ledger.reserve(Cost())

"""A run against a server that fails: its trajectory is a sound one, all is in the record, and no cap is exceeded."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from opro import retrying
from opro.config import run_config
from opro.errors import ConfigError, RequestError
from opro.prices import Rates
from opro.reader import Reader
from opro.records import EventKind, Status
from opro.types import Usage
from opro.workbench import Workbench
from tests.conftest import KEY
from tests.fault_answers import Fault
from tests.fault_server import Books, FaultServer, fault_server

SILENT = {Fault.FEWER, Fault.NO_USAGE}  # these bring an answer, and show in what is recorded of it
RATES = Rates(input=100.0, output=400.0)
PRICES = '["big"]\ninput = 100\noutput = 400\n["small-1b"]\ninput = 100\noutput = 400\n'
SETTINGS = {
    "problem": "linear-regression",
    "set": {"w": 36, "b": -1},
    "baselines": "never",
    "stop_at_optimum": False,
    "timeout": 1.2,  # a busy machine shall not make an honest answer late
    "deadline": 60,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.004)
    monkeypatch.setattr(retrying, "LONGEST_PAUSE", 0.02)


async def run(store: str, server: FaultServer, name: str = "big", **settings: Any) -> str:
    workbench = Workbench(store)
    try:
        return await workbench.run(run_config({**SETTINGS, "model": f"openai:{name}@{server.url}", **settings}))
    finally:
        workbench.close()


def trajectory(store: str, run: str) -> list[object]:
    return [(trial.number, trial.step, trial.text, trial.evaluation) for trial in Reader(store).trials(run)]


def recorded_faults(store: str, run: str) -> tuple[int, int, int]:
    """Return the failed tries, the answers with fewer samples than asked for, and those without usage."""
    reader = Reader(store)
    faults = sum(event.kind is EventKind.FAULT for event in reader.events(run))
    generations = reader.generations(run)
    fewer = sum(len(generation.samples) < generation.request["n"] for generation in generations)
    return faults, fewer, sum(generation.usage.estimated for generation in generations)


def injected_faults(books: Books) -> tuple[int, int, int]:
    kinds = Counter(entry.fault for entry in books.entries if entry.fault)
    return sum(kinds[kind] for kind in Fault if kind not in SILENT), kinds[Fault.FEWER], kinds[Fault.NO_USAGE]


@pytest.mark.parametrize("name", ["big", "small-1b"])
async def test_50_steps_with_faults_make_the_trajectory_of_a_sound_server(name: str, store: str) -> None:
    with fault_server() as sound:
        expected = trajectory(store, await run(store, sound, name, steps=50))
    with fault_server(rate=0.3, seed=1, slow=2.4) as faulty:
        made = await run(store, faulty, name, steps=50)
    assert trajectory(store, made) == expected
    assert len({entry.fault for entry in faulty.books.entries if entry.fault}) >= len(Fault) / 2
    assert recorded_faults(store, made) == injected_faults(faulty.books)


@pytest.mark.parametrize("kind", Fault)
async def test_every_kind_of_fault_is_survived_and_recorded(kind: Fault, store: str) -> None:
    with fault_server() as sound:
        expected = trajectory(store, await run(store, sound, steps=4))
    with fault_server(rate=0.6, seed=2, slow=2.4, kinds=[kind]) as faulty:
        made = await run(store, faulty, steps=4)
    assert trajectory(store, made) == expected
    assert recorded_faults(store, made) == injected_faults(faulty.books) != (0, 0, 0)


def usd(books: Books) -> float:
    return RATES.usd(Usage(*books.bill()))


def random_budget(random: Random) -> tuple[str, float]:
    amount = 10 ** random.uniform(2.7, 5)
    return ("tok", amount) if random.random() < 0.5 else ("usd", amount * 2e-4)


@pytest.mark.slow
async def test_200_random_budgets_are_never_exceeded_and_nothing_paid_is_lost(store: str, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    random = Random(0)
    stopped = 0
    kinds = [kind for kind in Fault if kind not in (Fault.HANG, Fault.DRIP)]
    with fault_server(rate=0.3, kinds=kinds) as server:
        for number in range(200):
            server.books, server.seed = Books(), number
            unit, amount = random_budget(random)
            name = random.choice(["big", "small-1b"])
            steps, budget = random.randint(1, 6), f"{amount}{unit}"
            settings = {"steps": steps, "seed": number, "budget": budget, "prices": str(prices), "timeout": 60}
            made = await run(store, server, name, **settings)
            billed = usd(server.books) if unit == "usd" else sum(server.books.bill())
            assert billed <= amount
            check_books(store, made, server.books)
            stopped += Reader(store).run(made).status is Status.STOPPED
    assert 40 < stopped < 190  # both ends were met


def check_books(store: str, run: str, books: Books) -> None:
    """The record holds every answer that was paid for and could be used, and no less than was billed."""
    reader = Reader(store)
    usable = sum(entry.fault in {None, Fault.DRIP} | SILENT for entry in books.entries)
    assert len(reader.generations(run)) == usable, [event.text for event in reader.events(run)]
    spent = reader.spending(run)
    assert sum(part.tokens + part.lost_tokens for part in spent) >= sum(books.bill())
    assert sum((part.usd or 0) + (part.lost_usd or 0) for part in spent) >= usd(books) * 0.999999


async def test_a_run_that_its_budget_stopped_goes_on_with_a_larger_one(store: str) -> None:
    with fault_server() as server:
        expected = trajectory(store, await run(store, server, steps=8))
        server.books = Books()
        made = await run(store, server, steps=8, budget="6000tok")
        record = Reader(store).run(made)
        assert record.status is Status.STOPPED
        assert "the budget of 6,000 tokens is used up" in record.reason
        assert len(trajectory(store, made)) < len(expected)
        workbench = Workbench(store)
        await workbench.resume(made, {"budget": ("1e6tok",)})
        workbench.close()
        assert trajectory(store, made) == expected
        assert all(times == 1 for times in server.books.seen.values())  # nothing was paid for twice


async def test_a_budget_of_time_ends_a_run_in_time(store: str) -> None:
    with fault_server(delay=0.05) as server:
        made = await run(store, server, steps=1000, budget="1s")
    record = Reader(store).run(made)
    assert "time is over" in record.reason or "seconds were used" in record.reason
    assert sum(step.asking + step.scoring for step in Reader(store).steps(made)) <= 1.1


async def test_a_budget_of_money_needs_a_price(store: str) -> None:
    with fault_server() as server, pytest.raises(ConfigError, match="no price is known of 'big'"):
        workbench = Workbench(store)
        model = hosted(server)
        await workbench.run(run_config({**SETTINGS, "steps": 1, "budget": "1usd"}), model=model)


def hosted(server: FaultServer) -> Any:
    """Return the model as if it were hosted far away."""
    from scorer_models.openai import OpenAIModel

    class Far(OpenAIModel):
        served_as = ("big", "api.example.com")

    return Far.load(f"big@{server.url}")


async def test_a_hosted_model_without_a_price_is_counted_in_tokens_and_said_so(store: str) -> None:
    with fault_server() as server:
        workbench = Workbench(store)
        model = hosted(server)
        made = await workbench.run(run_config({**SETTINGS, "steps": 1}), model=model)
        await model.close()
    (note,) = [event.text for event in Reader(store).events(made) if event.kind is EventKind.NOTE]
    assert "no price is known of 'big' at api.example.com" in note
    (spent,) = Reader(store).spending(made)
    assert spent.usd is None
    assert spent.tokens > 0


async def test_a_lasting_refusal_stops_the_run_and_is_in_the_record(store: str, server: Any) -> None:
    from tests.unit.openai_server import refusal

    server.reply = lambda path, body: refusal("Incorrect API key provided", 401)
    workbench = Workbench(store)
    config = run_config({**SETTINGS, "steps": 2, "model": f"openai:tiny@{server.url}"})
    with pytest.raises(RequestError, match="is OPENAI_API_KEY right"):
        await workbench.run(config)
    (record,) = workbench.reader.runs()
    assert (record.status, len(server.asked)) == (Status.FAILED, 1)
    assert "OPENAI_API_KEY" in record.reason
    workbench.close()

"""One try of one request: what it may cost is reserved, what it did cost is entered, and a failure is told."""

import asyncio

import pytest

from opro.budget import Budget
from opro.errors import BudgetError, ModelError, RequestError
from opro.journal import Journal
from opro.ledger import Cost, Ledger
from opro.metering import MeteredModel, Terms, most_tokens
from opro.prices import Rates
from opro.reader import Reader
from opro.records import EventKind, RunSpec
from opro.store import Store
from opro.types import Direction, Generation, Message, Request
from scorer_models.scripted import ScriptedModel

SPEC = RunSpec(problem="hill", direction=Direction.MAXIMIZE, proposer="opro", model="", seed=0, config={})
REQUEST = Request(prompt="one two three", n=2, max_tokens=10)
PRICE = Rates(input=1e6, output=1e6)  # a dollar a token


class Fails(ScriptedModel):
    def __init__(self, error: ModelError) -> None:
        super().__init__(["x"])
        self.error = error

    async def generate(self, request: Request) -> Generation:
        raise self.error


@pytest.fixture
def journal(store: str) -> Journal:
    return Store(store).new_run(SPEC)


async def test_what_it_cost_is_entered_and_written_on_the_generation(journal: Journal) -> None:
    ledger = Ledger()
    model = MeteredModel(ScriptedModel(["four five"]), Terms(PRICE), ledger, journal, "scorer")
    generation = await model.generate(REQUEST)
    assert generation.usd == 7  # three words read, two times two written
    assert ledger.spent == Cost(7, 7.0)


async def test_without_a_price_tokens_are_counted_and_money_is_unknown(journal: Journal) -> None:
    ledger = Ledger()
    model = MeteredModel(ScriptedModel(["four five"]), Terms(None), ledger, journal, "scorer")
    assert (await model.generate(REQUEST)).usd is None
    assert ledger.spent == Cost(7, None)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RequestError("busy", status=429), 0),
        (RequestError("half an answer", status=200, charged=True), most_tokens(REQUEST)),
        (ModelError("no such thing"), 0),
    ],
)
async def test_a_failure_is_recorded_with_what_it_may_have_cost(
    error: ModelError, lost: object, journal: Journal, store: str
) -> None:
    most = most_tokens(REQUEST)
    tokens = most.prompt + most.completion if lost else 0
    ledger = Ledger()
    journal.step = 4
    with pytest.raises(ModelError, match=str(error)):
        await MeteredModel(Fails(error), Terms(PRICE), ledger, journal, "scorer").generate(REQUEST)
    assert ledger.spent == Cost(tokens, float(tokens))
    (event,) = Reader(store).events(journal.run)
    assert (event.step, event.role, event.kind, event.text) == (4, "scorer", EventKind.FAULT, str(error))
    assert (event.tokens, event.usd) == (tokens, tokens)


async def test_a_try_that_takes_too_long_is_given_up(journal: Journal) -> None:
    ledger = Ledger()
    model = MeteredModel(ScriptedModel(["x"], delay=60), Terms(PRICE, seconds=0.02), ledger, journal, "scorer")
    with pytest.raises(RequestError, match=r"no answer within 0\.02 s") as caught:
        await model.generate(REQUEST)
    assert caught.value.charged
    assert ledger.spent.tokens > 0


async def test_the_end_of_the_time_that_was_allowed_cuts_a_try(journal: Journal) -> None:
    model = MeteredModel(
        ScriptedModel(["x"], delay=60), Terms(PRICE, 30), Ledger(Budget(seconds=0.02)), journal, "scorer"
    )
    with pytest.raises(BudgetError, match="the time is over"):
        await model.generate(REQUEST)


@pytest.mark.parametrize("served", [True, False])
async def test_a_cancelled_try_counts_as_paid_for_where_somebody_may_ask_for_money(
    *, served: bool, journal: Journal, store: str
) -> None:
    ledger = Ledger()
    terms = Terms(PRICE, 90 if served else None)
    model = MeteredModel(ScriptedModel(["x"], delay=60), terms, ledger, journal, "scorer")
    task = asyncio.create_task(model.generate(REQUEST))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    most = most_tokens(REQUEST).prompt + most_tokens(REQUEST).completion
    assert ledger.spent.tokens == (most if served else 0)
    (event,) = Reader(store).events(journal.run)
    assert (event.text, event.tokens) == ("given up before its answer came", ledger.spent.tokens)


def test_the_most_that_a_request_may_take_is_a_token_a_byte() -> None:
    chat = Request(prompt=(Message("user", "Grüße"),), n=3, max_tokens=5)
    assert most_tokens(chat).completion == 15
    assert most_tokens(chat).prompt >= len("Grüße".encode())

"""What a run may cost: how it is written, and that no order of events exceeds it."""

import asyncio
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opro.budget import Budget
from opro.errors import BudgetError, ConfigError
from opro.ledger import Cost, Ledger
from opro.prices import FREE, Rates, price_of, read_prices
from opro.types import Usage


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        (["2.50usd"], Budget(usd=2.5)),
        (["$3"], None),
        (["1e6tok"], Budget(tokens=1e6)),
        (["30min", "1_000 tok"], Budget(seconds=1800, tokens=1000)),
        (["1.5h"], Budget(seconds=5400)),
        (["0.5Mtok"], Budget(tokens=500_000)),
        ([], Budget()),
        (["1usd", "2usd"], None),
        (["-1usd"], None),
        (["0tok"], None),
        (["5"], None),
        (["five usd"], None),
        (["1e999tok"], None),
        (["3 eur"], None),
    ],
)
def test_a_budget_is_amounts_with_units(texts: list[str], budget: Budget | None) -> None:
    if budget is not None:
        assert Budget.parse(texts) == budget
        return
    with pytest.raises(ConfigError, match="budget"):
        Budget.parse(texts)


@given(st.text())
def test_any_text_is_a_budget_or_an_error_that_repeats_it(text: str) -> None:
    try:
        budget = Budget.parse([text])
    except ConfigError as error:
        assert repr(text) in str(error)
    else:
        assert [budget.usd, budget.tokens, budget.seconds].count(None) == 2


@given(st.integers(0, 2**32), st.floats(0, 5000), st.floats(0, 5))
async def test_no_order_of_requests_exceeds_the_budget(seed: int, tokens: float, usd: float) -> None:
    """Requests of any size that end in any order, and cost anything up to what was reserved."""
    random = Random(seed)
    ledger = Ledger(Budget(tokens=tokens or None, usd=usd or None))
    most_in_flight = Cost()

    async def ask() -> None:
        most = Cost(random.randint(1, 600), random.random() / 2)
        try:
            await ledger.reserve(most)
        except BudgetError:
            return
        nonlocal most_in_flight
        most_in_flight = sum(ledger._flying, ledger.spent)
        assert not tokens or most_in_flight.tokens <= tokens
        assert not usd or (most_in_flight.usd or 0) <= usd
        for _ in range(random.randint(0, 3)):
            await asyncio.sleep(0)
        share = random.random()
        ledger.settle(most, Cost(int(most.tokens * share), (most.usd or 0) * share))

    await asyncio.gather(*(ask() for _ in range(30)))
    assert not ledger._flying
    assert not tokens or ledger.spent.tokens <= tokens
    assert not usd or (ledger.spent.usd or 0) <= usd


async def test_a_request_waits_for_those_in_flight_to_cost_less_than_they_might() -> None:
    ledger = Ledger(Budget(tokens=100))
    await ledger.reserve(Cost(80))
    waiting = asyncio.create_task(ledger.reserve(Cost(50)))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    ledger.settle(Cost(80), Cost(20))
    await waiting
    assert ledger.spent == Cost(20)


async def test_after_the_first_refusal_no_smaller_request_slips_through() -> None:
    ledger = Ledger(Budget(tokens=100), spent=Cost(60))
    with pytest.raises(BudgetError, match=r"60 tokens spent, and the next request may take 50 tokens"):
        await ledger.reserve(Cost(50))
    with pytest.raises(BudgetError):
        await ledger.reserve(Cost(1))


async def test_the_time_of_earlier_sessions_counts() -> None:
    ledger = Ledger(Budget(seconds=100), seconds=99.95)
    await ledger.reserve(Cost(1))
    ledger.settle(Cost(1), Cost(1))
    time.sleep(0.06)  # noqa: ASYNC251 - the clock is what is tested
    with pytest.raises(BudgetError, match="the time is over"):
        await ledger.reserve(Cost(1))


async def test_a_request_that_cost_more_than_it_could_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(Budget(tokens=100))
    await ledger.reserve(Cost(10))
    ledger.settle(Cost(10), Cost(20))
    assert "20 tokens where 10 at most were expected" in caplog.text


def test_prices_are_per_million_and_cached_tokens_have_their_own() -> None:
    rates = Rates(input=2.0, output=8.0, cached=0.5)
    assert rates.usd(Usage(prompt=1_000_000, completion=500_000, cached=400_000)) == pytest.approx(1.2 + 0.2 + 4.0)
    assert Rates(input=2.0, output=8.0).usd(Usage(1_000_000, 0, 400_000)) == pytest.approx(2.0)


def test_a_price_is_looked_up_in_the_users_table_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('["gpt-4o-mini"]\ninput = 1\noutput = 2\n["qwen@127.0.0.1"]\ninput = 3\noutput = 4\n')
    monkeypatch.setenv("OPRO_PRICES", str(table))
    own = read_prices()
    assert price_of("gpt-4o-mini", "api.openai.com", own) == Rates(input=1, output=2)
    assert price_of("qwen", "127.0.0.1", own) == Rates(input=3, output=4)
    assert price_of("other", "127.0.0.1", own) == FREE
    assert price_of("other", "my-server", own) == FREE
    assert price_of("other", "api.example.com", own) is None


def test_a_listed_price_holds_for_dated_names_and_grows_with_usage() -> None:
    price = price_of("gpt-4o-mini-2024-07-18", "api.openai.com", {})
    assert price is not None
    assert 0 < price.usd(Usage(1000, 0, 1000)) < price.usd(Usage(1000)) < price.usd(Usage(1000, 1000))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[", "not TOML"),
        ("model = 3", "is no table"),
        ('["x"]\ninput = 1', "output"),
        ('["x"]\ninput = -1\noutput = 1', "input"),
        ('["x"]\ninptu = 1\noutput = 1', "did you mean 'input'"),
    ],
)
def test_wrong_prices_are_named(text: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ConfigError, match=error):
        read_prices(str(tmp_path / "prices.toml"))


def test_a_missing_table_of_prices_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot read the prices nowhere\.toml"):
        read_prices("nowhere.toml")

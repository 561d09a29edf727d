"""What a run will cost, before it costs anything. No model is asked, and none has to be there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opro.budget import Budget
from opro.config import RunConfig
from opro.demand import Foreseen
from opro.outline import Outline
from opro.prices import FREE, Price, Rates, price_of, read_prices
from opro.protocols import Problem, Scored
from opro.rehearsal import rehearsed
from opro.types import Usage


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one role will take: requests and tokens, as they are likely and at most; dollars None without a price.

    At most: every reply as long as it may be, every round of drawing needed, nobody dropped from a race. Tries that
    fail are not foreseen.
    """

    role: str
    model: str
    requests: int
    likely: Usage
    most: Usage
    likely_usd: float | None
    most_usd: float | None
    most_requests: int

    @classmethod
    def of(cls, role: str, model: str, amount: Foreseen, price: Price | None) -> "Estimate":
        """Return the estimate of an amount."""
        likely, most = (Usage(math.ceil(one.read), math.ceil(one.written)) for one in (amount.likely, amount.most))
        usd = (None, None) if price is None else (price.usd(likely), price.usd(most))
        requests, most_requests = math.ceil(amount.likely.requests), math.ceil(amount.most.requests)
        return cls(role, model, requests, likely, most, *usd, most_requests)


async def estimate(
    config: RunConfig, problem: Problem, optimizer: Outline | None, scorer: Outline | None
) -> list[Estimate]:
    """Return what each role of a run will take, to its last step."""
    prices = read_prices(config.prices)
    will = await rehearsed(config, problem, optimizer, scorer)
    estimates: list[Estimate] = []
    if optimizer:
        estimates.append(Estimate.of("optimizer", config.model, will.optimizer, priced(optimizer, prices)))
    if scorer and isinstance(problem, Scored):
        estimates.append(Estimate.of("scorer", config.scorer or config.model, will.scorer, priced(scorer, prices)))
    return estimates


def priced(model: Outline, prices: Mapping[str, Rates]) -> Price | None:
    """Return the price of a model, None where it is not known."""
    return price_of(*model.served_as, prices) if model.served_as else FREE


def suffices(estimates: Sequence[Estimate], caps: Budget) -> bool | None:
    """Say whether a budget is likely to do; None where a price is missing, or time alone is capped."""
    if caps.usd is not None and any(one.likely_usd is None for one in estimates):
        return None
    needed = (
        (caps.tokens, sum(one.likely.prompt + one.likely.completion for one in estimates)),
        (caps.usd, sum(one.likely_usd or 0.0 for one in estimates)),
    )
    held = [amount <= cap for cap, amount in needed if cap is not None]
    return all(held) if held else None

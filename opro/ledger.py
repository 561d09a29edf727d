"""What a run has cost so far, and what its requests in flight may still cost: the guard of the budget."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from opro.budget import Budget
from opro.errors import BudgetError
from opro.records import add_usd

UNLIMITED = Budget()
_LOG = logging.getLogger("opro")


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens, read and written, and US dollars; None where no price is known."""

    tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """Return the sum; what has no price makes the sum unknown."""
        return Cost(self.tokens + other.tokens, add_usd(self.usd, other.usd))


@dataclass(slots=True)
class Ledger:
    """Lets a request begin only if the budget holds even if it, and all in flight, cost the most they can.

    Attributes:
        budget: the caps.
        spent: what was recorded so far, earlier sessions of the run included.
        seconds: how long the earlier sessions took.
    """

    budget: Budget = field(default_factory=Budget)
    spent: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    _flying: list[Cost] = field(default_factory=list[Cost], init=False)
    _landed: asyncio.Condition = field(default_factory=asyncio.Condition, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)
    _over: str = field(default="", init=False)

    async def reserve(self, most: Cost) -> None:
        """Wait until a request that costs `most` at most may begin.

        Raises:
            BudgetError: it may not, whatever becomes of those in flight. From then on no request may begin.
        """
        async with self._landed:
            while not self._over and not self._fits(most):
                if not self._flying:
                    self._over = self._why(most)
                    self._landed.notify_all()
                    break
                await self._landed.wait()
            if self._over:
                raise BudgetError(self._over)
            self._flying.append(most)

    async def settle(self, most: Cost, actual: Cost) -> None:
        """Replace a reservation by what the request really cost."""
        async with self._landed:
            self._flying.remove(most)
            self.spent += actual
            self._landed.notify_all()
        if actual.tokens > most.tokens:
            _LOG.warning(
                "a request took %d tokens where %d at most were expected: the budget cannot be guarded exactly",
                actual.tokens,
                most.tokens,
            )

    def time_left(self) -> float | None:
        """Return the seconds that remain, None without a cap on them."""
        if self.budget.seconds is None:
            return None
        return self.budget.seconds - self.seconds - (time.monotonic() - self._began)

    def _fits(self, most: Cost) -> bool:
        if self.budget == UNLIMITED:
            return True
        worst = sum(self._flying, self.spent + most)
        caps = ((self.budget.tokens, worst.tokens), (self.budget.usd, worst.usd or 0.0))
        return all(cap is None or amount <= cap for cap, amount in caps) and (self.time_left() or 1.0) > 0

    def _why(self, most: Cost) -> str:
        spent = [f"{self.spent.tokens:,} tokens"]
        if self.budget.usd is not None:
            spent.append(f"{self.spent.usd or 0.0:.6g} usd")
        left = self.time_left()
        if left is not None and left <= 0:
            return f"the budget of {self.budget} is used up: the time is over ({', '.join(spent)} spent)"
        next_one = f"{most.tokens:,} tokens" + (f" or {most.usd:.6g} usd" if self.budget.usd and most.usd else "")
        return (
            f"the budget of {self.budget} is used up: {', '.join(spent)} spent, and the next request may take "
            f"{next_one}"
        )

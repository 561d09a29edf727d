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
    _waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]], init=False)
    _began: float = field(default_factory=time.monotonic, init=False)
    _longest: float = field(default=0.0, init=False)
    _over: str = field(default="", init=False)

    async def reserve(self, most: Cost) -> None:
        """Wait until a request that costs `most` at most may begin.

        Raises:
            BudgetError: it may not, whatever becomes of those in flight. From then on no request may begin.
        """
        while not self._over and not self._fits(most):
            if self._flying:
                await self._change()
            else:
                self.close(self._why(most))
        if self._over:
            raise BudgetError(self._over)
        self._flying.append(most)

    def settle(self, most: Cost, actual: Cost, seconds: float = 0.0) -> None:
        """Replace a reservation by what the request really cost, and note how long it took."""
        self._flying.remove(most)
        self.spent += actual
        self._longest = max(self._longest, seconds)
        self._wake()
        if actual.tokens > most.tokens:
            _LOG.warning(
                "a request took %d tokens where %d at most were expected: the budget cannot be guarded exactly",
                actual.tokens,
                most.tokens,
            )

    def close(self, why: str) -> None:
        """Let no further request begin; those in flight go on."""
        self._over = self._over or why
        self._wake()

    async def landed(self) -> None:
        """Wait until nothing is in flight."""
        while self._flying:
            await self._change()

    async def _change(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    @property
    def elapsed(self) -> float:
        """How many seconds this session has taken so far."""
        return time.monotonic() - self._began

    def time_left(self) -> float | None:
        """Return the seconds that remain, None without a cap on them."""
        return None if self.budget.seconds is None else self.budget.seconds - self.seconds - self.elapsed

    def _fits(self, most: Cost) -> bool:
        if self.budget == UNLIMITED:
            return True
        worst = sum(self._flying, self.spent + most)
        caps = ((self.budget.tokens, worst.tokens), (self.budget.usd, worst.usd or 0.0))
        left = self.time_left()
        in_time = left is None or left > self._longest  # what would be cut off is better not begun
        return in_time and all(cap is None or amount <= cap for cap, amount in caps)

    def _why(self, most: Cost) -> str:
        spent = [f"{self.spent.tokens:,} tokens"]
        if self.budget.usd is not None:
            spent.append(f"{self.spent.usd or 0.0:.6g} usd")
        left = self.time_left()
        if left is not None and left <= self._longest:
            return f"the budget of {self.budget} is used up: the time is over ({', '.join(spent)} spent)"
        next_one = f"{most.tokens:,} tokens" + (f" or {most.usd:.6g} usd" if self.budget.usd and most.usd else "")
        if not self.spent.tokens and not self.spent.usd:
            return f"the budget of {self.budget} is too small: the first request may take {next_one}"
        told = f"{', '.join(spent)} spent, and the next request may take {next_one}"
        return f"the budget of {self.budget} is used up: {told}"

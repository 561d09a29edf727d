"""The wrapper next to the backend: one try of one request, paid for, in time, and told of when it failed."""

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from opro import headway
from opro.constraints import Weighed
from opro.errors import BudgetError, ModelError, RequestError
from opro.journal import Journal
from opro.ledger import Cost, Ledger
from opro.prices import Price
from opro.protocols import LanguageModel
from opro.records import Event, EventKind
from opro.types import Generation, Request, Usage
from opro.wrapping import Wrapper

_LOG = logging.getLogger("opro")
_CHAT_TOKENS = 256
"""What a chat template may add to the messages at most: markers, a system prompt of its own, the date."""
_TURN_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a model is asked: the price (None: not known) and the seconds that one try may take."""

    price: Price | None
    seconds: float | None = None


class MeteredModel(Wrapper):
    """Reserves the most that a request can cost before it is sent, and enters in the ledger what it did cost."""

    def __init__(self, model: LanguageModel, terms: Terms, ledger: Ledger, journal: Journal, role: str) -> None:
        super().__init__(model)
        self._terms = terms
        self._ledger = ledger
        self._journal = journal
        self._role = role

    async def generate(self, request: Request) -> Generation:
        """Return what one try brings.

        Raises:
            BudgetError: the request might exceed the budget; it was not sent, or the time was over before its answer.
            RequestError: the try failed; it is in the record as an event.
        """
        most = self._cost(most_tokens(request))
        await self._ledger.reserve(most)
        actual, began = most, time.perf_counter()
        try:
            generation = await self._in_time(request)
            actual = self._cost(generation.usage)
            self._tell(generation, time.perf_counter() - began)
        except BaseException as error:
            actual = self._lost(error, most)
            fault = self._fault(error, actual, time.perf_counter() - began)
            self._journal.record_event(fault)
            _LOG.info("%s, step %d: a try failed: %s", self._role, fault.step, fault.text)
            raise
        finally:
            self._ledger.settle(most, actual, time.perf_counter() - began)
        return replace(generation, usd=actual.usd)

    def _tell(self, generation: Generation, seconds: float) -> None:
        """Tell of an answer to those who watch the run."""
        usage, samples = generation.usage, len(generation.samples)
        headway.spend(usage.prompt + usage.completion)
        told = (self._role, self._journal.step, samples, usage.prompt, usage.completion, seconds)
        _LOG.debug("%s, step %d: samples %d, tokens read %d, written %d, %.2f s", *told)

    def _lost(self, error: BaseException, most: Cost) -> Cost:
        """Return what a failed try may have cost: the most where it cannot be told, as when it was given up."""
        if isinstance(error, RequestError):
            return most if error.charged else Cost()
        in_process = self._terms.seconds is None
        return Cost() if in_process or isinstance(error, ModelError) else most

    async def _in_time(self, request: Request) -> Generation:
        """Return the answer within the time that a try may take, and that the budget leaves."""
        left = self._ledger.time_left()
        limits = [limit for limit in (self._terms.seconds, left) if limit is not None]
        try:
            async with asyncio.timeout(min(limits, default=None)):
                return await self._model.generate(request)
        except TimeoutError:
            if left is not None and left <= min(limits):
                raise BudgetError(f"the budget of {self._ledger.budget} is used up: the time is over") from None
            raise RequestError(
                f"no answer within {self._terms.seconds:g} s: is the server overloaded? `timeout` allows more",
                charged=True,
            ) from None

    def _cost(self, usage: Usage) -> Cost:
        usd = None if self._terms.price is None else self._terms.price.usd(usage)
        return Cost(usage.prompt + usage.completion, usd)

    def _fault(self, error: BaseException, lost: Cost, seconds: float) -> Event:
        status = error.status if isinstance(error, RequestError) else None
        facts = {"status": status, "seconds": round(seconds, 3), "error": type(error).__name__}
        text = str(error) or "given up before its answer came"
        return Event(self._journal.step, self._role, EventKind.FAULT, text, facts, lost.tokens, lost.usd)


def most_tokens(request: Request) -> Usage:
    """Return the most tokens that a request can take: no token is shorter than a byte."""
    if isinstance(request.prompt, str):
        prompt = len(request.prompt.encode()) + _TURN_TOKENS
    else:
        prompt = sum(len(turn.content.encode()) + _TURN_TOKENS for turn in request.prompt) + _CHAT_TOKENS
    if isinstance(request.constraint, Weighed):  # each beginning of an option may take a request of its own
        lengths = [len(option.encode()) for option in request.constraint.options]
        asked = 1 + sum(length - 1 for length in lengths)
        return Usage(asked * (prompt + max(lengths)), asked)
    return Usage(prompt, request.n * request.max_tokens)

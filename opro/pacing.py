"""How many requests a server is sent at once: as many as it takes without complaint."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from opro.errors import RequestError
from opro.protocols import LanguageModel
from opro.types import Generation, Request
from opro.wrapping import Wrapper

FIRST = 16
"""Requests in flight to begin with."""
MOST = 256
"""Requests in flight at most, unless the user says otherwise."""
_BUSY = {429, 502, 503, 504, 529}
_MINUTE = 60.0
_BURST = 6.0  # seconds' worth that may be sent at once; minute limits are kept with it counted in
_BYTES = 4  # of a prompt in a token, about


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows: requests in flight at most, requests a minute, tokens a minute; None is no limit.

    A server that wants to be left alone for longer than `patience` seconds is asked again all the same.
    """

    concurrency: int | None = None
    requests: float | None = None
    tokens: float | None = None
    patience: float = 900.0


class Pace:
    """The pace at which one server is asked, by all who ask it.

    The number of requests in flight grows by one for every full round that went well, and is halved when the server
    says that it is busy, or gives no answer; what was in flight at that moment halves it once. A server that names the
    time after which it wants to be asked again is left alone until then.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.concurrency or MOST
        self._patience = limits.patience
        self._width = min(FIRST, self._most)
        self._in_flight = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._good = 0
        self._cut = self._quiet = 0.0
        self._requests = _bucket(limits.requests)
        self._tokens = _bucket(limits.tokens)

    @property
    def width(self) -> int:
        """How many requests may be in flight at once now."""
        return self._width

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncGenerator[None]:
        """Wait for a turn to send the request, and learn from what becomes of it."""
        await self._enter()
        try:
            await self._wait(request)
            began = time.monotonic()
            try:
                yield
            except RequestError as error:
                self._slow_down(error, began)
                raise
            self._speed_up()
        finally:
            self._in_flight -= 1
            self._admit()

    async def _enter(self) -> None:
        """Take a slot, in the order of arrival."""
        if self._in_flight < self._width and not self._queue:
            self._in_flight += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was admitted at the same moment
                self._in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._queue and self._in_flight < self._width:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                self._in_flight += 1

    async def _wait(self, request: Request) -> None:
        if self._requests:
            await self._requests.acquire()
        if self._tokens:
            await self._tokens.acquire(min(_tokens(request), self._tokens.max_rate))
        if (quiet := self._quiet - time.monotonic()) > 0:
            await asyncio.sleep(quiet)

    def _slow_down(self, error: RequestError, began: float) -> None:
        now = time.monotonic()
        if error.retry_after and error.retry_after <= self._patience:
            self._quiet = max(self._quiet, now + error.retry_after)
        if (error.status in _BUSY or error.status is None) and began >= self._cut:
            self._width, self._good, self._cut = max(1, self._width // 2), 0, now

    def _speed_up(self) -> None:
        if self._in_flight < self._width:  # more would not be used
            return
        self._good += 1
        if self._good >= self._width and self._width < self._most:
            self._width, self._good = self._width + 1, 0


class PacedModel(Wrapper):
    """Sends requests at the pace that the server takes."""

    def __init__(self, model: LanguageModel, pace: Pace) -> None:
        super().__init__(model)
        self._pace = pace

    async def generate(self, request: Request) -> Generation:
        """Return what the model returns, once it is this request's turn."""
        async with self._pace.turn(request):
            return await self._model.generate(request)


def _bucket(a_minute: float | None) -> AsyncLimiter | None:
    """Return a bucket that lets no more than `a_minute` through in any minute."""
    if a_minute is None:
        return None
    a_second = a_minute / (_MINUTE + _BURST)
    burst = max(1.0, a_second * _BURST)
    return AsyncLimiter(burst, burst / a_second)


def _tokens(request: Request) -> float:
    """Return about how many tokens a server counts for a request before it answers."""
    turns = [request.prompt] if isinstance(request.prompt, str) else [turn.content for turn in request.prompt]
    return sum(len(turn) for turn in turns) / _BYTES + request.n * request.max_tokens

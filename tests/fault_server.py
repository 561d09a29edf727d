"""A server that speaks OpenAI's protocol on loopback, does what real ones do on bad days, and keeps books.

Everything is a function of what is asked: a sample's text of its prompt and seed; a fault of the server's seed, the
request's body, and how often that body came. So two runs that ask the same get the same, and can be compared. The bill
tells what a provider would ask money for, whatever became of the answer.

    with fault_server(rate=0.3, seed=1) as server:            # in a thread of this process
        ... OpenAIModel.load(f"big@{server.url}") ...
        server.books.bill()

    python -m tests.fault_server --rate 0.3 --seed 1 --delay 0.05

prints the URL and serves until it is ended; what `Books.report` tells is at GET /record, and POST /reset clears it.
"""

import argparse
import asyncio
import hashlib
import json
import math
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from aiohttp import web

from tests.fault_answers import TEXTS, Body, Fault, Text, Written, damaged, encoded, pairs, write

MODELS = ("big", "small-1b")
"""What is served: by its name, the second is a model that is asked to continue a text."""
DRIPS = 20
RETRY_AFTER = "0.03"  # seconds


@dataclass(frozen=True)
class Entry:
    """One request as it was asked, what was done to it, and what it costs."""

    path: str
    body: Body
    fault: Fault | None
    prompt_tokens: int
    completion_tokens: int


@dataclass
class Books:
    """What was asked, in order of arrival, and how much at once."""

    entries: list[Entry] = field(default_factory=list[Entry])
    seen: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    highest: int = 0
    _area: float = 0.0
    _first: float = 0.0
    _last: float = 0.0

    def move(self, by: int) -> None:
        """Note that so many more, or fewer, are in flight."""
        now = time.monotonic()
        self._first = self._first or now
        self._area += self.in_flight * (now - (self._last or now))
        self._last = now
        self.in_flight += by
        self.highest = max(self.highest, self.in_flight)

    @property
    def mean_in_flight(self) -> float:
        """The mean over the time between the first arrival and the last arrival or answer."""
        return self._area / (self._last - self._first) if self._last > self._first else float(self.in_flight)

    def bill(self) -> tuple[int, int]:
        """Return the prompt tokens and completion tokens of all requests that are charged."""
        return sum(e.prompt_tokens for e in self.entries), sum(e.completion_tokens for e in self.entries)

    def report(self) -> dict[str, object]:
        """Return everything as JSON can hold it."""
        prompt, completion = self.bill()
        return {
            "entries": [asdict(entry) for entry in self.entries],
            "in_flight": self.in_flight,
            "highest": self.highest,
            "mean_in_flight": self.mean_in_flight,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
        }


class FaultServer:
    """The server; `rate` of the requests meet one of `kinds`, and every answer comes `delay` seconds after its request.

    An answer that drips takes `slow` seconds more.
    """

    def __init__(
        self,
        *,
        rate: float = 0.0,
        seed: int = 0,
        kinds: Sequence[Fault] = tuple(Fault),
        delay: float = 0.0,
        slow: float = 0.2,
        text: Text = pairs,
    ) -> None:
        self.rate, self.seed, self.kinds, self.delay, self.slow, self.text = rate, seed, tuple(kinds), delay, slow, text
        self.books = Books()
        self.url = ""

    async def start(self, port: int = 0) -> web.AppRunner:
        """Serve at a free port of the loopback interface until the runner is cleaned up; `url` says where."""
        app = web.Application(client_max_size=1 << 26)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self._answer)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/record", self._record)
        app.router.add_post("/reset", self._reset)
        # a handler ends when its client goes away: what hangs is no longer in flight then
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def fault(self, body: Body) -> Fault | None:
        """Return the fault of this body, which is counted as seen once more."""
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self.books.seen[digest] += 1
        random = Random(f"{self.seed}:{digest}:{self.books.seen[digest]}")
        kinds = [kind for kind in self.kinds if kind is not Fault.FEWER or (body.get("n") or 1) > 1]
        return random.choice(kinds) if kinds and random.random() < self.rate else None

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name, "owned_by": "tests"} for name in MODELS]})

    async def _record(self, request: web.Request) -> web.Response:
        return web.json_response(self.books.report())

    async def _reset(self, request: web.Request) -> web.Response:
        self.books = Books(in_flight=self.books.in_flight)
        return web.json_response({})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        due = time.monotonic() + self.delay
        self.books.move(+1)
        try:
            body = await request.json()
            fault = self.fault(body)
            written = damaged(write(body, self.text), fault)
            charged = fault is None or fault.charged
            bill = (written.prompt_tokens, written.completion_tokens) if charged else (0, 0)
            self.books.entries.append(Entry(request.path, body, fault, *bill))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            return await self._sent(request, written, fault)
        finally:
            self.books.move(-1)

    async def _sent(self, request: web.Request, written: Written, fault: Fault | None) -> web.StreamResponse:
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        if fault is Fault.RESET:
            _cut(request)
        if fault is not None and not fault.charged:
            return _refused(fault)
        if fault is Fault.HTML:
            return web.Response(
                text="<html><body>Welcome to the hotel's network.</body></html>", content_type="text/html"
            )
        data = encoded(written, request.path, fault)
        if fault is Fault.DRIP:
            return await self._dripped(request, data)
        return web.Response(body=data, content_type="application/json")

    async def _dripped(self, request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(data))})
        await response.prepare(request)
        size = math.ceil(len(data) / DRIPS)
        for start in range(0, len(data), size):
            await response.write(data[start : start + size])
            await asyncio.sleep(self.slow / DRIPS)
        return response


def _refused(fault: Fault) -> web.Response:
    status = 429 if fault in (Fault.BUSY, Fault.BUSY_WAIT) else int(fault.value.removeprefix("error-"))
    headers = {"retry-after": RETRY_AFTER} if fault is Fault.BUSY_WAIT else {}
    return web.json_response({"error": {"message": "not now", "type": "server_error"}}, status=status, headers=headers)


def _cut(request: web.Request) -> None:
    """Reset the connection."""
    transport = request.transport
    if transport is not None:
        linger = struct.pack("ii", 1, 0)  # closing discards what is unsent and sends a reset
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


@contextmanager
def fault_server(**settings: Any) -> Iterator[FaultServer]:
    """Run a FaultServer with these settings in a thread."""
    server = FaultServer(**settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(server: FaultServer, port: int) -> None:
    await server.start(port)
    print(server.url, flush=True)  # noqa: T201  whoever started this process reads it
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=0.0, help="share of requests that meet a fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", type=Fault, default=tuple(Fault), metavar="KIND", help=", ".join(Fault))
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until an answer")
    parser.add_argument("--slow", type=float, default=0.2, help="seconds more that an answer takes which drips")
    parser.add_argument("--text", choices=TEXTS, default="pairs", help="what the answers say")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    settings = vars(parser.parse_args())
    port = settings.pop("port")
    server = FaultServer(**settings | {"text": TEXTS[settings["text"]]})
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, port))


if __name__ == "__main__":
    main()

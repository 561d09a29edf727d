"""How many requests are in flight, and what is tried again."""

import asyncio
import time

import pytest

from opro import retrying
from opro.errors import RequestError
from opro.pacing import Limits, Pace, PacedModel
from opro.retrying import STRANGE, RetriedModel
from opro.types import Generation, Request
from scorer_models.scripted import ScriptedModel

REQUEST = Request(prompt="go", max_tokens=10)
BUSY = RequestError("busy", status=429)


class Server(ScriptedModel):
    """Takes `capacity` requests at once and refuses the others; `seconds` to answer one."""

    def __init__(self, capacity: int, seconds: float = 0.002) -> None:
        super().__init__(["yes"])
        self.capacity = capacity
        self.seconds = seconds
        self.in_flight = self.highest = self.refused = 0
        self.begun: list[float] = []

    async def generate(self, request: Request) -> Generation:
        self.begun.append(time.monotonic())
        if self.in_flight >= self.capacity:
            self.refused += 1
            raise BUSY
        self.in_flight += 1
        self.highest = max(self.highest, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        return await super().generate(request)


class Failing(ScriptedModel):
    """Raises the given errors, one a try, and then answers."""

    def __init__(self, *errors: RequestError) -> None:
        super().__init__(["yes"])
        self.errors = list(errors)
        self.tries = 0

    async def generate(self, request: Request) -> Generation:
        self.tries += 1
        await asyncio.sleep(0.001)
        if self.errors:
            raise self.errors.pop(0)
        return await super().generate(request)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retrying, "LONGEST_PAUSE", 0.01)


async def ask(model: RetriedModel | PacedModel, count: int) -> None:
    await asyncio.gather(*(model.generate(REQUEST) for _ in range(count)))


async def test_no_more_are_in_flight_than_allowed() -> None:
    server = Server(100)
    await ask(PacedModel(server, Pace(Limits(concurrency=5))), 40)
    assert server.highest == 5


async def test_the_pace_grows_while_all_goes_well() -> None:
    server, pace = Server(1000), Pace(Limits())
    await ask(PacedModel(server, pace), 2000)
    assert pace.width > 40
    assert server.highest <= pace.width


async def test_the_pace_finds_what_the_server_takes() -> None:
    server, pace = Server(6), Pace(Limits())
    await ask(RetriedModel(PacedModel(server, pace), 60), 400)
    assert server.highest == 6
    assert pace.width <= 9
    assert server.refused < 200


async def test_requests_that_fail_together_halve_the_pace_once() -> None:
    pace = Pace(Limits(concurrency=8))
    model = PacedModel(Failing(*[BUSY] * 8), pace)
    await asyncio.gather(*(model.generate(REQUEST) for _ in range(8)), return_exceptions=True)
    assert pace.width == 4


async def test_a_refusal_that_has_nothing_to_do_with_speed_leaves_the_pace_alone() -> None:
    pace = Pace(Limits(concurrency=8))
    with pytest.raises(RequestError):
        await PacedModel(Failing(RequestError("bad", status=400, lasting=True)), pace).generate(REQUEST)
    assert pace.width == 8


async def test_nobody_asks_before_the_server_wants_to_be_asked_again() -> None:
    pace = Pace(Limits())
    with pytest.raises(RequestError):
        await PacedModel(Failing(RequestError("busy", status=429, retry_after=0.1)), pace).generate(REQUEST)
    began = time.monotonic()
    await PacedModel(Server(1), pace).generate(REQUEST)
    assert time.monotonic() - began >= 0.09


async def test_a_limit_of_requests_a_minute_is_kept() -> None:
    server = Server(100, 0)
    await ask(PacedModel(server, Pace(Limits(requests=1200))), 125)
    within_a_second = max(sum(0 <= later - one < 1 for later in server.begun) for one in server.begun)
    assert len(server.begun) == 125
    assert within_a_second <= 110 + 20  # a burst of six seconds' worth, and the second's own share


async def test_a_limit_of_tokens_a_minute_is_kept() -> None:
    pace, server = Pace(Limits(tokens=6600)), Server(100, 0)
    began = time.monotonic()
    await ask(PacedModel(server, pace), 70)  # of 10.5 tokens each: a burst of 600, and 135 more at 100 a second
    assert time.monotonic() - began > 1


async def test_what_may_pass_is_tried_again() -> None:
    server = Failing(BUSY, RequestError("reset"), RequestError("half", status=200), RequestError("x", status=502))
    await RetriedModel(server, 60).generate(REQUEST)
    assert server.tries == 5


async def test_what_will_not_pass_is_not_tried_again() -> None:
    server = Failing(RequestError("is the key right?", status=401, lasting=True))
    with pytest.raises(RequestError, match="is the key right"):
        await RetriedModel(server, 60).generate(REQUEST)
    assert server.tries == 1


async def test_trying_ends_with_the_last_error_when_the_time_is_over() -> None:
    server = Failing(*[BUSY] * 10_000)
    began = time.monotonic()
    with pytest.raises(RequestError, match="busy"):
        await RetriedModel(server, 0.2).generate(REQUEST)
    assert time.monotonic() - began < 1


async def test_a_server_that_talks_nonsense_every_time_is_not_asked_for_ever() -> None:
    server = Failing(*[RequestError("a web page", status=200)] * 100)
    with pytest.raises(RequestError, match="a web page"):
        await RetriedModel(server, 60).generate(REQUEST)
    assert server.tries == STRANGE


async def test_the_time_that_a_server_asks_for_is_waited() -> None:
    server = Failing(RequestError("busy", status=429, retry_after=0.15))
    began = time.monotonic()
    await RetriedModel(server, 60).generate(REQUEST)
    assert time.monotonic() - began >= 0.15


async def test_long_trouble_is_told(caplog: pytest.LogCaptureFixture) -> None:
    await RetriedModel(Failing(*[BUSY] * 5), 60).generate(REQUEST)
    assert "try 4 failed" in caplog.text
    assert "try 1 failed" not in caplog.text

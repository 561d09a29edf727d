"""What the backend makes of every fault of a server; and that the fault server itself can be relied upon."""

import asyncio
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest

from evaluators.linear_regression import LinearRegression
from opro.errors import ModelError, RequestError
from opro.types import Generation, Message, Request, Usage
from scorer_models.openai import OpenAIModel
from tests.fault_answers import Fault, instructions, pairs
from tests.fault_server import MODELS, FaultServer, fault_server

KEY = "sk-test-1234567890-secret"
CHAT = Request(prompt=(Message("user", "Propose a new pair."),), n=4, seed=3, max_tokens=40)
UNPAID = {Fault.BUSY: 429, Fault.BUSY_WAIT: 429, Fault.ERROR_500: 500, Fault.ERROR_502: 502, Fault.ERROR_503: 503}
UNUSABLE = [Fault.TRUNCATED, Fault.HTML, Fault.EMPTY, Fault.NULL, Fault.HUGE, Fault.NOT_UTF8]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[OpenAIModel]:
    model = OpenAIModel.load(f"{MODELS[0]}@{url}")
    try:
        yield model
    finally:
        await model.close()


async def answers(url: str, requests: Sequence[Request]) -> list[Generation | ModelError]:
    """Return what becomes of each request, one after the other."""
    made: list[Generation | ModelError] = []
    async with opened(url) as model:
        for request in requests:
            try:
                made.append(await model.generate(request))
            except ModelError as error:
                made.append(error)
    return made


async def met(kind: Fault, request: Request = CHAT) -> tuple[RequestError, tuple[int, int]]:
    """Return the error that a fault ends in, and the bill."""
    with fault_server(rate=1.0, kinds=[kind]) as server:
        [error] = await answers(server.url, [request])
    assert isinstance(error, RequestError)
    assert KEY not in f"{error!r} {error}"
    return error, server.books.bill()


async def healthy(request: Request = CHAT) -> Generation:
    with fault_server() as server:
        [made] = await answers(server.url, [request])
    assert isinstance(made, Generation)
    return made


@pytest.mark.parametrize("kind", UNPAID)
async def test_a_server_in_trouble_is_an_error_that_passes_and_costs_nothing(kind: Fault) -> None:
    error, bill = await met(kind)
    assert (error.status, error.lasting, error.charged) == (UNPAID[kind], False, False)
    assert error.retry_after == (0.03 if kind is Fault.BUSY_WAIT else None)
    assert bill == (0, 0)


@pytest.mark.parametrize("kind", UNUSABLE)
async def test_an_unusable_answer_is_an_error_that_passes_and_may_cost_money(kind: Fault) -> None:
    error, bill = await met(kind)
    assert (error.status, error.lasting, error.charged, error.retry_after) == (200, False, True, None)
    assert bill[0] > 0


@pytest.mark.parametrize("kind", [Fault.EMPTY, Fault.NULL])
async def test_an_empty_text_to_be_continued_is_no_answer_either(kind: Fault) -> None:
    error, _ = await met(kind, replace(CHAT, prompt="w=12, b=3\nw="))
    assert error.status == 200


async def test_a_lost_connection_is_an_error_without_a_status_that_may_cost_money() -> None:
    error, bill = await met(Fault.RESET)
    assert (error.status, error.lasting, error.charged) == (None, False, True)
    assert min(bill) > 0


async def test_the_backend_waits_as_long_as_it_is_let_and_then_lets_go_of_the_connection() -> None:
    with fault_server(rate=1.0, kinds=[Fault.HANG]) as server:
        async with opened(server.url) as model:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await model.generate(CHAT)
            await in_flight(server, 0)
    assert min(server.books.bill()) > 0


async def test_256_requests_are_in_flight_at_once_and_all_connections_are_given_back() -> None:
    with fault_server(rate=1.0, kinds=[Fault.HANG]) as server:
        async with opened(server.url) as model:
            tasks = [asyncio.create_task(model.generate(replace(CHAT, seed=seed))) for seed in range(256)]
            await in_flight(server, 256)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await in_flight(server, 0)
            server.rate = 0.0
            assert (await model.generate(CHAT)).samples
    assert server.books.highest == 256


async def in_flight(server: FaultServer, count: int) -> None:
    """Wait until so many requests are in flight."""
    async with asyncio.timeout(10):
        while server.books.in_flight != count:  # noqa: ASYNC110  it changes in another thread
            await asyncio.sleep(0.01)


async def test_an_answer_that_drips_is_waited_for() -> None:
    began = time.perf_counter()
    with fault_server(rate=1.0, kinds=[Fault.DRIP]) as server:
        [made] = await answers(server.url, [CHAT])
    assert isinstance(made, Generation)
    assert made.samples == (await healthy()).samples
    assert time.perf_counter() - began >= server.slow


async def test_fewer_choices_are_the_first_ones_and_what_is_missing_can_be_asked_for() -> None:
    with fault_server(rate=1.0, kinds=[Fault.FEWER]) as server:
        [first, rest] = await answers(server.url, [CHAT, replace(CHAT, first=2, n=1)])
    assert isinstance(first, Generation)
    assert isinstance(rest, Generation)
    assert first.samples + rest.samples == (await healthy()).samples[:3]
    assert [entry.fault for entry in server.books.entries] == [Fault.FEWER, None]  # of one choice none is missing
    assert first.usage.completion + rest.usage.completion == server.books.bill()[1]


async def test_without_usage_no_less_is_counted_than_is_charged() -> None:
    prompts = ("", "x", "ä" * 99, (Message("user", ""), Message("assistant", "")) * 40)
    requests = [replace(CHAT, max_tokens=limit, prompt=prompt) for limit in (1, 4, 99) for prompt in prompts]
    with fault_server(rate=1.0, kinds=[Fault.NO_USAGE], text=lambda _, r: "ß" * r.randint(0, 40)) as server:
        made = [answer for answer in await answers(server.url, requests) if isinstance(answer, Generation)]
    assert made
    for answer, entry in zip(made, server.books.entries, strict=True):
        assert answer.usage.estimated
        assert answer.usage.prompt >= entry.prompt_tokens
        assert answer.usage.completion >= entry.completion_tokens


async def test_the_bill_is_what_the_usages_add_up_to() -> None:
    with fault_server() as server:
        made = await answers(server.url, [replace(CHAT, seed=seed, max_tokens=1 + seed) for seed in range(9)])
    usages = [answer.usage for answer in made if isinstance(answer, Generation)]
    total = sum(usages, Usage())
    assert len(usages) == 9
    assert server.books.bill() == (total.prompt, total.completion)


async def test_the_same_requests_meet_the_same_faults_in_any_order() -> None:
    requests = [replace(CHAT, seed=seed % 20, n=2) for seed in range(60)]  # every body three times
    kinds = [kind for kind in Fault if kind is not Fault.HANG]
    faults: list[list[tuple[str, Fault | None]]] = []
    for order in range(2):
        shuffled = random.Random(order).sample(requests, len(requests))
        with fault_server(rate=0.5, seed=7, kinds=kinds, slow=0.0) as server:
            await answers(server.url, shuffled)
        faults.append(sorted((json.dumps(e.body), e.fault or "") for e in server.books.entries))
    assert faults[0] == faults[1]
    share = sum(fault != "" for _, fault in faults[0]) / len(requests)
    assert 0.3 < share < 0.7
    assert len({fault for _, fault in faults[0]}) > 8


async def test_another_seed_means_other_faults() -> None:
    seen: list[list[Fault | None]] = []
    for seed in (1, 2):
        server = FaultServer(rate=0.5, seed=seed)
        seen.append([server.fault({"prompt": str(i), "n": 2}) for i in range(40)])
    assert seen[0] != seen[1]


async def test_a_sample_is_the_same_however_samples_are_divided() -> None:
    parts = [replace(CHAT, n=1), replace(CHAT, first=1, n=3)]
    divided = [sample for part in parts for sample in (await healthy(part)).samples]
    assert tuple(divided) == (await healthy()).samples
    assert len(set(divided)) > 1
    assert len(set((await healthy(replace(CHAT, temperature=0))).samples)) == 1


async def test_an_answer_comes_after_the_delay_and_what_is_in_flight_is_measured() -> None:
    with fault_server(delay=0.2) as server:
        async with opened(server.url) as model:
            began = time.perf_counter()
            await asyncio.gather(*[model.generate(replace(CHAT, seed=seed)) for seed in range(8)])
            took = time.perf_counter() - began
    assert 0.2 <= took < 1.0
    assert server.books.highest == 8
    assert 4 < server.books.mean_in_flight <= 8


async def test_the_built_in_texts_are_pairs_in_both_styles_and_instructions_with_answers() -> None:
    problem = LinearRegression(LinearRegression.Config(), 0)
    known = "value: 9\nw=12, b=3\n\nvalue: 4\nw="
    assert problem.parse("w=" + pairs(known, Random(1)).partition("\n")[0])
    assert problem.parse(pairs("input: w=12, b=3\nPropose one new pair.", Random(1)))
    assert instructions("Write a new instruction.", Random(1)).startswith("<INS>")
    assert "answer is" in instructions("How many apples?", Random(1))


def test_it_is_a_process_whose_record_can_be_read_and_cleared() -> None:
    command = [sys.executable, "-m", "tests.fault_server", "--rate", "1", "--kinds", "error-503", "--text", "pairs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            [error] = asyncio.run(answers(url, [CHAT]))
            assert isinstance(error, RequestError)
            [entry] = record(url)["entries"]
            assert (entry["fault"], entry["body"]["n"]) == ("error-503", 4)
            post = urllib.request.Request(url.replace("/v1", "/reset"), data=b"")
            urllib.request.urlopen(post).close()
            assert record(url)["entries"] == []
        finally:
            process.terminate()


def record(url: str) -> dict[str, list[dict[str, dict[str, int]]]]:
    with urllib.request.urlopen(url.replace("/v1", "/record")) as answer:
        return json.load(answer)

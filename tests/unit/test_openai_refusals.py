"""OpenAIModel: what a server refuses is found out once and served in another way."""

import asyncio
import threading

import pytest

from opro.constraints import Regex
from opro.types import Request, Sample, Usage
from scorer_models.openai import OpenAIModel
from tests.unit.openai_server import CHAT, Answer, Body, Server, choices, failure, generate, once, refusal


async def test_a_refused_n_is_served_by_parallel_requests_and_remembered(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply = once(lambda body: body.get("n", 1) > 1, refusal("'n' must be at most 1", param="n"))
    request = Request(prompt=CHAT, n=4)
    first, second = await generate(server, request, request)
    assert len(first.samples) == len(set(first.samples)) == 4
    assert second.samples == first.samples
    assert first.usage == Usage(prompt=28, completion=8, cached=12)
    assert [body.get("n") for body in server.bodies] == [4, *[None] * 8]
    assert [record.name for record in caplog.records] == ["opro"]
    assert "refuses 4 samples in one request: asking for 1 at a time" in caplog.text


async def test_a_limit_of_n_is_found_where_the_refusal_tells_none(server: Server) -> None:
    server.reply = once(lambda body: body.get("n", 1) > 3, refusal("n is too large"))
    [generation] = await generate(server, Request(prompt="x", n=8))
    assert len(set(generation.samples)) == 8
    assert [body.get("n") for body in server.bodies] == [8, 4, 4, 2, 2, 2, 2]


async def test_a_server_that_ignores_n_is_asked_n_times_and_this_is_remembered(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply = lambda path, body: choices(path, body, [f"seed {body['seed']}"])
    request = Request(prompt="x", n=3)
    first, second = await generate(server, request, request)
    assert len(first.samples) == len(set(first.samples)) == 3
    assert len(second.samples) == 3
    assert [body.get("n") for body in server.bodies] == [3, *[None] * 5]
    assert caplog.text.count("one sample a request") == 1


async def test_missing_choices_are_asked_for_once_more(server: Server) -> None:
    server.reply = lambda path, body: choices(
        path, body, [f"{body['seed']} {i}" for i in range(min(3, body.get("n", 1)))]
    )
    [generation] = await generate(server, Request(prompt="x", n=4))
    assert len(set(generation.samples)) == 4
    assert [body.get("n") for body in server.bodies] == [4, None]


async def test_surplus_choices_are_left_out(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, ["a", "b", "c"])
    [generation] = await generate(server, Request(prompt="x", n=2))
    assert generation.samples == (Sample("a"), Sample("b"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("seed", "Unrecognized request argument supplied: seed"),
        ("stop", "Unsupported parameter: 'stop' is not supported with this model."),
        ("temperature", "Unsupported value: 'temperature' does not support 0.7 with this model."),
    ],
)
async def test_a_refused_parameter_is_left_out_remembered_and_told_once(
    server: Server, caplog: pytest.LogCaptureFixture, name: str, message: str
) -> None:
    server.reply = once(lambda body: name in body, refusal(message))
    request = Request(prompt=CHAT, temperature=0.7, stop=("\n",))
    await generate(server, request, request)
    assert [name in body for body in server.bodies] == [True, False, False]
    assert caplog.text.count(f"does not take {name}") == 1


async def test_max_tokens_becomes_max_completion_tokens_but_is_never_left_out(server: Server) -> None:
    message = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    server.reply = once(lambda body: "max_tokens" in body, refusal(message, param="max_tokens"))
    await generate(server, Request(prompt=CHAT, max_tokens=9))
    assert server.bodies[1]["max_completion_tokens"] == 9
    server.reply = once(lambda _: True, refusal("max_completion_tokens and max_tokens are not supported"))
    assert "not supported" in str(await failure(server, Request(prompt=CHAT)))


async def test_a_temperature_above_the_limit_is_lowered_to_it(server: Server) -> None:
    server.reply = once(lambda body: body["temperature"] > 2, refusal("temperature must be <= 2", param="temperature"))
    await generate(server, Request(prompt="x", temperature=2.5), Request(prompt="x", temperature=2.2))
    assert [body["temperature"] for body in server.bodies] == [2.5, 2.0, 2.0]


async def test_a_model_without_completions_is_asked_by_chat(server: Server) -> None:
    message = "This is a chat model. Did you mean to use v1/chat/completions?"
    server.reply = once(lambda body: "prompt" in body, refusal(message, 404))
    await generate(server, Request(prompt="a b c"), Request(prompt="d"))
    assert [path for path, _ in server.asked] == ["/v1/completions", *["/v1/chat/completions"] * 2]
    assert server.bodies[1]["messages"] == [{"role": "user", "content": "a b c"}]


async def test_a_refused_constraint_is_left_to_the_parser(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.owner = "vllm"
    hard = Regex(r"(?=a)a")
    server.reply = once(
        lambda body: "(?=" in str(body.get("structured_outputs")), refusal("Failed to convert the grammar from regex")
    )
    await generate(server, *[Request(prompt="x", constraint=constraint) for constraint in (hard, hard, Regex("a"))])
    assert ["structured_outputs" in body for body in server.bodies] == [True, False, False, True]
    assert caplog.text.count("replies are only checked afterwards") == 1


async def test_concurrent_requests_that_are_refused_for_one_reason_all_succeed_and_tell_it_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    all_asked = threading.Barrier(6)

    def reply(path: str, body: Body) -> Answer:
        if "seed" not in body:
            return choices(path, body)
        all_asked.wait(timeout=10)  # none learns from another's refusal
        return refusal("seed is not supported")

    server.reply = reply
    model = OpenAIModel.load(f"tiny@{server.url}")
    done = await asyncio.gather(*[model.generate(Request(prompt=str(i))) for i in range(6)])
    await model.close()
    assert [len(generation.samples) for generation in done] == [1] * 6
    assert caplog.text.count("does not take seed") == 1

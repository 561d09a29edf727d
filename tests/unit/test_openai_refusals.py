"""OpenAIModel: what a server refuses is found out once and served in another way."""

import asyncio
import threading
from dataclasses import replace

import pytest

from opro.constraints import Regex
from opro.types import Request, Sample, Usage
from scorer_models.openai import OpenAIModel
from tests.unit.openai_server import CHAT, Answer, Body, Server, choices, failure, generate, once, refusal


async def test_a_refused_n_is_lowered_remembered_and_told_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply = once(lambda body: body.get("n", 1) > 2, refusal("'n' must be at most 2", param="n"))
    model = OpenAIModel.load(f"tiny@{server.url}")
    assert model.widest >= 1_000_000
    request = Request(prompt=CHAT, n=4)
    first, second = await model.generate(request), await model.generate(replace(request, first=2, n=2))
    await model.close()
    assert model.widest == 2
    assert len(set(first.samples + second.samples)) == 4
    assert first.usage == Usage(prompt=7, completion=4, cached=3)  # a refusal costs nothing
    assert [body.get("n") for body in server.bodies] == [4, 2, 2]
    assert [record.name for record in caplog.records] == ["opro"]
    assert "refuses 4 samples in one request: asking for 2 at a time" in caplog.text


async def test_a_limit_of_n_is_found_where_the_refusal_tells_none(server: Server) -> None:
    server.reply = once(lambda body: body.get("n", 1) > 3, refusal("n is too large"))
    [generation] = await generate(server, Request(prompt="x", n=8))
    assert len(generation.samples) == 2
    assert [body.get("n") for body in server.bodies] == [8, 4, 2]


async def test_fewer_choices_than_asked_for_are_returned(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, ["a", "b", "c"])
    [generation] = await generate(server, Request(prompt="x", n=4))
    assert generation.samples == (Sample("a"), Sample("b"), Sample("c"))
    assert [body.get("n") for body in server.bodies] == [4]


async def test_a_server_that_returns_one_choice_twice_in_a_row_is_no_longer_asked_for_more(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply = lambda path, body: choices(path, body, [f"seed {body['seed']}"])
    request = Request(prompt="x", n=3)
    made = await generate(server, *[replace(request, first=i, n=3 - i) for i in (0, 1)], request, request)
    assert [len(generation.samples) for generation in made] == [1] * 4
    assert [body.get("n") for body in server.bodies] == [3, 2, None, None]
    assert caplog.text.count("one sample a request") == 1


async def test_a_single_choice_once_in_a_while_teaches_nothing(server: Server) -> None:
    model = OpenAIModel.load(f"tiny@{server.url}")
    for came in (1, 2, 1, 3, 1):
        server.reply = lambda path, body, came=came: choices(path, body, ["a"] * came)
        await model.generate(Request(prompt="x", n=3))
        await model.generate(Request(prompt="x", n=1))  # whoever asks for one learns nothing from one
    await model.close()
    assert model.widest > 1


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


async def test_refused_logprobs_are_left_out(server: Server) -> None:
    server.owner = "llamacpp"
    server.reply = once(lambda body: "logprobs" in body, refusal("logprobs are not supported"))
    await generate(server, *[Request(prompt=CHAT, n=2)] * 2)
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]


async def test_a_model_that_thinks_first_is_asked_as_it_wants_to_be(server: Server) -> None:
    refused = {"max_tokens": "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}
    refused |= {
        name: f"Unsupported value: '{name}' is not supported with this model." for name in ("temperature", "top_p")
    }

    def reply(path: str, body: Body) -> Answer:
        wrong = next((name for name in refused if name in body), None)
        return refusal(refused[wrong], param=wrong) if wrong else choices(path, body)

    server.reply = reply
    request = Request(prompt=CHAT, n=2, max_tokens=9, temperature=0.7, top_p=0.9)
    made = await generate(server, request, request)
    assert [len(generation.samples) for generation in made] == [2, 2]
    assert len(server.bodies) == 5
    assert server.bodies[-1].keys() == {"model", "messages", "max_completion_tokens", "seed", "n"}
    assert server.bodies[-1]["max_completion_tokens"] == 9


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

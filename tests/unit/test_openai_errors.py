"""OpenAIModel: every failure names its reason and remedy, and never the key."""

import json
import logging
import math
import socket
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opro.constraints import Regex
from opro.errors import ConfigError, ContextError, ModelError, RequestError
from opro.protocols import Served
from opro.types import Request
from scorer_models import open_model
from scorer_models.openai import OpenAIModel
from scorer_models.openai_wire import Wire, explained, waiting
from tests.conftest import KEY
from tests.unit.openai_server import CHAT, Answer, Server, choices, failure, generate, refusal


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"{}", headers={"content-length": "99", "connection": "close"}),
        Answer(b"abc", headers={"content-encoding": "gzip"}),
        Answer(b"zz\r\nabc", headers={"transfer-encoding": "chunked"}),
    ],
    ids=["cut off", "no gzip", "broken chunks"],
)
async def test_an_answer_that_breaks_off_is_an_error_without_a_status(server: Server, answer: Answer) -> None:
    server.reply = lambda path, body: answer
    error = await failure(server)
    assert (error.status, error.charged, error.lasting) == (None, True, False)
    assert "gave no answer (" in str(error)


@pytest.mark.parametrize(("status", "remedy"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (503, "try again")])
async def test_an_error_names_its_status_and_remedy(server: Server, status: int, remedy: str) -> None:
    server.reply = lambda path, body: refusal("because", status)
    error = await failure(server)
    assert error.status == status
    assert f"answered {status} (because)" in str(error)
    assert remedy in str(error)


async def test_a_rate_limit_tells_how_long_to_wait(server: Server) -> None:
    server.reply = lambda path, body: Answer({}, 429, {"retry-after": "2.5"})
    assert (await failure(server)).retry_after == 2.5
    server.reply = lambda path, body: Answer({}, 429, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"})
    assert (await failure(server)).retry_after == 0
    server.reply = lambda path, body: Answer({}, 429, {"retry-after": "3", "retry-after-ms": "2500"})
    assert (await failure(server)).retry_after == 2.5
    server.reply = lambda path, body: Answer({}, 429)
    assert (await failure(server)).retry_after is None
    assert len(server.asked) == 4  # nothing tries again by itself


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 405, 413, 422, 501])
async def test_a_refusal_that_lasts_costs_nothing(server: Server, status: int) -> None:
    server.reply = lambda path, body: refusal("because", status)
    error = await failure(server, Request(prompt=CHAT))
    assert (error.status, error.lasting, error.charged) == (status, True, False)


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 529])
async def test_a_refusal_that_passes_costs_nothing(server: Server, status: int) -> None:
    server.reply = lambda path, body: refusal("because", status)
    error = await failure(server, Request(prompt=CHAT))
    assert (error.status, error.lasting, error.charged) == (status, False, False)


@pytest.mark.parametrize("status", [408, 504, 524])
async def test_a_time_out_on_the_way_may_have_cost_something(server: Server, status: int) -> None:
    server.reply = lambda path, body: refusal("because", status)
    error = await failure(server, Request(prompt=CHAT))
    assert (error.status, error.lasting, error.charged) == (status, False, True)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "no", "code": "insufficient_quota"},
        {"message": "no", "code": "billing_hard_limit_reached"},
        {"message": "no", "type": "insufficient_quota"},
        {"message": "You exceeded your current quota, please check your plan and billing details."},
    ],
)
async def test_a_used_up_quota_lasts(server: Server, error: dict[str, str]) -> None:
    server.reply = lambda path, body: Answer({"error": error}, 429)
    failed = await failure(server)
    assert failed.lasting
    assert "quota is used up" in str(failed)


async def test_a_request_above_the_limit_of_a_minute_lasts(server: Server) -> None:
    message = "Request too large for tiny on tokens per min (TPM): Limit 100, Requested 300."
    server.reply = lambda path, body: refusal(message, 429, code="rate_limit_exceeded")
    assert (await failure(server)).lasting


async def test_a_redirect_is_not_followed_with_the_key(server: Server) -> None:
    server.reply = lambda path, body: Answer(b"", 301, {"location": f"http://a:{KEY}@elsewhere/v1?key={KEY}"})
    error = await failure(server)
    assert "answered 301 (go to http://elsewhere/v1)" in str(error)
    assert KEY not in str(error)


LIMIT = "This model's maximum context length is 100 tokens. However, "


@pytest.mark.parametrize(
    ("answer", "excess"),
    [
        (refusal(f"{LIMIT}your messages resulted in 130 tokens. Please reduce the length"), 40),
        (refusal(f"{LIMIT}you requested 130 tokens (120 in the messages, 10 in the completion)"), 30),
        (refusal(f"{LIMIT}you requested about 130 tokens (120 of text input, 10 in the output)"), 30),
        (refusal(f"{LIMIT}your prompt contains 120 input tokens, which exceeds this limit"), 30),
        (refusal(f"{LIMIT}your prompt contains at least 101 input tokens, which exceeds this limit"), None),
        (refusal(f"{LIMIT}your prompt contains 900 characters (more than 800 characters"), None),
        (refusal("The decoder prompt (length 120) is longer than the maximum model length of 100. Make sure"), 30),
        (refusal("'max_tokens' is too large: 10. This model's maximum context length is 100 tokens and your request "
                 "has 95 input tokens (10 > 100 - 95)."), 5),
        (refusal("prompt is too long: 120 tokens > 100 maximum"), 30),
        (refusal("the request exceeds the available context size, try increasing it",
                 type="exceed_context_size_error", n_prompt_tokens=120, n_ctx=100), 30),
        (refusal("too long", code="context_length_exceeded"), None),
        (refusal("too long", 413, code="context_length_exceeded"), None),
    ],
)  # fmt: skip
async def test_a_prompt_that_is_too_long_is_told_with_its_excess_where_there_are_numbers(
    server: Server, answer: Answer, excess: int | None
) -> None:
    server.reply = lambda path, body: answer
    with pytest.raises(ContextError, match="shorten the prompt") as caught:
        await generate(server, Request(prompt=CHAT, max_tokens=10))
    assert caught.value.excess == excess
    assert len(server.asked) == 1  # max_tokens is not taken for a refused parameter


async def test_too_many_tokens_a_minute_is_no_long_prompt(server: Server) -> None:
    server.reply = lambda path, body: refusal("too many tokens per minute, wait", 429)
    assert not (await failure(server)).lasting


async def test_a_name_that_the_first_request_finds_unknown_is_told_with_the_known_ones(server: Server) -> None:
    server.reply = lambda path, body: refusal("The model `tiny` does not exist", 404)
    assert "'tiny' was asked for; it serves: tiny, other" in str(await failure(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize("owner", ["vllm", "llamacpp"])
def test_a_model_that_is_not_served_is_named_with_those_that_are(server: Server, owner: str) -> None:
    server.owner = owner
    with pytest.raises(ModelError, match="does not serve 'tinny'; it serves: tiny, other"):
        OpenAIModel.load(f"tinny@{server.url}")


async def test_a_gateway_may_know_more_models_than_it_lists(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    await OpenAIModel.load(f"hidden@{server.url}").close()
    assert "does not list the model 'hidden'" in caplog.text


async def test_a_server_without_a_list_of_models_is_used_if_it_chats(server: Server) -> None:
    server.models = refusal("no list", 404)
    server.reply = lambda path, body: choices(path, body) if body else refusal("model is missing")
    [generation] = await generate(server, Request(prompt=CHAT))
    assert len(generation.samples) == 1


def test_a_wrong_path_is_noticed_at_once(server: Server) -> None:
    with pytest.raises(
        ModelError, match=f"http://{server.host}/v2/models answered 404 .*: does the address end in /v1"
    ):
        OpenAIModel.load(f"tiny@http://{server.host}/v2")


def test_a_page_that_is_no_such_server_is_noticed_at_once(server: Server) -> None:
    server.models = Answer(b"<html>welcome</html>", kind="text/html")
    with pytest.raises(ModelError, match="something other than OpenAI's protocol"):
        OpenAIModel.load(f"tiny@{server.url}")


def test_a_refused_connection_is_noticed_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match=f"{url} gave no answer .*: is the server running"):
        OpenAIModel.load(f"tiny@{url}")


async def test_a_connection_that_is_refused_later_says_so_and_costs_nothing(server: Server) -> None:
    model = OpenAIModel.load(f"tiny@{server.url}")
    server.close()
    with pytest.raises(RequestError, match="gave no answer") as caught:
        await model.generate(Request(prompt="x"))
    await model.close()
    assert (caught.value.status, caught.value.lasting, caught.value.charged) == (None, False, False)


@pytest.mark.parametrize("spec", ["", "@http://127.0.0.1/v1", "tiny@http://", "tiny@127.0.0.1:8000/v1"])
def test_a_spec_that_is_no_model_is_a_wrong_value(spec: str) -> None:
    with pytest.raises(ConfigError):
        OpenAIModel.load(spec)


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(ModelError, match="set OPENAI_API_KEY"):
        OpenAIModel.load("gpt-4")


async def test_the_key_is_read_from_the_variable_that_the_settings_name(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "another")
    model = open_model(f"openai:tiny@{server.url}", {"key": "OTHER_KEY"})
    await model.generate(Request(prompt="x"))
    server.reply = lambda path, body: refusal("no", 401)
    with pytest.raises(RequestError, match="is OTHER_KEY right"):
        await model.generate(Request(prompt="x"))
    await model.close()
    assert set(server.keys) == {"Bearer another"}


@pytest.mark.parametrize("key", [KEY, "gsk_abcDEF123", "0123abcd0123abcd", "", "my key"])
def test_a_key_in_the_settings_is_refused_and_not_shown(server: Server, key: str) -> None:
    with pytest.raises(ConfigError, match="is the name of an environment variable") as caught:
        open_model(f"openai:tiny@{server.url}", {"key": key})
    assert not key or key not in "".join(traceback.format_exception(caught.value))
    assert server.keys == []


async def test_another_server_needs_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    await generate(server, Request(prompt="x"))
    assert set(server.keys) == {"Bearer no-key-needed"}


async def test_the_key_is_sent_without_the_line_end_behind_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    await generate(server, Request(prompt="x"))
    assert set(server.keys) == {f"Bearer {KEY}"}


def test_a_key_that_cannot_be_one_is_not_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY} é")
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as caught:
        OpenAIModel.load(f"tiny@{server.url}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
async def test_the_key_is_in_no_error_and_no_log_even_if_the_server_repeats_it(
    server: Server, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.owner = "vllm"
    server.reply = lambda path, body: refusal(f"wrong key {KEY}, bad grammar", status)
    error = await failure(server, Request(prompt="x", constraint=Regex("a")))
    assert "wrong key …" in str(error)
    assert KEY not in repr(error) + caplog.text
    server.models = refusal(f"wrong key {KEY}", status)
    with pytest.raises(RequestError) as caught:
        OpenAIModel.load(f"tiny@{server.url}")
    assert KEY not in str(caught.value) + caplog.text


async def test_neither_key_nor_password_is_in_what_a_model_tells_of_itself(server: Server) -> None:
    model = OpenAIModel.load(f"tiny@http://me:hunter2@{server.host}/v1?token=hush")
    server.reply = lambda path, body: refusal("who is me:hunter2, hunter2?", 401)
    with pytest.raises(RequestError) as caught:
        await model.generate(Request(prompt="x"))
    told = f"{model!r} {model} {model.fingerprint} {caught.value}"
    await model.close()
    assert server.url in told
    assert not [secret for secret in (KEY, "hunter2", "hush") if secret in told]
    assert set(server.keys) == {"Basic bWU6aHVudGVyMg=="}


async def test_it_tells_what_prices_are_looked_up_by(server: Server) -> None:
    model = OpenAIModel.load(f"tiny@http://me:hunter2@{server.host}/v1")
    await model.close()
    assert isinstance(model, Served)
    assert model.served_as == ("tiny", "127.0.0.1")


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.floats().map(str) | st.integers().map(str))
def test_a_time_to_wait_is_finite_and_not_negative_whatever_a_server_writes(told: str) -> None:
    for name in ("Retry-After", "Retry-After-Ms"):
        seconds = waiting({name: told})
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


FIELDS = st.sampled_from(["error", "message", "detail", "code", "type", "param", "n_ctx", "n_prompt_tokens"])
ERRORS = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner)
)


@given(st.binary() | ERRORS.map(lambda body: json.dumps(body).encode()))
def test_any_body_of_a_refusal_is_told(content: bytes) -> None:
    refused = Wire("http://127.0.0.1/v1", KEY)._refusal(400, {}, content)
    error = explained(refused, "http://127.0.0.1/v1", 5, "OPENAI_API_KEY")
    assert "answered 400" in str(error)

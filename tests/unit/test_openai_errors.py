"""OpenAIModel: every failure names its reason and remedy, and never the key."""

import logging
import socket

import pytest

from opro.constraints import Regex
from opro.errors import ConfigError, ModelError
from opro.types import Request
from scorer_models.openai import OpenAIModel, RequestError
from tests.unit.openai_server import CHAT, KEY, Answer, Server, choices, failure, generate, refusal


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
    assert error.status is None
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
    server.reply = lambda path, body: Answer({}, 429)
    assert (await failure(server)).retry_after is None
    assert len(server.asked) == 3  # the SDK does not try again by itself


async def test_a_prompt_that_is_too_long_is_no_refused_parameter(server: Server) -> None:
    message = "'max_tokens' is too large: 256. This model's maximum context length is 200 tokens"
    server.reply = lambda path, body: refusal(message)
    error = await failure(server)
    assert "shorten the prompt" in str(error)
    assert len(server.asked) == 1


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


async def test_a_connection_that_is_refused_later_says_so(server: Server) -> None:
    model = OpenAIModel.load(f"tiny@{server.url}")
    server.close()
    with pytest.raises(RequestError, match="gave no answer"):
        await model.generate(Request(prompt="x"))
    await model.close()


@pytest.mark.parametrize("spec", ["", "@http://127.0.0.1/v1", "tiny@http://", "tiny@127.0.0.1:8000/v1"])
def test_a_spec_that_is_no_model_is_a_wrong_value(spec: str) -> None:
    with pytest.raises(ConfigError):
        OpenAIModel.load(spec)


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(ModelError, match="set OPENAI_API_KEY"):
        OpenAIModel.load("gpt-4")


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
    model = OpenAIModel.load(f"tiny@http://me:hunter2@{server.host}/v1")
    told = f"{model!r} {model} {model.fingerprint}"
    await model.close()
    assert server.url in told
    assert not [secret for secret in (KEY, "hunter2") if secret in told]

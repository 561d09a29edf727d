"""OpenAIModel against a scripted server on the loopback interface."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from opro.constraints import Choice, Permutation, Regex
from opro.errors import ConfigError, ModelError
from opro.types import Message, Request, Sample, Style, Usage
from scorer_models.openai import OpenAIModel, RequestError

KEY = "sk-test-1234567890-secret"
CHAT = (Message("system", "Be brief."), Message("user", "Hello?"))
Body = dict[str, Any]


@dataclass
class Answer:
    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(message: str, status: int = 400, **fields: object) -> Answer:
    return Answer({"error": {"message": message, "type": "invalid_request_error", **fields}}, status)


def choices(path: str, body: Body, texts: list[str | None] | None = None, **fields: object) -> Answer:
    """Answer as a server that does all that is asked of it; every sample tells its seed, as real servers count it."""
    texts = texts if texts is not None else [f"seed {body.get('seed', 0) + i}" for i in range(body.get("n", 1))]
    made = [
        {"index": i, "finish_reason": "stop"} | ({"message": {"content": t}} if "chat" in path else {"text": t})
        for i, t in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 2 * len(texts), "prompt_tokens_details": {"cached_tokens": 3}}
    return Answer({"choices": made, "usage": usage} | fields)


class Server:
    """A server that keeps what it was asked, and answers as the test says."""

    def __init__(self) -> None:
        self.owner = "someone"
        self.models: object = None
        self.reply: Callable[[str, Body], Answer] = choices
        self.asked: list[tuple[str, Body]] = []
        self.keys: list[str | None] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.host}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def bodies(self) -> list[Body]:
        return [body for _, body in self.asked]

    def answer(self, path: str, body: Body | None) -> Answer:
        if path == "/v1/models" and body is None:
            card = {"id": "tiny", "object": "model", "owned_by": self.owner, "created": 5}
            return self.models if isinstance(self.models, Answer) else Answer({"data": [card, {"id": "other"}]})
        if body is None or path not in {"/v1/completions", "/v1/chat/completions"}:
            return refusal("no such page", 404)
        self.asked.append((path, body))
        return self.reply(path, body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send(outer.answer(self.path, None))

            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                self.send(outer.answer(self.path, json.loads(self.rfile.read(size))))

            def send(self, answer: Answer) -> None:
                outer.keys.append(self.headers["authorization"])
                data = answer.bytes()
                self.send_response(answer.status)
                for name, value in {
                    "content-type": answer.kind,
                    "content-length": str(len(data)),
                    **answer.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = answer.headers.get("connection") == "close"

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def generate(server: Server, *requests: Request) -> list[Any]:
    """Return what one model generates for the requests, one after the other."""
    model = OpenAIModel.load(f"tiny@{server.url}")
    try:
        return [await model.generate(request) for request in requests]
    finally:
        await model.close()


async def failure(server: Server, request: Request | None = None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await generate(server, request or Request(prompt="x"))
    return caught.value


def once(refused: Callable[[Body], bool], answer: Answer) -> Callable[[str, Body], Answer]:
    """Refuse the bodies that `refused` names."""
    return lambda path, body: answer if refused(body) else choices(path, body)


# what is asked


async def test_a_text_goes_to_completions_and_a_chat_to_chat_completions(server: Server) -> None:
    await generate(server, Request(prompt="once"), Request(prompt=CHAT))
    (first, text), (second, chat) = server.asked
    assert (first, text["prompt"]) == ("/v1/completions", "once")
    assert second == "/v1/chat/completions"
    assert chat["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]


async def test_n_samples_come_from_one_request(server: Server) -> None:
    [generation] = await generate(server, Request(prompt=CHAT, n=8))
    assert len(generation.samples) == 8
    assert [body["n"] for body in server.bodies] == [8]
    assert generation.usage == Usage(prompt=7, completion=16, cached=3)
    assert generation.seconds > 0


async def test_near_seeds_share_no_sample(server: Server) -> None:
    first, second = await generate(server, Request(prompt="x", n=8, seed=1), Request(prompt="x", n=8, seed=2))
    assert len({sample.text for sample in first.samples + second.samples}) == 16


async def test_greedy_samples_are_paid_for_once(server: Server) -> None:
    [generation] = await generate(server, Request(prompt="x", n=3, temperature=0))
    assert len(generation.samples) == 3
    assert len(set(generation.samples)) == 1
    assert len(server.asked) == 1
    assert "n" not in server.bodies[0]


async def test_a_plain_server_is_asked_for_nothing_that_openai_does_not_have(server: Server) -> None:
    constraint = Regex("a+")
    await generate(server, Request(prompt="x", top_k=5, min_p=0.1, constraint=constraint, stop=("\n",)))
    assert server.bodies[0].keys() == {"model", "prompt", "max_tokens", "temperature", "seed", "stop"}


async def test_vllm_enforces_with_structured_outputs_and_lets_the_text_end_at_the_stop(server: Server) -> None:
    server.owner = "vllm"
    model = OpenAIModel.load(f"tiny@{server.url}")
    assert model.enforces == {Choice, Regex}
    await model.generate(Request(prompt="x", constraint=Regex("a|b"), stop=(".\n",), top_k=5))
    await model.generate(Request(prompt="x", constraint=Choice(("yes", "no")), stop=("\n",)))
    await model.generate(Request(prompt="x", constraint=Choice(("yes", "no"))))
    await model.generate(Request(prompt="x", constraint=Permutation(("1", "2"))))
    await model.close()
    assert [body.get("structured_outputs") for body in server.bodies] == [
        {"regex": r"(?:a|b)(?:\.\n)?"},
        {"choice": ["yes", "no", "yes\n", "no\n"]},
        {"choice": ["yes", "no"]},
        None,
    ]
    assert [body["top_k"] for body in server.bodies] == [5, 0, 0, 0]


async def test_llama_cpp_enforces_with_a_grammar(server: Server) -> None:
    server.owner = "llamacpp"
    constraint = Choice(("yes", 'say "no"'))
    await generate(server, Request(prompt="x", constraint=constraint, stop=("\n",)))
    assert server.bodies[0]["grammar"] == 'root ::= ("yes" | "say \\"no\\"") ("\\x0a")?\n'


async def test_the_tokens_of_all_choices_count_where_the_server_reports_only_those_of_the_first(server: Server) -> None:
    server.owner = "llamacpp"
    one = {"finish_reason": "stop", "logprobs": {"content": [{"token": "a"}, {"token": "b"}]}}
    many = [one | {"index": i, "text": "ab"} for i in range(4)]
    server.reply = lambda path, body: Answer({"choices": many, "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
    [generation] = await generate(server, Request(prompt="x", n=4))
    assert server.bodies[0]["logprobs"] == 1
    assert generation.usage == Usage(prompt=5, completion=8)


# what a server refuses


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


async def test_concurrent_requests_that_are_refused_for_one_reason_all_succeed(server: Server) -> None:
    def reply(path: str, body: Body) -> Answer:
        return refusal("seed is not supported") if "seed" in body else choices(path, body)

    server.reply = reply
    model = OpenAIModel.load(f"tiny@{server.url}")
    done = await asyncio.gather(*[model.generate(Request(prompt=str(i))) for i in range(6)])
    await model.close()
    assert [len(generation.samples) for generation in done] == [1] * 6


# what comes back


async def test_null_content_is_an_empty_text(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, [None, None])
    [chat] = await generate(server, Request(prompt=CHAT, n=2))
    assert chat.samples == (Sample(""), Sample(""))


async def test_missing_usage_counts_as_nothing(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, usage=None)
    [generation] = await generate(server, Request(prompt="x"))
    assert generation.usage == Usage()


async def test_no_sample_contains_a_stop_and_only_a_cut_off_one_is_incomplete(server: Server) -> None:
    texts = ["one\ntwo", "three END four\n", "five"]
    made = [{"index": i, "text": text, "finish_reason": "length"} for i, text in enumerate(texts)]
    server.reply = lambda path, body: Answer({"choices": made[::-1]})
    [generation] = await generate(server, Request(prompt="x", n=3, stop=("\n", " END")))
    assert generation.samples == (Sample("one"), Sample("three"), Sample("five", complete=False))
    assert server.bodies[0]["stop"] == ["\n", " END"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b'{"choices": [{"text": "hal'),
        Answer(b'{"choices": [{"text": "\xff\xfe"}]}'),
        Answer(b"<html>hello</html>", kind="text/html"),
        Answer({"choices": None}),
        Answer({"choices": []}),
        Answer({"error": {"message": "no"}}),
        Answer([]),
        Answer(b'{"choices": [{"text": "\\ud800"}]}'),
        Answer(b""),
    ],
)
async def test_an_answer_that_cannot_be_read_is_an_error_and_no_sample(server: Server, answer: Answer) -> None:
    server.reply = lambda path, body: answer
    error = await failure(server)
    assert error.status == 200
    assert server.host in str(error)


# errors


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


# the key


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


# what it is


async def test_a_fingerprint_names_the_weights_and_not_the_process(server: Server) -> None:
    server.owner = "llamacpp"
    card = {"id": "tiny", "owned_by": "llamacpp", "meta": {"n_params": 135, "size": 9, "n_ctx": 512}}
    prints: list[str] = []
    for created, owner in ((1, "llamacpp"), (2, "llamacpp")):
        server.models = Answer({"data": [card | {"created": created, "owned_by": owner}]})
        model = OpenAIModel.load(f"tiny@{server.url}")
        prints.append(model.fingerprint)
        await model.close()
    assert prints == ["openai:tiny@127.0.0.1/v1 llamacpp n_params=135 size=9"] * 2


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("SmolLM2-135M-Instruct", Style.CONTINUATION),
        ("qwen2.5:1.5b", Style.CONTINUATION),
        ("Qwen2.5-7B-Instruct-1M", Style.CHAT),
        ("mixtral-8x7b", Style.CHAT),
        ("model-3b", Style.CHAT),
        ("gpt-5", Style.CHAT),
        ("phi-3-mini-4bit", Style.CHAT),
    ],
)
async def test_small_models_continue_and_others_chat(server: Server, name: str, style: Style) -> None:
    server.models = Answer({"data": [{"id": name}]})
    model = OpenAIModel.load(f"{name}@{server.url}")
    assert model.style is style
    await model.close()


async def test_the_size_that_a_server_tells_goes_before_the_name(server: Server) -> None:
    server.models = Answer({"data": [{"id": "my-7b", "owned_by": "llamacpp", "meta": {"n_params": 135_000_000}}]})
    model = OpenAIModel.load(f"my-7b@{server.url}")
    assert model.style is Style.CONTINUATION
    await model.close()

"""OpenAIModel: what it asks, what it makes of the answers, and what it tells of itself."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opro.constraints import Choice, Permutation, Regex, Weighed
from opro.errors import RequestError
from opro.types import Request, Sample, Style, Usage
from scorer_models.openai import OpenAIModel
from scorer_models.openai_reply import Reply, parsed
from tests.unit.openai_server import CHAT, Answer, Server, choices, failure, generate


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


async def test_a_sample_has_its_seed_however_samples_are_divided(server: Server) -> None:
    request = Request(prompt="x", n=8, seed=1)
    parts = [replace(request, n=3), replace(request, n=1, first=3), replace(request, n=4, first=4)]
    whole, *divided = await generate(server, request, *parts)
    assert whole.samples == tuple(sample for part in divided for sample in part.samples)


@pytest.mark.parametrize("seed", [0, -1, 2**31 - 1, 2**63, -(2**80)])
async def test_a_seed_that_is_sent_fits_into_31_bits(server: Server, seed: int) -> None:
    await generate(server, Request(prompt="x", seed=seed, first=2**30 - 1))
    assert 0 <= server.bodies[0]["seed"] < 2**31


async def test_a_server_elsewhere_is_reached_through_the_proxy_and_one_here_without(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://{server.host}")
    model = OpenAIModel.load("tiny@http://models.example/v1")
    assert len((await model.generate(Request(prompt="x"))).samples) == 1
    await model.close()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    await generate(server, Request(prompt="x"))
    assert len(server.asked) == 2


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
    assert model.enforces == {Choice, Regex, Weighed}
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


@pytest.mark.parametrize(
    ("texts", "usage", "what"),
    [
        ([None], {"prompt_tokens": 7, "completion_tokens": 5}, "no text"),
        ([""], {"prompt_tokens": 7, "completion_tokens": 0}, "an empty text"),
        ([""], None, "an empty text"),
        (["a" * 1025], {"prompt_tokens": 7, "completion_tokens": 5}, "1025 characters, where 4 tokens"),
        ([], {"prompt_tokens": 7, "completion_tokens": 0}, "without choices"),
    ],
)
async def test_a_text_that_no_model_wrote_is_an_error_that_is_paid_for(
    server: Server, texts: list[str | None], usage: object, what: str
) -> None:
    server.reply = lambda path, body: choices(path, body, texts, usage=usage)
    error = await failure(server, Request(prompt=CHAT, max_tokens=4))
    assert (error.status, error.lasting, error.charged) == (200, False, True)
    assert what in str(error)


async def test_an_empty_text_that_cost_a_token_is_a_sample(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, [""])
    [generation] = await generate(server, Request(prompt=CHAT))
    assert generation.samples == (Sample(""),)


async def test_samples_before_one_that_cannot_be_used_are_returned(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, ["a", "b", None, "d"])
    [generation] = await generate(server, Request(prompt=CHAT, n=4))
    assert generation.samples == (Sample("a"), Sample("b"))
    assert generation.usage.completion == 8


async def test_a_model_that_is_cut_off_while_it_thinks_has_said_nothing_yet(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    cut = {"index": 0, "message": {"content": None, "reasoning_content": "hm"}, "finish_reason": "length"}
    server.reply = lambda path, body: Answer({"choices": [cut], "usage": {"prompt_tokens": 1, "completion_tokens": 9}})
    [generation, _] = await generate(server, Request(prompt=CHAT, max_tokens=9), Request(prompt=CHAT))
    assert generation.samples == (Sample("", complete=False),)
    assert caplog.text.count("used all of 9 tokens before it wrote a word") == 1


async def test_a_refusal_of_the_model_to_answer_is_its_answer(server: Server) -> None:
    message = {"content": None, "refusal": "I will not."}
    server.reply = lambda path, body: Answer({"choices": [{"message": message, "finish_reason": "stop"}]})
    [generation] = await generate(server, Request(prompt=CHAT))
    assert generation.samples == (Sample("I will not."),)


@pytest.mark.parametrize("usage", [None, {}, "9", {"prompt_tokens": None, "completion_tokens": -1}, [], {"total": 3}])
async def test_missing_usage_is_an_upper_bound(server: Server, usage: object) -> None:
    server.reply = lambda path, body: choices(path, body, ["äö", "abc"], usage=usage)
    [generation] = await generate(server, Request(prompt="größer", n=2))
    assert generation.usage.estimated
    assert 8 < generation.usage.prompt < 50
    assert generation.usage.completion == 5 + 4


async def test_no_more_of_a_prompt_is_cached_than_there_is(server: Server) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}
    server.reply = lambda path, body: choices(path, body, ["abc"], usage=usage)
    [generation] = await generate(server, Request(prompt="x"))
    assert generation.usage == Usage(3, 1, 3)


async def test_only_what_is_missing_of_the_usage_is_estimated(server: Server) -> None:
    server.reply = lambda path, body: choices(path, body, ["abc"], usage={"prompt_tokens": 3})
    [generation] = await generate(server, Request(prompt="x"))
    assert generation.usage == Usage(3, 4, estimated=True)


async def test_a_text_cut_off_is_thought_to_have_taken_all_tokens(server: Server) -> None:
    cut = {"index": 0, "message": {"content": "ab"}, "finish_reason": "length"}
    server.reply = lambda path, body: Answer({"choices": [cut]})
    [generation] = await generate(server, Request(prompt=CHAT, max_tokens=50))
    assert generation.usage.completion == 50


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
    assert (error.status, error.lasting, error.charged) == (200, False, True)
    assert server.host in str(error)


TOLD = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
NAMES = ["choices", "usage", "index", "text", "message", "content", "finish_reason", "logprobs", "prompt_tokens"]
REPLIES = st.recursive(
    TOLD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
)
CHOICES = st.lists(
    st.fixed_dictionaries(
        {"message": st.fixed_dictionaries({"content": st.none() | st.text(max_size=40)})},
        optional={"finish_reason": st.sampled_from(["stop", "length", None]), "index": st.integers(-1, 9)},
    ),
    max_size=4,
)
DETAILS = TOLD | st.fixed_dictionaries({"cached_tokens": TOLD})
USAGE = st.fixed_dictionaries(
    {}, optional={"prompt_tokens": TOLD, "completion_tokens": TOLD, "prompt_tokens_details": DETAILS}
)


@given(
    st.binary(max_size=40)
    | REPLIES.map(lambda body: json.dumps(body).encode())
    | st.fixed_dictionaries({"choices": CHOICES, "usage": st.none() | USAGE}).map(lambda b: json.dumps(b).encode()),
    st.lists(st.text(max_size=2), max_size=2),
)
def test_any_bytes_are_a_reply_with_samples_or_an_error_that_is_paid_for(content: bytes, stop: list[str]) -> None:
    request = Request(prompt="x", n=4, max_tokens=8, stop=tuple(stop))
    try:
        reply = parsed(Reply, content, "here")
        samples, cost = reply.samples(request, "here"), reply.cost(request)
    except RequestError as error:
        assert (error.status, error.charged) == (200, True)
        return
    assert 1 <= len(samples) <= len(reply.choices)
    assert not [sample for sample in samples for mark in stop if mark and mark in sample.text]
    assert cost.prompt > 0
    assert cost.completion > 0
    assert 0 <= cost.cached <= cost.prompt


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        ("llamacpp", "llamacpp n_params=135 size=9"),
        ("vllm", "vllm owned_by=vllm root=org/tiny"),
        ("someone", "other owned_by=someone root=org/tiny created=5"),
    ],
)
async def test_a_fingerprint_names_the_weights_and_not_the_process(server: Server, owner: str, told: str) -> None:
    created = 5 if owner == "someone" else int(server.host.rpartition(":")[2])  # servers of weights tell the time
    meta = {"n_params": 135, "size": 9, "n_ctx": 512}
    card = {"id": "tiny", "owned_by": owner, "created": created, "root": "org/tiny", "meta": meta}
    server.models = Answer({"data": [card]})
    model = OpenAIModel.load(f"tiny@{server.url}")
    assert model.fingerprint == f"openai:tiny@127.0.0.1/v1 {told}"
    await model.close()


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

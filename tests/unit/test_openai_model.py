"""OpenAIModel: what it asks, what it makes of the answers, and what it tells of itself."""

import pytest

from opro.constraints import Choice, Permutation, Regex
from opro.types import Request, Sample, Style, Usage
from scorer_models.openai import OpenAIModel
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

"""The local backend on a tiny random model, compared with transformers' own forward pass and generation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, MistralConfig, PreTrainedTokenizerFast

from opro.constraints import Choice, Permutation, Regex, Weighed
from opro.errors import ContextError, ModelError
from opro.types import Message, Request, Style
from scorer_models import loading, reading
from scorer_models.engine import Engine
from scorer_models.generation import Decoder
from scorer_models.lanes import Block
from scorer_models.local import LocalModel
from scorer_models.reading import Cluster, clustered, grouped, shared
from scorer_models.tree import CHUNK, TokenTree

WINDOW = 1500
SHAPE = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": WINDOW,
    "initializer_range": 0.4,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
LONG = "All work and no play makes Jack a dull boy. " * 20


def never() -> bool:
    return False


def save(directory: Path, config: LlamaConfig | MistralConfig | Gemma2Config) -> Path:
    """Write a random model and a tokenizer of single bytes."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    pieces = ["<end>", "<special>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", additional_special_tokens=["<special>"]
    ).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("tiny"), LlamaConfig(**SHAPE))


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "usual_dtype", lambda: "float32")


@pytest.fixture
async def model(tiny: Path) -> AsyncIterator[LocalModel]:
    model = LocalModel.load(str(tiny))
    yield model
    await model.close()


@pytest.fixture
def engine(tiny: Path) -> Engine:
    return Engine(loading.load(str(tiny)))


def answer(engine: Engine, *requests: Request) -> list[list[str]]:
    """Answer requests as one batch; return their texts."""
    generations = engine.answer([(request, never) for request in requests])
    return [[sample.text for sample in generation.samples] for generation in generations]


def greedy(directory: Path, prompt: str, tokens: int) -> str:
    """Return what transformers itself generates."""
    plain = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    mask = torch.ones_like(ids)
    out = plain.generate(ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_greedy_texts_are_those_of_transformers(tiny: Path, engine: Engine) -> None:
    prompts = ["", "x", "Hello there", LONG + "one", LONG + "two, three", LONG[5:], LONG]
    requests = [Request(prompt=prompt or "y", n=2, max_tokens=20, temperature=0) for prompt in prompts]
    expected = [[greedy(tiny, request.prompt, 20)] * 2 for request in requests if isinstance(request.prompt, str)]
    assert answer(engine, *requests) == expected
    assert answer(engine, *requests[3:5]) == expected[3:5]  # what they share is computed once
    assert answer(engine, requests[3]) == expected[3:4]  # and kept


def test_a_sliding_window_is_respected(tmp_path: Path) -> None:
    save(tmp_path, MistralConfig(**SHAPE, sliding_window=16))
    texts = answer(
        Engine(loading.load(str(tmp_path))), *(Request(prompt=LONG + end, max_tokens=30, temperature=0) for end in "ab")
    )
    assert texts == [[greedy(tmp_path, LONG + end, 30)] for end in "ab"]


def test_a_kind_of_attention_that_would_go_wrong_is_refused(tmp_path: Path) -> None:
    save(tmp_path, Gemma2Config(**SHAPE, attn_logit_softcapping=3.0))
    with pytest.raises(ModelError, match="openai:"):
        answer(Engine(loading.load(str(tmp_path))), Request(prompt="x"))


def test_texts_do_not_depend_on_what_else_is_in_the_batch(engine: Engine) -> None:
    requests = [
        Request(prompt=LONG + word, n=5, max_tokens=12, seed=seed, temperature=0.8, top_p=0.9)
        for seed, word in enumerate(("one", "two", "", "one", "three and more"))
    ]
    requests.append(Request(prompt="other", n=40, max_tokens=70, seed=9))
    together = answer(engine, *requests)
    assert together == [answer(engine, request)[0] for request in requests]
    assert together[0] != together[3]


def test_usage_counts_what_was_computed_anew(engine: Engine) -> None:
    requests = [Request(prompt=LONG + word, n=3, max_tokens=2) for word in ("one", "two")]
    size = len(LONG)
    first, second = (g.usage for g in engine.answer([(request, never) for request in requests]))
    assert (first.prompt, first.cached, second.prompt, second.cached) == (size + 3, 0, size + 3, size)
    assert first.completion <= 6
    again = [g.usage.cached for g in engine.answer([(request, never) for request in requests])]
    assert again == [size + 3] * 2  # the same prompts are not read again
    (alone,) = engine.answer([(requests[0], never)])
    assert alone.usage.cached == size // CHUNK * CHUNK  # of others, whole chunks


def test_an_answer_in_bfloat16_is_the_same_to_the_bit_whatever_was_asked_before(tiny: Path) -> None:
    batch = [Request(prompt=LONG + LONG[:300] + word, n=4, max_tokens=9, seed=5) for word in ("one", "two")]
    others = [Request(prompt=LONG + LONG[:300] + "o", max_tokens=3), Request(prompt=LONG, n=9)]
    expected = answer(Engine(loading.load(str(tiny), "bfloat16")), *batch)
    engine = Engine(loading.load(str(tiny), "bfloat16"))
    for other in others:
        answer(engine, other)
        assert answer(engine, *batch) == expected
        assert answer(engine, *batch) == expected


def test_the_slots_of_rows_that_are_done_are_used_again_and_the_others_go_on_unharmed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        Request(prompt="Long", n=1, max_tokens=400, seed=1, temperature=0),
        Request(prompt="Long", n=150, max_tokens=30, seed=2),
    ]
    expected = [answer(engine, request)[0] for request in requests]
    widths: list[int] = []
    width = Block.width

    def watched(self: Block) -> int:
        widths.append(width(self))
        return widths[-1]

    monkeypatch.setattr(Block, "width", watched)
    assert answer(engine, *requests) == expected
    assert 400 < max(widths) < 4 + 400 + 32 * 30  # and not 150 * 30


def test_prompts_of_all_lengths_are_answered_as_alone_however_many_there_are(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLOTS", 600)  # so that most of them wait until others are done
    prompts = [LONG[start : start + length] for start, length in enumerate(range(3, 500, 17))]
    prompts += [f"{LONG[:200]} and {i}" for i in range(9)] + [LONG[:200], LONG[:3], LONG[:3]]
    requests = [
        Request(prompt=prompt, n=1 + i % 3, max_tokens=2 + i % 11, seed=i, constraint=Regex("[a-z ]{30}"))
        for i, prompt in enumerate(prompts)
    ]
    alone = [answer(engine, request)[0] for request in requests]
    assert answer(engine, *requests) == alone
    assert answer(engine, *requests) == alone


def test_a_sample_does_not_depend_on_how_samples_are_divided_among_requests(engine: Engine) -> None:
    whole = Request(prompt=LONG, n=4, max_tokens=12, seed=7)
    parts = [replace(whole, n=2), replace(whole, first=2, n=2), replace(whole, first=3, n=1)]
    (four,) = answer(engine, whole)
    assert len(set(four)) == 4
    assert answer(engine, *parts) == [four[:2], four[2:], four[3:]]
    assert answer(engine, parts[1]) == [four[2:]]


def test_one_token_is_not_decoded_further(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [
        Request(prompt=LONG + "one", max_tokens=1),
        Request(prompt=LONG + "two", max_tokens=30, constraint=Choice(("yes", "no", "maybe"))),
    ]
    expected = answer(engine, *requests)
    monkeypatch.setattr(TokenTree, "step", None)  # would fail
    assert answer(engine, *requests) == expected
    assert expected[1][0] in {"yes", "no", "maybe"}


def test_an_end_of_text_completes_and_is_no_part_of_the_text(engine: Engine) -> None:
    (generation,) = engine.answer([(Request(prompt="End", n=40, max_tokens=60, temperature=3.0), never)])
    assert any(sample.complete for sample in generation.samples)
    assert not any("<end>" in sample.text or "<special>" in sample.text for sample in generation.samples)


def test_a_lack_of_memory_is_met_by_smaller_batches(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [Request(prompt=word, n=6, max_tokens=9, seed=3) for word in ("one", "two", "three")]
    expected = answer(engine, *requests)
    read = Decoder._read

    def scarce(self: Decoder, rows: list) -> torch.Tensor:
        if len(rows) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return read(self, rows)

    monkeypatch.setattr(Decoder, "_read", scarce)
    assert answer(engine, *requests) == expected


def test_no_memory_at_all_is_an_error_with_its_remedy(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Decoder, rows: list) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Decoder, "_read", none)
    (error,) = engine.answer([(Request(prompt="x"), never)])
    assert isinstance(error, ModelError)
    assert "smaller model" in str(error)


async def test_a_prompt_beyond_the_window_is_an_error_that_says_by_how_much(model: LocalModel) -> None:
    with pytest.raises(ContextError, match=rf"{WINDOW + 10} tokens, 11 more than") as raised:
        await model.generate(Request(prompt="x" * (WINDOW + 10)))
    assert raised.value.excess == 11
    await model.generate(Request(prompt="x" * (WINDOW + 10 - raised.value.excess)))
    generation = await model.generate(Request(prompt="x" * (WINDOW - 3), max_tokens=50, constraint=Regex("[ab]{9}")))
    assert not generation.samples[0].complete
    assert len(generation.samples[0].text) == 3


async def test_one_bad_request_does_not_spoil_the_batch(model: LocalModel) -> None:
    bad = [
        Request(prompt="x" * 2 * WINDOW),
        Request(prompt=(Message("user", "hi"),)),
        Request(prompt="x", constraint=Regex("(?=a)a")),
    ]
    good = Request(prompt="x", n=2, max_tokens=5)
    *errors, fine = await asyncio.gather(*(model.generate(r) for r in (*bad, good)), return_exceptions=True)
    assert [type(error) for error in errors] == [ContextError, ModelError, ModelError]
    assert "chat template" in str(errors[1])
    assert fine.samples == (await model.generate(good)).samples


async def test_a_cancelled_request_stops_and_harms_no_other(model: LocalModel) -> None:
    other = Request(prompt="Other", n=3, max_tokens=10)
    expected = (await model.generate(other)).samples
    forever = Request(prompt="Long", n=64, max_tokens=1400, constraint=Regex("[ab]{1400}"))
    task = asyncio.create_task(model.generate(forever))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await asyncio.wait_for(model.generate(other), 10)).samples == expected


async def test_a_request_cancelled_before_its_batch_is_never_read(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = Engine.answer

    def counted(self: Engine, requests: list) -> list:
        asked.append(len(requests))
        return real(self, requests)

    monkeypatch.setattr(Engine, "answer", counted)
    task = asyncio.create_task(model.generate(Request(prompt="Early", max_tokens=2)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await model.generate(Request(prompt="Other", max_tokens=2))
    assert asked == [1]


async def test_it_works_in_one_event_loop_after_another(model: LocalModel) -> None:
    request = Request(prompt="x", max_tokens=4)
    elsewhere = await asyncio.to_thread(lambda: asyncio.run(model.generate(request)))
    assert elsewhere.samples == (await model.generate(request)).samples


async def test_a_closed_model_says_so(tiny: Path) -> None:
    model = LocalModel.load(str(tiny))
    await model.close()
    with pytest.raises(ModelError, match="closed"):
        await model.generate(Request(prompt="x"))


async def test_a_place_without_a_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    model = LocalModel.load(str(tmp_path))
    with pytest.raises(ModelError, match=tmp_path.name):
        await model.generate(Request(prompt="x"))
    await model.close()


async def test_a_forced_text_is_not_sampled(model: LocalModel) -> None:
    request = Request(prompt="x", n=2, max_tokens=40, constraint=Permutation(("only this one",), ", "))
    generation = await model.generate(request)
    assert [sample.text for sample in generation.samples] == [", only this one"] * 2


async def test_a_directory_is_identified_by_its_configuration_and_files(tiny: Path, tmp_path: Path) -> None:
    other = save(tmp_path, LlamaConfig(**{**SHAPE, "num_hidden_layers": 3}))
    assert LocalModel.load(str(tiny)).fingerprint == LocalModel.load(str(tiny)).fingerprint
    assert LocalModel.load(str(tiny)).fingerprint != LocalModel.load(str(other)).fingerprint
    assert LocalModel.load(str(tiny)).fingerprint != LocalModel.load(f"{tiny}@bfloat16").fingerprint
    assert "sha256:" in LocalModel.load("").fingerprint


async def test_small_models_continue(model: LocalModel) -> None:
    assert model.style is Style.CONTINUATION


def test_the_shared_prefix_of_prompts() -> None:
    assert shared([[1, 2, 3]]) == 3
    assert shared([[1, 2, 3], [1, 2], [1, 2, 4]]) == 2
    assert shared([[1], [2]]) == 0
    assert shared([[], [2]]) == 0


def test_prompts_share_a_lane_when_they_share_more_than_they_differ_in() -> None:
    question, other = [1] * 6, [2] * 8
    prompts = [[*question, 5], [*other, 3], [*question, 6, 6], [*question, 7, 7, 7], [*question, 8]]
    assert clustered(prompts) == [
        Cluster((0, 2, 3), 6, 12),
        Cluster((4,), 7, 7),
        Cluster((1,), 9, 9),
    ]
    assert clustered([other, other]) == [Cluster((0, 1), 8, 8)]


def test_lanes_stand_beside_those_of_about_their_length() -> None:
    lanes = [Cluster((i,), length, length) for i, length in enumerate((9, 400, 70, 300, 239, 50, 240))]
    groups = [[lane.length for lane in group] for group in grouped(lanes)]
    assert groups == [[400, 300, 240], [239], [70, 50, 9]]


OPTIONS = (" yes", " yesterday\n", " no", "x")


def logprobs_alone(directory: Path, prompt: str, options: Sequence[str]) -> list[float]:
    """Return what transformers' own forward pass says of each option behind a prompt."""
    plain = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    start = len(tokenizer(prompt).input_ids)
    found = []
    for option in options:
        ids = tokenizer(prompt + option, return_tensors="pt").input_ids
        with torch.inference_mode():
            scores = plain(ids).logits[0].log_softmax(-1)
        found.append(sum(float(scores[place - 1, ids[0, place]]) for place in range(start, ids.shape[1])))
    return found


def weighing(prompt: str, options: Sequence[str] = OPTIONS[1:]) -> Request:
    return Request(prompt=prompt, n=len(options), constraint=Weighed(tuple(options)), max_tokens=16)


async def test_options_have_the_log_probabilities_of_a_plain_forward_pass(tiny: Path, model: LocalModel) -> None:
    prompts = ["Is it?", LONG, f"{LONG} And more.", "Is it so?"]
    together = await asyncio.gather(*(model.generate(weighing(prompt)) for prompt in prompts))
    for prompt, generation in zip(prompts, together, strict=True):
        assert [sample.text for sample in generation.samples] == list(OPTIONS[1:])
        expected = logprobs_alone(tiny, prompt, OPTIONS[1:])
        assert [sample.logprob for sample in generation.samples] == pytest.approx(expected, abs=1e-4)


async def test_a_part_of_the_options_is_the_same_as_in_the_whole(model: LocalModel) -> None:
    whole = (await model.generate(weighing("Is it?"))).samples
    part = (await model.generate(replace(weighing("Is it?"), first=1, n=1))).samples
    assert [(one.text, one.logprob) for one in part] == [(whole[1].text, pytest.approx(whole[1].logprob))]


async def test_weighing_what_does_not_fit_says_how_much_too_long_it_is(model: LocalModel) -> None:
    with pytest.raises(ContextError) as raised:
        await model.generate(weighing("a" * WINDOW))
    assert raised.value.excess > 0


def test_options_of_which_one_begins_with_another_are_refused() -> None:
    with pytest.raises(ValueError, match="begins with"):
        Weighed(OPTIONS)

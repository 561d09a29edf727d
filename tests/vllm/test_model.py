"""The backend on a running vLLM, beyond what every language model must do."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from opro.constraints import Regex
from opro.errors import ContextError, ModelError
from opro.types import Request
from scorer_models.vllm import Config, VllmModel
from tests.vllm.fixtures import WINDOW

pytestmark = pytest.mark.vllm
COUNTING = Request(prompt="One, two, three, four,", n=4, max_tokens=12, seed=3)


async def texts(model: VllmModel, request: Request) -> list[str]:
    return [sample.text for sample in (await model.generate(request)).samples]


async def until(true: Callable[[], bool], *, seconds: float) -> None:
    for _ in range(round(seconds / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"it did not become true within {seconds} s")


async def test_a_sample_depends_on_its_number_and_not_on_the_request_that_asks_for_it(vllm_model: VllmModel) -> None:
    whole = await texts(vllm_model, COUNTING)
    parts = [await texts(vllm_model, replace(COUNTING, first=first, n=n)) for first, n in ((0, 1), (1, 3))]
    assert [*parts[0], *parts[1]] == whole


async def test_greedy_samples_are_written_once(vllm_model: VllmModel) -> None:
    generation = await vllm_model.generate(replace(COUNTING, temperature=0))
    assert len(generation.samples) == COUNTING.n
    assert generation.usage.completion == COUNTING.max_tokens


async def test_what_is_known_of_a_prompt_is_told(vllm_model: VllmModel) -> None:
    request = replace(COUNTING, prompt="A prompt that is some blocks long, and that nobody has asked before. " * 20)
    first, again = [(await vllm_model.generate(request)).usage for _ in range(2)]
    assert first.cached == 0
    assert again.prompt > again.cached > again.prompt - 64


async def test_a_prompt_that_does_not_fit_fails_alone_and_tells_by_how_much(vllm_model: VllmModel) -> None:
    long = replace(COUNTING, prompt=" word" * (WINDOW + 9))
    failed, answered = await asyncio.gather(
        vllm_model.generate(long), vllm_model.generate(COUNTING), return_exceptions=True
    )
    assert isinstance(failed, ContextError)
    assert failed.excess == 10
    assert not isinstance(answered, BaseException)
    assert await texts(vllm_model, COUNTING) == [sample.text for sample in answered.samples]


async def test_more_prompts_than_vllm_reads_at_once_are_all_answered(vllm_model: VllmModel) -> None:
    prompts = [f"{number}. " + "All work and no play makes Jack a dull boy. " * 28 for number in range(24)]
    requests = [replace(COUNTING, prompt=prompt, n=1, max_tokens=2) for prompt in prompts]
    answers = await asyncio.gather(*map(vllm_model.generate, requests))
    assert sum(answer.usage.prompt for answer in answers) > 4096 * 1.5
    assert [len(answer.samples) for answer in answers] == [1] * len(prompts)


async def test_a_pattern_that_vllm_cannot_keep_is_left_to_the_parser_and_told_once(
    vllm_model: VllmModel, caplog: pytest.LogCaptureFixture
) -> None:
    request = replace(COUNTING, constraint=Regex("(?=1)1"))
    assert len((await vllm_model.generate(request)).samples) == COUNTING.n
    await vllm_model.generate(request)
    assert len([record for record in caplog.records if "only checked afterwards" in record.getMessage()]) == 1


async def test_a_temperature_that_vllm_refuses_is_lowered(
    vllm_model: VllmModel, caplog: pytest.LogCaptureFixture
) -> None:
    hot = await texts(vllm_model, replace(COUNTING, temperature=2.5))
    assert hot == await texts(vllm_model, replace(COUNTING, temperature=2.0))
    assert "temperatures up to 2" in caplog.text


async def test_a_dot_matches_no_line_end_as_in_python(vllm_model: VllmModel) -> None:
    request = replace(COUNTING, prompt="1\n2\n3\n4\n5\n6\n7", temperature=0, constraint=Regex(".{2,4}"))
    assert "\n" not in (await texts(vllm_model, request))[0]


async def test_a_cancelled_request_is_dropped_by_vllm(vllm_model: VllmModel) -> None:
    await vllm_model.generate(COUNTING)
    assert vllm_model._engine is not None
    assert not isinstance(vllm_model._engine, ModelError)
    unfinished = vllm_model._engine._llm.get_num_unfinished_requests
    long = asyncio.create_task(vllm_model.generate(replace(COUNTING, prompt="Long ago", max_tokens=1500)))
    await until(lambda: unfinished() > 0, seconds=30)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    await until(lambda: unfinished() == 0, seconds=5)  # to write it would take longer


async def test_what_vllm_refuses_to_start_with_is_an_error_with_its_reason(vllm_model: VllmModel) -> None:
    await vllm_model.generate(COUNTING)  # so that vLLM knows the small machine
    model = VllmModel.load("", Config(max_model_len=10**6, enforce_eager=True))
    with pytest.raises(ModelError, match="max_model_len"):
        await model.generate(COUNTING)
    await model.close()
    with pytest.raises(ModelError, match="closed"):
        await model.generate(COUNTING)

"""One step of OPRO asks for eight samples of one prompt: what vLLM's own counters say was computed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

import opro
from opro.protocols import LanguageModel
from opro.types import Generation, Request
from opro.wrapping import Wrapper
from scorer_models.openai import OpenAIModel
from scorer_models.vllm import VllmModel
from tests.vllm import counters
from tests.vllm.counters import Counters
from tests.vllm.fixtures import BLOCK

pytestmark = pytest.mark.vllm
N = 8


class Watched(Wrapper):
    """Keeps what it was asked and what it answered, and lets replies end early: their prompt is what counts here."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.calls: list[tuple[Request, Generation]] = []

    async def generate(self, request: Request) -> Generation:
        generation = await self._model.generate(replace(request, max_tokens=4))
        self.calls.append((request, generation))
        return generation

    async def close(self) -> None:
        """Leave the model to the session."""


async def one_step(model: LanguageModel, store: str, read: Callable[[], Counters]) -> tuple[Generation, Counters]:
    """Make one step of OPRO in the paper's style; return its one generation, and what vLLM counted meanwhile."""
    watched = Watched(model)
    before = read()
    await opro.optimize_async(
        "linear-regression",
        model=watched,
        store=store,
        steps=1,
        per_step=N,
        seed=7,
        proposer="opro",
        options={"style": "chat", "rounds": 1},
        baselines="never",
    )
    ((request, generation),) = watched.calls
    assert request.n == N
    return generation, read().since(before)


def check(prompt: int, counted: Counters) -> None:
    """Check what was computed of a prompt of so many tokens that vLLM had not seen before."""
    rest = prompt - (prompt - 1) // BLOCK * BLOCK  # what follows the last whole block, which each sample computes
    assert prompt > 4 * BLOCK
    assert counted.requests == N  # to vLLM a sample is a request
    assert counted.queried == N * prompt
    assert counted.computed == prompt + (N - 1) * rest
    assert counted.cached == counted.hit == N * prompt - counted.computed
    assert counted.computed < 2 * prompt


async def test_a_step_in_process_computes_the_blocks_of_its_prompt_once_and_not_eight_times(
    vllm_model: VllmModel, store: str
) -> None:
    await vllm_model.generate(Request(prompt="start", max_tokens=1))
    generation, counted = await one_step(vllm_model, store, counters.in_process)
    assert generation.usage.cached == 0
    check(generation.usage.prompt, counted)


async def test_a_step_on_a_server_computes_the_blocks_of_its_prompt_once_and_not_eight_times(
    vllm_server: str, store: str
) -> None:
    model = OpenAIModel.load(f"default-135M@{vllm_server}")
    try:
        generation, counted = await one_step(model, store, lambda: counters.served(vllm_server))
    finally:
        await model.close()
    check(generation.usage.prompt, counted)

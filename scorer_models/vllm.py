"""A causal language model in vLLM, run from this process: for GPUs, many requests at once, and models of any size."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from opro.constraints import Choice, Constraint, Permutation, Regex, Weighed
from opro.errors import ModelError
from opro.outline import Outline
from opro.types import Generation, Request, Style
from scorer_models import loading
from scorer_models.outlines import LARGE, style_of_weights

if TYPE_CHECKING:
    from scorer_models.vllm_engine import Engine


class Config(BaseModel):
    """How vLLM runs the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        default="auto", description="type of number computed with; auto: that of the weights"
    )
    tensor_parallel_size: int = Field(default=1, ge=1, description="how many GPUs share each layer")
    gpu_memory_utilization: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="share of the GPU's memory (without one: of the machine's) that vLLM may take",
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        description="tokens of prompt and reply together at most; default: what the model was made for",
    )
    enforce_eager: bool = Field(default=False, description="start sooner, run slower: nothing is compiled")
    quantization: str | None = Field(
        default=None, description="how the weights are quantized, where their files do not say"
    )


class VllmModel:
    """A model in vLLM, in processes of its own: `vllm` (built in), `vllm:DIRECTORY` or `vllm:HUB_ID`.

    Requests are batched as they come, whoever sends them. All samples of a request share the whole blocks of its
    prompt; the rest behind them, shorter than a block (16 tokens on a GPU), is computed for each sample.

    The same seed gives the same text as long as the logits are the same to the last bit. What else is in the batch, and
    how much of the prompt is in the cache, may change these; see vLLM's own notes on reproducibility.
    """

    Config = Config
    enforces: frozenset[type[Constraint]] = frozenset({Regex, Choice, Permutation, Weighed})

    def __init__(self, name: str = "", config: Config | None = None) -> None:
        self._name = name
        self._config = config or Config()
        self._engine: Engine | ModelError | None = None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @classmethod
    def load(cls, name: str = "", config: Config | None = None) -> "VllmModel":
        """Return the model of a directory or hub id, or the embedded default; vLLM starts with the first request."""
        return cls(name, config)

    @classmethod
    def outline(cls, name: str = "", config: Config | None = None) -> Outline:
        """Return what is known of a model without its weights, which are not fetched."""
        del config
        style, remark = style_of_weights(name)
        return Outline(cls.enforces, style, remark=remark)

    @cached_property
    def fingerprint(self) -> str:
        """What identifies the weights, the type of number in which they are computed with, and their quantization."""
        return " ".join(filter(None, (loading.fingerprint(self._name, self._config.dtype), self._config.quantization)))

    @cached_property
    def style(self) -> Style:
        """Continuation for small models and those without a chat template."""
        return Style.CHAT if self._name != "" and _large_chat_model(self._name) else Style.CONTINUATION

    async def generate(self, request: Request) -> Generation:
        """Return `request.n` samples.

        Raises:
            ContextError: the prompt does not fit into the model's window.
            MissingExtraError: vLLM is not installed.
            ModelError: vLLM cannot start, or refuses the request.
        """
        started = time.perf_counter()
        answer = await asyncio.wrap_future(self._submit(self._answer(request)))
        return replace(answer, seconds=time.perf_counter() - started)

    async def close(self) -> None:
        """End vLLM's processes, and with them every request that is under way."""
        with self._lock:
            closed, self._closed = self._closed, True
        if self._loop is not None and not closed:
            await asyncio.to_thread(self._shut)

    def _submit(self, work: Coroutine[Any, Any, Generation]) -> "Future[Generation]":
        """Start work in vLLM's thread: its loop is bound to one thread, while requests may come from any."""
        with self._lock:
            if self._closed:
                work.close()
                raise ModelError("the model was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _answer(self, request: Request) -> Generation:
        try:
            return await self._ready().answer(request)
        except asyncio.CancelledError:
            if self._closed:
                raise ModelError("the model was closed") from None
            raise

    def _ready(self) -> "Engine":
        """Return the engine, starting it if this is the first use; one that did not start is not tried again."""
        if self._engine is None:
            loading.fingerprint(self._name, self._config.dtype)  # says in a second that there is no such model
            from scorer_models.vllm_engine import Engine

            try:
                self._engine = Engine.start(self._name, loading.location(self._name), self._config)
            except ModelError as error:
                self._engine = error
        if isinstance(self._engine, ModelError):
            raise self._engine
        return self._engine

    def _shut(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Cancel what is under way, then end vLLM."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._engine is not None and not isinstance(self._engine, ModelError):
            self._engine.close()
        self._engine = None


def _large_chat_model(name: str) -> bool:
    """Say whether a model is large and has a chat template, from its configuration alone: no weights are read.

    Raises:
        ModelError: there is none.
    """
    import torch
    import transformers

    auto: Any = transformers  # its lazy classes are not typed
    try:
        tokenizer: Any = auto.AutoTokenizer.from_pretrained(name)
        config: Any = auto.AutoConfig.from_pretrained(name)
        with torch.device("meta"):
            model: Any = auto.AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as error:
        raise ModelError(f"{name!r} cannot be read as a causal language model: {error}") from error
    return bool(tokenizer.chat_template) and model.num_parameters() >= LARGE

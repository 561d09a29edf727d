"""A causal language model in this process (transformers): the embedded default, a directory, or a hub id."""

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from opro.constraints import Choice, Constraint, Permutation, Regex, Weighed
from opro.errors import ModelError
from opro.outline import Outline
from opro.types import Generation, Request, Style
from scorer_models import loading
from scorer_models.outlines import LARGE, style_of_weights

if TYPE_CHECKING:
    from scorer_models.engine import Engine

DTYPES = {"float32", "bfloat16", "float16"}
TURNS = 3  # rounds of the event loop in which requests of one batch may arrive


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on its way, and where its answer goes."""

    request: Request
    answer: "Future[Generation]" = field(default_factory=lambda: Future["Generation"]())
    started: float = field(default_factory=time.perf_counter)


class LocalModel:
    """A model in this process: `local` (built in), `local:DIRECTORY` or `local:HUB_ID`; `@float32` behind it if wished.

    It answers in one worker thread; requests that arrive together, or while others are answered, are one batch.

    The same requests, asked together with the same seeds, give the same texts, whatever was asked before. Which other
    requests share the batch changes the logits in their last bits. In float32 no text was seen to differ; in bfloat16,
    1.7 times as fast, one in six did (of constrained texts of 7 tokens, alone against in a batch of four requests).
    """

    enforces: frozenset[type[Constraint]] = frozenset({Regex, Choice, Permutation, Weighed})

    def __init__(self, name: str = "", dtype: str = "") -> None:
        self._name = name
        self._dtype = dtype
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="local-model")
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []
        self._engine: Engine | None = None

    @classmethod
    def load(cls, name: str = "") -> Self:
        """Return the model of a directory or hub id, or the embedded default; weights are loaded when first needed.

        `NAME@float32`, or `@float32` for the default, is computed in that type instead of the one that suits the
        hardware (`bfloat16` and `float16` are the others).
        """
        return cls(*_divided(name))

    @classmethod
    def outline(cls, name: str = "") -> Outline:
        """Return what is known of a model without its weights, which are not fetched."""
        style, remark = style_of_weights(_divided(name)[0])
        return Outline(cls.enforces, style, remark=remark)

    @cached_property
    def fingerprint(self) -> str:
        """What identifies the weights, and the type of number in which they are computed with."""
        return loading.fingerprint(self._name, self._dtype)

    @cached_property
    def style(self) -> Style:
        """Continuation for small models and those without a chat template; a model that is not known is loaded."""
        if self._name == "":
            return Style.CONTINUATION
        loaded = self._worker.submit(self._ready).result().loaded
        large = loaded.parameters >= LARGE and loaded.tokenizer.chat_template
        return Style.CHAT if large else Style.CONTINUATION

    async def generate(self, request: Request) -> Generation:
        """Return `request.n` samples.

        Raises:
            ContextError: the prompt does not fit into the model's window.
            ModelError: the model cannot be loaded.
        """
        call = _Call(request)
        with self._lock:
            self._waiting.append(call)
        try:
            for _ in range(TURNS):  # what is started together arrives meanwhile, and is answered together
                await asyncio.sleep(0)
            self._submit()
            return await asyncio.wrap_future(call.answer)
        finally:
            call.answer.cancel()  # does nothing when it is there; else nobody waits for it any more

    def _submit(self) -> None:
        """Let the worker serve what waits, as soon as it is free."""
        try:
            self._worker.submit(self._serve)
        except RuntimeError as error:
            raise ModelError("the model was closed") from error

    async def close(self) -> None:
        """Let the running batch end, and free the weights."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            _settle(call, ModelError("the model was closed"))
        await asyncio.to_thread(self._worker.shutdown)
        self._engine = None
        gc.collect()

    def _ready(self) -> "Engine":
        """Return the engine, loading it if this is the first use."""
        if self._engine is None:
            loaded = loading.load(self._name, self._dtype)  # before torch is imported: it sets how torch's threads wait
            from scorer_models.engine import Engine

            self._engine = Engine(loaded)
        return self._engine

    def _serve(self) -> None:
        """Answer all that waits; runs in the worker thread, once a request, and mostly finds nothing left to do."""
        with self._lock:
            calls, self._waiting = self._waiting, []
        calls = [call for call in calls if not call.answer.cancelled()]
        if not calls:
            return
        answers: Sequence[Generation | BaseException]
        try:
            engine = self._ready()
            answers = engine.answer([(call.request, call.answer.cancelled) for call in calls])
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answers = [error] * len(calls)
        for call, answer in zip(calls, answers, strict=True):
            _settle(call, answer)


def _divided(name: str) -> tuple[str, str]:
    """Return where a model lies, and the type in which it shall be computed; "" for the one that suits."""
    place, _, dtype = name.rpartition("@")
    return (place, dtype) if dtype in DTYPES else (name, "")


def _settle(call: _Call, answer: Generation | BaseException) -> None:
    """Hand an answer over, unless nobody waits for it any more."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(answer, BaseException):
            call.answer.set_exception(answer)
        else:
            call.answer.set_result(replace(answer, seconds=time.perf_counter() - call.started))

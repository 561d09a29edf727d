"""A plain Python function as a language model: what calls an API, a pipeline, or a program of your own."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, cast

from opro.constraints import Constraint
from opro.errors import ConfigError, ModelError
from opro.protocols import LanguageModel
from opro.registry import name_of
from opro.types import Generation, Message, Request, Sample, Style, Usage

HANDED_IN = "python:"
"""What the spec of a model begins with that was handed in from Python: the command cannot make it."""

AT_ONCE = 8
"""Calls of a function at the same time, unless `concurrency` says otherwise."""

_SETTINGS = ("temperature", "max_tokens", "stop", "seed")

Function = Callable[..., Any]


class FunctionModel:
    """Asks a function: one call a sample, several calls at the same time, those of plain functions in threads.

    The function takes the prompt as text; or, if its first parameter is called `messages`, as a list of
    {"role": ..., "content": ...}. It returns the reply as text, or a list whose first item that is. What it names among
    its parameters of `temperature`, `max_tokens`, `stop` and `seed` is told to it as well. It may be asynchronous.

    What it raises ends the run, which can be resumed: what it shall try again, it tries again itself. How many tokens
    it takes is not known: the most that it can be is counted. Its money is not counted.

    Attributes:
        fingerprint: the function's name, with the model's where it has an attribute `model`.
    """

    enforces: frozenset[type[Constraint]] = frozenset()
    style = Style.CHAT
    widest = 1

    def __init__(self, function: Function, concurrency: int | None = None) -> None:
        """Take a function.

        Raises:
            ConfigError: it cannot be called with one argument.
        """
        self._function = function
        self._parameters = _parameters(function)
        self._asynchronous = inspect.iscoroutinefunction(function)
        self._room = asyncio.Semaphore(concurrency or AT_ONCE)
        self._threads = ThreadPoolExecutor(concurrency or AT_ONCE, thread_name_prefix="function-model")
        kind = getattr(function, "model", "")
        self.fingerprint = f"function {name_of(function)}{f' {kind}' if isinstance(kind, str) and kind else ''}"

    async def generate(self, request: Request) -> Generation:
        """Return what the function returns to one call, as sample number `request.first`.

        Raises:
            ModelError: it raised an error, or returned no text.
        """
        text = _cut(await self._asked(request), request.stop)
        prompt = sum(len(turn.content.encode()) for turn in _turns(request.prompt))
        usage = Usage(prompt, min(len(text.encode()), request.max_tokens), estimated=True)
        return Generation((Sample(text),), usage)

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _asked(self, request: Request) -> str:
        prompt = self._prompt(request)
        settings = {"temperature": request.temperature, "max_tokens": request.max_tokens}
        settings |= {"stop": list(request.stop), "seed": request.seed + request.first}
        told = {name: settings[name] for name in _SETTINGS if name in self._parameters[1:]}
        name = name_of(self._function)
        async with self._room:
            try:
                said = await self._called(prompt, told)
            except Exception as error:
                raise ModelError(f"the function {name} raised {type(error).__name__}: {error}") from error
        if isinstance(said, Sequence) and not isinstance(said, str) and said:
            said = cast("Sequence[object]", said)[0]
        if not isinstance(said, str):
            raise ModelError(f"the function {name} returned {said!r:.60}, where the reply as text is needed")
        return said

    async def _called(self, prompt: object, told: Mapping[str, object]) -> object:
        call = partial(self._function, prompt, **told)
        if self._asynchronous:
            return await call()
        loop = asyncio.get_running_loop()
        said = await loop.run_in_executor(self._threads, copy_context().run, call)
        return await cast("Awaitable[object]", said) if inspect.isawaitable(said) else said

    def _prompt(self, request: Request) -> object:
        turns = _turns(request.prompt)
        if self._parameters[:1] == ["messages"]:
            return [{"role": turn.role, "content": turn.content} for turn in turns]
        return "\n\n".join(turn.content for turn in turns)


def as_model(model: LanguageModel | Function, concurrency: int | None = None) -> LanguageModel:
    """Return a model as it is, and a function as one."""
    return (
        cast("LanguageModel", model)
        if hasattr(model, "generate")
        else FunctionModel(cast(Function, model), concurrency)
    )


def spec_of(model: object) -> str:
    """Return what the record calls a model that was handed in: `python:module:name`."""
    return HANDED_IN + name_of(model)


def _parameters(function: Function) -> list[str]:
    """Return the names of a function's parameters; none of one that tells nothing of them.

    Raises:
        ConfigError: it cannot be called with one argument.
    """
    if not callable(function):
        raise ConfigError(
            f"a model is KIND:NAME, a function or has a method `generate`; {function!r:.60} is none of them"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of C functions nothing is known
        return []
    try:
        signature.bind("prompt", **{name: None for name in list(signature.parameters)[1:] if name in _SETTINGS})
    except TypeError as error:
        raise ConfigError(
            f"{name_of(function)}{signature} cannot be called as a model, with a prompt alone: {error}"
        ) from error
    return list(signature.parameters)


def _turns(prompt: str | tuple[Message, ...]) -> tuple[Message, ...]:
    return (Message("user", prompt),) if isinstance(prompt, str) else prompt


def _cut(text: str, stops: Sequence[str]) -> str:
    """Return a text up to the first of the stop strings, as a model that knows them would write it."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]

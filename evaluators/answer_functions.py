"""Answers judged by the user's own Python function.

There are two kinds: `module:function` or `file.py:function` is called as f(response, gold), a metric that is handed in
from Python as metric(reply, example).
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evaluators.task_types import Example
from opro.errors import ConfigError
from opro.registry import find, name_of

Judge = Callable[[str, Example], object]

METRIC = "metric:"
"""What the spec of a metric begins with."""

_SWAPPED = {"example", "gold", "expected", "row", "target"}
"""What the first parameter of a metric is called that takes the example first, as those of other libraries do."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a user's function said: the share of the point it gives, and what it read; or why it failed."""

    credit: float | None
    value: str | None = None
    failure: str = ""


class Case(Mapping[str, Any]):
    """An example as a metric sees it: a mapping of its row's columns, which are attributes as well.

    Attributes:
        question: what the scorer was asked, the options of a multiple choice included.
        gold: the right answer as text.
        options: the texts of a multiple choice by letter; empty otherwise.
        id: what the example is called in the record.
    """

    def __init__(self, example: Example) -> None:
        self.question = example.question
        self.gold = example.gold
        self.options = example.options
        self.id = example.id
        self._row: Mapping[str, object] = example.row or {"question": example.question, "answer": example.gold}

    def __getitem__(self, column: str) -> Any:
        """Return what stands in a column."""
        return self._row[column]

    def __iter__(self) -> Iterator[str]:
        """Go through the columns."""
        return iter(self._row)

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self._row)

    def __getattr__(self, name: str) -> Any:
        """Return what stands in the column of this name."""
        if name.startswith("_") or name not in self._row:
            columns = ", ".join(self._row) if not name.startswith("_") else ""
            raise AttributeError(f"the example has no column {name!r}; its columns are {columns}")
        return self._row[name]

    def __repr__(self) -> str:
        """Return the columns, for people."""
        return f"Example({dict(self._row)!r:.200})"


@dataclass(frozen=True, slots=True)
class FunctionKind:
    """Answers are judged by a function, which returns a bool, a float in 0..1, or (extracted, either)."""

    judge: Judge
    spec: str
    name: str = "function"

    @classmethod
    def load(cls, spec: str) -> "FunctionKind":
        """Return the kind for a function named `module:function` or `file.py:function`, with `metric:` before a metric.

        Raises:
            ConfigError: it cannot be imported or called.
        """
        if spec.startswith(METRIC):
            return cls._named_metric(spec)
        judge = find("scoring function", spec, {})
        if not callable(judge):
            raise ConfigError(f"{spec!r} is no function; it is called as f(response, gold) -> bool or float in 0..1")
        return cls(lambda response, example: judge(response, example.gold), spec)

    @classmethod
    def _named_metric(cls, spec: str) -> "FunctionKind":
        try:
            return cls.of_metric(find("metric", spec.removeprefix(METRIC), {}), spec)
        except ConfigError as error:
            raise ConfigError(
                f"{error}; it was handed in from Python: hand it in again, as in `opro.resume(RUN, metric=...)` or "
                "`opro.verdict(RUN, metric=...)`"
            ) from error

    @classmethod
    def of_metric(cls, metric: object, spec: str = "") -> "FunctionKind":
        """Return the kind for a function that is called as metric(reply, example), or its name `module:function`.

        The reply is what the scorer wrote; the example is a `Case`.

        Raises:
            ConfigError: it cannot be called so.
        """
        if isinstance(metric, str):
            return cls.load(METRIC + metric)
        if not callable(metric):
            raise ConfigError(
                f"metric: a function (reply, example) -> bool or float in 0..1 is needed, not {metric!r:.60}"
            )
        _check_metric(metric)
        return cls(lambda response, example: metric(response, Case(example)), spec or METRIC + name_of(metric))

    def judged(self, response: str, example: Example) -> Judgement:
        """Return the function's judgement; one that raises, or returns something else, fails this example only."""
        try:
            return _judgement(self.judge(response, example))
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- it is the user's code, and may raise anything
            return Judgement(None, None, f"{type(error).__name__}: {error}")


def _check_metric(metric: Callable[..., object]) -> None:
    """Raise a ConfigError for a function that cannot be called as metric(reply, example)."""
    name = getattr(metric, "__name__", type(metric).__name__)
    if inspect.iscoroutinefunction(metric) or inspect.iscoroutinefunction(type(metric).__call__):
        raise ConfigError(f"metric: {name} is asynchronous; a plain function (reply, example) is needed")
    try:
        signature = inspect.signature(metric)
    except (TypeError, ValueError):  # of C functions nothing is known
        return
    try:
        signature.bind("reply", "example")
    except TypeError as error:
        raise ConfigError(f"metric: {name}{signature} cannot be called as metric(reply, example): {error}") from error
    first = next(iter(signature.parameters), "")
    if first in _SWAPPED:
        raise ConfigError(
            f"metric: {name}{signature} takes the example first; it is called as metric(reply, example), with the "
            "scorer's reply as text"
        )


def _judgement(said: object) -> Judgement:
    """Return what a user's function returned as a judgement; one that reads no answer out has read ""."""
    extracted: object = ""
    if isinstance(said, tuple) and len(said) == 2:  # pyright: ignore[reportUnknownArgumentType]
        extracted, said = said  # pyright: ignore[reportUnknownVariableType]
    item = getattr(said, "item", None)  # pyright: ignore[reportUnknownArgumentType] -- a number of numpy or torch
    said = item() if callable(item) else said  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(said, int | float) or not 0 <= said <= 1:
        return Judgement(None, None, f"returned {said!r}, neither a bool nor a number in 0..1")
    return Judgement(float(said), None if extracted is None else str(extracted))  # pyright: ignore[reportUnknownArgumentType]

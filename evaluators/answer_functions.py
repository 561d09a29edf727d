"""Answers judged by the user's own Python function, `module:function` or `file.py:function`."""

from collections.abc import Callable
from dataclasses import dataclass

from evaluators.task_types import Example
from opro.errors import ConfigError
from opro.registry import find

Judge = Callable[[str, str], object]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a user's function said: the share of the point it gives, and what it read; or why it failed."""

    credit: float | None
    value: str | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class FunctionKind:
    """Answers are judged by `judge(response, gold)`, which returns a bool, a float in 0..1, or (extracted, either)."""

    judge: Judge
    spec: str
    name: str = "function"

    @classmethod
    def load(cls, spec: str) -> "FunctionKind":
        """Return the kind for a function named `module:function` or `file.py:function`.

        Raises:
            ConfigError: it cannot be imported or called.
        """
        judge = find("scoring function", spec, {})
        if not callable(judge):
            raise ConfigError(f"{spec!r} is no function; it is called as f(response, gold) -> bool or float in 0..1")
        return cls(judge, spec)

    def judged(self, response: str, example: Example) -> Judgement:
        """Return the function's judgement; one that raises, or returns something else, fails this example only."""
        try:
            return _judgement(self.judge(response, example.gold))
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- it is the user's code, and may raise anything
            return Judgement(None, None, f"{type(error).__name__}: {error}")


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

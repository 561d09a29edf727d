"""A finished run as Python has it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from opro.errors import ConfigError
from opro.judging import Verdict
from opro.protocols import LanguageModel, Problem
from opro.report import Summary
from opro.types import Trial

LONGEST = 80
"""Characters of a prompt that stand in the short form of a result."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was handed in from Python, made, where others give names: it is needed again for what follows a run."""

    problem: Problem | None = None
    model: LanguageModel | Callable[..., Any] | None = None
    scorer: LanguageModel | Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """A run that has ended. `str(result)` is its verdict in words.

    Attributes:
        run: its id, for `opro.resume`, `opro.verdict` and the command.
        prompt: the text that won, such as an instruction with all its lines, among those that were scored in full; None
            if there is none.
        best: the trial with the best value, among those that were scored in full.
        trajectory: all trials in order.
        verdict: what may be said of it on what it has seen; `opro.verdict(result)` asks examples that it has not seen.
        cost: what it did and cost, and how it ended (`cost.status`, `cost.reason`).
        store: path or URL of the store that it is in.
        given: what was handed in from Python for it.
        findings: what was wrong with the replies of its models, such as a scorer that could not be read, with the
            likely cause; empty if nothing was.
    """

    run: str
    best: Trial | None
    trajectory: tuple[Trial, ...]
    verdict: Verdict
    cost: Summary
    prompt: str | None = None
    store: str = ""
    given: Given = field(default_factory=Given, compare=False)
    findings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the verdict in words, and what was wrong with the replies."""
        return "\n".join([*self.verdict.sentences, *self.findings])

    def __repr__(self) -> str:
        """Return what it found, in a line."""
        prompt = self.prompt and (self.prompt if len(self.prompt) <= LONGEST else f"{self.prompt[: LONGEST - 1]}…")
        value = None if self.best is None else self.best.value
        return f"Result(run={self.run!r}, prompt={prompt!r}, value={value}, trials={len(self.trajectory)})"

    def to_dataframe(self) -> Any:
        """Return the trials as a pandas DataFrame, one a row, with a column for each metric.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError as error:
            raise ConfigError("to_dataframe needs pandas: pip install pandas") from error
        columns = ("number", "step", "text", "value", "reason", "feedback")
        rows = [
            {
                "number": trial.number,
                "step": trial.step,
                "text": trial.text,
                "value": trial.value,
                "reason": trial.evaluation.reason,
                "feedback": trial.evaluation.feedback,
                **{name: value for name, value in trial.evaluation.metrics.items() if name not in columns},
            }
            for trial in self.trajectory
        ]
        return pandas.DataFrame(rows, columns=None if rows else list(columns))

"""What a run found, whole: the text that won, and how well it is known to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opro.paired import Accuracy, percent
from opro.reader import Reader
from opro.records import RunRecord, Status
from opro.report import finalist
from opro.types import Trial

LONG = 600
"""Characters of a solution that are shown at the end of a run, if it is no text that was tried on examples."""


@dataclass(frozen=True, slots=True)
class Best:
    """The solution that a run found. `str(best)` is its text, whole.

    Attributes:
        run: the run's id.
        text: the solution, such as the winning prompt.
        value: its value in the run.
        step: the step in which it was found; 0 is the start.
        trial: its number.
        trained: its share of right answers on the examples that the run was searched with, with an interval; None where
            solutions are not tried on examples. The search chose it by this number, which is therefore flattering.
        unseen: the same on examples that the run has not seen, once `opro verdict` has asked them.
    """

    run: str
    text: str
    value: float
    step: int
    trial: int
    trained: Accuracy | None = None
    unseen: Accuracy | None = None

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON; `split` says which examples the value comes from, "" for none."""
        return {
            "run": self.run,
            "text": self.text,
            "value": self.value,
            "n": self.trained and self.trained.n,
            "interval": self.trained and [self.trained.low, self.trained.high],
            "split": "train" if self.trained else "",
            "step": self.step,
            "trial": self.trial,
            "unseen": self.unseen and _plain(self.unseen),
        }

    @property
    def shown(self) -> str:
        """The text as it is shown at the end of a run: whole if it was tried on examples, else cut where it is long."""
        if self.trained is not None or len(self.text) <= LONG:
            return self.text
        return f"{self.text[:LONG]}…"

    @property
    def score(self) -> str:
        """What it reached in training, in words; "" where solutions are not tried on examples."""
        if self.trained is None:
            return ""
        one = self.trained
        return (
            f"training score {percent(one.mean)} % on {one.n:,} example{'' if one.n == 1 else 's'}, "
            f"{percent(one.low)} to {percent(one.high)}"
        )


def best_of(reader: Reader, run: RunRecord) -> Best:
    """Return what a run found, of the solutions that were scored in full.

    Raises:
        ConfigError: there is none.
    """
    trial = finalist(reader, run)
    return Best(
        run=run.id,
        text=trial.text,
        value=trial.value or 0.0,
        step=trial.step,
        trial=trial.number,
        trained=_accuracy(trial),
        unseen=_unseen(reader, run, trial.text),
    )


def _unseen(reader: Reader, run: RunRecord, text: str) -> Accuracy | None:
    """Return what the newest verdict found of a text."""
    for made in reversed(reader.examinations_of(run.id)):
        if made.status is Status.DONE:
            same = [trial for trial in reader.trials(made.id) if trial.text == text]
            if same:
                return _accuracy(same[0])
    return None


def _accuracy(trial: Trial) -> Accuracy | None:
    """Return the share of right answers that a trial's value is, None where it is something else."""
    metrics: Mapping[str, float] = trial.evaluation.metrics
    if trial.value is None or not {"n", "low", "high"} <= metrics.keys():
        return None
    return Accuracy(int(metrics["n"]), trial.value, metrics["low"], metrics["high"])


def _plain(one: Accuracy) -> dict[str, Any]:
    return {"value": one.mean, "n": one.n, "interval": [one.low, one.high]}

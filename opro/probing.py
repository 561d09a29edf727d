"""Probes of in-context learning: the config of one, and what its trials allow to say."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from opro.config import RunConfig, run_config
from opro.paired import Accuracy, percent
from opro.protocols import Listed, Problem
from opro.reader import Reader
from opro.records import RunRecord
from opro.types import Trial

PROBE = "icl"
"""The problem of a probe."""

NEEDED = frozenset({"n", "low", "high", "chance", "unread"})
"""What is measured under every setting."""

RIVALS = ("svm", "logistic", "neighbours")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting with what it brought.

    Attributes:
        accuracy: by the data's own labels; None where the setting failed, for `reason`.
        told: how many exemplars were shown, and how answers were scored.
        chance: what guessing reaches.
        rivals: accuracies of classical methods on the same items, in linear classification.
        unread: answers in which no label could be found, which count as wrong.
    """

    setting: str
    accuracy: Accuracy | None
    told: str
    reason: str = ""
    chance: float = 0.5
    rivals: Mapping[str, float] = field(default_factory=dict[str, float])
    unread: int = 0


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a stored probe found."""

    run: str
    task: str
    model: str
    rows: tuple[Row, ...]

    @property
    def sentences(self) -> list[str]:
        """What may be said, in plain words."""
        by_setting = {row.setting: row for row in self.rows if row.accuracy is not None}
        said = [_said_of(name, row) for name, row in by_setting.items() if not name.startswith("linear")]
        return [*filter(None, said), *_linear(by_setting)]

    @property
    def notes(self) -> list[str]:
        """How settings were asked, or why they failed, with those for which it holds."""
        told: dict[str, list[str]] = {}
        for row in self.rows:
            unread = f"; in {row.unread} replies no label was found" if row.unread else ""
            told.setdefault(f"failed: {row.reason}" if row.reason else row.told + unread, []).append(row.setting)
        return [f"{what}: {', '.join(settings)}." for what, settings in told.items()]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self) | {"sentences": self.sentences}

    def __str__(self) -> str:
        """Return the table and what may be said, as text."""
        lines = [f"{row.setting:<24} {row.accuracy or f'failed: {row.reason}'}" for row in self.rows]
        return "\n".join([f"{self.task}, {self.model}", *lines, *self.sentences])


def _said_of(name: str, row: Row) -> str:
    """Say what a setting shows, where it can show something."""
    assert row.accuracy is not None
    side = _side(row.accuracy, row.chance)
    told = f"{name}: {percent(row.accuracy.mean)} %"
    if side == "below" and row.accuracy.mean + row.unread / row.accuracy.n > row.chance:
        return f"{told}: in {row.unread} of {row.accuracy.n} replies no label was found, so nothing can be said."
    guess = f"chance, {percent(row.chance)} %"
    if name.startswith("flipped 100%"):
        return {
            "below": f"{told}, below {guess}: the model follows its context against what it believes.",
            "above": f"{told}, above {guess}: the model holds to what it believes, whatever the context says.",
            "level": f"{told}, not to be told from {guess}: flipped labels disturb the model, and do not convince it.",
        }[side]
    if name.startswith("unrelated"):
        return {
            "above": f"{told}, above {guess}: the model learns labels that mean nothing from the exemplars.",
            "below": f"{told}, below {guess}: the model labels the other way round than its exemplars.",
            "level": f"{told}, not to be told from {guess}: no learning of unrelated labels is shown.",
        }[side]
    if name.startswith("regular") and side != "above":
        return f"{told}, not above {guess}: the model cannot do the task, so the other settings say little."
    return ""


def _side(share: Accuracy, chance: float) -> str:
    return "above" if share.low > chance else "below" if share.high < chance else "level"


def _linear(rows: Mapping[str, Row]) -> list[str]:
    linear = {name: row for name, row in rows.items() if name.startswith("linear") and row.accuracy}
    if not linear:
        return []
    above = [name for name, row in linear.items() if row.accuracy and row.accuracy.low > row.chance]
    beaten = [
        name for name, row in linear.items() if row.rivals and row.accuracy and row.accuracy.low > row.rivals["svm"]
    ]
    return [
        f"Above chance at {', '.join(above)}." if above else "Nowhere above chance in linear classification.",
        f"Better than the support vector machine at {', '.join(beaten)}."
        if beaten
        else "Nowhere better than the support vector machine.",
    ]


def probe_config(
    task: str, model: str, values: Mapping[str, Any], settings: Sequence[str] = (), **run: Any
) -> RunConfig:
    """Return the config of a probe; `values` are settings of the problem `icl`, `run` fields of the run."""
    told = {**values, "task": task, **({"settings": tuple(settings)} if settings else {})}
    fixed = {"problem": PROBE, "proposer": "list", "per_step": 1, "baselines": "never"}
    return run_config({**fixed, "model": model, "set": told, **run})


def is_probe(run: RunRecord) -> bool:
    """Say whether a stored run is a probe."""
    return run.spec.problem == PROBE


def whole(config: RunConfig, problem: Problem) -> RunConfig:
    """Return the config with as many steps as there are settings behind the first."""
    count = len(problem.listed()) if isinstance(problem, Listed) else 1
    return config.model_copy(update={"steps": count - 1})


def probe_report(reader: Reader, run: RunRecord) -> ProbeReport:
    """Return what a stored probe found so far."""
    rows = tuple(_row(trial) for trial in reader.trials(run.id))
    return ProbeReport(run.id, str(run.spec.config["set"].get("task", "")), run.spec.scorer, rows)


def _row(trial: Trial) -> Row:
    metrics, evaluation = trial.evaluation.metrics, trial.evaluation
    if trial.value is not None and not metrics.keys() >= NEEDED:
        return Row(trial.text, None, "", "its numbers are not recorded")
    if trial.value is None:
        return Row(trial.text, None, "", evaluation.reason)
    return Row(
        trial.text,
        Accuracy(int(metrics["n"]), trial.value, metrics["low"], metrics["high"]),
        evaluation.feedback,
        chance=metrics["chance"],
        rivals={name: metrics[name] for name in RIVALS if name in metrics},
        unread=int(metrics["unread"]),
    )

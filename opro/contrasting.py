"""Runs that went through the same list of solutions, such as probes of several models: solution by solution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opro.paired import PairedComparison, compare, together
from opro.reader import Reader
from opro.records import RunRecord
from opro.types import Answer, Trial

LISTED = "list"
"""The proposer of such runs."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """The contestants' values of each solution, and the first contestant's answers against the others'."""

    contestants: tuple[str, ...]
    values: Mapping[str, Sequence[float | None]]
    comparisons: Mapping[str, Sequence[PairedComparison]]

    @property
    def sentences(self) -> list[str]:
        """Return the comparisons in which a difference is shown, in plain words."""
        first = self.contestants[0]
        shown = [(text, one) for text, found in self.comparisons.items() for one in found if one.shown]
        said = [f"{text}: {one.sentence(first)}." for text, one in shown]
        return said or (["No difference is shown on any of them."] if self.comparisons else [])


def is_listed(contestants: Mapping[str, Sequence[RunRecord]]) -> bool:
    """Say whether all contestants went through a list."""
    return all(run.spec.proposer == LISTED for runs in contestants.values() for run in runs)


def contrast(reader: Reader, contestants: Mapping[str, Sequence[RunRecord]]) -> Contrast:
    """Return what the first run of each contestant brought, solution by solution."""
    trials = {name: {trial.text: trial for trial in reader.trials(runs[0].id)} for name, runs in contestants.items()}
    answers = {name: reader.answers(runs[0].id, split=None) for name, runs in contestants.items()}
    texts = dict.fromkeys(text for found in trials.values() for text in found)
    values = {text: [_value(found.get(text)) for found in trials.values()] for text in texts}
    (first, *others) = contestants
    asked = {
        (name, text): _scores(answers[name].get(trial.number, ()))
        for name, found in trials.items()
        for text, trial in found.items()
    }
    shared = [
        (text, other)
        for text in texts
        for other in others
        if asked.get((first, text), {}).keys() & asked.get((other, text), {}).keys()
    ]
    made = together([compare(asked[first, text], other, asked[other, text]) for text, other in shared])
    comparisons: dict[str, list[PairedComparison]] = {}
    for (text, _), one in zip(shared, made, strict=True):
        comparisons.setdefault(text, []).append(one)
    return Contrast(tuple(contestants), values, comparisons)


def _value(trial: Trial | None) -> float | None:
    return trial.value if trial else None


def _scores(answers: Sequence[Answer]) -> dict[str, float]:
    return {answer.example: answer.score for answer in answers if answer.score is not None}

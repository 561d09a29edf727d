"""What became of each reply of a step: for people who want to see why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opro.errors import InvalidSolutionError
from opro.protocols import Problem
from opro.records import GenerationRecord
from opro.types import Trial
from opro.verdict import number


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw reply with its fate in words."""

    text: str
    fate: str


def review(generation: GenerationRecord, trials: Sequence[Trial], problem: Problem | None) -> list[Reply]:
    """Return every reply of a generation with its fate; `trials` are those of the run up to and with its step.

    Without the problem (it cannot be made again), a reply that became no trial cannot be told apart further.
    """
    by_origin = {
        (trial.candidate.origin.generation, trial.candidate.origin.sample): trial
        for trial in trials
        if trial.candidate.origin
    }
    first = {trial.text: trial for trial in reversed(trials)}
    return [
        Reply(text, _fate(by_origin.get((generation.id, number)), generation.lead + text, first, problem))
        for number, text in enumerate(generation.samples)
    ]


def _fate(trial: Trial | None, text: str, first: Mapping[str, Trial], problem: Problem | None) -> str:
    if trial is not None:
        outcome = f"failed: {trial.evaluation.reason}" if trial.value is None else f"value {number(trial.value)}"
        return f"trial {trial.number}, {outcome}"
    if problem is None:
        return "not evaluated"
    try:
        solution = problem.parse(text)
    except InvalidSolutionError as error:
        return f"rejected: {error}"
    known = first.get(solution)
    return f"repeat of trial {known.number}" if known else "new, but not needed"

"""What a scorer answered in one step: counts for each candidate, and a few examples; or all of the step, as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from opro.console import number, plain
from opro.errors import ConfigError
from opro.protocols import Problem
from opro.reader import Reader
from opro.records import GenerationRecord, RunRecord
from opro.review import review
from opro.screen import Sheet, clipped
from opro.types import Answer, Trial

SCORER = "scorer"
"""The role of the model with which candidates are scored."""

EXAMPLES = 3
"""Answers that are shown as examples: wrong ones before right ones, for they say more."""

SHOWN = 600
"""Characters of an example's prompt, and of its reply."""


def check_step(reader: Reader, run: RunRecord, step: int) -> None:
    """Raise a ConfigError if a run has no such step."""
    last = max((record.step for record in reader.steps(run.id)), default=-1)
    if step > last:
        raise ConfigError(f"{run.id} has no step {step}; its last is {last}")


def print_scoring(
    console: Console,
    reader: Reader,
    run: RunRecord,
    trials: Sequence[Trial],
    generations: Sequence[GenerationRecord],
) -> None:
    """Print how the trials of a step were scored."""
    answers = reader.answers(run.id, split=None)
    table = Sheet(
        "trial", "right", "wrong", "unread", "failed", "score", clipped("solution"), title="the scorer's answers"
    )
    for trial in trials:
        given = answers.get(trial.number, ())
        if given:
            score = "none" if trial.value is None else number(trial.value)
            table.add_row(str(trial.number), *map(str, _counts(given)), score, plain(trial.text))
    if table.row_count:
        console.print(table)
    by_number = {one.id: one for one in generations}
    shown = 0
    for answer in sorted((one for trial in trials for one in answers.get(trial.number, ())), key=_interest):
        if shown < EXAMPLES and answer.generation in by_number:
            shown += 1
            _print_example(console, answer, by_number[answer.generation])
    rest = f"{len(generations):,} request{'' if len(generations) == 1 else 's'} to the scorer"
    console.print(f"{rest}: --all shows every prompt and reply", style="dim", highlight=False)


def _interest(answer: Answer) -> float:
    return 2.0 if answer.score is None else answer.score


def _counts(answers: Sequence[Answer]) -> tuple[int, int, int, int]:
    """Return how many answers are right, wrong, could not be read, and could not be had."""
    failed = sum(answer.score is None for answer in answers)
    unread = sum(answer.extracted is None and answer.score is not None for answer in answers)
    right = sum(bool(answer.score) for answer in answers)
    return right, len(answers) - right - unread - failed, unread, failed


def _print_example(console: Console, answer: Answer, generation: GenerationRecord) -> None:
    verdict = "right" if answer.score else "wrong"
    read = "not read" if answer.extracted is None else f"read as {answer.extracted}"
    heading = f"example {answer.example}: {verdict}, {read}, the right answer is {answer.gold}"
    console.print("──", plain(heading, SHOWN), style="bold", highlight=False)
    console.print(plain(generation.prompt, SHOWN), highlight=False)
    console.print("→", plain(generation.samples[0], SHOWN), highlight=False)


def step_as_json(reader: Reader, run: RunRecord, step: int, problem: Problem | None) -> str:
    """Return everything that is recorded of a step."""
    check_step(reader, run, step)
    trials = [trial for trial in reader.trials(run.id) if trial.step <= step]
    told: Mapping[str, Any] = {
        "run": run.id,
        "step": step,
        "generations": [
            {
                "role": one.role,
                "temperature": one.temperature,
                "seconds": one.seconds,
                "prompt_tokens": one.usage.prompt,
                "completion_tokens": one.usage.completion,
                "usd": one.usd,
                "prompt": one.prompt,
                "replies": [{"text": reply.text, "fate": reply.fate} for reply in review(one, trials, problem)],
            }
            for one in reader.generations(run.id, step=step)
        ],
        "events": [{"kind": one.kind, "role": one.role, "text": one.text} for one in reader.events(run.id, step=step)],
        "trials": [
            {
                "number": trial.number,
                "text": trial.text,
                "value": trial.value,
                "reason": trial.evaluation.reason,
                "metrics": dict(trial.evaluation.metrics),
            }
            for trial in trials
            if trial.step == step
        ],
    }
    return json.dumps(told)

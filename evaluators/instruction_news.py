"""What is said of a search for instructions before anything is spent."""

from collections.abc import Mapping

from evaluators.instruction_texts import SHORTEST_LIMIT, Wording
from evaluators.task_benchmarks import KNOWN
from evaluators.task_config import TaskConfig
from evaluators.task_guesses import honest_sizes
from evaluators.task_types import Task


def announced(config: TaskConfig, task: Task, wording: Wording, *, searches: bool) -> list[str]:
    """Return how many examples are for what, what was guessed of the data, and what a prompt may look like."""
    train, test = len(task.train), len(task.test)
    said = [
        f"{config.task}: {train:,} training examples for the search, {test:,} test examples kept for the verdict"
        if searches
        else f"{config.task}: {train:,} training and {test:,} test examples"
    ]
    said += [] if config.task in KNOWN else honest_sizes(train if searches else 0, test)
    said += [f"guessed from the data: {guesses}"] if (guesses := _guesses(task.settled)) else []
    if task.fields:
        said.append(f"fields of the prompt: {', '.join(f'{{{field}}}' for field in task.fields)}")
    if searches and wording.longest > SHORTEST_LIMIT:
        said.append(f"a proposal may have {wording.longest:,} characters (`longest`)")
    return said


def _guesses(settled: Mapping[str, object]) -> str:
    """Return settings that were taken from the data, as they can be typed."""
    return ", ".join(f"{name}={_shown(value)}" for name, value in settled.items())


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"

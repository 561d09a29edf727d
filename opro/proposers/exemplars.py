"""Which examples of a task a meta-prompt shows: OPRO, section 4.2 and its code."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal

from pydantic import BaseModel, Field

from opro.protocols import Exemplified, Problem
from opro.types import Trial


class ExemplarConfig(BaseModel):
    """The part of the proposer's settings that is about exemplars."""

    exemplars: int = Field(0, ge=0, description="examples shown, for problems that have some")
    exemplar_choice: Literal["random", "constant", "often-wrong", "now-wrong"] = Field(
        "random",
        description="which examples: drawn anew each step, always the same, wrong most often so far, or wrong most "
        "often under the solutions that are shown",
    )


def exemplars(
    problem: Problem, config: ExemplarConfig, seed: str, told: Sequence[Trial], shown: Sequence[Trial]
) -> list[str]:
    """Return the examples to show, as the problem writes them.

    `seed` is the run's and the step's; `told` are the trials so far, `shown` those that the meta-prompt shows.
    """
    if not config.exemplars or not isinstance(problem, Exemplified):
        return []
    examples = list(problem.examples())
    run_seed = seed.partition(":")[0]
    Random(f"{run_seed if config.exemplar_choice == 'constant' else seed}:exemplars").shuffle(examples)
    if config.exemplar_choice in {"often-wrong", "now-wrong"}:
        trials = shown if config.exemplar_choice == "now-wrong" else told
        answers = (answer for trial in trials for answer in trial.evaluation.answers)
        wrong = Counter(answer.example for answer in answers if answer.score is not None and answer.score < 1)
        examples.sort(key=lambda example: -wrong[example])
    return [problem.exemplar(example) for example in examples[: config.exemplars]]

"""Weighing a batch of options in this process: the prompts are read once, then all options in one more pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from opro.types import Generation, Request, Usage
from scorer_models.reading import Reader
from scorer_models.tree import Run, TokenTree
from scorer_models.weighing import Scale

Told = dict[tuple[int, ...], dict[int, float]]


@dataclass(slots=True)
class Load:
    """A request to weigh options, its tokens, and what was learned: log-probabilities by beginning and next token."""

    request: Request
    scale: Scale
    cancelled: Callable[[], bool] = lambda: False
    told: Told = field(default_factory=dict[tuple[int, ...], dict[int, float]])

    def learn(self, prefix: tuple[int, ...], logprobs: Tensor) -> None:
        """Take in what the model gives to each token, shape (vocabulary,), after the prompt and `prefix`."""
        self.told[prefix] = {token: float(logprobs[token]) for token in self.scale.questions[prefix]}


def weigh(tree: TokenTree, loads: Sequence[Load], cap: int) -> list[Generation]:
    """Return the options of each load with their log-probabilities.

    Prompts are read in waves of about `cap` options; what they have in common is read once. A load that was cancelled
    is weighed with the others: it costs as little as to leave it out.
    """
    reader = Reader(tree)
    cached = reader.begin([load.scale.prompt for load in loads])
    rows = [len(load.scale.questions) for load in loads]
    while reader.more:
        numbers, logits = reader.read(rows, cap)
        for number, scores in zip(numbers, logits, strict=True):
            loads[number].learn((), scores.log_softmax(-1))
        _read_options(tree, reader, loads, numbers)
        for seat in {reader.seat(number) for number in numbers}:
            reader.leave(seat)
    return [_generation(load, known) for load, known in zip(loads, cached, strict=True)]


def _read_options(tree: TokenTree, reader: Reader, loads: Sequence[Load], numbers: Sequence[int]) -> None:
    """Read what the options of some prompts begin with, where they have more than one token."""
    runs: list[Run] = []
    learners: list[tuple[Load, tuple[int, ...]]] = []
    for number in numbers:
        load = loads[number]
        for option in load.scale.options:
            owner = len(loads) + len(runs)
            for place in range(1, len(option)):
                position = len(load.scale.prompt) + place - 1
                runs.append(Run(option[place - 1 : place], position, *reader.seat(number), owner, number))
                learners.append((load, tuple(option[:place])))
    if runs:
        for (load, prefix), scores in zip(learners, tree.step(runs), strict=True):
            load.learn(prefix, scores.log_softmax(-1))


def _generation(load: Load, cached: int) -> Generation:
    read = sum(len(option) - 1 for option in load.scale.options)
    return Generation(load.scale.samples(load.request, load.told), Usage(len(load.scale.prompt) + read, 0, cached))

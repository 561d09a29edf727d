"""Weighing options: which tokens of which options have to be looked up after which beginnings. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opro.types import Request, Sample


@dataclass(frozen=True, slots=True)
class Scale:
    """A prompt's tokens, and those of each option behind it; both differ from the bare ones where tokens merge."""

    prompt: list[int]
    options: list[list[int]]

    @classmethod
    def of(cls, prompt: list[int], wholes: Sequence[list[int]]) -> "Scale":
        """Divide the tokens of prompt and option together where the options begin to differ from the prompt alone.

        A tokenizer may join the prompt's end with an option's beginning: then that end counts to all options.
        """
        end = min(shared([prompt, *wholes]), *(len(whole) - 1 for whole in wholes))
        return cls(wholes[0][:end], [whole[end:] for whole in wholes])

    @property
    def questions(self) -> Mapping[tuple[int, ...], list[int]]:
        """Which tokens' log-probabilities are wanted after which tokens behind the prompt; the prompt alone first."""
        wanted: dict[tuple[int, ...], dict[int, None]] = {}
        for option in self.options:
            for place, token in enumerate(option):
                wanted.setdefault(tuple(option[:place]), {})[token] = None
        return {prefix: list(tokens) for prefix, tokens in sorted(wanted.items(), key=lambda item: len(item[0]))}

    def samples(self, request: Request, told: Mapping[tuple[int, ...], Mapping[int, float]]) -> tuple[Sample, ...]:
        """Return the options that a request asks for, each with the sum of its tokens' log-probabilities."""
        texts = options_of(request)
        numbers = range(request.first, min(request.first + request.n, len(texts)))
        return tuple(Sample(texts[i], logprob=_sum(self.options[i], told)) for i in numbers)


def options_of(request: Request) -> tuple[str, ...]:
    """Return the options that a request wants to be weighed."""
    options: tuple[str, ...] = getattr(request.constraint, "options", ())
    return options


def _sum(option: Sequence[int], told: Mapping[tuple[int, ...], Mapping[int, float]]) -> float:
    return sum(told[tuple(option[:place])][token] for place, token in enumerate(option))


def shared(texts: Sequence[list[int]]) -> int:
    """Return how many tokens all texts begin with in common."""
    if len(texts) == 1:
        return len(texts[0])
    first, last = min(texts), max(texts)  # in lexical order, whatever lies between them shares what they share
    different = (i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return next(different, min(len(first), len(last)))

"""How a model's answer among labels is got: by their likelihoods, by constrained decoding, or from what it says."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evaluators.icl_prompts import Item
from opro.constraints import Choice, Constraint, Weighed
from opro.errors import ConfigError
from opro.headway import tell
from opro.protocols import LanguageModel
from opro.types import Answer, Generation, Request

Way = Literal["likelihood", "constrained", "generated"]
Scoring = Literal["auto", "likelihood", "constrained", "generated"]

TOGETHER = 32
"""Items that are asked about at a time: enough to fill a batch, few enough that little is lost when it is cut."""

_FREE_TOKENS = 16
_TIE = 1e-9


def way_of(scoring: Scoring, model: LanguageModel) -> Way:
    """Return how a model is asked: the way that is wanted, or else the most exact one that it can do.

    Raises:
        ConfigError: it cannot do what is wanted.
    """
    able: list[Way] = ["generated"]
    if Choice in model.enforces:
        able.insert(0, "constrained")
    if Weighed in model.enforces:
        able.insert(0, "likelihood")
    if scoring == "auto":
        return able[0]
    if scoring not in able:
        raise ConfigError(f"scoring = {scoring}: this model can be asked by {' or '.join(able)} only")
    return scoring


@dataclass(frozen=True, slots=True)
class Examiner:
    """Asks a model about items in one way.

    With `calibrated`, what the model prefers without any input is taken off (contextual calibration, Zhao et al. 2021).
    """

    model: LanguageModel
    way: Way
    calibrated: bool = False

    async def answers(self, items: Sequence[Item]) -> list[Answer]:
        """Return the answers to items, in order.

        Raises:
            ContextError: the longest prompt does not fit into the model's window; nothing else was asked then.
        """
        longest = max(items, key=lambda item: len(item.prompt))
        first = await self.answer(longest)
        found = {longest.id: first}
        rest = [item for item in items if item is not longest]
        for start in range(0, len(rest), TOGETHER):
            part = rest[start : start + TOGETHER]
            found |= dict(zip([item.id for item in part], await asyncio.gather(*map(self.answer, part)), strict=True))
            tell(len(found), len(items))
        return [found[item.id] for item in items]

    async def answer(self, item: Item) -> Answer:
        """Return the answer to one item: right is what the data say, whatever the exemplars taught."""
        if self.way == "likelihood":
            return await self._weighed(item)
        return await self._written(item)

    async def _weighed(self, item: Item) -> Answer:
        requests = [
            _weighing(text, item.options) for text in ((item.prompt, item.bare) if self.calibrated else (item.prompt,))
        ]
        generations = await asyncio.gather(*(self.model.generate(request) for request in requests))
        weights = [_logprobs(generation) for generation in generations]
        scores = [one - other for one, other in zip(*weights, strict=True)] if self.calibrated else weights[0]
        best = max(range(len(scores)), key=scores.__getitem__)
        tied = sum(score >= scores[best] - _TIE for score in scores) > 1
        return _answer(item, best, generations[0], flagged=tied)

    async def _written(self, item: Item) -> Answer:
        constraint: Constraint | None = Choice(item.options) if self.way == "constrained" else None
        stop = () if constraint else ("\n",)
        tokens = max(_FREE_TOKENS, *(len(option.encode()) for option in item.options))
        request = Request(prompt=item.prompt, max_tokens=tokens, temperature=0.0, stop=stop, constraint=constraint)
        generation = await self.model.generate(request)
        return _answer(item, read_label(generation.samples[0].text, item.labels), generation)


def read_label(reply: str, labels: Sequence[str]) -> int | None:
    """Return which label a reply begins with, else the only one that stands in it as a word; None for neither."""
    said = reply.strip().casefold()
    begun = [i for i, label in enumerate(labels) if _begins(said, label.casefold())]
    if begun:
        return max(begun, key=lambda i: len(labels[i]))
    words = f" {''.join(c if c.isalnum() or c in '/-' else ' ' for c in said)} "
    named = [i for i, label in enumerate(labels) if f" {label.casefold()} " in words]
    return named[0] if len(named) == 1 else None


def _begins(said: str, label: str) -> bool:
    return said.startswith(label) and not said[len(label) : len(label) + 1].isalnum()


def _weighing(prompt: str, options: tuple[str, ...]) -> Request:
    longest = max(len(option.encode()) for option in options)
    return Request(prompt=prompt, n=len(options), max_tokens=longest, temperature=0.0, constraint=Weighed(options))


def _logprobs(generation: Generation) -> list[float]:
    return [float("-inf") if sample.logprob is None else sample.logprob for sample in generation.samples]


def _answer(item: Item, chosen: int | None, generation: Generation, *, flagged: bool = False) -> Answer:
    source = generation.samples[0].source
    return Answer(
        item.id,
        float(chosen == item.gold),
        None if chosen is None else item.labels[chosen],
        item.labels[item.gold],
        flagged=flagged,
        generation=source and source.generation,
        tokens=generation.usage.prompt + generation.usage.completion,
        split="test",
    )

"""Who stands in for whom in a rehearsal: for the optimizer model, for what it would write, and for the scorer.

Where solutions are needed, the problem makes them up (`Foreseeable`, `Sampled`), or they are its starting ones with
other numbers or a word more, of which those are taken that it accepts. What a scorer will be asked the problem tells,
or is overheard while it scores what was made up.
"""

import math
import re
from collections.abc import Callable, Sequence
from random import Random
from string import ascii_lowercase

from opro.constraints import Choice, Constraint, Permutation, Weighed
from opro.demand import NOTHING, Foreseen, foreseen
from opro.errors import InvalidSolutionError
from opro.outline import Outline
from opro.protocols import Foreseeable, Problem, Sampled, Scored
from opro.tokens import tokens
from opro.types import Candidate, Generation, Request, Sample, Source, Style

_PROSE = 8  # tokens that a chat model writes around its solution
_REPLY = 200  # tokens of a scorer's reply, as far as it may
_OPENAI = "api.openai.com"  # where one request brings all samples; elsewhere it may be one
_TRIES = 20


class Mute:
    """In the optimizer model's place: notes what it is asked, and says nothing new, so that all rounds are asked."""

    fingerprint = "mute"

    def __init__(self, outline: Outline, known: str) -> None:
        self.enforces = outline.enforces
        self.style = outline.style
        self._singly = bool(outline.served_as) and outline.served_as[1] != _OPENAI
        self._known = known
        self._asked: list[Request] = []

    async def generate(self, request: Request) -> Generation:
        """Return samples with a known solution."""
        self._asked.append(request)
        text = self._known.removeprefix(request.lead)
        return Generation(tuple(Sample(text, source=Source(0, place)) for place in range(request.n)))

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def taken(self, solutions: Sequence[str]) -> Foreseen:
        """Return what was asked since the last time, if such solutions are written."""
        asked, self._asked = self._asked, []
        length = math.ceil(sum(map(tokens, solutions)) / max(len(solutions), 1))
        parts = (foreseen(one, _sample_tokens(one, length), singly=self._singly) for one in asked)
        return sum(parts, NOTHING)


def _sample_tokens(request: Request, length: int) -> int:
    """Return about how many tokens a sample has, if a whole solution has `length`."""
    if not isinstance(request.prompt, str):
        return length + _PROSE
    if isinstance(request.constraint, Permutation):  # perhaps the end of a solution only
        return tokens(request.constraint.separator + request.constraint.separator.join(request.constraint.items)) + 1
    return max(1, length - tokens(request.lead)) + 1


def writer(problem: Problem, starts: Sequence[str]) -> Callable[[Random], str]:
    """Return what makes up solutions that a problem accepts, as far as that can be had."""
    if isinstance(problem, Foreseeable):
        return problem.imagine
    if isinstance(problem, Sampled):
        return problem.draw
    return lambda random: _varied(problem, random.choice(starts or [""]), random)


def _varied(problem: Problem, start: str, random: Random) -> str:
    """Return a start with other numbers in it, or with a word more; itself where the problem accepts none of these."""
    for _ in range(_TRIES):
        text = re.sub(r"\d+", lambda found: str(random.randrange(10 ** len(found[0]))), start)
        if text == start:
            text = f"{start} {''.join(random.choices(ascii_lowercase, k=6))}".strip()
        try:
            return problem.parse(text)
        except InvalidSolutionError:
            continue
    return start


class Scoring:
    """Tells what scoring candidates asks of the scorer: nothing, where there is none."""

    async def take(self, candidates: Sequence[Candidate], *, alone: bool) -> Foreseen:
        """Return what scoring candidates asks; one that is `alone` is scored in full."""
        del candidates, alone
        return NOTHING


class _Told(Scoring):
    """Of a problem that tells what it will ask."""

    def __init__(self, problem: Foreseeable) -> None:
        self._problem = problem

    async def take(self, candidates: Sequence[Candidate], *, alone: bool) -> Foreseen:
        """See Scoring."""
        questions = (one for candidate in candidates for one in self._problem.questions(candidate.text))
        full = sum((foreseen(one.request, one.written) for one in questions), NOTHING)
        return full if alone else Foreseen(full.likely * self._problem.share, full.most)


class _Overheard(Scoring):
    """Of a problem that scores with a stand-in for the scorer, which notes what it is asked."""

    fingerprint = "overhearing"

    def __init__(self, problem: Scored, scorer: Outline) -> None:
        self.enforces: frozenset[type[Constraint]] = scorer.enforces
        self.style: Style = scorer.style
        self._served = scorer.served_as is not None
        self._problem = problem.scored_by(self)
        self._heard = NOTHING

    async def take(self, candidates: Sequence[Candidate], *, alone: bool) -> Foreseen:
        """See Scoring."""
        del alone
        self._heard = NOTHING
        await self._problem.evaluate(candidates)
        return self._heard

    async def generate(self, request: Request) -> Generation:
        """Return one of the options of a request, or a word."""
        constraint = request.constraint
        options = constraint.options if isinstance(constraint, Choice | Weighed) else ("yes",)
        length = tokens(options[0]) + 1 if isinstance(constraint, Choice) else _REPLY
        self._heard += foreseen(request, length, singly=self._served)
        texts = (options[(request.first + place) % len(options)] for place in range(request.n))
        return Generation(tuple(Sample(text, source=Source(0, i), logprob=-1.0) for i, text in enumerate(texts)))

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def scoring_of(problem: Problem, scorer: Outline | None) -> Scoring:
    """Return what tells the questions of a problem's scorer; None where it has none."""
    if scorer is None or not isinstance(problem, Scored):
        return Scoring()
    return _Told(problem) if isinstance(problem, Foreseeable) else _Overheard(problem, scorer)

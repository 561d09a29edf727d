"""The nouns: frozen values that every other part of the workbench speaks in. A value that exists is valid."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from opro.constraints import Constraint

_UNSTORABLE = re.compile("[\ud800-\udfff\0]")


class Direction(StrEnum):
    """Which values of a problem are better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def better(self, value: float, other: float) -> bool:
        """Say whether `value` is strictly better than `other`."""
        return value < other if self is Direction.MINIMIZE else value > other

    def cost(self, value: float) -> float:
        """Return a number that is lower for better values; for sorting only."""
        return value if self is Direction.MINIMIZE else -value


class Style(StrEnum):
    """How a language model is asked for new solutions."""

    CHAT = "chat"
    CONTINUATION = "continuation"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a candidate's text comes from: sample `sample` of the stored generation `generation`."""

    generation: int
    sample: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """The text of a proposed solution, not yet scored."""

    text: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scorer model answered to one example under one candidate.

    Attributes:
        example: the example's id.
        score: 1 for a right answer, 0 for a wrong one, between them where a task gives parts; None where the scoring
            itself failed.
        extracted: the answer as it was read from the reply, None where none could be read.
        gold: the right answer.
        flagged: two ways of reading the reply disagree: a person should look at it.
        generation: the stored generation that holds the reply.
        tokens: read and written.
        split: the part of the data that the example belongs to.
        failure: why there is no score; empty where there is one.
    """

    example: str
    score: float | None
    extracted: str | None
    gold: str
    flagged: bool = False
    generation: int | None = None
    tokens: int = 0
    split: str = "train"
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A raw value, or the reason why there is none; feedback and metrics are for people and meta-prompts.

    `answers` are what the value is the mean of, where a scorer model was asked.
    """

    value: float | None
    reason: str = ""
    feedback: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    answers: tuple[Answer, ...] = ()

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a value is finite or None, not {self.value}")
        if (self.value is None) != bool(self.reason):
            raise ValueError("an evaluation has either a value or a reason why there is none")

    @property
    def unscored(self) -> bool:
        """Whether there is no value because the scoring failed on every example, whatever the candidate is worth."""
        return self.value is None and bool(self.metrics.get("failed"))

    @property
    def dropped(self) -> bool:
        """Whether a race was left early, so that the value is only an estimate of what scoring in full would give."""
        return bool(self.metrics.get("dropped"))

    @classmethod
    def failed(cls, reason: str) -> "Evaluation":
        """Return the evaluation of a candidate that has no value."""
        return cls(None, reason)


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate with its evaluation; `number` counts from 0 through the run, step 0 holds the starting solutions."""

    number: int
    step: int
    candidate: Candidate
    evaluation: Evaluation

    @property
    def text(self) -> str:
        """The solution's text."""
        return self.candidate.text

    @property
    def value(self) -> float | None:
        """The raw value, None for a failed candidate."""
        return self.evaluation.value

    @property
    def dropped(self) -> bool:
        """Whether a race dropped it: its value is an estimate, and no run is said to have found it."""
        return self.evaluation.dropped


@dataclass(frozen=True, slots=True)
class Reference:
    """A value to compare a run with. `optimum` marks a proved optimum; `solution` is its text where it has one."""

    name: str
    value: float
    optimum: bool = False
    solution: str = ""


def integer(value: float) -> str:
    """Show a value cut off to an integer, as OPRO does for losses and lengths."""
    return str(int(value))


@dataclass(frozen=True, slots=True)
class Brief:
    """What a meta-prompt may say of a problem.

    Attributes:
        task: what is asked for, in a sentence or two.
        noun: what one solution is called ("pair", "tour").
        score: what the value is called ("value", "length").
        answer: how a chat model shall write its solution, in words.
        facts: what else the model may know, such as the points of a tour.
        lead: the text with which every solution begins ("w="); the constraint covers what comes after it.
        constraint: what may follow `lead`; None for free text.
        ideal: a value that no solution can beat, where one is known; goals lie between it and the best value.
        show: how a value is written in a meta-prompt.
        max_tokens: what a solution takes at most, with the words of a chat model around it not counted.
    """

    task: str
    noun: str = "solution"
    score: str = "score"
    answer: str = "Write only the solution."
    facts: str = ""
    lead: str = ""
    constraint: Constraint | None = None
    ideal: float | None = None
    show: Callable[[float], str] = integer
    max_tokens: int = 64


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat; the role is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`n` samples of one prompt: a chat, or a text to be continued.

    The samples of a prompt and seed are numbered: `n` of them are asked for, from number `first` on. A backend that
    takes seeds writes the same text for the same number, however the samples are divided among requests.

    `lead` is the end of the prompt that belongs to the answer already: an answer is lead + sample. Models ignore it.

    Generation ends before the first of `stop`, which is not part of the sample. A constraint covers the text before
    `stop`. `top_k` and `min_p` of 0 and `top_p` of 1 switch that truncation off; temperature 0 is greedy.
    """

    prompt: str | tuple[Message, ...]
    lead: str = ""
    n: int = 1
    first: int = 0
    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        if self.n < 1 or self.max_tokens < 1 or self.first < 0:
            raise ValueError(
                f"n and max_tokens are at least 1 and first at least 0, not {self.n}, {self.max_tokens}, {self.first}"
            )
        if self.temperature < 0 or not 0 < self.top_p <= 1 or not 0 <= self.min_p < 1 or self.top_k < 0:
            raise ValueError("temperature >= 0, 0 < top_p <= 1, 0 <= min_p < 1 and top_k >= 0 are needed")


@dataclass(frozen=True, slots=True)
class Question:
    """A request that a scorer will be sent, and about how many tokens it will answer with."""

    request: Request
    written: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request: `prompt` counts the prompt once, `cached` is the part of it that was not computed anew.

    `estimated` tokens are an upper bound, for the server told none.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum, field by field."""
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sample is stored: the number of the generation, and its place in it, from 0."""

    generation: int
    place: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One text that a model wrote; `complete` is False when it was cut off by max_tokens; `source` once it is stored.

    `logprob` is the natural logarithm of its probability after the prompt, summed over its tokens, where that was asked
    for (`Weighed`). What no database can hold (lone surrogates, the null character) is replaced by U+FFFD.
    """

    text: str
    complete: bool = True
    source: Source | None = None
    logprob: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _UNSTORABLE.sub("\ufffd", self.text))


@dataclass(frozen=True, slots=True)
class Generation:
    """What one request returned: at least one sample, tokens, seconds, and US dollars (None: no price is known)."""

    samples: tuple[Sample, ...]
    usage: Usage = Usage()
    seconds: float = 0.0
    usd: float | None = None

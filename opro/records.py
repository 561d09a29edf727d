"""What the store gives back: runs, steps and generations as frozen values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from opro.types import Direction, Message, Reference, Request, Usage

Json = dict[str, Any]
_FIELDS = tuple(Request.__dataclass_fields__)


class Status(StrEnum):
    """Where a run stands; one that is `running` without a living process has died and can be resumed."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a new run is: enough to build it again."""

    problem: str
    direction: Direction
    proposer: str
    model: str
    seed: int
    config: Mapping[str, Any]
    references: tuple[Reference, ...] = ()
    fingerprint: str = ""
    problem_fingerprint: str = ""
    scorer: str = ""
    scorer_fingerprint: str = ""
    study: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A stored run. `parent` names the run whose baseline this one is; times are seconds since the epoch.

    `seconds` are those of its sessions, as far as they told them; a killed one tells none.
    """

    id: str
    spec: RunSpec
    versions: Mapping[str, str]
    status: Status
    reason: str
    host: str
    pid: int
    created: float
    updated: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is, as a survey of the store tells without reading its texts.

    `lowest` and `highest` are of its values, without those of trials that a race dropped. `usd` is None when the price
    of some of it is not known.
    """

    step: int = 0
    trials: int = 0
    failed: int = 0
    lowest: float | None = None
    highest: float | None = None
    tokens: int = 0
    usd: float | None = 0.0

    def best(self, direction: Direction) -> float | None:
        """The best value."""
        return self.lowest if direction is Direction.MINIMIZE else self.highest


@dataclass(frozen=True, slots=True)
class StepRecord:
    """How long a step took, in seconds: asking the proposer and scoring its candidates."""

    step: int
    asking: float
    scoring: float


def add_usd(one: float | None, other: float | None) -> float | None:
    """Return the sum of two amounts of money; what is not known makes it unknown."""
    return None if one is None or other is None else one + other


class EventKind(StrEnum):
    """What an event tells of."""

    FAULT = "fault"
    NOTE = "note"
    REMARK = "remark"


@dataclass(frozen=True, slots=True)
class Event:
    """What people should know: a failed try, a note such as a constraint not kept, or a remark on what is odd in data.

    `tokens` and `usd` are what a failed try may have cost at most; `facts` hold its HTTP status and its seconds.
    """

    step: int
    role: str
    kind: EventKind
    text: str
    facts: Mapping[str, Any]
    tokens: int = 0
    usd: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Spending:
    """What one role cost in one step. `lost_*` may have been charged for tries that brought no usable answer.

    `usd` is None when the price of some of it is not known; `estimated` says that a server told no usage.
    """

    step: int
    role: str
    requests: int
    usage: Usage
    seconds: float
    usd: float | None
    faults: int = 0
    lost_tokens: int = 0
    lost_usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.usage.prompt + self.usage.completion

    def __add__(self, other: "Spending") -> "Spending":
        """Return the sum, under the first one's step and role."""
        return Spending(
            self.step,
            self.role,
            self.requests + other.requests,
            self.usage + other.usage,
            self.seconds + other.seconds,
            add_usd(self.usd, other.usd),
            self.faults + other.faults,
            self.lost_tokens + other.lost_tokens,
            add_usd(self.lost_usd, other.lost_usd),
        )


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """A stored request to a model with everything it answered; its samples are numbered from `first` on.

    `complete` says of each sample whether it had come to its end, and was not cut off by max_tokens.
    """

    id: int
    step: int
    role: str
    first: int
    request: Mapping[str, Any]
    samples: tuple[str, ...]
    usage: Usage
    seconds: float
    usd: float | None
    complete: tuple[bool, ...] = ()

    @property
    def temperature(self) -> float:
        """The sampling temperature."""
        return self.request["temperature"]

    @property
    def lead(self) -> str:
        """The end of the prompt with which every answer begins."""
        return self.request["lead"]

    @property
    def prompt(self) -> str:
        """The prompt as text; the turns of a chat stand under their roles."""
        prompt = self.request["prompt"]
        if isinstance(prompt, str):
            return prompt
        return "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in prompt)


def request_json(request: Request) -> Json:
    """Return a request as plain JSON values; the constraint becomes {kind: fields}."""
    fields: Json = {name: getattr(request, name) for name in _FIELDS}
    if not isinstance(request.prompt, str):
        fields["prompt"] = [_turn(message) for message in request.prompt]
    if request.constraint is not None:
        fields["constraint"] = {type(request.constraint).__name__: asdict(request.constraint)}
    return fields


def request_key(fields: Json) -> str:
    """Return what identifies a request (as `request_json` writes it) within a run, however its samples are divided."""
    same = {name: value for name, value in fields.items() if name not in {"n", "first"}}
    return sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def _turn(message: Message) -> Json:
    return {"role": message.role, "content": message.content}

"""What the store gives back: runs, steps and generations as frozen values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from opro.types import Direction, Message, Reference, Request, Usage

Json = dict[str, Any]


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
    study: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A stored run. `parent` names the run whose baseline this one is; times are seconds since the epoch."""

    id: str
    spec: RunSpec
    versions: Mapping[str, str]
    status: Status
    reason: str
    host: str
    pid: int
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class StepRecord:
    """How long a step took, in seconds: asking the proposer and scoring its candidates."""

    step: int
    asking: float
    scoring: float


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """A stored request to a model with everything it answered."""

    id: int
    step: int
    role: str
    request: Mapping[str, Any]
    samples: tuple[str, ...]
    usage: Usage
    seconds: float

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
    fields = asdict(request)
    if not isinstance(request.prompt, str):
        fields["prompt"] = [_turn(message) for message in request.prompt]
    if request.constraint is not None:
        fields["constraint"] = {type(request.constraint).__name__: asdict(request.constraint)}
    return fields


def request_key(request: Request) -> str:
    """Return what identifies a request within a step of a run."""
    return sha256(json.dumps(request_json(request), sort_keys=True).encode()).hexdigest()


def _turn(message: Message) -> Json:
    return {"role": message.role, "content": message.content}

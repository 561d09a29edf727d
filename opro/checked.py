"""From rows to records. A store may be damaged, or made to harm: what is no record is told as such."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import ConfigDict, ValidationError

from opro.config import RunConfig, run_config
from opro.errors import OproError
from opro.locks import is_run_id
from opro.records import GenerationRecord, RunRecord, RunSpec, Status
from opro.types import Answer, Direction, Reference, Usage

LARGEST = 2**53
"""Whole numbers beyond it are none that a run has, and no page can show them."""

_DEEPEST = 20
_SECRET = re.compile(r"(?<=://)[^/@\s]*@")
_TEXTS = ("study", "problem", "proposer", "model", "fingerprint", "problem_fingerprint", "scorer", "scorer_fingerprint")


class _Stored(RunConfig):
    """A config of any version: of what this one knows, the types are right."""

    model_config = ConfigDict(frozen=True, extra="allow")


def loads(text: str | bytes) -> Any:
    """Return what a JSON text says, None for one that is broken: the row is refused then, and not the whole table."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def run_record(row: Any) -> RunRecord:
    """Return a run.

    Raises:
        ValueError: the row is none; the message says why.
    """
    if not is_run_id(row.id):
        raise ValueError("its id is none")
    texts = {name: text(getattr(row, name)) for name in _TEXTS}
    texts |= {name: without_secret(texts[name]) for name in ("model", "scorer")}
    spec = RunSpec(
        **texts,
        direction=Direction(row.direction),
        seed=whole(row.seed),
        config=_config(row.config, texts["problem"]),
        references=tuple(_reference(one) for one in listed(row.reference_values)),
        parent=None if row.parent is None else text(row.parent),
    )
    times = (number(row.created), number(row.updated), number(row.seconds))
    status, pid = Status(row.status), whole(row.pid)
    return RunRecord(row.id, spec, mapping(row.versions), status, text(row.reason), text(row.host), pid, *times)


def without_secret(url: str) -> str:
    """Return a model's spec without a user and password in its URL, as an older version may have stored them."""
    return _SECRET.sub("", url)


def _config(values: object, problem: str) -> dict[str, Any]:
    """Return a config with what it leaves out, as older versions do, at its default."""
    config = dict(mapping(values))
    _check_size(config, 0)
    for name in ("model", "scorer"):
        if name in config:
            config[name] = without_secret(text(config[name]))
    config.setdefault("problem", problem)
    try:
        _Stored.model_validate(config)
        usual = run_config({"problem": problem})
    except (ValidationError, OproError, TypeError) as error:
        raise ValueError(f"its config is none ({error})") from error
    return {**usual.model_dump(mode="json"), **config}


def _check_size(value: object, depth: int) -> None:
    if depth > _DEEPEST or (isinstance(value, int | float) and not abs(value) <= LARGEST):
        raise ValueError("a value in its config is beyond all bounds")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    for part in parts:  # pyright: ignore[reportUnknownVariableType]
        _check_size(cast("object", part), depth + 1)


def _reference(values: object) -> Reference:
    one = mapping(values)
    return Reference(text(one["name"]), number(one["value"]), one.get("optimum") is True, text(one.get("solution", "")))


def generation_record(row: Any) -> GenerationRecord:
    """Return a request with its answers.

    Raises:
        ValueError: the row is none.
    """
    usage = Usage(whole(row.prompt_tokens), whole(row.completion_tokens), whole(row.cached_tokens), bool(row.estimated))
    request = mapping(row.request)
    number(request["temperature"])
    turns: Sequence[Any] = () if isinstance(request["prompt"], str) else listed(request["prompt"])
    for said in (request["lead"], *(mapping(turn)[part] for turn in turns for part in ("role", "content"))):
        text(said)
    written = [listed(sample) for sample in listed(row.samples)]
    samples, complete = tuple(text(one[0]) for one in written), tuple(bool(one[1]) for one in written)
    if not samples:
        raise ValueError("an answer without a sample")
    usd = None if row.usd is None else number(row.usd)
    numbers = (whole(row.id), whole(row.step), text(row.role), whole(row.first))
    return GenerationRecord(*numbers, request, samples, usage, number(row.seconds), usd, complete)


def answer(values: Sequence[Any], part: str) -> Answer:
    """Return an answer to an example, of the columns behind its part of the data.

    Raises:
        ValueError: they are none.
    """
    example, score, extracted, gold, flagged, generation, tokens, failure = values
    score = None if score is None else number(score)
    extracted = None if extracted is None else text(extracted)
    generation = None if generation is None else whole(generation)
    rest = (bool(flagged), generation, whole(tokens), text(part), text(failure))
    return Answer(text(example), score, extracted, text(gold), *rest)


def metrics(values: object) -> Mapping[str, float]:
    """Return finite numbers by their names, or raise a ValueError."""
    return {name: number(value) for name, value in mapping(values).items()}


def text(value: object) -> str:
    """Return a text, or raise a ValueError; SQLite keeps anything in any column."""
    if not isinstance(value, str):
        raise ValueError(f"a text was expected, not {value!r:.60}")
    return value


def whole(value: object) -> int:
    """Return a whole number, or raise a ValueError."""
    if not isinstance(value, int) or not abs(value) <= LARGEST:
        raise ValueError(f"a whole number was expected, not {value!r:.60}")
    return value


def number(value: object) -> float:
    """Return a finite number, or raise a ValueError."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"a number was expected, not {value!r:.60}")
    return float(value)


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping, or raise a ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"an object was expected, not {value!r:.60}")
    return cast("Mapping[str, Any]", value)


def listed(value: object) -> Sequence[Any]:
    """Return a list, or raise a ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"a list was expected, not {value!r:.60}")
    return cast("list[Any]", value)

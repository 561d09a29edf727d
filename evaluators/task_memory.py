"""Data and a metric that are handed in from Python, instead of a file's name and a kind of answers.

What a run records of them is a digest of the data and the metric's name: enough to tell whether the same are handed in
when it goes on, and to make the metric again where it can be imported.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Self, cast

from evaluators.answer_functions import FunctionKind
from evaluators.task_files import Row, Rows
from evaluators.task_hub import labelled
from opro.errors import ConfigError

MEMORY = "memory:"
"""What the `task` of data that are in no file begins with."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What is handed in.

    Attributes:
        splits: rows by the name of their split; None for data that the settings name.
        metric: what judges replies; None for a `kind` that the settings name.
        place: the name of a file, folder or hub dataset, where that was handed in instead of rows.
    """

    splits: Mapping[str, Rows] | None = None
    metric: FunctionKind | None = None
    place: str = ""

    @classmethod
    def of(cls, data: object, metric: object) -> Self:
        """Return what `data` (a name, or see `rows_by_split`) and `metric` (see FunctionKind.of_metric) hold."""
        judge = None if metric is None else FunctionKind.of_metric(metric)
        if isinstance(data, str | Path):
            return cls(None, judge, str(data))
        return cls(None if data is None else rows_by_split(data), judge)

    @property
    def name(self) -> str:
        """What the data are called in the settings: a digest of their content."""
        sources = [f"{split} {rows.source}" for split, rows in (self.splits or {}).items()]
        return MEMORY + hashlib.sha256("\n".join(sources).encode()).hexdigest()[:12]

    def settled(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings in which what is handed in stands under its name.

        Raises:
            ConfigError: they name other data, or another kind.
        """
        named: dict[str, str] = {}
        if self.place and settings.get("task") != self.place:
            named["data" if "task" in settings else "task"] = self.place
        if self.splits is not None:
            named["task"] = self.name
        if self.metric is not None:
            named["kind"] = self.metric.spec
        for setting, name in named.items():
            before = settings.get(setting, "")
            if before and before != name:
                raise ConfigError(_clash(setting, before, name))
        return {**settings, **named}


NOTHING_SUPPLIED = Supply()


def _clash(setting: str, before: str, name: str) -> str:
    if setting == "kind":
        return (
            f"a metric is handed in ({name}), and `kind` = {before!r} says how answers are read: one of them is enough"
        )
    if before.startswith(MEMORY):
        return f"the data that are handed in are not those with which the run began: {name} instead of {before}"
    return f"data are handed in, and `task` = {before!r} names others: one of them is enough"


def absent(name: str) -> ConfigError:
    """Return the error for data that are in no file, and are not handed in."""
    return ConfigError(
        f"the data of this run ({name}) were handed in from Python and are in no file: hand them in again, as in "
        "`opro.resume(RUN, data=...)` or `opro.verdict(RUN, data=...)`; or save them, and name the file as `task`"
    )


def rows_by_split(data: object) -> dict[str, Rows]:
    """Return rows by the name of their split, "train" where there are none.

    Args:
        data: a pandas or polars DataFrame, a `datasets.Dataset` or an Arrow table; rows as mappings, dataclasses or
            (question, answer) pairs; or a mapping from split to any of these, which has "train" and, to be kept apart
            for the verdict, "test".

    Raises:
        ConfigError: it is none of these, or has no rows.
    """
    if isinstance(data, Mapping):
        parts = cast("Mapping[str, object]", data)
        if "train" not in parts:
            keys = ", ".join(map(str, parts)) or "nothing"
            raise ConfigError(
                f"data: a mapping is of splits, train and perhaps test, not of {keys}; or give a list of rows"
            )
        return {"validation" if split == "val" else split: _rows(part, split) for split, part in parts.items()}
    return {"train": _rows(data, "")}


def _rows(data: object, split: str) -> Rows:
    where = f"data[{split!r}]" if split else "data"
    rows = [_row(item, f"{where}, row {number}") for number, item in enumerate(_items(data, where), 1)]
    if not rows:
        raise ConfigError(f"{where}: there are no rows in it")
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()
    return Rows(rows, f"{MEMORY}{len(rows)} rows sha256:{digest}")


def _items(data: Any, where: str) -> Iterable[object]:
    """Return the items of a table of one of the known kinds, told by what it can do, or of any iterable."""
    if hasattr(data, "features") and hasattr(data, "to_list"):  # a datasets.Dataset
        return labelled(data)
    if hasattr(data, "notna") and hasattr(data, "to_dict"):  # of pandas
        filled = data.astype(object).where(data.notna(), None)
        return filled.to_dict("records") if hasattr(data, "columns") else filled.to_list()
    for method in ("to_dicts", "to_pylist"):  # of polars, of Arrow
        if hasattr(data, method):
            return getattr(data, method)()
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise ConfigError(f"{where}: rows are needed (a DataFrame, a Dataset, a list of dicts), not {data!r:.60}")
    return cast("Iterable[object]", data)


def _row(item: object, where: str) -> Row:
    if hasattr(item, "toDict"):  # a dspy.Example
        item = cast(Any, item).toDict()
    if isinstance(item, Mapping):
        return {str(name): value for name, value in cast("Mapping[object, object]", item).items()}
    if is_dataclass(item) and not isinstance(item, type):
        return asdict(item)
    if isinstance(item, Sequence) and not isinstance(item, str) and len(cast("Sequence[object]", item)) == 2:
        question, answer = cast("Sequence[object]", item)
        return {"question": question, "answer": answer}
    raise ConfigError(f"{where}: columns with names are needed, or a (question, answer) pair, not {item!r:.60}")

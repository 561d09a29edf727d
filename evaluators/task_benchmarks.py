"""The benchmarks of OPRO's paper: where they lie, in which format, and how a row becomes an example."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluators.task_columns import LETTERS, cell, listed
from evaluators.task_files import Row, Rows, read_rows, read_table
from evaluators.task_hub import hub_rows
from evaluators.task_splits import Part
from evaluators.task_subjects import BBH, GROUPS, SUBJECTS
from evaluators.task_types import Example
from opro.errors import ConfigError

_OPTION = re.compile(r"^\(([A-Z])\) ?(.*)$", re.MULTILINE)
_LABEL = re.compile(r"^\s*\(?[A-Z]\s?\)\s*")
_MMLU_COLUMNS = ("question", "A", "B", "C", "D", "answer")

KNOWN = (
    "gsm8k",
    "aqua",
    "multiarith",
    "mmlu",
    *(f"bbh/{n}" for n in BBH),
    *(f"mmlu/{n}" for n in (*GROUPS, *SUBJECTS)),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task's examples before they are divided.

    `share` of them are for training, or `train` where that is a number; `settled`, `fields` and `columns` are a task's.
    """

    parts: tuple[Part, ...]
    kind: str
    share: float
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()
    train: int | None = None
    settled: Mapping[str, object] = field(default_factory=dict[str, object])
    fields: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def benchmark(name: str, data: Path | None, revision: str = "") -> Loaded:
    """Load a benchmark that is in `KNOWN`, from a local file or folder in its own format, else from the hub.

    Raises:
        ConfigError: it cannot be loaded, or the rows are not in the benchmark's format.
    """
    family, _, rest = name.partition("/")
    if family == "bbh":
        return _bbh(rest, data, revision)
    if family == "mmlu":
        return _mmlu(rest, data, revision)
    return {"gsm8k": _gsm8k, "aqua": _aqua, "multiarith": _multiarith}[family](data, revision)


def _gsm8k(data: Path | None, revision: str) -> Loaded:
    if data is None:
        splits = hub_rows("openai/gsm8k", "main", revision or "cc7b047b6e5bb11b4f1af84efc572db110a51b3c")
        train, test = _split(splits, "train"), _split(splits, "test")
    elif data.is_file():
        train, test = read_rows(data), None
    else:
        train, test = (read_rows(_file(data, "gsm8k", f"{split}.jsonl")) for split in ("train", "test"))
    return _loaded([(train, test)], _gsm8k_example, "number", 0.035)


def _bbh(name: str, data: Path | None, revision: str) -> Loaded:
    if data is None:
        revision = revision or "b5306be6f827cfafbb545ff5a51f96916029b0fd"
        rows = _split(hub_rows("SaylorTwift/bbh", name, revision), "test")
    else:
        rows = read_rows(_file(data, "bbh", f"{name}.json"))
    return _loaded([(rows, None)], _bbh_example, BBH[name], 0.2)


def _mmlu(name: str, data: Path | None, revision: str) -> Loaded:
    """Load one subject, a group of them, or (name "") all; of a local folder, those that are there."""
    subjects = (name,) if name in SUBJECTS else tuple(s for s, group in SUBJECTS.items() if name in ("", group))
    if len(subjects) > 1 and data is not None and data.is_file():
        raise ConfigError(f"{data}: the {len(subjects)} subjects of mmlu/{name} are in a folder, a file each")
    absent: list[str] = []
    tables: list[tuple[Rows, None]] = []
    for subject in subjects:
        if data is None:
            pin = revision or "c30699e8356da336a370243923dbaf21066bb9fe"
            tables.append((_split(hub_rows("cais/mmlu", subject, pin), "test"), None))
        elif len(subjects) == 1 or _found(data, "mmlu", f"{subject}_test.csv"):
            tables.append((read_table(_file(data, "mmlu", f"{subject}_test.csv"), _MMLU_COLUMNS), None))
        else:
            absent.append(subject)
    if not tables:
        raise ConfigError(
            f"{data}: there is no SUBJECT_test.csv of the {len(subjects)} subjects of mmlu/{name}".rstrip("/")
        )
    notes = (f"{len(absent)} of {len(subjects)} subjects are not there: {', '.join(absent)}",) if absent else ()
    return _loaded(tables, _mmlu_example, "choice", 0.8, notes)


def _aqua(data: Path | None, revision: str) -> Loaded:
    rows = (
        _split(hub_rows("deepmind/aqua_rat", "raw", revision), "test")
        if data is None
        else read_rows(_file(data, "aqua", "AQuA.json"))
    )
    return _loaded([(rows, None)], _aqua_example, "choice", 0.2)


def _multiarith(data: Path | None, revision: str) -> Loaded:
    if data is not None:
        return _loaded(
            [(read_rows(_file(data, "multiarith", "MultiArith.json")), None)], _multiarith_example, "number", 0.2
        )
    splits = hub_rows("ChilleD/MultiArith", "", revision).values()
    source = "; ".join(rows.source for rows in splits)
    rows = Rows([row for rows in splits for row in rows.rows], source)
    return _loaded([(rows, None)], _multiarith_example, "number", 0.2)


def _gsm8k_example(row: Row) -> Example:
    return Example.of(_need(row, "question"), _need(row, "answer").rpartition("####")[2].strip())


def _bbh_example(row: Row) -> Example:
    question = _need(row, "input")
    return Example.of(
        question, _need(row, "target"), {letter: text.strip() for letter, text in _OPTION.findall(question)}
    )


def _mmlu_example(row: Row) -> Example:
    options = listed(row["choices"]) if "choices" in row else [_need(row, letter) for letter in "ABCD"]
    return _choice(_need(row, "question"), options, _need(row, "answer"))


def _aqua_example(row: Row) -> Example:
    options = [_LABEL.sub("", text) for text in listed(row.get("options"))]
    return _choice(_need(row, "question"), options, _need(row, "correct"))


def _multiarith_example(row: Row) -> Example:
    if "sQuestion" not in row:
        return Example.of(_need(row, "question"), _need(row, "final_ans"))
    solutions = row.get("lSolutions")
    if not isinstance(solutions, list) or not solutions:
        raise ConfigError(f"lSolutions is a list with the answer, not {solutions!r:.60}")
    return Example.of(_need(row, "sQuestion"), cell(solutions[0]))  # pyright: ignore[reportUnknownArgumentType]


def _choice(question: str, options: Sequence[str], gold: str) -> Example:
    by_letter = dict(zip(LETTERS, options, strict=False))
    block = "\n".join(f"({letter}) {text}" for letter, text in by_letter.items())
    return Example.of(f"{question}\nOptions:\n{block}", gold, by_letter)


def _need(row: Row, column: str) -> str:
    if column not in row:
        raise ConfigError(f"there is no column {column!r}; the columns are {', '.join(map(repr, row))}")
    return cell(row[column])


def _loaded(
    tables: Sequence[tuple[Rows, Rows | None]],
    example: Callable[[Row], Example],
    kind: str,
    share: float,
    notes: tuple[str, ...] = (),
) -> Loaded:
    def examples(rows: Rows) -> list[Example]:
        try:
            return [example(row) for row in rows.rows]
        except ConfigError as error:
            raise ConfigError(f"{rows.source.partition(' sha256:')[0]}: {error}") from error

    parts = tuple(Part(examples(train), None if test is None else examples(test)) for train, test in tables)
    read = [rows for pair in tables for rows in pair if rows is not None]
    return Loaded(parts, kind, share, tuple(r.source for r in read), (*notes, *(n for r in read for n in r.notes)))


def _split(splits: Mapping[str, Rows], name: str) -> Rows:
    if name not in splits:
        raise ConfigError(f"there is no split {name!r}; the splits are {', '.join(splits)}")
    return splits[name]


def _found(data: Path, folder: str, name: str) -> Path | None:
    return next((path for path in (data / name, data / folder / name) if path.is_file()), None)


def _file(data: Path, folder: str, name: str) -> Path:
    """Return the file itself, or the one of this name in the folder, or in its subfolder for the benchmark."""
    found = data if data.is_file() else _found(data, folder, name)
    if found is None:
        raise ConfigError(f"there is neither {data / name} nor {data / folder / name}")
    return found

"""Rows of data files: CSV, TSV, JSON, JSON lines and Parquet, with every column as the file has it."""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

from opro.errors import ConfigError
from opro.extras import optional

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read of one source: its rows in order, what identifies it, and what was odd about it."""

    rows: Sequence[Row]
    source: str
    notes: tuple[str, ...] = ()


def read_rows(path: Path) -> Rows:
    """Return the rows of a data file, by its ending.

    Raises:
        ConfigError: there is no such file, its ending is unknown, or it cannot be read; the message says which line.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: a data file ends in {', '.join(READERS)}")
    content = read_bytes(path)
    rows, notes = reader(path, content)
    if not rows:
        raise ConfigError(f"{path}: there are no rows in it")
    return Rows(rows, source_of(path, content), notes)


def read_table(path: Path, columns: Sequence[str]) -> Rows:
    """Return the rows of a CSV file without a header.

    Raises:
        ConfigError: it cannot be read, or a row has not as many cells as there are columns.
    """
    content = read_bytes(path)
    table = _cells(path, content, ",")
    rows = [dict(zip(columns, _checked(path, number, cells, columns), strict=True)) for number, cells in table]
    return Rows(rows, source_of(path, content))


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        ConfigError: there is no such file, or it cannot be opened.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def source_of(path: Path, content: bytes) -> str:
    """Return what identifies a file in the record of a run."""
    return f"{path} sha256:{hashlib.sha256(content).hexdigest()}"


_FILE_IN_SOURCE = re.compile(r"(^|; )(?:(?!; ).)* (?=sha256:[0-9a-f]{64})")


def content_of(source: str) -> str:
    """Return what identifies data by their content alone: a source without the paths of files."""
    return _FILE_IN_SOURCE.sub(r"\1", source)


def source_at(source: str, places: Iterable[tuple[object, object]]) -> str:
    """Return a source with its files elsewhere; each place is where they lie, and where they are said to lie."""
    for now, then in places:
        source = source.replace(str(Path(str(now))), str(Path(str(then)))) if now and then else source
    return source


def _read_csv(path: Path, content: bytes) -> tuple[list[Row], tuple[str, ...]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    table = _cells(path, content, delimiter)
    notes: tuple[str, ...] = ()
    if table and len(table[0][1]) == 1 and delimiter == ",":
        other = next((sign for sign in ";\t" if sign in table[0][1][0]), None)
        table = _cells(path, content, other) if other else table
        notes = (f"{path}: its columns were taken to be divided by {other!r}",) if other else ()
    if not table:
        return [], ()
    columns = table[0][1]
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise ConfigError(f"{path}: there are several columns called {', '.join(map(repr, twice))}: rename them")
    return [dict(zip(columns, _checked(path, line, cells, columns), strict=True)) for line, cells in table[1:]], notes


def _cells(path: Path, content: bytes, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(_text(path, content), newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}") from error


def _checked(path: Path, line: int, cells: list[str], columns: Sequence[str]) -> list[str]:
    if len(cells) != len(columns):
        raise ConfigError(f"{path}, line {line}: {len(cells)} cells, but there are {len(columns)} columns")
    return cells


def _read_lines(path: Path, content: bytes) -> tuple[list[Row], tuple[str, ...]]:
    """Read JSON lines; a last line that was cut off is left out with a note, as a file cut off in a copy has one."""
    rows: list[Row] = []
    lines = _text(path, content).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(_object(path, f"line {number}", json.loads(line)))
        except json.JSONDecodeError as error:
            if number == len(lines) and rows:
                return rows, (f"{path}: the last line ({number}) is cut off and was left out",)
            raise ConfigError(f"{path}, line {number}: {error}") from error
    return rows, ()


def _read_json(path: Path, content: bytes) -> tuple[list[Row], tuple[str, ...]]:
    """Read a list of objects, or an object with one such list in it; or JSON lines under the ending .json."""
    try:
        data = json.loads(_text(path, content))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _read_lines(path, content)
        raise ConfigError(f"{path}: {error}") from error
    if isinstance(data, dict):
        lists: list[Any] = [value for value in cast(dict[str, Any], data).values() if isinstance(value, list)]
        data = cast(Any, lists[0] if len(lists) == 1 else [data])
    if not isinstance(data, list):
        raise ConfigError(f"{path}: a list of objects is needed, or an object with one list in it")
    return [_object(path, f"item {i}", item) for i, item in enumerate(cast(list[Any], data), 1)], ()


def _read_parquet(path: Path, content: bytes) -> tuple[list[Row], tuple[str, ...]]:
    parquet: Any = optional("pyarrow.parquet", "data", "a Parquet file")  # loaded only for such files
    arrow: Any = optional("pyarrow", "data", "a Parquet file")
    try:
        table = parquet.read_table(arrow.BufferReader(content))
    except arrow.ArrowException as error:
        raise ConfigError(f"{path}: {error}") from error
    return table.to_pylist(), ()


def _object(path: Path, where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}, {where}: an object with columns is needed, not {str(value)[:60]!r}")
    return cast(Row, value)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from error


_Reader = Callable[[Path, bytes], tuple[list[Row], tuple[str, ...]]]
READERS: Mapping[str, _Reader] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
}

"""Data files of every format give the same rows, and a damaged one an error that names the line."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from evaluators.task_files import read_rows, read_table
from opro.errors import ConfigError

ROWS = [{"question": 'What is "naïve", 日本?', "answer": "a,\nb"}, {"question": "{x}", "answer": "12"}]


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)  # pyright: ignore[reportUnknownMemberType]
    else:
        lines = "\n".join(json.dumps(row) for row in ROWS)
        text = {
            ".csv": '\ufeffquestion,answer\r\n"What is ""naïve"", 日本?","a,\nb"\r\n{x},12\r\n',
            ".tsv": 'question\tanswer\n"What is ""naïve"", 日本?"\t"a,\nb"\n{x}\t12\n',
            ".jsonl": f"{lines}\n\n",
            ".json": json.dumps({"canary": "x", "examples": ROWS}),
        }[path.suffix]
        path.write_text(text, encoding="utf8", newline="")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    read = read_rows(written(tmp_path, name))
    assert list(read.rows) == ROWS
    assert read.source.startswith(f"{tmp_path / name} sha256:")
    assert read.notes == ()


@pytest.mark.parametrize("blank", ["\u2028", "\x85", "\x0c"])
def test_only_real_line_breaks_end_a_row(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"question,answer\r\nwhat{blank}now,1\r\nx,2".encode())
    assert [row["question"] for row in read_rows(path).rows] == [f"what{blank}now", "x"]


def test_json_lines_may_have_the_ending_json(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl").rename(tmp_path / "b.json")
    assert list(read_rows(path).rows) == ROWS


def test_a_last_line_that_was_cut_off_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": 1}\n{"q": 2}\n{"q": "thr')
    read = read_rows(path)
    assert list(read.rows) == [{"q": 1}, {"q": 2}]
    assert read.notes == (f"{path}: the last line (3) is cut off and was left out",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"q": 1}\n{"q": \n{"q": 3}\n', "line 2: Expecting value"),
        ("a.jsonl", b'{"q": 1}\n[2]\n', "line 2: an object with columns is needed"),
        ("a.json", b'{"q": ', "Expecting value"),
        ("a.json", b"3", "a list of objects is needed"),
        ("a.json", b"[]", "no rows"),
        ("a.csv", b"question,answer\nx,1,2\n", "line 2: 3 cells, but there are 2 columns"),
        ("a.csv", b'question,answer\n"x,1\n', "line 2: unexpected end of data"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"question,answer\n\xe9,1\n", "byte 16 is not UTF-8"),
        ("a.parquet", b"PAR1", "a.parquet: "),
        ("a.xlsx", b"", "ends in .csv, .tsv, .jsonl, .json, .parquet"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_place(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        read_rows(path)
    assert message in str(raised.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*No such file"):
        read_rows(tmp_path / "none.csv")


def test_a_table_without_a_header_has_the_columns_it_is_said_to_have(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"x, y",1\nz,2\n')
    assert list(read_table(path, ("q", "a")).rows) == [{"q": "x, y", "a": "1"}, {"q": "z", "a": "2"}]
    with pytest.raises(ConfigError, match="line 1: 2 cells, but there are 3 columns"):
        read_table(path, ("q", "a", "b"))

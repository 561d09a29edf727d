"""The trials of a run, or the answers of its scorer, as a table for other programs."""

import csv
import json
import sys
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from opro.config import as_toml, run_config
from opro.errors import ConfigError, unknown
from opro.extras import optional
from opro.reader import Reader
from opro.records import RunRecord
from opro.texts import printable

FORMATS = ("csv", "jsonl", "parquet")


def rows(reader: Reader, run: RunRecord) -> list[dict[str, Any]]:
    """Return a run's trials as rows; metrics are JSON texts."""
    return [
        {
            "run": run.id,
            "seed": run.spec.seed,
            "number": trial.number,
            "step": trial.step,
            "text": trial.text,
            "value": trial.value,
            "reason": trial.evaluation.reason,
            "feedback": trial.evaluation.feedback,
            "metrics": json.dumps(dict(trial.evaluation.metrics)),
            "generation": trial.candidate.origin.generation if trial.candidate.origin else None,
            "sample": trial.candidate.origin.sample if trial.candidate.origin else None,
            "temperature": trial.candidate.origin.temperature if trial.candidate.origin else None,
        }
        for trial in reader.trials(run.id)
    ]


def answer_rows(reader: Reader, run: RunRecord) -> list[dict[str, Any]]:
    """Return what the scorer answered as rows, an example under a trial each, with the last prompt and the reply to it.

    Of two prompts (`final`), the last one has the question and the first reply in it.
    """
    answers = reader.answers(run.id, split=None)  # before the trials, which a run that goes on has recorded with them
    texts = {trial.number: trial.text for trial in reader.trials(run.id)}
    numbers = {one.generation for part in answers.values() for one in part if one.generation is not None}
    asked = reader.asked(numbers)
    return [
        {
            "run": run.id,
            "trial": trial,
            "text": texts[trial],
            **asdict(answer),
            "prompt": generation and generation.prompt,
            "reply": generation and generation.samples[0],
        }
        for trial, part in answers.items()
        for answer in part
        for generation in [asked.get(answer.generation) if answer.generation is not None else None]
    ]


TABLES = {"trials": rows, "answers": answer_rows}


def write(reader: Reader, run: RunRecord, what: str, form: str, out: Path | None) -> None:
    """Write the trials, or the scorer's answers, to `out`, or to standard output; or the run's config, as TOML.

    Raises:
        ConfigError: the table or the format is unknown, or cannot be written there.
    """
    if form == "toml":
        _write_out(as_toml(run_config(run.spec.config)), out)
        return
    if form not in FORMATS:
        raise unknown("format", form, (*FORMATS, "toml"))
    if what not in TABLES:
        raise unknown("table", what, list(TABLES))
    table = TABLES[what](reader, run)
    if form == "parquet":
        _write_parquet(table, out)
    else:
        _write_out(as_text(table, form), out)


def _write_out(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from error


def as_text(table: list[dict[str, Any]], form: str) -> str:
    """Return rows as csv or jsonl."""
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table)
    file = StringIO(newline="")
    writer = csv.DictWriter(file, list(table[0]) if table else ["run"])
    writer.writeheader()
    writer.writerows(table)
    return file.getvalue()


def _write_parquet(table: list[dict[str, Any]], out: Path | None) -> None:
    arrow = optional("pyarrow", "data", "a table as Parquet")
    parquet = optional("pyarrow.parquet", "data", "a table as Parquet")
    if out is None:
        raise ConfigError("parquet is not text: name a file with --out")
    try:
        parquet.write_table(arrow.Table.from_pylist(table), out)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error}") from error

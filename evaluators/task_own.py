"""The user's own data as a task: what its table does not say is guessed, and told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluators.answer_choices import folded
from evaluators.answer_labels import LabelsKind
from evaluators.prompt_fields import common_fields, fields_in, strange_fields
from evaluators.task_benchmarks import Loaded
from evaluators.task_columns import OPTIONS_SLOT, QUESTION_FIELD, Columns, cell, examples_of, listed
from evaluators.task_config import TaskConfig
from evaluators.task_files import Row, Rows
from evaluators.task_guesses import guessed_columns, guessed_kind, option_columns, remarks_on_answers, training_rows
from evaluators.task_splits import Part
from opro.errors import ConfigError

TEST_SPLITS = ("test", "validation", "dev")

_LETTER = re.compile(r"\(?[A-Za-z]\)?\.?")


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read of a table, and how."""

    names: tuple[str, ...]
    question: str
    answer: str
    choices: tuple[str, ...]
    kind: str
    labels: tuple[str, ...]
    fields: tuple[str, ...]
    ours: tuple[str, ...]
    """Fields that a prompt may have beside the columns."""


def own_data(splits: Mapping[str, Rows], config: TaskConfig, prompts: Sequence[str]) -> Loaded:
    """Return the user's own data; with "train" and a test split these are kept apart, and all of "train" is used.

    Raises:
        ConfigError: a column is missing or cannot be guessed, or prompts and data do not fit together.
    """
    test = next((name for name in TEST_SPLITS if name in splits and len(splits) > 1), None)
    train = "train" if "train" in splits else next(name for name in splits if name != test)
    used = [splits[name] for name in (train, test) if name]
    read = _reading([row for rows in used for row in rows.rows], config, prompts)
    columns = _columns(read, config)
    made = [examples_of(rows.rows, columns) for rows in used]
    part = Part(made[0][0], made[1][0] if test else None)
    notes = [note for rows, (_, told) in zip(used, made, strict=True) for note in (*rows.notes, *told)]
    golds = [example.gold for examples, _ in made for example in examples]
    notes += remarks_on_answers(golds, read.answer, read.kind, guessed=not config.kind)
    others = [name for name in read.names if name != read.answer]
    notes += [note for text in prompts for note in strange_fields(text, [*others, *read.ours], (read.answer,))]
    count = None if test else training_rows(len(part.train))
    return Loaded(
        (part,),
        read.kind,
        1.0,
        tuple(rows.source for rows in used),
        tuple(notes),
        train=count,
        settled=_settled(read, config, count),
        fields=read.fields,
        columns=(*others, read.answer),
        labels=read.labels,
    )


def _reading(rows: Sequence[Row], config: TaskConfig, prompts: Sequence[str]) -> _Reading:
    """Return what is read, as far as it is said, else guessed."""
    names = tuple(dict.fromkeys(str(name) for row in rows[:100] for name in row))
    mentioned = [name for text in prompts for name in fields_in(text, names)]
    written = [*mentioned, config.template] if config.template else mentioned
    question, answer = guessed_columns(names, config.question, config.answer, written)
    Columns("", answer, config.choices).check(rows)
    golds = [gold for row in rows if (gold := cell(row[answer]))]
    choices = config.choices or (_options(rows, question, answer) if config.kind in ("", "choice") else ())
    kind = config.kind or ("labels" if config.labels else guessed_kind(golds, answer, options=bool(choices)))
    if config.labels and kind != "labels":
        raise ConfigError(f"`labels` are for the kind `labels`, not {kind!r}")
    labels = (config.labels or LabelsKind.of(golds).labels) if kind == "labels" else ()
    slots = (QUESTION_FIELD, OPTIONS_SLOT) if choices or labels else (QUESTION_FIELD,)
    ours = tuple(name for name in slots if name not in names)
    fields = common_fields(prompts, [*names, *ours], answer)
    if fields and config.template and (QUESTION_FIELD not in fields or QUESTION_FIELD in names):
        raise ConfigError("your prompt has fields, so `template` would have no effect: leave one of them out")
    if choices and fields and OPTIONS_SLOT not in fields and QUESTION_FIELD not in fields:
        raise ConfigError("your prompt does not show the options: write {options} where they shall stand")
    return _Reading(names, question, answer, choices, kind, labels, fields, ours)


def _options(rows: Sequence[Row], question: str, answer: str) -> tuple[str, ...]:
    """Return the columns that look like options of a multiple choice, if the right answers fit to them."""
    columns = list(option_columns([name for name in map(str, rows[0]) if name not in (question, answer)]))
    if not columns or any(name not in row for row in rows for name in columns):
        return ()
    of = [[cell(row[name]) for name in columns] if len(columns) > 1 else listed(row[columns[0]]) for row in rows]
    fit = all(_is_one(cell(row[answer]), options) for row, options in zip(rows, of, strict=True))
    return tuple(columns) if fit else ()


def _is_one(gold: str, options: Sequence[str]) -> bool:
    """Say whether a right answer is an option's letter, place or text; a row without an answer says nothing."""
    if gold.isdecimal():
        return int(gold) <= len(options)
    texts = {folded(text) for text in options}
    return len(options) > 1 and (not gold or _LETTER.fullmatch(gold) is not None or folded(gold) in texts)


def _columns(read: _Reading, config: TaskConfig) -> Columns:
    """Return the columns, with the labels where they are told."""
    behind = config.list_labels == "always" or (config.list_labels == "auto" and not read.fields)
    told = behind or OPTIONS_SLOT in read.fields
    return Columns(
        read.question,
        read.answer,
        read.choices,
        config.template,
        labels=read.labels if told else (),
        fields=read.fields,
    )


def _settled(read: _Reading, config: TaskConfig, count: int | None) -> dict[str, object]:
    """Return the settings that the user left to the data."""
    made: dict[str, object] = {"answer": read.answer, "kind": read.kind}
    if read.question and not config.template and (not read.fields or QUESTION_FIELD in read.fields):
        made["question"] = read.question
    made |= {"choices": list(read.choices)} if read.choices else {}
    made |= {"labels": list(read.labels)} if read.labels else {}
    if count is not None and config.train_share is None:
        made["train"] = count
    return {name: value for name, value in made.items() if getattr(config, name) in (None, "", ())}

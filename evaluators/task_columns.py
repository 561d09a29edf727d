"""From rows to examples: which columns hold the question, the answer and the options, and how a question is written."""

import json
import string
from collections.abc import Mapping, Sequence
from typing import Any, cast

from evaluators.answer_choices import folded
from evaluators.task_files import Row
from evaluators.task_guesses import nearest
from evaluators.task_types import Example
from opro.errors import ConfigError

LETTERS = string.ascii_uppercase
OPTIONS_SLOT = "options"
QUESTION_FIELD = "question"
"""A field of a prompt that stands for the question, whatever its column is called."""


def examples_of(rows: Sequence[Row], columns: "Columns") -> tuple[list[Example], list[str]]:
    """Return the examples of rows, and notes on the rows that had to be left out.

    Raises:
        ConfigError: a column is missing, or the options cannot be read.
    """
    columns.check(rows)
    full = [(n, row) for n, row in enumerate(rows, 1) if cell(row[columns.answer]) and columns.written(row, {}).strip()]
    left_out = sorted({*range(1, len(rows) + 1)} - {n for n, _ in full})
    notes = (
        [f"{count(left_out, 'row')} without a question or an answer left out: {shown(left_out)}"] if left_out else []
    )
    options = [columns.options(row, number) for number, row in full]
    golds = [cell(row[columns.answer]) for _, row in full]
    if columns.choices:
        golds, told = letters_of(golds, options)
        notes += told
    examples = [
        Example.of(columns.written(row, listed), gold, listed, columns.values(row, listed), row)
        for (_, row), gold, listed in zip(full, golds, options, strict=True)
    ]
    return examples, notes


class Columns:
    """Which columns are read, and the template of a question.

    Attributes:
        labels: the labels among which the answer is, to be told with the question; empty where they are not told.
        fields: those of the user's prompts: then these are filled, and the question is only what stands at them.
    """

    def __init__(
        self,
        question: str,
        answer: str,
        choices: Sequence[str] = (),
        template: str = "",
        *,
        labels: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> None:
        """Take the names of the columns; `choices` is one column with all options, or one column for each.

        Raises:
            ConfigError: the template has a brace that is no placeholder.
        """
        self.answer = answer
        self.choices = tuple(choices)
        self.labels = tuple(labels)
        self.fields = tuple(fields)
        self._parts = _parsed(template) if template else [("", question)] if question else []
        named = (name for _, name in self._parts if name is not None and not (fields and QUESTION_FIELD not in fields))
        own = (name for name in fields if name not in (OPTIONS_SLOT, QUESTION_FIELD))
        self._needed = [answer, *self.choices, *named, *own]

    def check(self, rows: Sequence[Row]) -> None:
        """Raise a ConfigError that names the columns there are, where one is missing."""
        for number, row in enumerate(rows, 1):
            for name in self._needed:
                if name not in row and not ((self.choices or self.labels) and name == OPTIONS_SLOT):
                    known = ", ".join(map(repr, row)) or "none"
                    near = nearest(name, [str(column) for column in row])
                    raise ConfigError(f"there is no column {name!r} in row {number}; its columns are {known}{near}")

    def options(self, row: Row, number: int) -> dict[str, str]:
        """Return the options of a row by letter, none without `choices`."""
        if not self.choices:
            return {}
        cells = [row[name] for name in self.choices]
        texts = [cell(value) for value in cells] if len(cells) > 1 else listed(cells[0])
        if not 1 < len(texts) <= len(LETTERS):
            raise ConfigError(f"row {number}: 2 to {len(LETTERS)} options are needed, not {len(texts)}: {texts!r:.100}")
        return dict(zip(LETTERS, texts, strict=False))

    def written(self, row: Row, options: Mapping[str, str]) -> str:
        """Return the question of a row; its options, or the labels, stand at {options}, or behind it.

        With fields it is what stands at them: alone where there is one, else under their names.
        """
        if self.fields:
            values = {name: value for name, value in self.values(row, options).items() if name != OPTIONS_SLOT}
            named = [f"{name}: {value}" for name, value in values.items() if value]
            return "\n".join(named if len(values) > 1 else values.values())
        return self._question(row, options)

    def values(self, row: Row, options: Mapping[str, str]) -> dict[str, str]:
        """Return what stands at each field of the user's prompts, in a row."""
        return {name: self._value(name, row, options) for name in self.fields}

    def _value(self, name: str, row: Row, options: Mapping[str, str]) -> str:
        if name == OPTIONS_SLOT and (self.choices or name not in row):
            return self._block(options)
        return self._asked(row, options) if name not in row else cell(row[name])

    def _asked(self, row: Row, options: Mapping[str, str]) -> str:
        """Return the question without the options that stand at a field of their own."""
        return self._question(row, {} if OPTIONS_SLOT in self.fields else options)

    def _block(self, options: Mapping[str, str]) -> str:
        """Return the options of a row, or the labels of the task, as a list."""
        if options:
            return "Options:\n" + "\n".join(f"({letter}) {text}" for letter, text in options.items())
        return "Options:\n" + "\n".join(f"- {label}" for label in self.labels) if self.labels else ""

    def _question(self, row: Row, options: Mapping[str, str]) -> str:
        block = "" if self.fields and not options else self._block(options)
        ours = bool(self.choices) or (bool(self.labels) and OPTIONS_SLOT not in row)
        place = ours and any(name == OPTIONS_SLOT for _, name in self._parts)
        filled = {OPTIONS_SLOT: block} if place else {}
        text = "".join(
            literal + ("" if name is None else filled[name] if name in filled else cell(row[name]))
            for literal, name in self._parts
        )
        return f"{text}\n{block}" if text.strip() and block and not place else text


def letters_of(golds: Sequence[str], options: Sequence[Mapping[str, str]]) -> tuple[list[str], list[str]]:
    """Return gold answers as letters where they are places: counted from 1 where one is the last and none is 0."""
    pairs = list(zip(golds, options, strict=True))
    places = all(gold.isdecimal() and int(gold) <= len(of) for gold, of in pairs)
    texts = all(any(folded(gold) == folded(text) for text in of.values()) for gold, of in pairs)
    if not pairs or not places or texts:
        return list(golds), []
    numbers = [int(gold) for gold, _ in pairs]
    first = 1 if 0 not in numbers and any(n == len(of) for n, (_, of) in zip(numbers, pairs, strict=True)) else 0
    if 0 in numbers and any(n == len(of) for n, (_, of) in zip(numbers, pairs, strict=True)):
        return list(golds), []
    note = f"the gold answers are numbers: they were taken as places among the options, counted from {first}"
    return [LETTERS[n - first] for n in numbers], [note]


def listed(value: object) -> list[str]:
    """Return the options in one column: a list, {"text": list}, or a text that is a JSON list or has | between them."""
    if isinstance(value, Mapping):
        value = cast(Mapping[str, Any], value).get("text")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = value.split("|")
    return [cell(item) for item in cast(list[object], value)] if isinstance(value, list) else []


def cell(value: object) -> str:
    """Return the text of a cell; a whole number without its ".0", and nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def count(items: Sequence[object], noun: str) -> str:
    """Return how many there are: "1 row", "2 rows"."""
    return f"{len(items):,} {noun}{'' if len(items) == 1 else 's'}"


def shown(items: Sequence[object], most: int = 10) -> str:
    """Return the first items of a list, and how many more there are."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(str, items[:most])) + more


def _parsed(template: str) -> list[tuple[str, str | None]]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"template {template!r}: {error}; a brace that is meant is written twice") from error
    for _, name, form, conversion in parts:
        if name == "" or form or conversion:
            raise ConfigError(f"template {template!r}: a placeholder is the name of a column in braces, and no more")
    return [(literal, name) for literal, name, _, _ in parts]

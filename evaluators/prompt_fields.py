"""Prompts with fields: "Classify this review: {review}" has one where the data have a column `review`."""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from evaluators.task_columns import OPTIONS_SLOT
from opro.errors import ConfigError

_WORD = re.compile(r"(?<!\{)\{([^\W\d][\w -]{0,40})\}(?!\})")
_TWICE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_ALIKE = 0.75


def fields_in(text: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that are fields of a prompt, in the columns' order."""
    found = {name for _, name in _pieces(text, columns)}
    return [column for column in columns if column in found]


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a prompt with values at its fields; braces within the values are only braces."""
    return "".join(literal + (values[name] if name is not None else "") for literal, name in _pieces(text, [*values]))


def common_fields(texts: Iterable[str], columns: Sequence[str], answer: str) -> tuple[str, ...]:
    """Return the fields of prompts; none where all are instructions without any.

    The column of the right answers alone makes no field: `Reply as {answer}` is an instruction like others.

    Raises:
        ConfigError: some prompts have fields and others have not the same, a field would tell the right answer, or is
            written in double braces.
    """
    texts = list(texts)
    found = [fields_in(text, columns) for text in texts]
    for text, own in zip(texts, found, strict=True):
        wrong = next((name for name in _TWICE.findall(text) if name in columns and name not in own), None)
        if wrong is not None and wrong != answer:
            raise ConfigError(f"the prompt {_shown(text)} has {{{{{wrong}}}}}: a field is written {{{wrong}}}")
    asked = next((own for own in found if [name for name in own if name != answer]), None)
    if asked is None:
        return ()
    for text, own in zip(texts, found, strict=True):
        if answer in own:
            raise ConfigError(
                f"the prompt {_shown(text)} has the field {{{answer}}}, which is the right answer; braces that are"
                " meant are written twice"
            )
        if own != asked:
            raise ConfigError(
                f"the prompt {_shown(text)} has {_listed(own)}, and another one has {_listed(asked)}: all need the same"
            )
    return tuple(asked)


def kept(text: str, fields: Sequence[str], columns: Sequence[str]) -> str:
    """Return what is wrong with the fields of a proposed prompt, empty where it has those that it needs and no more."""
    own = fields_in(text, [*columns, *(field for field in fields if field not in columns)])
    lost = [name for name in fields if name not in own]
    if lost:
        return f"it has lost {_listed(lost)}"
    added = [name for name in own if name not in fields]
    return f"it has {_listed(added)}, which is none of the start's" if added else ""


def bare_prompt(fields: Sequence[str], instruction: str) -> str:
    """Return a prompt that has nothing but fields, and an instruction behind them."""
    own = [field for field in fields if field != OPTIONS_SLOT]
    named = [f"{field}: {{{field}}}" if field in own and len(own) > 1 else f"{{{field}}}" for field in fields]
    return "\n".join([*named, *([instruction] if instruction else [])])


def strange_fields(text: str, known: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return a note on words in braces that look like fields of a prompt, and are neither known nor among others.

    In a prompt that has fields, a word is told only if it is nearly a known one, or stands for options that there are
    not: others may be meant as they are.
    """
    named: list[str] = list(dict.fromkeys(map(str, _WORD.findall(text))))
    words = [word for word in named if word not in (*known, *others)]
    near: dict[str, list[str]] = {word: get_close_matches(word, known, n=1, cutoff=_ALIKE) for word in words}
    notes = [f"did you mean {{{found[0]}}} by {{{word}}}?" for word, found in near.items() if found]
    if words and (notes or OPTIONS_SLOT in words or not fields_in(text, known)):
        listed = ", ".join(f"{{{word}}}" for word in words)
        fields = ", ".join(f"{{{name}}}" for name in known)
        notes.insert(0, f"{listed} in the prompt will be sent as it stands; fields may be {fields}")
    return ["; ".join(notes)] if notes else []


def _pieces(text: str, names: Sequence[str]) -> list[tuple[str, str | None]]:
    """Return a prompt as literal texts with the field behind each, None behind the last one.

    Where all single braces are fields, braces that are meant may be written twice, as in Python's format strings. In
    other texts, such as those with JSON in them, only fields are replaced, and every other brace stays as it is.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        parts = []
    named = [part for part in parts if part[1] is not None]
    if named and all(name in names and not form and not conversion for _, name, form, conversion in named):
        return [(literal, name) for literal, name, _, _ in parts]
    if not names:
        return [(text, None)]
    pattern = re.compile(rf"(?<!\{{)\{{({'|'.join(map(re.escape, names))})\}}(?!\}})")
    pieces = pattern.split(text)
    return list(zip(pieces[::2], [*pieces[1::2], None], strict=True))


def _listed(names: Sequence[str]) -> str:
    noun = "field" if len(names) == 1 else "fields"
    return f"the {noun} {', '.join(f'{{{name}}}' for name in names)}" if names else "no fields"


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:59]}…")

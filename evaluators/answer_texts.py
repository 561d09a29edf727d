"""Free text: exact after case, blanks, list signs and closing signs are evened out; and texts found by a pattern."""

import re
import unicodedata
from dataclasses import dataclass

from evaluators.answer_markers import Marked, evened, marked, unwrapped
from evaluators.task_types import Example

_ITEM = re.compile(r"^\s{0,8}(?:\d{1,3}[.)](?:\s+|(?=[^\W\d]))|[-*•]\s+)(?=\S)")
_WORDS = re.compile(r"\s*[^\s.:!?,;]+(?:\s[^\s.:!?,;]+){0,2}\s*")
_LOOKS_BACK = re.compile(
    r"(?:this|these|that)\s+(?:is|are)\s+the\b[^:]*\b(?:list|order|sequence|result|answer)s?\b[^:]*", re.I
)
_FENCE = re.compile(r"^\s*```\w*\s*$")
_QUOTED = re.compile(r"[\s:]*(?:\*\*([^*\n]+)\*\*|`([^`\n]+)`|\"([^\"\n]+)\"|\$([^$\n]+)\$)")
_SENTENCE_END = re.compile(r"(?<=[\w\])}>'\"`*])[.!?](?=\s+[A-Z]|\s*$)")
_BRACKETS = re.compile(r"[\[\](){}<>\s]+")
_SEPARATOR = re.compile(r"\s*[,;]\s+(?:and\s+)?|\s+")
_SUBJECT = re.compile(r"(?:so|thus|therefore|hence|the|this|it)\b.*\b(?:is|are)\s+(?=\S)", re.IGNORECASE)
_QUOTES = "\"'`*_$"
_MARKS = "\"'`"


@dataclass(frozen=True, slots=True)
class TextKind:
    """Answers are texts or sequences of words or brackets: equal when the same after `normal`."""

    name: str = "text"

    def gold(self, example: Example) -> str | None:
        """Return the gold answer in its normal form, None where nothing is left of it."""
        return normal(example.gold) or None

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return what stands at the last marker, and the marker's name."""
        del example
        for passage in marked(text):
            found = _said(passage)
            if found:
                return found, passage.how
        return None, ""

    def lenient(self, text: str, example: Example) -> str | None:
        """Return the last block of list items, else the last line, after "The ... is" or a colon where it has one.

        Items are numbered or have a sign before them, or are lines of a few words under one that ends with a colon. A
        last line that only says what stood above it ("This is the sorted list.") is passed over.
        """
        del example
        lines = [line for line in text.splitlines() if line.strip() and not _FENCE.match(line)]
        if len(lines) > 1 and _LOOKS_BACK.fullmatch(lines[-1].strip()):
            lines.pop()
        block: list[str] = []
        while lines and _ITEM.match(lines[-1]):
            block.insert(0, _ITEM.sub("", lines.pop()))
        block = block or _lines_of_words(lines)
        if len(block) > 1:
            return normal(" ".join(block)) or None
        last = block[0] if block else lines[-1] if lines else ""
        last = _SUBJECT.sub("", last.strip(), count=1) if _SUBJECT.match(last.strip()) else last
        head, colon, tail = last.rpartition(": ")
        return normal(tail if colon and head and tail.strip(_QUOTES + ". ") else last) or None

    def first(self, text: str, example: Example) -> str | None:
        """Return None: nothing tells an answer from other words."""
        del text, example

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return None: nothing tells an answer from other words."""
        del sentence, example

    def same(self, value: str, gold: str) -> bool:
        """Say whether the normal forms are the same."""
        return value == gold


@dataclass(frozen=True, slots=True)
class PatternKind:
    """The answer is what a regular expression finds last: its first group that matched, else the whole match."""

    pattern: str
    name: str = "regex"

    def gold(self, example: Example) -> str | None:
        """Return what the pattern finds in the gold answer, else the gold answer itself, in its normal form."""
        return self._last(example.gold) or normal(example.gold) or None

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return what the pattern finds last."""
        del example
        return self._last(text), "pattern"

    def lenient(self, text: str, example: Example) -> str | None:
        """Return None: a pattern leaves nothing to guess."""
        del text, example

    def first(self, text: str, example: Example) -> str | None:
        """Return None: a pattern leaves nothing to guess."""
        del text, example

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return None: nothing tells an answer from other words."""
        del sentence, example

    def same(self, value: str, gold: str) -> bool:
        """Say whether the normal forms are the same."""
        return value == gold

    def _last(self, text: str) -> str | None:
        found = None
        for match in re.finditer(self.pattern, text):
            found = next((group for group in match.groups() if group is not None), match[0])
        return normal(found) or None if found else None


def normal(text: str) -> str:
    """Return the one form of texts that count as the same answer.

    Case, blanks, separating commas, quotes around the whole and around its words, and a full stop at the end do not
    matter; between brackets, blanks do not matter either.
    """
    text = unicodedata.normalize("NFC", evened(text)).casefold().strip()
    for _ in range(3):  # a full stop within quotes within a full stop
        text = text.strip(_QUOTES + " \t\n")
        text = text[:-1] if text[-1:] in {".", ",", ";", "!", ":"} else text
    if _BRACKETS.fullmatch(text):
        return "".join(text.split())
    parts = _SEPARATOR.split(text)
    return " ".join(part.strip(_MARKS) or part for part in parts).strip()


def _lines_of_words(lines: list[str]) -> list[str]:
    """Return the lines of a few words each at the end, if one that ends with a colon leads to them."""
    first = next((i + 1 for i in reversed(range(len(lines))) if not _WORDS.fullmatch(lines[i])), len(lines))
    return lines[first:] if first > 0 and lines[first - 1].rstrip().endswith(":") else []


def _said(passage: Marked) -> str:
    if passage.ends:
        quoted = list(_QUOTED.finditer(passage.text))
        return normal(next(group for group in quoted[-1].groups() if group) if quoted else passage.text)
    if passage.how in ("boxed", "tag"):
        return normal(unwrapped(passage.text))
    lines = [line for line in passage.text.splitlines() if line.strip(_QUOTES + " :") and not _FENCE.match(line)]
    if not lines:
        return ""
    if _ITEM.match(lines[0]):
        end = next((i for i, line in enumerate(lines) if not _ITEM.match(line)), len(lines))
        return normal(" ".join(_ITEM.sub("", line) for line in lines[:end]))
    quoted = _QUOTED.match(lines[0])
    if quoted:
        return normal(next(group for group in quoted.groups() if group))
    end = _SENTENCE_END.search(lines[0])
    return normal(lines[0][: end.start()] if end else lines[0])

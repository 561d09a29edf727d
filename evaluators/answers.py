r"""From a response to its answer: three readings of it, whether they agree, and whether the answer is right.

The strict reading wants the answer to be marked ("the answer is ...", "#### ...", "\boxed{...}"), the next to be all
that the first line or sentence says; the lenient one takes what was mentioned last. They count in this order; where
two of them differ, a person should look.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from evaluators.answer_booleans import PAIRS, BooleanKind
from evaluators.answer_choices import ChoiceKind
from evaluators.answer_functions import FunctionKind
from evaluators.answer_labels import LabelsKind
from evaluators.answer_markers import evened, first_line, own_part, sentences, tail
from evaluators.answer_numbers import NumberKind
from evaluators.answer_texts import PatternKind, TextKind
from evaluators.task_types import Example
from opro.errors import ConfigError, unknown

__all__ = ["PAIRS", "AnswerKind", "Extraction", "credit", "extract", "is_right", "kind_of", "readable"]

KINDS = ("number", "labels", "choice", "boolean", "text", "regex:PATTERN", "module:function")


_LEADS = re.compile(r"(?:to|let|let's|first|we|sure|here|given)\b", re.IGNORECASE)


class ReadKind(Protocol):
    """How answers of one kind are read and compared; the values are canonical texts."""

    @property
    def name(self) -> str:
        """The kind's name."""
        ...

    def gold(self, example: Example) -> str | None:
        """Return the gold answer's value, None where it is none of this kind."""
        ...

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return the value that the text marks as its answer and the marker's name; (None, "") without one."""
        ...

    def lenient(self, text: str, example: Example) -> str | None:
        """Return the value that the text mentions last."""
        ...

    def first(self, text: str, example: Example) -> str | None:
        """Return the value with which the text begins, if its first line or sentence is nothing but an answer."""
        ...

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return the value that the first sentence of a response gives, if it is an answer in itself."""
        ...

    def same(self, value: str, gold: str) -> bool:
        """Say whether a value answers as the gold value does."""
        ...


AnswerKind = ReadKind | FunctionKind


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was read in a response.

    Attributes:
        kind: how it was read.
        value: the answer in its canonical form; None where none was found.
        how: what found it: "hashes", "boxed", "tag", "marker", "opening", "mention", "pattern", "function"; "" if none.
        strict: what stands at a marker.
        first: the answer that is all the first line or sentence says.
        lenient: what was mentioned last.
        disagreement: whether two of these found something, and not the same, or what was found may be denied.
        credit: what a user's function gave, 0..1; None for all other kinds and where the function failed.
        failure: what a user's function raised; "" when nothing.
    """

    kind: AnswerKind
    value: str | None
    how: str = ""
    strict: str | None = None
    first: str | None = None
    lenient: str | None = None
    disagreement: bool = False
    credit: float | None = None
    failure: str = ""

    @property
    def stated(self) -> str | None:
        """What is said to be the answer, or is all that the beginning says; None where it is only mentioned."""
        return self.first if self.strict is None else self.strict


def kind_of(spec: str, golds: tuple[str, ...] = (), labels: tuple[str, ...] = ()) -> AnswerKind:
    """Return the kind that a setting names: one of `KINDS`; the words of "boolean" are those of the gold answers.

    Those of "labels" are `labels`, or else what the gold answers are.

    Raises:
        ConfigError: no kind has this name, its pattern is none, or the gold answers are not two words.
    """
    if spec.startswith("regex:"):
        return PatternKind(_pattern(spec.removeprefix("regex:")))
    if ":" in spec:
        return FunctionKind.load(spec)
    if spec == "boolean":
        kind = BooleanKind.of(golds)
        if kind is None:
            seen = ", ".join(repr(gold) for gold in sorted(set(golds))[:5])
            raise ConfigError(f"boolean answers are two words, such as yes and no; the gold answers are {seen}")
        return kind
    if spec == "labels":
        return LabelsKind(labels) if labels else LabelsKind.of(golds)
    plain = {"number": NumberKind(), "choice": ChoiceKind(), "text": TextKind()}
    if spec not in plain:
        raise unknown("kind of answer", spec, KINDS)
    return plain[spec]


def readable(kind: AnswerKind, example: Example) -> bool:
    """Say whether the gold answer can be read, so that a response could be right at all."""
    return isinstance(kind, FunctionKind) or kind.gold(example) is not None


def extract(
    response: str, kind: AnswerKind, example: Example, *, complete: bool = True, final: bool = False
) -> Extraction:
    """Return what `response` answers to `example`.

    What answers a prompt for the final answer, `final`, is read as behind a marker, but by a user's pattern.

    What follows a question of the model's own making ("Q: ...") counts only when nothing before it can be read. What a
    response mentions last is no answer where it was cut off before its end, for it was still on its way to one; then
    only a marked answer counts, or one that the first sentence gives.
    """
    if isinstance(kind, FunctionKind):
        said = kind.judged(response, example)
        return Extraction(kind, said.value, "function", credit=said.credit, failure=said.failure)
    own, whole = own_part(response), tail(response)
    found = _read(own, kind, example, final=final)
    if found.value is None and own != whole:
        found = _read(whole, kind, example, final=final)
    elif own != whole:
        complete = True  # it had come to an end, and went on to a question of its own
    if complete or _is_sure(found, _without_last_word(own), example, final=final):
        return found
    opening = _opening(own)
    value = kind.opening(opening, example) if opening else None
    return Extraction(kind, value, "opening" if value else "", lenient=value)


def _is_sure(found: Extraction, shorter: str, example: Example, *, final: bool) -> bool:
    """Say whether the stated answer of a text that was cut off is the same without its last word."""
    if found.stated is None or isinstance(found.kind, FunctionKind):
        return False
    return found.stated == _read(shorter, found.kind, example, final=final).stated


def _without_last_word(text: str) -> str:
    """Return a text that was cut off without its last word, if a part of that may be missing."""
    text = evened(text)
    return text.rpartition(" ")[0] if text[-1:].isalnum() else text


def _opening(text: str) -> str:
    """Return the first sentence of a response that goes on behind it; "" for one that only leads to an answer."""
    text = evened(text).strip()
    first = sentences(first_line(text))[0].strip()
    return "" if _LEADS.match(first) or len(first) == len(text) or not first.endswith((".", "!")) else first


def credit(extraction: Extraction, example: Example) -> float:
    """Return the share of a point that the answer earns, 0..1; only a user's function gives less than all."""
    if isinstance(extraction.kind, FunctionKind):
        return extraction.credit or 0.0
    gold = extraction.kind.gold(example)
    right = extraction.value is not None and gold is not None and extraction.kind.same(extraction.value, gold)
    return 1.0 if right else 0.0


def is_right(extraction: Extraction, example: Example) -> bool:
    """Say whether the answer earns the whole point."""
    return credit(extraction, example) >= 1.0


def _read(text: str, kind: ReadKind, example: Example, *, final: bool) -> Extraction:
    is_pattern = isinstance(kind, PatternKind)
    text = text if is_pattern else evened(text)
    strict, how = kind.strict(f"The answer is {text}" if final and text.strip() and not is_pattern else text, example)
    first, lenient = kind.first(text, example), kind.lenient(text, example)
    readings = [(strict, how), (first, "opening"), (lenient, "mention")]
    value, how = next(((value, how) for value, how in readings if value is not None), (None, ""))
    differ = len({value for value, _ in readings} - {None}) > 1 or (isinstance(kind, BooleanKind) and kind.doubts(text))
    return Extraction(kind, value, how, strict, first, lenient, differ)


def _pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"regex:{pattern} is no regular expression: {error}") from error
    if not pattern:
        raise ConfigError("regex: needs a pattern, as in regex:Final: (\\w+)")
    return pattern

"""What a table of the user's own does not say: which columns are read, how answers are read, how rows are divided."""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from evaluators.answer_booleans import PAIRS
from opro.errors import ConfigError
from opro.paired import accuracy
from opro.texts import counted

QUESTIONS = (
    *("question", "input", "text", "prompt", "review", "sentence", "query", "message", "comment", "content"),
    *("document", "utterance", "problem", "body", "tweet", "email", "instruction", "context", "title"),
)
"""Names of columns that hold questions, the likeliest first."""

ANSWERS = (
    *("answer", "label", "target", "output", "class", "category", "sentiment", "intent", "gold", "expected"),
    *("ground_truth", "response", "completion", "solution", "result", "rating", "topic", "y"),
)
"""Names of columns that hold answers, the likeliest first."""

OPTIONS = ("choices", "options")

_ONLY_COUNTS = ("", "id", "idx", "index", "no", "nr", "row", "unnamed: 0")
_CLASSES = frozenset(
    (
        *("label", "labels", "class", "classes", "category", "categories", "sentiment", "intent", "topic", "emotion"),
        *("label_text", "label_name", "class_name", "mood", "tag", "department", "language", "genre", "stance"),
    )
)
"""Names of columns that say that their values are labels."""

_NUMBER = re.compile(r"[\s$€£]*[-+]?\d[\d,. ]*(?:/\d+)?\s*%?")
_MOST_LABELS = 20
_LONGEST_LABEL = 40  # characters
LEAST_TEST = 6
"""Test examples without which no difference is significant, were each of them won: 2 / 2 ** 6 < 0.05."""

_FEW_TEST = 50
_FEW_TRAIN = 10
_SCALE = 10  # numbers in a column called "label", at most, that are names of classes


def guessed_columns(columns: Sequence[str], question: str, answer: str, written: Sequence[str] = ()) -> tuple[str, str]:
    """Return the columns of questions and answers: those that are given, else those whose names say so.

    Where no name does, the answer or the question is the only other column, not counting one that numbers the rows.
    What a prompt or a template writes out, `written`, needs no column of questions.

    Raises:
        ConfigError: they cannot be told; the message lists the columns.
    """
    rest = [name for name in columns if name.strip().casefold() not in _ONLY_COUNTS]
    found_answer = answer or _by_name(ANSWERS, rest, but=question)
    found_question = question or _by_name(QUESTIONS, rest, but=found_answer)
    if not found_answer:
        found_answer = _only([name for name in rest if name not in (written or (found_question,))])
    if not found_question:
        found_question = _only([name for name in rest if name != found_answer])
    if not (found_answer and (found_question or written)):
        raise ConfigError(
            f"which column has the questions, and which the answers? Type --set question=COLUMN --set answer=COLUMN; "
            f"the columns are {', '.join(map(repr, columns))}"
        )
    return found_question, found_answer


def option_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the options of a multiple choice: one called "choices" or "options", or A, B, C, ..."""
    names = {name.casefold(): name for name in reversed(columns)}
    if one := next((names[name] for name in OPTIONS if name in names), None):
        return (one,)
    letters = [names[letter] for letter in "abcdefgh" if letter in names]
    return tuple(letters) if {"a", "b"} <= names.keys() else ()


def guessed_kind(golds: Sequence[str], column: str, *, options: bool) -> str:
    """Return how answers are read, from the right answers and the name of their column.

    Letters, places and texts of options are a choice. Two words that affirm and deny are a boolean. Numbers are
    numbers, but for the few of a column that is called "label" or the like. A few short answers that come again and
    again are labels, and so is any number of them in a column that is called so; all others are texts.
    """
    if options:
        return "choice"
    counted = _counted(golds)
    if any(counted.keys() <= {*pair} for pair in PAIRS):
        return "boolean"
    named = _is_of_labels(column)
    numbers = sum(_NUMBER.fullmatch(gold) is not None for gold in golds)
    if numbers >= 0.95 * len(golds) and not (named and len(counted) <= _SCALE):
        return "number"
    few = 2 <= len(counted) <= min(_MOST_LABELS, len(golds) // 2)
    short = few and max(map(len, counted)) <= _LONGEST_LABEL
    return "labels" if short or (named and _repeat(counted)) else "text"


def remarks_on_answers(golds: Sequence[str], column: str, kind: str, *, guessed: bool) -> list[str]:
    """Return what is odd in right answers: all the same, or taken for texts in a column that is called "label"."""
    counted = _counted(golds)
    if len(counted) == 1 and len(golds) > 1:
        said = "a prompt that always says it is always right"
        return [f"there is a single label: every right answer is {golds[0]!r:.60}, and {said}"]
    if not (guessed and kind == "text" and _is_of_labels(column)):
        return []
    return [
        f"the column {column!r} was taken for texts, not for labels, as its values hardly repeat: {len(counted):,} in"
        f" {len(golds):,} rows; if they are labels: --set kind=labels"
    ]


def _counted(golds: Sequence[str]) -> Counter[str]:
    return Counter(" ".join(gold.casefold().split()) for gold in golds)


def _is_of_labels(column: str) -> bool:
    """Say whether the name of a column says that its values are labels."""
    return column.strip().casefold().replace(" ", "_") in _CLASSES


def _repeat(counted: Counter[str]) -> bool:
    """Say whether at least half of the rows have a value that other rows have, too, and there are several values."""
    return len(counted) > 1 and 2 * sum(n for n in counted.values() if n > 1) >= counted.total()


def training_rows(n: int) -> int:
    """Return how many of n rows are for training: half of up to 100, then 50, and a fifth where that is more."""
    return max(min(n // 2, 50), n // 5)


def honest_sizes(train: int, test: int) -> list[str]:
    """Return what so few training and test examples cannot show."""
    said: list[str] = []
    if 0 < train < _FEW_TRAIN:
        tell = "example tells" if train == 1 else "examples tell"
        said.append(f"{train} training {tell} prompts apart in steps of {100 / train:.0f} points, and much by luck")
    if test < LEAST_TEST:
        examples = counted(test, "test example")
        said.append(f"{examples} can show no difference at all: at least {LEAST_TEST} are needed, all won")
    elif test < _FEW_TEST:
        half = accuracy([1.0] * (test // 2) + [0.0] * (test - test // 2))
        points = 50 * (half.high - half.low)
        said.append(
            f"with {test} test examples an accuracy is known to about ±{points:.0f} points: small gains cannot be shown"
        )
    return said


def nearest(name: str, names: Sequence[str], usual: Sequence[str] = ()) -> str:
    """Return "; did you mean ...?" for a name that is nearly one of those there are, else nothing.

    Where none is near, one that is among the `usual` names of such a column may be meant.
    """
    folded = {one.casefold(): one for one in names}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    meant = folded[near[0]] if near else _by_name(usual, names, but="")
    return f"; did you mean {meant!r}?" if meant else ""


def _by_name(wanted: Sequence[str], columns: Sequence[str], *, but: str) -> str:
    folded = {name.strip().casefold().replace(" ", "_"): name for name in reversed(columns) if name != but}
    return next((folded[name] for name in wanted if name in folded), "")


def _only(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else ""

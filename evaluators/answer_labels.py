"""Answers that are one of several labels, such as "positive" and "very positive", as models write them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from evaluators.answer_booleans import stands_alone
from evaluators.answer_markers import evened, first_line, marked, sentences, unwrapped
from evaluators.task_types import Example
from opro.errors import ConfigError

_SIGNS = re.compile(r"[\W_]+")
_COMMON = frozenset(("no", "none", "other", "others", "yes", "it", "not", "all", "any", "some", "can", "may", "who"))
_SHORT = 2  # letters of a label that other words and numbers may be, too
_NAMED = re.compile(r"(?:\s*[\"'*`{]*[\w /-]{1,40}[\"'*`]*\s*[:=])\s*(.+)")
_GOES_ON = re.compile(r"[\"'*_`)\]}]*\s*(?:$|[.,;:!()\n]|-\s|\b(?:because|since|as|for)\b)", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|hardly|cannot|without|isn't|aren't|wasn't|doesn't|don't|far\s+from|anything\s+but"
    r"|rather\s+than|instead\s+of|as\s+opposed\s+to)|n't)"
    r"(?:\s+(?:\w+ly|an?|the|be|been|at|all|very|quite|really|so|considered|called|labell?ed(?:\s+as)?|as|in)){0,4}"
    r"\s+[\"'*_`(]*$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\"'*_`)\s]*(?:,|/|\||\bn?or\b|,\s*n?or\b)[\"'*_`(\s]*(?:an?\s+|the\s+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LabelsKind:
    """Answers are one of several labels; case, blanks and signs do not matter where the labels differ without them.

    A label that another one contains is not found in it, and one that is denied ("not positive") is not said; of two
    labels, denying one says the other.
    """

    labels: tuple[str, ...]
    name: str = "labels"
    _values: dict[str, str] = field(init=False, repr=False, compare=False)
    _mention: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _strong: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise ConfigError(f"at least two labels are needed, not {', '.join(map(repr, self.labels)) or 'none'}")
        plain = {_even(label) for label in self.labels}
        strong = len({_bare(label) for label in self.labels}) == len(plain)
        values = {(_bare if strong else _even)(label): label for label in reversed(self.labels)}
        if len(values) < len(self.labels) or "" in values:
            raise ConfigError(f"labels differ in more than case and blanks, and are not empty: {list(self.labels)}")
        object.__setattr__(self, "_strong", strong)
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_mention", _pattern(values, strong=strong))

    @classmethod
    def of(cls, golds: Sequence[str]) -> "LabelsKind":
        """Return the kind whose labels are the gold answers there are, each in its most frequent spelling.

        Raises:
            ConfigError: there are fewer than two.
        """
        spellings: dict[str, Counter[str]] = {}
        for gold in golds:
            if gold.strip():
                spellings.setdefault(_even(gold), Counter())[gold.strip()] += 1
        return cls(tuple(sorted(counted.most_common(1)[0][0] for counted in spellings.values())))

    def gold(self, example: Example) -> str | None:
        """Return the gold answer's label, None where it is none of them."""
        return self._whole(example.gold)

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return the label that is the whole text, else the one at the last marker that has one, and what marks it."""
        del example
        if whole := self._whole(text):
            return whole, "opening"
        for passage in marked(text):
            said = passage.text if passage.ends else first_line(unwrapped(passage.text))
            if found := self._whole(said) or (None if passage.ends else self._leading(said)):
                return found, passage.how
            if mentions := self._mentions(said if passage.ends else sentences(said)[0]):
                return mentions[-1 if passage.ends else 0], passage.how
        return None, ""

    def lenient(self, text: str, example: Example) -> str | None:
        """Return the label that is mentioned last and not denied; "positive or negative" says neither."""
        del example
        steps = [step for line in unwrapped(text).splitlines() for step in sentences(line)]
        return next((found[-1] for step in reversed(steps) if (found := self._mentions(step))), None)

    def first(self, text: str, example: Example) -> str | None:
        """Return the label that is all of the first line or sentence, perhaps behind a name ("Sentiment: ...")."""
        del example
        line = first_line(unwrapped(text))
        named = _NAMED.fullmatch(line)
        parts = (line, named[1]) if named else (line,)
        return next((found for part in parts if (found := self._whole(part) or self._leading(part))), None)

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return the one label that the sentence says."""
        del example
        found = set(self._mentions(sentence))
        return found.pop() if len(found) == 1 else None

    def same(self, value: str, gold: str) -> bool:
        """Say whether it is the same label."""
        return value == gold

    def _whole(self, text: str) -> str | None:
        """Return the label that the whole text is."""
        return self._values.get(_even(text)) or self._values.get(_bare(text) if self._strong else _stripped(text))

    def _leading(self, line: str) -> str | None:
        """Return the label with which a line begins, if the label's clause ends there."""
        found = self._mention.match(line.lstrip(" \t\"'*_`([{$-"))
        return self._label(found[0]) if found and _GOES_ON.match(found.string, found.end()) else None

    def _label(self, mention: str) -> str | None:
        return self._values.get(_bare(mention) if self._strong else _even(mention))

    def _mentions(self, sentence: str) -> list[str]:
        """Return the labels that a sentence says, in order."""
        found = list(self._mention.finditer(sentence))
        joined = {
            place
            for place, (one, other) in enumerate(pairwise(found))
            if _BETWEEN.fullmatch(sentence, one.end(), other.start())
        }
        said: list[str] = []
        for place, mention in enumerate(found):
            label = self._label(mention[0])
            if label is None or place in joined or place - 1 in joined or not _is_meant(sentence, mention):
                continue
            if not _DENIED.search(sentence[max(0, mention.start() - 60) : mention.start()]):
                said.append(label)
            elif len(self.labels) == 2:
                said.append(self.labels[1 - self.labels.index(label)])
        return said


def _is_meant(sentence: str, mention: re.Match[str]) -> bool:
    """Say whether a short or very common word stands as an answer, and is no article, particle or part of a number."""
    word = mention[0].casefold()
    return (len(word) > _SHORT and word not in _COMMON) or stands_alone(sentence, mention)


def _pattern(values: Iterable[str], *, strong: bool) -> re.Pattern[str]:
    """Return what finds mentions of labels, the longest first, as whole words."""
    written = sorted(values, key=len, reverse=True)
    spelled = [r"[\W_]{1,3}".join(map(re.escape, one.split())) if strong else re.escape(one) for one in written]
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(spelled)})(?![^\W_])", re.IGNORECASE)


def _even(text: str) -> str:
    """Return a text with case, blanks and the kinds of its signs evened out."""
    return " ".join(unicodedata.normalize("NFC", evened(text)).casefold().split())


def _stripped(text: str) -> str:
    return _even(text).strip("\"'`*.!: ")


def _bare(text: str) -> str:
    """Return the words of a text; the text itself where it has none, as "+" and "-" have none."""
    even = _even(text)
    return " ".join(_SIGNS.sub(" ", even).split()) or even

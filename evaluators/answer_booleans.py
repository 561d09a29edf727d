"""Answers of two words, such as yes and no: whole words only, with their denials ("not valid" is invalid)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from evaluators.answer_markers import evened, first_line, marked, sentences, unwrapped
from evaluators.task_types import Example

PAIRS = (("yes", "no"), ("true", "false"), ("valid", "invalid"), ("plausible", "implausible"))
_SPLIT_PAIR = re.compile(r"\b(\w+)(?:\s+n?or\s+(?:not\s+)?|\s?/\s?)(\w+)\b", re.IGNORECASE)
_LIGHT = (
    r"(?:\w+ly|an?|the|be|been|to|in|fact|at|all|very|quite|even|as|appear|seem|look|deemed|considered|called|judged)"
)
_DENIED = re.compile(
    rf"""
    (?:\b(?:not|never|cannot|neither|nor|no(?!,)|hardly|fails?[ ]to|far[ ]from|anything[ ]but)
      |n't|\b(?:rather[ ]than|instead[ ]of|as[ ]opposed[ ]to))
    (?:,?\s+{_LIGHT}\b,?){{0,6}}\s+[\"'*_]{{0,3}}$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DENIED_FAR = re.compile(
    r"(?:n't|\bcannot|\bnever|\b(?:is|are|was|were|do|does|did|can|could|should|would|may|might|must)\s+not)\b"
    r"(?P<gap>[^.,;:!?()\n]*)$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\b(?:and|or|but|so|because|since|as|thus|hence|therefore|if|while|whereas|although|though|which|yet)\b", re.I
)
_MARKS = r"[\"'*_`(\[]"
_STANDS_AFTER = re.compile(
    rf"(?:^(?:\s*[-*]\s+)?|\n\s*[-*]\s+|[.!?:;,=\n>*{{]\s*|\b(?:is|be|answer|say|says|or|thus|so|therefore)\s+){_MARKS}*$",
    re.I,
)
_STANDS_BEFORE = re.compile(
    r"(?:[\s\"'*_`)\]]*(?:[.,;:!?\n<。、-]|$)|\s*[\"'*_`)\]]|\s+(?:because|since|as|it|they|he|she|this|that|the|there|but|"
    r"I|in|for)\b)",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"\W*(?:not\s+)?\w+[\"'*_`)\]}$]*(?=\s*$|[.,;:!。](?!\s*\d)|\s+(?:-\s|because\b|since\b|as\b))", re.IGNORECASE
)
_CONCLUDES = re.compile(r"(?:^|\b(?:is|are|be|to|equals|yes,|no,))[\s\"'`*:]*\w+[\"'`*.!\s]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BooleanKind:
    """Answers are one of two words, the affirmative first; yes/true/valid/plausible stand for each other."""

    pair: tuple[str, str] = ("yes", "no")
    name: str = "boolean"

    @classmethod
    def of(cls, golds: Iterable[str]) -> "BooleanKind | None":
        """Return the kind whose pair the gold answers form, or None; "0" and "1" are false and true."""
        words = {_word(gold) for gold in golds}
        known = next((pair for pair in PAIRS if words <= set(pair)), None)
        if known is None and len(words) == 2 and all(words):
            low, high = sorted(words)
            known = (low, high)
        return cls(known) if known else None

    def gold(self, example: Example) -> str | None:
        """Return the gold word, None where it is not of the pair."""
        word = _word(example.gold)
        return word if word in self.pair else None

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return the word at the last marker that has one, and the marker's name."""
        del example
        for passage in marked(text):
            sentence = passage.text if passage.ends else sentences(first_line(passage.text))[0]
            said = self._said(sentence)
            if said:
                return said[-1 if passage.ends else 0], passage.how
        return None, ""

    def lenient(self, text: str, example: Example) -> str | None:
        """Return the last mention of the pair, a bare "no" only where it stands as an answer; else of another pair."""
        del example
        said = self._said(text)
        return said[-1] if said else None

    def first(self, text: str, example: Example) -> str | None:
        """Return the word, or its denial, that is all of the first line or sentence, or stands before a sign in it."""
        del example
        start = _FIRST.match(first_line(unwrapped(text)))
        said = self._said(start[0]) if start else []
        return said[0] if said else None

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return the word in which the sentence ends, where it says that something is so, or comes to it."""
        return self.lenient(sentence, example) if _CONCLUDES.search(sentence) else None

    def same(self, value: str, gold: str) -> bool:
        """Say whether it is the same word."""
        return value == gold

    def doubts(self, text: str) -> bool:
        """Say whether the last mention is denied from afar, so that a person might take it for the other word."""
        mentions = self._mentions(text)
        return bool(mentions) and mentions[-1].far

    def _said(self, text: str) -> list[str]:
        """Return the words of the pair that the text says, in order."""
        return [self.pair[mention.side] for mention in self._mentions(text)]

    def _mentions(self, text: str) -> list["_Mention"]:
        """Return the mentions of the pair, in order; without them, those of the known pairs."""
        text = unwrapped(text)
        own = _spoken(text, self.pair)
        if own or self.pair not in PAIRS:
            return own
        return sorted(spoken for pair in PAIRS if pair != self.pair for spoken in _spoken(text, pair))


def _word(gold: str) -> str:
    word = evened(gold).strip().strip(".\"'").casefold()
    return {"0": "false", "1": "true"}.get(word, word)


class _Mention(NamedTuple):
    position: int
    side: int
    far: bool = False


def _is_operand(text: str, found: re.Match[str], words: str) -> bool:
    """Say whether a word is a part of an expression, as both are in "not True and False"."""
    before = re.search(
        rf"\b(?:{words})[\s)`]{{0,4}}\b(?:and|or)\s+(?:not\s+){{0,9}}[(`\s]{{0,4}}$",
        text[max(0, found.start() - 60) : found.start()],
        re.IGNORECASE,
    )
    after = re.compile(rf"[\s)`]{{0,8}}\b(?:and|or)\b[(`\s]{{0,4}}(?:$|\b(?:not|{words})\b)", re.IGNORECASE)
    return before is not None or after.match(text, found.end()) is not None


def _spoken(text: str, pair: tuple[str, str]) -> list[_Mention]:
    """Return each mention of the pair; a denied word counts as the other side."""
    words = "|".join(map(re.escape, sorted(pair, key=len, reverse=True)))
    text = _SPLIT_PAIR.sub(lambda found: _blank(found, pair), text)
    spoken: list[_Mention] = []
    for found in re.finditer(rf"(?<![\w-])(?:{words})(?![\w-]|'\w)", text, re.IGNORECASE):
        if _is_operand(text, found, words):
            continue
        side = pair.index(found[0].casefold())
        before = text[max(0, found.start() - 80) : found.start()]
        if pair == ("yes", "no"):
            if stands_alone(text, found):
                spoken.append(_Mention(found.start(), side))
            continue
        near = _DENIED.search(before) is not None
        far = not near and _denied_far(before, words)
        spoken.append(_Mention(found.start(), 1 - side if near or far else side, far))
    return spoken


def stands_alone(text: str, found: re.Match[str]) -> bool:
    """Say whether a word stands as an answer, and not as an ordinary word of a sentence."""
    before = text[max(0, found.start() - 80) : found.start()]
    return _STANDS_AFTER.search(before) is not None and _STANDS_BEFORE.match(text, found.end()) is not None


def _denied_far(before: str, words: str) -> bool:
    """Say whether a verb is denied earlier in the clause, with none of the words between."""
    found = _DENIED_FAR.search(before)
    return (
        found is not None
        and not _CLAUSE.search(found["gap"])
        and not re.search(rf"\b(?:{words})\b", found["gap"], re.I)
    )


def _blank(found: re.Match[str], pair: tuple[str, str]) -> str:
    """Take out "valid or invalid": it asks, and does not answer."""
    both = {found[1].casefold(), found[2].casefold()}
    return " " * len(found[0]) if both == set(pair) else found[0]

"""Numbers in words: "seventy", "forty-two", "one hundred and five thousand", "two and a half"."""

import re
from dataclasses import dataclass
from fractions import Fraction

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNITS = {word: number for number, word in enumerate(_ONES)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_GROUPS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WORD = "|".join(sorted((*_UNITS, "hundred", *_GROUPS), key=len, reverse=True))
_PHRASE = re.compile(
    rf"(?<![\w-])(?:(?P<minus>minus|negative)\s+)?(?:(?P<a>a)\s+(?=hundred|thousand|million|billion|trillion))?"
    rf"(?P<words>(?:{_WORD})(?:(?:[\s-]|\s+and\s+)(?:{_WORD}))*)(?P<half>\s+and\s+(?:a|one)[\s-]half)?(?![\w])",
    re.IGNORECASE,
)
_FRACTION_AFTER = re.compile(
    r"[\s-](?:hal(?:f|ves)|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?)\b", re.I
)
_COMPOUND_AFTER = re.compile(r"-\w")
_DIGIT_BEFORE = re.compile(r"\d[ ]?$")
_PRONOUN_BEFORE = re.compile(
    r"\b(?:no|this|that|the|which|each|every|any|another|some|last|first|next|other|only|correct|right|wrong)\s+$", re.I
)
_PRONOUN_AFTER = re.compile(
    r"\s+(?:of|another|by|can|could|must|should|has\s+to|would|might|may|who|that|which)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A number that a text mentions, and where: text[start:end]."""

    value: Fraction
    start: int
    end: int


def word_mentions(text: str) -> list[Mention]:
    """Return the numbers in words; neither ordinals ("twenty-first"), nor thirds, nor "one" as a pronoun."""
    found: list[Mention] = []
    for phrase in _PHRASE.finditer(text):
        value = _value(phrase["words"].lower())
        if value is None or not _stands_alone(text, phrase):
            continue
        value += Fraction(1, 2) if phrase["half"] else 0
        found.append(Mention(-value if phrase["minus"] else value, phrase.start(), phrase.end()))
    return found


def _stands_alone(text: str, phrase: re.Match[str]) -> bool:
    before = text[max(0, phrase.start() - 16) : phrase.start()]
    if _DIGIT_BEFORE.search(before) or _FRACTION_AFTER.match(text, phrase.end()):
        return False
    if _COMPOUND_AFTER.match(text, phrase.end()):
        return False
    pronoun = _PRONOUN_BEFORE.search(before) or _PRONOUN_AFTER.match(text, phrase.end())
    return not (phrase[0].lower() == "one" and pronoun)


def _value(words: str) -> Fraction | None:
    """Return the value of number words, None where they do not form one number ("two three")."""
    total = group = 0
    room = 10**15
    last = 10**3
    for word in re.split(r"[\s-]+", words):
        if word == "and":
            continue
        if word in _GROUPS:
            if _GROUPS[word] >= room:
                return None
            room = _GROUPS[word]
            total, group, last = total + (group or 1) * room, 0, 10**3
        elif word == "hundred":
            if last != 10**3 and (last > 99 or group > 99):
                return None
            group, last = (group or 1) * 100, 100
        else:
            unit = _UNITS[word]
            if (last < 20 and last != 10**3) or (20 <= last < 100 and not 0 < unit < 10):
                return None
            group, last = group + unit, unit
    return Fraction(total + group)

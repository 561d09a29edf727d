"""Numbers in running text: read exactly, as fractions, and never in part ("seventy" is not seven, 12.5 is not 12)."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from evaluators.answer_markers import Marked, affirmed, evened, first_line, marked, sentences
from evaluators.answer_words import Mention, word_mentions
from evaluators.task_types import Example

_GAP = " \u00a0\u202f\u2009"
_INTEGER = rf"(?:\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}(?!,?\d)|[1-9]\d{{0,2}}(?:[{_GAP}]\d{{3}})+(?!\d)|\d+)"
_DECIMAL = rf"(?:{_INTEGER}(?:\.\d+)?|(?<!\d)\.\d+)"
_NOTHING_ELSE = r"(?![\d/])"
_TOKEN = re.compile(
    rf"""
    (?=\.?\d)(?:
    (?P<mantissa>{_DECIMAL})\s?(?:[x*]|\\times)\s?10\s?\^\s?\{{?(?P<power>-?\d{{1,2}})\}}?(?!\d)
  | (?P<european>\d{{1,3}}(?:\.\d{{3}})+,\d{{1,2}}|\d{{1,3}}(?:\.\d{{3}}){{2,}}){_NOTHING_ELSE}
  | (?P<no_number>
        (?!{_INTEGER}(?![\d,]))\d+(?:,\d+)+                        # lists, decimal commas
      | \d+(?:[-:]\d+)+ | \d+(?:/\d+){{2,}} | \d+(?:\.\d+){{2,}}  # ranges, times, ratios, dates, versions
      | {_DECIMAL}\s?(?:\^|\*\*)\s?\{{?-?[\w.]+\}}?             # powers
      | {_DECIMAL}[⁰¹²³⁴-⁹]+
      | {_DECIMAL}(?:st|nd|rd|th)\b                              # ordinals
      | {_DECIMAL}-[^\W\d_][\w-]*                             # "20-year-old"
    )
  | (?P<whole>\d{{1,9}})(?:[{_GAP}]|[ ]and[ ])(?P<part>\d{{1,9}}/\d{{1,9}}){_NOTHING_ELSE}
  | (?P<over>{_DECIMAL})/(?P<under>{_DECIMAL}){_NOTHING_ELSE}
  | (?P<plain>{_DECIMAL})(?:e(?P<exponent>[-+]?\d{{1,2}})\b)?(?:(?P<kilo>[kK])\b)?
    )""",
    re.VERBOSE,
)
_SCALE = re.compile(r"\s?(hundred|thousand|million|billion|trillion)\b", re.IGNORECASE)
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_CURRENCY = r"(?:(?:US|AU|A|C|R|S|HK|NZ)?\$|[€£¥₹₽₩]|\b(?:USD|EUR|GBP|INR|CHF|RM|Rs\.?))"
_LEFT = re.compile(rf"(?P<minus>-[ ]?)?[(\[]?(?:{_CURRENCY}\s?(?P<inner>-)?)?$")
_NEGATIVE_WORD = re.compile(r"(?:^|[^\d\s)]\s+|[=:(]\s*)(?:negative|minus)\s+$", re.IGNORECASE)
_OPERATOR_BEFORE = re.compile(r"[\w)\]%°\"'$][ \t]*(?:[-+*÷·⋅^/]|\bx)[ \t]*[(\[$]*$")
_OPERATOR_AFTER = re.compile(r"[)\]%$]*[ \t]*(?:[+÷·⋅^]|\*(?!\*)|/\s?[(\d$]|-\s?[(\d$\\]|x\s?[(\d$])")
_SUM_AFTER = re.compile(r"[^=.;\n]{0,60}?[+*÷·⋅-][^=;\n]{0,80}=")
_RATE_BEFORE = re.compile(r"(?:\bper|\bevery|\beach|\bout\s+of)\s+[$€£]?$", re.IGNORECASE)
_LABEL_BEFORE = re.compile(r"\b(?:step|question|problem|part|case|equation|example|figure|option|number)\s+#?$", re.I)
_NOT_BEFORE = re.compile(r"\b(?:not|isn't|aren't|never)\s+[$€£]?$", re.IGNORECASE)
_ITEM_AFTER = re.compile(r"[.)](?:[ \t]+\S|\*\*)")
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s)")
_EQUAL_BEFORE = re.compile(r"=[\s$€£-]*$")
_LONGEST = 60
_ASKED = re.compile(r"\bhow\s+many\s+([a-z]+(?:\s+[a-z]+)?)\s+(?:do\s+(?:i|you)\s+have|are\s+there)\b", re.IGNORECASE)
_COUNT = r"(?:\d+|no|[a-z]+)\s+[a-z]+(?:\s+[a-z]+){0,3}"
_INVENTORY = re.compile(
    rf"(?:there\s+(?:is|are)|(?:i|you)\s+have)\s+(?:a\s+total\s+of\s+)?{_COUNT}(?:(?:,|,?\s+and)\s+{_COUNT}){{0,6}}[.!]?",
    re.IGNORECASE,
)
_SHORT = 200
_LABEL = re.compile(r"(\d{1,3})[.)]")
_UNIT = re.compile(r"(?:\s*%|\s+[^\W\d]+){0,2}[.!]?\W*$")


@dataclass(frozen=True, slots=True)
class NumberKind:
    """Answers are numbers: 1,234.50, $5, 3/4, 2 1/2, 1.5 million, seventy-two; units and percent signs are ignored."""

    name: str = "number"

    def gold(self, example: Example) -> str | None:
        """Return the number of the gold answer; after "####" where that stands in it."""
        _, hashes, tail = example.gold.rpartition("####")
        found = _all_mentions(plain(evened(tail if hashes else example.gold)))
        return canonical(found[0].value) if found else None

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return the number at the last marker that has one, and the marker's name."""
        del example
        for passage in marked(text):
            found = _said(passage)
            if found is not None:
                return canonical(found), passage.how
        return None, ""

    def lenient(self, text: str, example: Example) -> str | None:
        """Return the last number mentioned, one in words only where there is none in digits.

        Of the last sentence with numbers, what follows a "=" comes first, and what stands in parentheses last. An
        answer of one sentence that counts several things gives the count of what is asked for.
        """
        text = plain(text)
        if (asked := _count_of(text, example.question)) is not None:
            return canonical(asked)
        rate = None
        for mention in _backwards(text):
            before = text[max(0, mention.start - 24) : mention.start]
            if _RATE_BEFORE.search(before):
                rate = rate or mention
            elif not _NOT_BEFORE.search(before):
                return canonical(_result(text, mention).value)
        last = rate or next(reversed(word_mentions(text)), None)
        return canonical(last.value) if last else None

    def first(self, text: str, example: Example) -> str | None:
        """Return the number, with a unit at most, that is all of the first line or sentence, where that is no item."""
        del example
        line = plain(first_line(text)[:_SHORT])
        sentence = sentences(line)[0]
        found = _all_mentions(sentence)
        if len(found) != 1 or re.search(r"\w", sentence[: found[0].start]) or _begins_a_list(line, text):
            return None
        rest = sentence[found[0].end :]
        alone = sentence.endswith((".", "!")) or "\n" not in text.strip().partition("\n\n")[0]
        bare = not re.search(r"\w", rest) or (alone and _UNIT.match(rest))
        return canonical(found[0].value) if bare else None

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return how many of what is asked for a sentence counts that lists what there is."""
        found = _count_of(plain(sentence), example.question)
        return None if found is None else canonical(found)

    def same(self, value: str, gold: str) -> bool:
        """Say whether two numbers are equal; a longer decimal may be rounded to a gold answer's two or more decimals.

        What has no finite decimal, such as 1/3, is met by its value rounded to three or more decimals.
        """
        if Fraction(value) == Fraction(gold):
            return True
        places, asked = _places(value), _places(gold)
        if asked is None:
            return places is not None and places >= 3 and round(Fraction(gold), places) == Fraction(value)
        return asked >= 2 and (places is None or places > asked) and round(Fraction(value), asked) == Fraction(gold)


def _begins_a_list(line: str, text: str) -> bool:
    """Say whether the number that a line begins with counts the items of a list: it is 1, or the next one follows."""
    label = _LABEL.match(line)
    return label is not None and (label[1] == "1" or re.search(rf"^{int(label[1]) + 1}[.)]", text, re.M) is not None)


def _count_of(text: str, question: str) -> Fraction | None:
    """Return how many of what the question asks for a sentence counts, one that lists what there is and no more."""
    asked = [*_ASKED.finditer(question)]
    if not asked or len(text) > _SHORT or not _INVENTORY.fullmatch(text.strip()):
        return None
    noun = re.escape(asked[-1][1])
    if re.search(rf"\bno\s+{noun}\b", text, re.IGNORECASE):
        return Fraction(0)
    counted = [m for m in _all_mentions(text) if re.match(rf"\s*{noun}\b", text[m.end :], re.IGNORECASE)]
    return counted[0].value if len(counted) == 1 else None


def mentions(text: str) -> list[Mention]:
    """Return the numbers in digits that `plain` text mentions as values: no operands, ordinals, dates or labels."""
    return list(_backwards(text))[::-1]


def plain(text: str) -> str:
    r"""Return the text without LaTeX and Markdown around numbers: "\frac{3}{4}" becomes "3/4", and "**5**" "5"."""
    text = re.sub(r"\\[dt]?frac\s?\{([^{}]{1,40})\}\s?\{([^{}]{1,40})\}", r" \1/\2", text)
    text = re.sub(r"\\(?:text|mathrm|mathbf|textbf|boxed|fbox)\s?\{([^{}]{0,80})\}", r" \1", text)
    text = re.sub(r"(?<=\d)(?:\{,\}|\\[,!;])(?=\d{3})", ",", text)
    for latex, sign in (
        ("\\times", "*"),
        ("\\cdot", "·"),
        ("\\div", "÷"),
        ("\\%", "%"),
        ("\\$", "$"),
        ("\\approx", "="),
    ):
        text = text.replace(latex, sign)
    text = re.sub(r"\\(?:left|right|[,!;:\[\]() ])", " ", text)
    text = re.sub(r"(?<![\d)])\*\*|\*\*(?![\d(])|__|`|~~", "", text)
    return re.sub(r"(\d?)([¼-¾⅐-⅞])", _vulgar, text)


def canonical(value: Fraction) -> str:
    """Return a number in its one spelling: "12.5", and "1/3" where no decimal is exact."""
    places = _finite(value.denominator)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def _said(passage: Marked) -> Fraction | None:
    """Return the number at the beginning (or the end) of a marked passage."""
    if passage.ends:
        found = _all_mentions(plain(passage.text))
        return found[-1].value if found else None
    sentence = affirmed(sentences(plain(first_line(passage.text)))[0])
    found = _all_mentions(sentence)
    if not found:
        return None
    total = _SUM_AFTER.match(sentence, found[0].end)
    later = [m for m in found if total and m.start >= total.end()]
    return (later or found)[0].value


def _result(text: str, last: Mention) -> Mention:
    """Return the mention that gives the result, in the sentence that ends with `last`."""
    start = max(0, last.start - 200)
    ends = [m.end() for m in _SENTENCE_END.finditer(text, start, last.start)]
    sentence = text[ends[-1] if ends else start : last.end]
    found = mentions(sentence)
    outside = [m for m in found if sentence.count("(", 0, m.start) <= sentence.count(")", 0, m.start)]
    equal = [m for m in outside if _EQUAL_BEFORE.search(sentence, 0, m.start)]
    return (equal or outside or [last])[-1]


def _backwards(text: str) -> Iterator[Mention]:
    """Give the mentions from the last one on: a reader of the last one need not weigh the others."""
    for token in reversed(list(_TOKEN.finditer(text))):
        if not token["no_number"] and (mention := _in_context(text, token)):
            yield mention


def _all_mentions(text: str) -> Sequence[Mention]:
    return sorted([*mentions(text), *word_mentions(text)], key=lambda mention: mention.start)


def _in_context(text: str, token: re.Match[str]) -> Mention | None:
    """Return the mention with its sign and scale; None where what stands around it makes it no value of its own."""
    start, end = token.start(), token.end()
    line = text.rfind("\n", max(0, start - 40), start) + 1 or max(0, start - 40)
    left = text[line:start]
    edge = _LEFT.search(left)
    lead = left[: edge.start()] if edge else left
    if (not edge or not edge[0]) and left[-1:].isalpha():
        return None
    minus = edge is not None and bool(edge["minus"] or edge["inner"])
    if minus and (lead[-1:].isalnum() or lead.rstrip()[-1:].isdigit() or lead.rstrip()[-1:] in set(")]%")):
        return None
    spaced = edge is not None and edge["minus"] is not None and edge["minus"] != edge["minus"].strip()
    if spaced and not lead.rstrip().endswith("="):
        minus = False
    if (
        _LABEL_BEFORE.search(left)
        or _OPERATOR_BEFORE.search(lead if minus else left)
        or _OPERATOR_AFTER.match(text, end)
    ):
        return None
    if not left.strip(" \t*-") and token["plain"] and _ITEM_AFTER.match(text, end):
        return None
    value = _value(token)
    if value is None:
        return None
    scale = _SCALE.match(text, end)
    if scale:
        value, end = value * _SCALES[scale[1].lower()], scale.end()
    negative = minus or _NEGATIVE_WORD.search(left) is not None
    return Mention(-value if negative else value, start, end)


def _value(token: re.Match[str]) -> Fraction | None:
    if len(token[0]) > _LONGEST:
        return None  # no answer, and conversion would take long
    if token["power"]:
        return _number(token["mantissa"]) * Fraction(10) ** int(token["power"])
    if token["european"]:
        return _number(token["european"].replace(".", "").replace(",", "."))
    if token["part"]:
        over, under = token["part"].split("/")
        return _number(token["whole"]) + _number(over) / _number(under) if _number(under) else None
    if token["under"]:
        return _number(token["over"]) / _number(token["under"]) if _number(token["under"]) else None
    value = _number(token["plain"]) * Fraction(10) ** int(token["exponent"] or 0)
    return value * 1000 if token["kilo"] else value


def _number(digits: str) -> Fraction:
    """Return the value of digits of any script, with their thousands separators."""
    return Fraction("".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in digits if c not in "," + _GAP))


def _vulgar(found: re.Match[str]) -> str:
    value = Fraction(unicodedata.numeric(found[2])).limit_denominator(10)
    return f"{found[1]} {value.numerator}/{value.denominator}"


def _finite(denominator: int) -> int | None:
    """Return how many decimals write 1/denominator exactly, or None."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


def _places(number: str) -> int | None:
    return None if "/" in number else len(number.partition(".")[2])

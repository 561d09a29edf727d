r"""Where a response says what its answer is: "the answer is ...", "#### ...", "\boxed{...}", "... is the answer"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_IS = r"(?:is|are|was|would\s+be|will\s+be|must\s+be|should\s+be)\b"
_MARKUP = r"[\"'*_`)\]]{0,4}"
_OPENING = re.compile(
    rf"""
    (?P<hashes>\#{{4,}})
  | (?P<boxed>\\(?:boxed|fbox)[ ]?\{{)
  | (?P<tag><answer>)
  | \banswers?\b{_MARKUP}
    (?:\s*[:=]{_MARKUP}(?:\s+(?:is|are)\b)?
      |(?:\s+(?:to|for|of)\s+[^.\n:]{{1,80}}?)?\s+{_IS}:?{_MARKUP}(?:\s+that\b)?)
  | 答案\s*(?:[:是为為]\s*){{1,2}}
  | \b(?:correct|right|best|final)\s+(?:option|choice|result|value){_MARKUP}(?:\s*:|\s+{_IS}:?){_MARKUP}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = re.compile(
    r"""
    \b(?:is|are)\s+
    (?:the\s+
        (?:(?:\w+\s+){0,2}?(?:answer|choice|option)|(?:correct|right)\s+(?:date|value|number|result|word|sentence))
        \b(?!\s*:|\s+(?:is|are|to)\b)
      |(?:correct|right)\b)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NEXT_QUESTION = re.compile(
    r"\n\s{0,8}(?:\#{1,4}\s{0,2})?(?:\*\*)?(?:Q|Question|Problem)\s{0,2}\d{0,4}\s{0,2}[:.]", re.I
)
_TURN = re.compile(r"<\|(?:im_end|im_start|endoftext|eot_id|end)\|>|</s>|<eos>|<end_of_turn>")
_ONLY_BRACKETS = re.compile(r"[\[\](){}<> ]+(?=\}[\s.$]*$)", re.MULTILINE)
_SENTENCE = re.compile(r"(?<!approx)(?<!\bca)(?<!\bRs)(?<!\bNo)[.!?][\"')*]{0,3}(?=\s|$)|。")
_EVEN = str.maketrans(
    {
        **dict.fromkeys((0x2018, 0x2019, 0x201B), "'"),  # quotes
        **dict.fromkeys((0x201C, 0x201D, 0x201F), '"'),
        **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),  # hyphens, en dash, minus
        **dict.fromkeys((0x2014, 0x2015), " - "),
        **{wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},  # ASCII in full width
        0x00D7: "*",  # times
        0x2044: "/",  # fraction slash
        0xFF0C: ", ",
    }
)
_SCRIPT_EDGE = re.compile(
    r"(?<=[\u3040-\u30ff\u4e00-\u9fff])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[\u3040-\u30ff\u4e00-\u9fff])"
)
_LONGEST = 20_000
_MOST = 20
_DENIAL = re.compile(r"\W{0,4}(?:(?:definitely|certainly|clearly|actually)\s+)?(?:not|never)\b", re.IGNORECASE)
_INSTEAD = re.compile(r"\b(?:but|rather|instead|it\s+is|it's)\b(?!\s+not\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marked:
    """A passage that is said to hold the answer: at its beginning, or at its end where `ends` is true."""

    text: str
    how: str
    ends: bool = False


def own_part(response: str) -> str:
    """Return the response up to where the model goes on to a question, or a turn, of its own making.

    Of a very long text the end is read, so that no text takes long.
    """
    text = tail(response)
    for pattern in (_TURN, _NEXT_QUESTION):
        found = next((m for m in pattern.finditer(text) if text[: m.start()].strip()), None)
        text = text[: found.start()] if found else text
    return text


def evened(text: str) -> str:
    """Return the text with typographic quotes, dashes and signs as ASCII writes them, and ideographs as words apart."""
    return text if text.isascii() else _SCRIPT_EDGE.sub(" ", text.translate(_EVEN))


def unwrapped(text: str) -> str:
    r"""Return the text with LaTeX's words as plain words: "\text{No}" becomes "No"."""
    return re.sub(r"\\(?:text|textbf|mathrm|mathbf)\s?\{([^{}]*)\}", r"\1", text)


def tail(response: str) -> str:
    """Return the end of a response, which is all of it but for absurdly long ones."""
    return response[-_LONGEST:]


def marked(text: str) -> Iterator[Marked]:
    """Give the passages that are said to hold the answer, the last one first; of very many, only the last ones."""
    openings = list(_OPENING.finditer(text))[-_MOST:]
    limits = [*(m.start() for m in openings[1:]), len(text)]
    spots = [(m.start(), _after(text[:limit], m), m) for m, limit in zip(openings, limits, strict=False)]
    closings = list(_CLOSING.finditer(text))[-_MOST:]
    spots += [(m.start(), _before(text, m), None) for m in closings]
    for _, passage, opening in sorted(spots, key=lambda spot: spot[0], reverse=True):
        if passage.strip():
            yield Marked(passage, _name(opening) if opening else "marker", ends=opening is None)


def _name(found: re.Match[str]) -> str:
    return found.lastgroup or "marker"


def _before(text: str, found: re.Match[str]) -> str:
    passage = text[max(0, found.start() - 300) : found.start()].rpartition("\n")[2]
    return sentences(passage)[-1] if passage.strip() else ""


def _after(text: str, found: re.Match[str]) -> str:
    if found["boxed"]:
        return braced(text, found.end())
    rest = text[found.end() : found.end() + 2000]
    if found["tag"]:
        return rest.partition("</answer>")[0]
    return rest


def braced(text: str, start: int) -> str:
    """Return what stands from `start` to the brace that closes the one before it; "" when none does.

    Braces that are themselves the answer need not balance: then the last one on the line closes.
    """
    brackets = _ONLY_BRACKETS.match(text, start, start + 2000)
    if brackets:
        return brackets[0]
    depth = 1
    for position in range(start, min(len(text), start + 2000)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return ""


def first_line(text: str) -> str:
    """Return the first line that says anything, without blanks around it."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line.strip("*_`$[]\\ ")), "")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, at least one; what has no end is one too."""
    ends = [m.end() for m in _SENTENCE.finditer(text)]
    parts = [text[a:b].strip() for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [part for part in parts if part] or [""]


def affirmed(passage: str) -> str:
    """Return the part of a passage that says what the answer is: of "not 5 but 6" it is "6", of "not 5" nothing."""
    if _DENIAL.match(passage) is None:
        return passage
    turn = _INSTEAD.search(passage)
    return passage[turn.end() :] if turn else ""

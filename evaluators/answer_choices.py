"""Multiple choice: the letter of an option, or the option's own text; never a letter that is only an English word."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from evaluators.answer_markers import Marked, affirmed, evened, first_line, marked, sentences
from evaluators.answer_numbers import mentions, plain
from evaluators.answer_words import word_mentions
from evaluators.task_types import Example

_EDGES = " \t\n.,;:!?\"'`*_$()[]{}"
_LONGEST_NUMBER = 60  # characters
_LEAD = re.compile(r"[\s\"'*_`$:\[]*(?:(?:the\s+)?(?:option|choice|letter)\s+)?[\"'*_`$]*", re.IGNORECASE)
_LEADING_LETTER = re.compile(
    r"\((?P<a>[A-Za-z])\)|(?P<b>[A-Za-z])\)|(?:\\text\s?\{\s?\(?)(?P<c>[A-Za-z])\b|(?P<d>[A-Z])\b(?![\w'-])"
    r"|(?P<e>[a-z])(?=[\s.,;:*\"'`$\]]*$)"
)
_ARTICLE_AFTER = re.compile(r"[ ][a-z]")
_OTHER_LETTER = re.compile(r"[\s*)\]]*(?:or|and|/|&|,)\s*(?:[Oo]ption\s+)?\(?([A-Z])\b\)?(?!')")
_LETTER = re.compile(
    r"""
    \((?P<a>[A-Za-z])\)
  | (?:\b(?i:option|choice|answer|letter)\s+|(?:^|\n)[ \t]*)[\"'*`(]*(?P<b>[A-Z])\b
    (?=[\"'*`).:,]|\s*$|\s*\n|\s+(?:is|because|since|as)\b)
  | \*\*\(?(?P<c>[A-Z])\b(?:[).:]|\*\*)
  | (?<![\w(])(?P<d>[A-Z])\)
  | \b(?:is|be|=)[ ][\"'*`(]*(?P<e>[A-Z])\b(?=[\s.,;:*\"'`)]*$)
  | \{(?:\\text\s?\{)?\(?(?P<f>[A-Z])\)?\}
    """,
    re.VERBOSE,
)
_SEVERAL = re.compile(r"\(?\b[A-Z]\)?(?:,\s?\(?[A-Z]\b\)?){0,20},?\s(?:or|and)\s\(?[A-Z]\b\)?")
_NOT_BEFORE = re.compile(
    r"(?:\b(?:not|never|eliminate|exclude|rule\s+out|rather\s+than|instead\s+of)|n't)\s+(?:be\s+)?"
    r"(?:the\s+)?(?:option\s+|choice\s+)?[\"'*(]*$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"""[\"'*)]*[^.\n(]{0,60}?\b
    (?:(?:is|are|was|can|could|does|would|must)\s*(?:n't|not)\b
      |cannot\b
      |(?:is\s+(?:also\s+)?|can\s+be\s+)(?:incorrect|wrong|false|impossible|implausible|eliminated|ruled\s+out)\b)""",
    re.VERBOSE | re.IGNORECASE,
)
_ALONE = re.compile(r"[\s\"'*_`$)\]}]*(?:[.,;]|$|-\s|(?:because|since|as)\b)")
_TURN_AT_END = re.compile(r"(?:^|\n)[ \t]*[AQ]:\s*$")


@dataclass(frozen=True, slots=True)
class ChoiceKind:
    """Answers are options of a multiple choice, by letter or by text."""

    name: str = "choice"

    def gold(self, example: Example) -> str | None:
        """Return the gold answer's letter; its own text where it is none of the options, as in a few BBH examples."""
        gold = example.gold.strip()
        letter = gold.strip("().: ").upper()
        if letter in example.options:
            return letter
        return _by_text(gold, example.options) or (folded(gold) if example.options and gold else None)

    def strict(self, text: str, example: Example) -> tuple[str | None, str]:
        """Return the option at the last marker that names one, and the marker's name."""
        options = _options(self, example)
        for passage in marked(text):
            found = _said(passage, options)
            if found is not None:
                return found, passage.how
        return None, ""

    def lenient(self, text: str, example: Example) -> str | None:
        """Return the option that the last sentence names by its text alone, else the last letter, else the last text.

        Neither what is denied ("(A) is wrong", "A or B") nor a list of the options as asked counts.
        """
        options = _options(self, example)
        text = _TURN_AT_END.sub("", _without_list(text, options))
        if (bare := _bare(text, options)) is not None:
            return bare
        steps = [sentence for line in text.splitlines() for sentence in sentences(line) if sentence.strip(_EDGES)]
        steps.reverse()
        if steps and not _letters(steps[0], options) and (named := _named(steps[0], options)) is not None:
            return named
        last = next((found[-1] for step in steps if (found := _letters(step, options))), None)
        return last or next((named for step in steps if (named := _named(step, options))), None)

    def first(self, text: str, example: Example) -> str | None:
        """Return the option that is all of the first line or sentence, by letter, text or both, if no list begins."""
        options = _options(self, example)
        line = first_line(_without_list(text, options))
        start = _LEAD.match(line).end()  # pyright: ignore[reportOptionalMemberAccess] -- matches the empty text too
        letter = _leading(line[start:], options)
        if letter is None:
            sentence = sentences(line)[0]
            return _by_text(line, options) or (_by_text(sentence, options) if sentence[0:1].isalpha() else None)
        return letter if letter and _is_all(line[start:], letter, options) and not _listed(line, letter, text) else None

    def opening(self, sentence: str, example: Example) -> str | None:
        """Return the option that the sentence names last."""
        return self.lenient(sentence, example)

    def same(self, value: str, gold: str) -> bool:
        """Say whether it is the same option."""
        return value == gold


def folded(text: str) -> str:
    """Return a text with case, blanks and the signs around it evened out."""
    return " ".join(evened(text).casefold().split()).strip(_EDGES)


def _options(kind: ChoiceKind, example: Example) -> Mapping[str, str]:
    """Return the options, and a gold answer that is none of them: no response could be right otherwise."""
    gold = kind.gold(example)
    return example.options if gold is None or gold in example.options else {**example.options, gold: example.gold}


def _said(passage: Marked, options: Mapping[str, str]) -> str | None:
    if passage.ends:
        letters = _letters(passage.text, options)
        ending = re.search(r"(?<![\w'])\(?([A-Z])\)?[\s*\"'`]*$", passage.text)
        if ending and ending[1] in options and not _SEVERAL.search(passage.text):
            letters.append(ending[1])
        return letters[-1] if letters else _named(passage.text, options)
    line = first_line(passage.text)
    if _LEAD.sub("", line, count=1) == "" and line:
        return None
    line = affirmed(line)
    line = line[_LEAD.match(line).end() :]  # pyright: ignore[reportOptionalMemberAccess] -- matches the empty text too
    letter = _leading(line, options)
    if letter is not None:
        return letter or None
    sentence = sentences(line)[0]
    return (
        _by_text(line, options) or _by_text(sentence, options) or _prefix(sentence, options) or _lone(sentence, options)
    )


def _leading(line: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that a line begins with; "" where it names several; None where it begins with no letter."""
    found = _LEADING_LETTER.match(line)
    letter = found[found.lastgroup or 0].upper() if found else ""
    if not found or letter not in options:
        return None
    if found["d"] in ("A", "I") and _ARTICLE_AFTER.match(line, found.end()):
        return None
    other = _OTHER_LETTER.match(line, found.end())
    return "" if other and other[1] in options else letter


def _is_all(line: str, letter: str, options: Mapping[str, str]) -> bool:
    """Say whether the line begins with nothing but a letter, or that and its option's text, and does not deny it."""
    end = _LEADING_LETTER.match(line).end()  # pyright: ignore[reportOptionalMemberAccess] -- a letter leads the line
    with_text = _begins(folded(line[end:]), folded(options[letter])) and not _NOT_AFTER.match(line, end)
    return with_text or _ALONE.match(line, end) is not None


def _listed(line: str, letter: str, text: str) -> bool:
    """Say whether the line begins a list of the options: it has the first of them, and another has the next alike."""
    before, _, after = line.partition(letter)
    following = rf"^[ \t]*{re.escape(before)}B{re.escape(after[:1])}"
    return letter == "A" and re.search(following, text, re.MULTILINE) is not None


def _bare(text: str, options: Mapping[str, str]) -> str | None:
    """Return the option that is all that the text says."""
    letter = text.strip(_EDGES).upper()
    return letter if letter in options else _by_text(text, options)


def _letters(sentence: str, options: Mapping[str, str]) -> list[str]:
    """Return the letters that a sentence names and does not deny, in order."""
    sentence = _SEVERAL.sub(lambda found: " " * len(found[0]), sentence)
    found: list[str] = []
    for mention in _LETTER.finditer(sentence):
        letter = mention[mention.lastgroup or 0].upper()
        denied = _NOT_BEFORE.search(sentence[max(0, mention.start() - 40) : mention.start()]) or _NOT_AFTER.match(
            sentence, mention.end()
        )
        if letter in options and not denied:
            found.append(letter)
    return found


def _by_text(text: str, options: Mapping[str, str]) -> str | None:
    """Return the one option whose text this is; numbers are the same in words and in digits."""
    wanted = folded(text)
    same = [letter for letter, option in options.items() if folded(option) == wanted] if wanted else []
    if not same and (value := _number(text)) is not None:
        same = [letter for letter, option in options.items() if _number(option) == value]
    return same[0] if len(same) == 1 else None


def _number(text: str) -> Fraction | None:
    """Return the number that the whole text is, with at most a currency before it; None for other texts."""
    if len(text) > _LONGEST_NUMBER:
        return None
    text = plain(text).strip(_EDGES.replace("$", ""))
    found = [*mentions(text), *word_mentions(text)]
    whole = len(found) == 1 and not text[: found[0].start].strip("$€£-") and found[0].end == len(text)
    return found[0].value if whole else None


def _prefix(sentence: str, options: Mapping[str, str]) -> str | None:
    """Return the option with the longest text that the sentence begins with."""
    start = folded(sentence)
    fits = [(len(folded(text)), letter) for letter, text in options.items() if _begins(start, folded(text))]
    longest = [letter for length, letter in fits if length == max(fits)[0]]
    return longest[0] if len(longest) == 1 else None


def _begins(text: str, start: str) -> bool:
    return bool(start) and text.startswith(start) and not text[len(start) :][:1].isalnum()


def _named(sentence: str, options: Mapping[str, str]) -> str | None:
    """Return the one option whose text the sentence has in it; the text of a longer one hides a shorter one's."""
    text = f" {' '.join(sentence.casefold().split())} "
    found: list[str] = []
    for letter, option in sorted(options.items(), key=lambda item: len(item[1]), reverse=True):
        wanted = folded(option)
        spot = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) if wanted else None
        if spot and not _NOT_BEFORE.search(text[max(0, spot.start() - 40) : spot.start()]):
            found.append(letter)
            text = text.replace(wanted, " ")
    return found[0] if len(found) == 1 else None


def _lone(sentence: str, options: Mapping[str, str]) -> str | None:
    letters = set(_letters(sentence, options))
    return letters.pop() if len(letters) == 1 else _named(sentence, options)


def _without_list(text: str, options: Mapping[str, str]) -> str:
    """Return the text without a list of the options, as models copy it from the question, where two or more stand."""
    lines = text.splitlines()
    copied = {f"{letter} {folded(option)}" for letter, option in options.items()}
    listed = [re.sub(r"^\W*([A-Z])\W+", r"\1 ", line).partition(" ") for line in lines]
    is_item = [f"{letter} {folded(rest)}" in copied for letter, _, rest in listed]
    if sum(is_item) < 2:
        return text
    return "\n".join(line for line, item in zip(lines, is_item, strict=True) if not item)

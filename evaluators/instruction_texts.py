"""From a reply of the optimizer to the instruction in it: what is taken off, what is kept, and what is refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.prompt_fields import kept
from opro.errors import InvalidSolutionError

SHORTEST_LIMIT = 500
"""Characters that an instruction may always have."""

_GROWTH = 1.5
_TAGGED = re.compile(r"[<\[]INS[>\]](.*?)(?:[<\[]/INS[>\]]|$)", re.DOTALL)
_BRACKETED = re.compile(r"\s*\[([^\[\]]+)\]\s*")
_FENCED = re.compile(r"\s*```\w*\n(.*)\n\s*```\s*", re.DOTALL)
_LABEL = re.compile(r"\s*(?:\*\*)?instruction\s*:", re.IGNORECASE)
_LEAKED = re.compile(
    r"[<\[]/?INS\b|<Start>|\binstruction\s*:|\bscore\s*:\s*\d|\bground truth\b|(?:^|\s)Q:", re.IGNORECASE
)
_NUMBER = re.compile(r"\d+")
_QUOTES = "\"'`"


def limit(starts: Sequence[str]) -> int:
    """Return how many characters a proposal may have: more than the longest start by half, and 500 at least."""
    return max(SHORTEST_LIMIT, int(_GROWTH * max(map(len, starts), default=0)))


def room(longest: int) -> int:
    """Return how many tokens a text of so many characters takes at most; prose takes one for four of them."""
    return min(max(longest // 4, 16), 128) if longest <= SHORTEST_LIMIT else longest // 3


@dataclass(frozen=True, slots=True)
class Wording:
    """What an instruction may look like, as the user's own ones do.

    What the starts have in them is never refused in a proposal: several lines, markup, digits, "Q:".

    Attributes:
        starts: the instructions that the search begins with.
        longest: characters of a proposal at most.
        digits: whether a proposal may have numbers in it that no start has.
        fields: which every proposal has to keep.
        columns: what else could be a field.
    """

    starts: tuple[str, ...]
    longest: int
    digits: bool = True
    fields: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def several_lines(self) -> bool:
        """Whether an instruction may have several lines."""
        return any("\n" in start for start in self.starts)

    def read(self, reply: str) -> str:
        """Return the instruction in a reply: between the tags, else the whole without brackets around it or a label.

        Raises:
            InvalidSolutionError: there is none, or it is refused; the message says why.
        """
        inner = _TAGGED.search(reply) or _BRACKETED.fullmatch(reply)
        found = inner[1] if inner else reply
        label = _LABEL.match(found)
        if label and not any(_LABEL.match(start) for start in self.starts):
            found = found[label.end() :]
        if not any("**" in start for start in self.starts):
            found = found.replace("**", "")
        instruction = self._lines(found) if self.several_lines else " ".join(found.split())
        instruction = _unquoted(instruction)
        if not any(character.isalpha() for character in instruction):
            raise InvalidSolutionError("there is no instruction in it")
        self._check(instruction)
        return instruction

    def _lines(self, text: str) -> str:
        """Return the lines of a text; one that stands on a single line may have written its line breaks out."""
        fenced = _FENCED.fullmatch(text)
        text = fenced[1] if fenced else text.strip("\n")
        lines = text.replace("\\n", "\n") if "\n" not in text else text
        return "\n".join(line.rstrip() for line in lines.split("\n")).strip("\n").rstrip()

    def _check(self, instruction: str) -> None:
        length = len(instruction)
        if length > self.longest:
            raise InvalidSolutionError(
                f"it has {length:,} characters, more than the {self.longest:,} allowed (`longest`)"
            )
        if _markers(instruction) - {marker for start in self.starts for marker in _markers(start)}:
            raise InvalidSolutionError("a marker of the meta-prompt is a part of it")
        own = {number for start in self.starts for number in _NUMBER.findall(start)}
        if not self.digits and {*_NUMBER.findall(instruction)} - own:
            raise InvalidSolutionError("there is a digit in it, which may be an answer (`digits` allows it)")
        if self.fields and (wrong := kept(instruction, self.fields, self.columns)):
            raise InvalidSolutionError(wrong)


def _markers(text: str) -> set[str]:
    """Return the markers of a meta-prompt that a text has in it, each without the number behind it."""
    return {_NUMBER.sub("", found[0]).strip().casefold() for found in _LEAKED.finditer(text)}


def _unquoted(text: str) -> str:
    """Return a text without quotes around it, or one that nothing closes; those of its last or first word stay."""
    text = text.strip(" ")
    while len(text) > 1:
        first, last = text[0], text[-1]
        if first == last and first in _QUOTES and first not in text[1:-1]:
            text = text[1:-1].strip(" ")
        elif first in _QUOTES and text.count(first) % 2:
            text = text[1:].strip(" ")
        elif last in _QUOTES and text.count(last) % 2:
            text = text[:-1].strip(" ")
        else:
            break
    return text

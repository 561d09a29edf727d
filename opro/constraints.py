"""What a solution may look like: enforced while decoding where a backend can, checked by the parser always."""

import re
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Choice:
    """The text is one of the options."""

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.options or not all(self.options):
            raise ValueError("a choice needs at least one option, none of them empty")

    def allows(self, text: str) -> bool:
        """Say whether the text is one of the options."""
        return text in self.options


@dataclass(frozen=True, slots=True)
class Regex:
    """The whole text matches the pattern (the common subset of Python's `re` and the decoders: no look-around)."""

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"{self.pattern!r} is no regular expression: {error}") from error

    def allows(self, text: str) -> bool:
        """Say whether the whole text matches."""
        return re.fullmatch(self.pattern, text) is not None


@dataclass(frozen=True, slots=True)
class Permutation:
    """The text names every item exactly once, in any order; a separator stands before each item, the first as well."""

    items: tuple[str, ...]
    separator: str = " "

    def __post_init__(self) -> None:
        if len(set(self.items)) != len(self.items) or not all(self.items):
            raise ValueError("the items of a permutation are different and not empty")

    def allows(self, text: str) -> bool:
        """Say whether the text names every item exactly once."""
        parts = text.split(self.separator)
        return parts[0] == "" and sorted(parts[1:]) == sorted(self.items)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Nothing is chosen: sample number i is option number i, with the log-probability of following the prompt.

    No option begins with another one: else what follows the shorter one counts for both.
    """

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.options or not all(self.options):
            raise ValueError("weighing needs at least one option, none of them empty")
        ordered = sorted(self.options)
        for one, other in pairwise(ordered):
            if other.startswith(one):
                raise ValueError(f"the option {other!r} begins with {one!r}: end both with a line break, say")

    def allows(self, text: str) -> bool:
        """Say whether the text is one of the options."""
        return text in self.options


Constraint = Choice | Regex | Permutation | Weighed

"""The space of solutions of an equation problem: finding an equation in a reply, drawing, changing, writing it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from evaluators.expression_algebra import canonical
from evaluators.expression_grammar import Grammar
from evaluators.expressions import Node
from opro.errors import InvalidSolutionError

MOST_LINES = 30
"""Lines of a reply that are looked at, from its end."""

_AROUND = " \t.;,*$`"
_FENCE = re.compile(r"`([^`\n]{1,1000})`")
_ASSIGNED = re.compile(r"[=:]")


@dataclass(frozen=True, slots=True)
class EquationSpace:
    """The equations of a grammar that use one of the operands that they need.

    Attributes:
        grammar: what equations are made of.
        needed: operands of which a solution uses at least one.
        lack: why an equation that uses none of them is refused.
        tag: the name of the tags between which a chat model writes its solution.
    """

    grammar: Grammar
    needed: frozenset[str]
    lack: str
    tag: str

    def tree(self, text: str) -> Node:
        """Return the last equation in a reply in its simplest form.

        It stands between tags, or in backticks, or is a line, or what follows the last = or : of a line.

        Raises:
            InvalidSolutionError: there is none, or it uses no operand that is needed.
        """
        if not text.strip():
            raise InvalidSolutionError("the reply is empty")
        reason: InvalidSolutionError | None = None
        for part in self._parts(text):
            try:
                tree = canonical(self.grammar.language, part)
                break
            except InvalidSolutionError as error:
                reason = reason or error
        else:
            raise reason or InvalidSolutionError("the reply holds no equation")
        if not self._allows(tree):
            raise InvalidSolutionError(self.lack)
        return tree

    def draw(self, random: Random) -> str:
        """Return a random equation."""
        return self._first(lambda: self.grammar.draw(random))

    def mutate(self, text: str, random: Random) -> str:
        """Return the equation with one part changed."""
        tree = self.tree(text)
        return self._first(lambda: self.grammar.mutate(tree, random))

    def cross(self, text: str, other: str, random: Random) -> str:
        """Return the equation with a part replaced by one of the other."""
        trees = self.tree(text), self.tree(other)
        return self._first(lambda: self.grammar.cross(*trees, random))

    def written(self, tokens: Sequence[str]) -> str:
        """Return the equation that tokens of the grammar write."""
        return str(self.grammar.tree(tokens))

    def spelling(self, text: str) -> list[str]:
        """Return the tokens of the grammar that write an equation.

        Raises:
            InvalidSolutionError: it is none, or the grammar cannot write it.
        """
        return self.grammar.spelling(self.tree(text))

    def _first(self, make: Callable[[], Node]) -> str:
        while True:
            if self._allows(made := make()):
                return str(made)

    def _allows(self, tree: Node) -> bool:
        return any(node.name in self.needed for node in tree.walk())

    def _parts(self, text: str) -> Iterator[str]:
        """Yield the parts of a reply that may be an equation, the likeliest first."""
        if tagged := re.findall(rf"<{self.tag}>([^<]*)", text, re.IGNORECASE):
            yield tagged[-1]
            return
        lines = [line for line in text[-20_000:].splitlines() if line.strip(_AROUND)]
        if len(text) <= 1000 and len(lines) > 1:
            yield text
        for line in lines[: -MOST_LINES - 1 : -1]:
            yield line.strip(_AROUND)
            yield from reversed(_FENCE.findall(line))
            if _ASSIGNED.search(line):
                yield _ASSIGNED.split(line)[-1].strip(_AROUND)

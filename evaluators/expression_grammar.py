"""A grammar of equations: drawing at random, changing, crossing, and writing token by token.

A token is a production, such as "exp of a tensor"; an equation is written in Polish notation, a function before its
arguments, so that at every place it is known which tokens may follow.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from evaluators.expression_algebra import canonical
from evaluators.expressions import NUMERIC_SECOND, Language, Node, Shape
from opro.errors import InvalidSolutionError

DEEPEST = 6
"""Levels of a drawn equation."""

LONGEST = 20
"""Tokens of an equation that is written one by one."""

_FUNCTION_SHARE = 0.65  # of the nodes above the deepest level
_TRIES = 100


Path = tuple[int, ...]
"""The way from a tree to a part of it: the places of the arguments."""


@dataclass(frozen=True, slots=True)
class Production:
    """One way to go on: a function with the kinds of its arguments, or an operand or a number, with none."""

    name: str
    arguments: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """What a writer calls it."""
        return " ".join((self.name, *self.arguments))


def elementwise(kind: str, unary: Sequence[str], binary: Sequence[str]) -> tuple[Production, ...]:
    """Return the productions of functions that take each element for itself."""
    ones = [Production(name, (kind, name) if name in NUMERIC_SECOND else (kind,)) for name in unary]
    return (*ones, *(Production(name, (kind, kind)) for name in binary))


def leaves(*names: str) -> tuple[Production, ...]:
    """Return the productions of operands and numbers."""
    return tuple(map(Production, names))


@dataclass(frozen=True)
class Grammar:
    """What a random equation is made of.

    Attributes:
        language: what the equations are written in.
        kinds: the productions of each kind of value. A kind is named after its shape ("batch x here"), or, for the
            second argument of a function that takes a number there, after that function ("clip").
        root: the kind of a solution.
    """

    language: Language
    kinds: Mapping[str, tuple[Production, ...]]
    root: str

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """All tokens there are."""
        return tuple(dict.fromkeys(one.token for productions in self.kinds.values() for one in productions))

    def draw(self, random: Random) -> Node:
        """Return a random equation in its simplest form."""
        while True:
            try:
                return canonical(self.language, str(self._drawn(self.root, DEEPEST, random)))
            except InvalidSolutionError:
                continue  # larger than a solution may be

    def mutate(self, tree: Node, random: Random) -> Node:
        """Return another equation, with one part of the tree redrawn, renamed, wrapped, or taken out."""
        return self._other(tree, random, lambda: self._mutated(tree, random))

    def cross(self, tree: Node, other: Node, random: Random) -> Node:
        """Return the tree with a part replaced by one of the same kind of the other; mutated where none fits."""
        return self._other(tree, random, lambda: self._crossed(tree, other, random))

    def follow(self, written: Sequence[str]) -> tuple[str, ...]:
        """Return the tokens that may come after those written; none where the equation is complete."""
        kinds = self._open(written)
        if not kinds:
            return ()
        room = LONGEST - len(written) - len(kinds)
        return tuple(one.token for one in self.kinds[kinds[-1]] if len(one.arguments) <= room)

    def tree(self, written: Sequence[str]) -> Node:
        """Return the simplest form of the complete equation that tokens write."""
        return canonical(self.language, str(self._read(iter(written), self.root)))

    def spelling(self, tree: Node) -> list[str]:
        """Return the tokens that write a tree.

        Raises:
            InvalidSolutionError: the grammar cannot write it.
        """
        tokens = list(self._spelled(tree, self.root))
        for place, token in enumerate(tokens):
            if token not in self.follow(tokens[:place]):
                raise InvalidSolutionError(f"has {len(tokens)} tokens; {LONGEST} are the most")
        return tokens

    def _spelled(self, node: Node, kind: str) -> Iterator[str]:
        kinds = tuple(self._argument_kinds(node, kind))
        production = Production(node.name, kinds)
        if production not in self.kinds.get(kind, ()):
            raise InvalidSolutionError(f"the grammar does not write {node.name} here")
        yield production.token
        for part, below in zip(node.arguments, kinds, strict=True):
            yield from self._spelled(part, below)

    def _open(self, written: Sequence[str]) -> list[str]:
        """Return the kinds that are still to be written, the next one last."""
        kinds = [self.root]
        for token in written:
            kinds.extend(reversed(self._production(kinds.pop(), token).arguments))
        return kinds

    def _read(self, tokens: Iterator[str], kind: str) -> Node:
        production = self._production(kind, next(tokens))
        return Node(production.name, tuple(self._read(tokens, one) for one in production.arguments))

    def _production(self, kind: str, token: str) -> Production:
        return next(one for one in self.kinds[kind] if one.token == token)

    def _drawn(self, kind: str, levels: int, random: Random) -> Node:
        functions = [one for one in self.kinds[kind] if one.arguments]
        if levels > 1 and functions and random.random() < _FUNCTION_SHARE:
            return self._filled(random.choice(functions), levels - 1, random)
        return Node(random.choice([one for one in self.kinds[kind] if not one.arguments]).name)

    def _filled(self, production: Production, levels: int, random: Random) -> Node:
        return Node(production.name, tuple(self._drawn(one, levels, random) for one in production.arguments))

    def _other(self, tree: Node, random: Random, change: Callable[[], Node]) -> Node:
        """Return the first changed tree that is another and small enough, a random one where there is none."""
        for _ in range(_TRIES):
            try:
                changed = canonical(self.language, str(change()))
            except InvalidSolutionError:
                continue
            if changed != tree:
                return changed
        return next(drawn for drawn in iter(lambda: self.draw(random), None) if drawn != tree)

    def _mutated(self, tree: Node, random: Random) -> Node:
        path, kind = random.choice(list(self._places(tree)))
        node = _at(tree, path)
        change = random.choice((self._redrawn, self._renamed, self._wrapped, self._taken_out))
        return _replaced(tree, path, change(node, kind, random))

    def _crossed(self, tree: Node, other: Node, random: Random) -> Node:
        path, kind = random.choice(list(self._places(tree)))
        parts = [_at(other, theirs) for theirs, same in self._places(other) if same == kind]
        return _replaced(tree, path, random.choice(parts)) if parts else self._mutated(tree, random)

    def _redrawn(self, node: Node, kind: str, random: Random) -> Node:
        del node
        return self._drawn(kind, random.randint(1, 3), random)

    def _renamed(self, node: Node, kind: str, random: Random) -> Node:
        """Return the node under the name of another function of the same arguments."""
        kinds = tuple(self._argument_kinds(node, kind))
        names = [one.name for one in self.kinds[kind] if one.arguments == kinds and one.name != node.name]
        return Node(random.choice(names), node.arguments) if names else node

    def _wrapped(self, node: Node, kind: str, random: Random) -> Node:
        """Return a function that has the node as one of its arguments."""
        wrapping = [one for one in self.kinds[kind] if kind in one.arguments]
        if not wrapping:
            return node
        chosen = random.choice(wrapping)
        parts = list(self._filled(chosen, 2, random).arguments)
        parts[random.choice([place for place, one in enumerate(chosen.arguments) if one == kind])] = node
        return Node(chosen.name, tuple(parts))

    def _taken_out(self, node: Node, kind: str, random: Random) -> Node:
        """Return a part of the node that can stand for the whole."""
        parts = [path for path, same in self._places(node, kind) if same == kind]
        return _at(node, random.choice(parts))

    def _places(self, tree: Node, kind: str = "") -> Iterator[tuple[Path, str]]:
        """Yield the path and kind of each part that the grammar could have written."""
        kind = kind or self.root
        if kind in self.kinds:
            yield (), kind
        for place, (part, below) in enumerate(zip(tree.arguments, self._argument_kinds(tree, kind), strict=True)):
            for path, found in self._places(part, below):
                yield (place, *path), found

    def _argument_kinds(self, node: Node, kind: str) -> Iterator[str]:
        """Yield the kind of each argument of a node: a number, which has no shape, is of the node's own kind."""
        for place, part in enumerate(node.arguments):
            if place == 1 and node.name in NUMERIC_SECOND:
                yield node.name
            else:
                yield kind_of(self.language.shape(part)) or kind


def kind_of(shape: Shape) -> str:
    """Return the name of the kind of values of a shape."""
    return " x ".join(shape)


def _at(tree: Node, path: Path) -> Node:
    return _at(tree.arguments[path[0]], path[1:]) if path else tree


def _replaced(tree: Node, path: Path, part: Node) -> Node:
    if not path:
        return part
    arguments = list(tree.arguments)
    arguments[path[0]] = _replaced(arguments[path[0]], path[1:], part)
    return Node(tree.name, tuple(arguments))

"""A small typed language of equations: trees, their one canonical text, reading them from untrusted text.

Text is cut into known tokens and measured before Python's `ast` sees it, and is never evaluated as Python. So every
text, however long or deep, gives a tree or an `InvalidSolutionError`, in time linear in what is read.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opro.errors import InvalidSolutionError

MOST_CHARACTERS = 1000
MOST_TOKENS = 250
MOST_NODES = 60
MOST_DEPTH = 20
LARGEST = 1e6  # beyond it a number is junk, not a constant
SMALLEST = 1e-12

Shape = tuple[str, ...]
"""The names of a value's axes. A number, and whatever else fits everywhere, has none."""

INFIX: Mapping[str, tuple[int, int]] = {"+": (1, 2), "-": (1, 2), "*": (2, 3), "/": (2, 3), "@": (2, 3), "^": (5, 4)}
"""How tightly an operator asks its left and right argument to bind; it binds as tightly as the lesser of the two."""

NEGATION = "neg"
_NEGATION_BINDS = 3
_ATOM_BINDS = 9
_QUOTED = 60

FUNCTIONS: Mapping[str, int] = {
    **dict.fromkeys(INFIX, 2),
    **dict.fromkeys(("neg", "exp", "log", "sqrt", "abs", "sign", "step", "transpose", "norm"), 1),
    **dict.fromkeys(("max", "min", "clip", "drop"), 2),
}
"""How many arguments each function takes, over all languages."""

NUMERIC_SECOND = frozenset({"clip", "drop"})
"""Functions of which the second argument is a number: the bound of a clip, the share that is dropped."""

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<mark>\*\*|[-+*/^@(),])|(?P<gap>\s+)"
)
_SPELLINGS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{MULTIPLICATION SIGN}": "*", "\N{MIDDLE DOT}": "*"})
_OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.Pow: "^",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A number, an operand, or a function of other nodes; a number's name is its text."""

    name: str
    arguments: tuple["Node", ...] = ()

    @property
    def number(self) -> float | None:
        """The value of a number, None for everything else."""
        return None if self.arguments or self.name[0] not in _DIGITS else float(self.name)

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, from the left."""
        yield self
        for argument in self.arguments:
            yield from argument.walk()

    @property
    def depth(self) -> int:
        """The number of nodes on the longest way down."""
        return 1 + max((argument.depth for argument in self.arguments), default=0)

    def __str__(self) -> str:
        """Return the canonical text, which `parse` reads as this tree."""
        return _written(self, 0)


_DIGITS = frozenset("-.0123456789")


def number(value: float) -> Node:
    """Return the node of a finite number, to six digits; what is next to nothing is zero."""
    return Node(f"{value:.6g}" if abs(value) >= SMALLEST else "0")


@dataclass(frozen=True, slots=True)
class Language:
    """What may be written.

    Attributes:
        operands: the shape of each operand.
        functions: those of FUNCTIONS that are known.
        result: the shape that a solution must have.
        spellings: other names for operands and functions, such as "grad" for "g".
    """

    operands: Mapping[str, Shape]
    functions: frozenset[str]
    result: Shape
    spellings: Mapping[str, str]

    def parse(self, text: str) -> Node:
        """Return the tree that a bare expression stands for.

        Raises:
            InvalidSolutionError: it is none, or too large, or its shapes do not fit.
        """
        tokens = self._tokens(text)
        try:
            body = ast.parse(" ".join(tokens), mode="eval").body
        except SyntaxError:
            raise InvalidSolutionError(f"is no expression: {quoted(text)}") from None
        tree = self._tree(body)
        nodes = sum(1 for _ in tree.walk())
        if nodes > MOST_NODES or tree.depth > MOST_DEPTH:
            raise InvalidSolutionError(
                f"has {nodes} parts, {tree.depth} deep; {MOST_NODES} parts, {MOST_DEPTH} deep are the most"
            )
        shape = self.shape(tree)
        if shape not in ((), self.result):
            raise InvalidSolutionError(f"has the shape {_shown(shape)}; {_shown(self.result)} is needed")
        return tree

    def shape(self, node: Node) -> Shape:
        """Return the shape of a tree's value.

        Raises:
            InvalidSolutionError: the shapes of two arguments do not fit.
        """
        if not node.arguments:
            return self.operands.get(node.name, ())
        shapes = [self.shape(argument) for argument in node.arguments]
        fitting = _combined(node.name, shapes)
        if fitting is None:
            raise InvalidSolutionError(f"{node.name} does not take {' and '.join(map(_shown, shapes))}: {quoted(node)}")
        return fitting

    def _tokens(self, text: str) -> list[str]:
        """Return the tokens of a text, all of them known, few enough and not too deep for Python's parser."""
        if not text.strip():
            raise InvalidSolutionError("the expression is empty")
        if len(text) > MOST_CHARACTERS:
            raise InvalidSolutionError(f"has {len(text):,} characters; {MOST_CHARACTERS:,} are the most")
        text, place, tokens = text.translate(_SPELLINGS), 0, list[str]()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise InvalidSolutionError(f"holds {text[place]!r}, which no expression holds: {quoted(text)}")
            place = found.end()
            if found.lastgroup != "gap":
                tokens.append(self._token(found.group(), found.lastgroup))
        if len(tokens) > MOST_TOKENS:
            raise InvalidSolutionError(f"has {len(tokens)} tokens; {MOST_TOKENS} are the most")
        if _nesting(tokens) > MOST_DEPTH:
            raise InvalidSolutionError(f"is nested {_nesting(tokens)} deep; {MOST_DEPTH} is the most")
        return tokens

    def _token(self, token: str, kind: str | None) -> str:
        """Return a token as Python's parser takes it."""
        if kind == "number":
            if len(token) > 30 or not float(token) <= LARGEST:
                raise InvalidSolutionError(f"{token[:20]} is too long, or beyond {LARGEST:,.0f}")
            return repr(float(token))
        if kind == "mark":
            return "**" if token == "^" else token
        name = self.spellings.get(token, token)
        if name not in self.operands and name not in self.functions:
            raise InvalidSolutionError(f"unknown name {token[:20]!r}; known are {', '.join(self.operands)}")
        return name

    def _tree(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant(float(value)):
                return number(value)
            case ast.Name(name) if name in self.operands:
                return Node(name)
            case ast.UnaryOp(sign, argument):
                return _signed(sign, self._tree(argument))
            case ast.BinOp(left, operator, right):
                return self._function(_OPERATORS[type(operator)], (left, right))
            case ast.Call(ast.Name(name), arguments, []) if name not in self.operands:
                return self._function(name, tuple(arguments))
            case ast.Call(ast.Name(name)) | ast.Name(name):
                raise InvalidSolutionError(f"{name} cannot be used so: {quoted(ast.unparse(node))}")
            case _:
                raise InvalidSolutionError("is no single expression of the known operands and functions")

    def _function(self, name: str, arguments: tuple[ast.expr, ...]) -> Node:
        if name not in self.functions:
            raise InvalidSolutionError(f"unknown operator {name}")
        if len(arguments) != FUNCTIONS[name]:
            raise InvalidSolutionError(f"{name} takes {FUNCTIONS[name]} arguments, not {len(arguments)}")
        node = Node(name, tuple(map(self._tree, arguments)))
        if name in NUMERIC_SECOND and node.arguments[1].number is None:
            raise InvalidSolutionError(f"the second argument of {name} is a number, not {quoted(node.arguments[1])}")
        return node


def quoted(thing: object) -> str:
    """Quote the beginning of a text."""
    text = str(thing).strip()
    shown = repr(text[:_QUOTED])
    return shown if len(text) <= _QUOTED and len(shown) <= _QUOTED + 2 else f"{shown[: _QUOTED - 2]}...{shown[0]}"


def _combined(name: str, shapes: list[Shape]) -> Shape | None:
    """Return the shape of a function's value, None where the shapes of its arguments do not fit."""
    if name == "transpose":
        return shapes[0][::-1]
    if name == "@":
        left, right = shapes
        return (left[0], right[1]) if len(left) == len(right) == 2 and left[1] == right[0] else None
    known = [shape for shape in shapes if shape]
    return None if any(shape != known[0] for shape in known) else known[0] if known else ()


def _signed(sign: ast.unaryop, argument: Node) -> Node:
    if isinstance(sign, ast.UAdd):
        return argument
    return number(-argument.number) if argument.number is not None else Node(NEGATION, (argument,))


def _shown(shape: Shape) -> str:
    return " x ".join(shape) if shape else "number"


def _nesting(tokens: list[str]) -> int:
    depth = deepest = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        deepest = max(deepest, depth)
    return deepest


def _written(node: Node, binding: int) -> str:
    """Return the text of a node where what stands around it binds with strength `binding`."""
    if node.name in INFIX:
        left, right = (_written(part, side) for part, side in zip(node.arguments, INFIX[node.name], strict=True))
        text, own = f"{left} {node.name} {right}", min(INFIX[node.name])
    elif node.name == NEGATION:
        text, own = f"-{_written(node.arguments[0], _NEGATION_BINDS)}", _NEGATION_BINDS
    elif node.arguments:
        text, own = f"{node.name}({', '.join(_written(part, 0) for part in node.arguments)})", _ATOM_BINDS
    else:
        text, own = node.name, _NEGATION_BINDS if node.name.startswith("-") else _ATOM_BINDS
    return f"({text})" if own < binding else text

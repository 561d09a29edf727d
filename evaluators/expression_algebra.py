"""Simpler forms of equations: constants folded, neutral parts dropped, arguments that may change places in order.

Each rewriting keeps the value to rounding, and makes the tree smaller, or moves a sign up or a number to the left. So
the end is reached, and simplifying once more changes nothing.
"""

import math
import operator
from collections.abc import Callable, Mapping

from evaluators.expressions import LARGEST, NEGATION, SMALLEST, Language, Node, number
from opro.errors import InvalidSolutionError

HIGHEST_EXPONENT = 30.0
"""Where exp stops to grow; e^30 is about 1e13."""

TINY = 1e-8
"""What keeps a divisor, and the magnitude of which a logarithm is taken, away from zero; NOS divides by y + 1e-8."""

COMMUTATIVE = frozenset({"+", "*", "max", "min"})

_ZERO, _ONE = Node("0"), Node("1")
_EVEN = frozenset({"abs", "sqrt", "log"})  # functions of the magnitude alone


def _quotient_of(x: float, y: float) -> float:
    return x / y if abs(y) > 1e3 * TINY else math.inf


def _exp(x: float) -> float:
    return math.exp(min(x, HIGHEST_EXPONENT))


def _log(x: float) -> float:
    return math.log(max(abs(x), TINY))


def _sqrt(x: float) -> float:
    return math.sqrt(abs(x))


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _step(x: float) -> float:
    return float(x > 0)


_FOLDED: Mapping[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient_of,
    "neg": float.__neg__,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "abs": math.fabs,
    "sign": _sign,
    "step": _step,
    "max": max,
    "min": min,
}


def canonical(language: Language, text: str) -> Node:
    """Return the simplest form of the expression in a text; as it is where a simpler one would not fit its place.

    Raises:
        InvalidSolutionError: the text is no expression of the language.
    """
    tree = language.parse(text)
    simple = simplified(tree)
    try:
        language.shape(simple)  # (b - b) @ W fits, 0 @ W does not
    except InvalidSolutionError:
        return tree
    return simple


def simplified(node: Node) -> Node:
    """Return the simplest form of a tree that the rewritings reach."""
    node = Node(node.name, tuple(map(simplified, node.arguments)))
    simpler = _rewritten(node)
    return node if simpler == node else simplified(simpler)


def _rewritten(node: Node) -> Node:
    """Return the node after the first rewriting that applies, or as it is."""
    if not node.arguments:
        return node
    if (folded := _folded(node)) is not None:
        return folded
    if len(node.arguments) == 1:
        return _unary(node, node.arguments[0])
    left, right = node.arguments
    if node.name in COMMUTATIVE and _key(node.name, right) < _key(node.name, left):
        return Node(node.name, (right, left))
    rewriting = _BINARY.get(node.name)
    return rewriting(left, right) if rewriting else node


def _folded(node: Node) -> Node | None:
    """Return the number that a function of numbers is, None where it is none, or not a sane one."""
    numbers = [argument.number for argument in node.arguments if argument.number is not None]
    if node.name not in _FOLDED or len(numbers) < len(node.arguments):
        return None
    value = _FOLDED[node.name](*numbers)
    return number(value) if value == 0 or SMALLEST <= abs(value) <= LARGEST else None


def _key(name: str, node: Node) -> tuple[bool, bool, int, str]:
    """Return what arguments that may change places are ordered by: numbers, longer chains of `name`, shorter ones."""
    return node.number is None, node.name != name, sum(1 for _ in node.walk()), str(node)


def _negated(node: Node) -> Node:
    return Node(NEGATION, (node,))


def _inner(node: Node) -> Node | None:
    """Return what is negated, None where nothing is."""
    return node.arguments[0] if node.name == NEGATION else None


def _unary(node: Node, argument: Node) -> Node:
    inner = _inner(argument)
    if node.name == NEGATION:
        return _opposite(node, argument)
    if inner is not None and node.name in _EVEN:
        return Node(node.name, (inner,))
    if inner is not None and node.name == "sign":
        return _negated(Node("sign", (inner,)))
    match node.name, argument.name:
        case ("sign", "sign") | ("abs", "abs" | "sqrt") | ("step", "step"):
            return argument
        case ("sqrt" | "log", "abs"):
            return Node(node.name, argument.arguments)
        case "transpose", "transpose":
            return argument.arguments[0]
        case _:
            return node


def _opposite(node: Node, argument: Node) -> Node:
    """Return what the negation `node` of the argument can be written as."""
    match argument.name:
        case "neg":
            return argument.arguments[0]
        case "-":
            return Node("-", argument.arguments[::-1])
        case "*" | "/" if (factor := argument.arguments[0].number) is not None:
            return Node(argument.name, (number(-factor), argument.arguments[1]))
        case _:
            return node


def _sum(left: Node, right: Node) -> Node:
    if left == _ZERO:
        return right
    if (inner := _inner(right)) is not None:
        return Node("-", (left, inner))
    if (inner := _inner(left)) is not None:
        return Node("-", (right, inner))
    if (first := left.number) is not None and first < 0:
        return Node("-", (right, number(-first)))
    return Node("+", (left, right))


def _difference(left: Node, right: Node) -> Node:
    if left == right:
        return _ZERO
    if right == _ZERO:
        return left
    if left == _ZERO:
        return _negated(right)
    if (inner := _inner(right)) is not None:
        return Node("+", (left, inner))
    if (second := right.number) is not None and second < 0:
        return Node("+", (left, number(-second)))
    return Node("-", (left, right))


def _product(left: Node, right: Node) -> Node:
    if left == _ZERO:
        return _ZERO
    if left == _ONE:
        return right
    if left == Node("-1"):
        return _negated(right)
    if (inner := _inner(right)) is not None:
        return Node("*", (number(-left.number), inner)) if left.number else _negated(Node("*", (left, inner)))
    if (inner := _inner(left)) is not None:
        return _negated(Node("*", (inner, right)))
    if left == right:
        return Node("^", (left, Node("2")))
    return _scaled(left, right) or Node("*", (left, right))


def _scaled(left: Node, right: Node) -> Node | None:
    """Return a product of a number and another such product as one, None where the two are not that."""
    if left.number is None or right.name != "*" or (factor := right.arguments[0].number) is None:
        return None
    value = left.number * factor
    return Node("*", (number(value), right.arguments[1])) if SMALLEST <= abs(value) <= LARGEST else None


def _quotient(left: Node, right: Node) -> Node:
    if left == _ZERO:
        return _ZERO
    if right == _ONE:
        return left
    if right == Node("-1"):
        return _negated(left)
    if (inner := _inner(left)) is not None:
        return _negated(Node("/", (inner, right)))
    return Node("/", (left, right))


def _power(base: Node, exponent: Node) -> Node:
    if exponent == _ZERO or base == _ONE:
        return _ONE
    if exponent == _ONE:
        return base
    if exponent == Node("2") and (inner := _inner(base) or _magnitude(base)) is not None:
        return Node("^", (inner, exponent))
    return Node("^", (base, exponent))


def _magnitude(node: Node) -> Node | None:
    return node.arguments[0] if node.name == "abs" else None


def _extreme(name: str) -> Callable[[Node, Node], Node]:
    return lambda left, right: left if left == right else Node(name, (left, right))


_BINARY: Mapping[str, Callable[[Node, Node], Node]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "^": _power,
    "max": _extreme("max"),
    "min": _extreme("min"),
}

"""Equations as LaTeX, for people."""

from collections.abc import Mapping

from evaluators.expressions import INFIX, NEGATION, Node

_INFIX = {"+": " + ", "-": " - ", "*": r" \cdot ", "@": r" \, "}
_AROUND: Mapping[str, tuple[str, str]] = {
    "sqrt": (r"\sqrt{\left|", r"\right|}"),
    "log": (r"\ln \left|", r"\right|"),
    "abs": (r"\left|", r"\right|"),
    "exp": (r"e^{", "}"),
    "sign": (r"\operatorname{sign}\left(", r"\right)"),
    "step": (r"\mathbf{1}_{>0}\left(", r"\right)"),
    "norm": (r"\operatorname{norm}\left(", r"\right)"),
}
_CALLED = {"max": r"\max", "min": r"\min", "clip": r"\operatorname{clip}", "drop": r"\operatorname{drop}"}


def latex(node: Node, symbols: Mapping[str, str], binding: int = 0) -> str:
    r"""Return LaTeX for a tree, operands written as their `symbols`, in brackets where its surroundings need them."""
    if node.number is not None:
        text, own = _number(node.number), 3 if node.name.startswith("-") else 9
    elif not node.arguments:
        text, own = symbols.get(node.name, rf"\mathit{{{node.name}}}".replace("_", r"\_")), 9
    elif node.name in INFIX:
        text, own = _operator(node, symbols)
    elif node.name == NEGATION:
        text, own = f"-{latex(node.arguments[0], symbols, 3)}", 3
    else:
        text, own = _function(node, symbols), 4 if node.name in ("exp", "log") else 9
    return rf"\left({text}\right)" if own < binding else text


def _operator(node: Node, symbols: Mapping[str, str]) -> tuple[str, int]:
    """Return the LaTeX of an operator, and how tightly it binds: a fraction needs no brackets but as a base."""
    left, right = node.arguments
    if node.name == "/":
        return rf"\frac{{{latex(left, symbols)}}}{{{latex(right, symbols)}}}", 4
    if node.name == "^":
        return f"{{{latex(left, symbols, 5)}}}^{{{latex(right, symbols)}}}", 4
    around = INFIX[node.name]
    return _INFIX[node.name].join((latex(left, symbols, around[0]), latex(right, symbols, around[1]))), min(around)


def _function(node: Node, symbols: Mapping[str, str]) -> str:
    inner = [latex(argument, symbols) for argument in node.arguments]
    if node.name in _AROUND:
        return inner[0].join(_AROUND[node.name])
    if node.name == "transpose":
        return f"{{{latex(node.arguments[0], symbols, 9)}}}^{{\\top}}"
    return rf"{_CALLED[node.name]}\left({', '.join(inner)}\right)"


def _number(value: float) -> str:
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa

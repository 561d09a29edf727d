"""Equations as functions of tensors, with every domain error defined, and what tells two equations apart.

log and sqrt are of the magnitude, a divisor y is y + 1e-8 (all three as in Neural Optimizer Search), the magnitude in
a logarithm is at least 1e-8, exp stops to grow at 30. A power with a whole number is the plain one, with a negative one
its quotient; any other exponent takes the magnitude. What overflows all the same is infinite, which is for the caller
to see. A matrix may have further axes before its two own ones: those of the networks of a stack.
"""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from operator import itemgetter

import torch
from torch import Tensor

from evaluators.expression_algebra import HIGHEST_EXPONENT, TINY, simplified
from evaluators.expressions import Node

Values = Mapping[str, Tensor]
Compiled = Callable[[Values], Tensor]

UNIFORM = "uniform"
"""The operand from which `drop` takes its randomness: uniform in [0, 1), of the shape of what is dropped from."""

_DIGITS = 5  # of a value that count for what tells equations apart; forms of one equation agree to about 12


def compiled(node: Node) -> Compiled:
    """Return a tree as a function of the values of its operands, on whatever device and in whatever type they are."""
    if not node.arguments:
        return _leaf(node)
    if (
        node.name == "^"
        and (exponent := simplified(node.arguments[1]).number) is not None
        and exponent == int(exponent)
    ):
        return partial(_whole_power, compiled(node.arguments[0]), int(exponent))
    if node.name == "drop":
        return partial(_dropped, compiled(node.arguments[0]), node.arguments[1].number or 0.0)
    function, arguments = OPERATIONS[node.name], [compiled(argument) for argument in node.arguments]
    if len(arguments) == 1:
        (only,) = arguments
        return lambda values: function(only(values))
    left, right = arguments
    return lambda values: function(left(values), right(values))


def fingerprint(node: Node, points: Values) -> str:
    """Return a digest that is the same for equations that are equal at `points`, random values in double precision."""
    value = compiled(node)(points).double()
    value = torch.nan_to_num(value, nan=7e77, posinf=8e88, neginf=-8e88).expand(_extent(value, points))
    magnitude = value.abs().clamp_min(1e-6)  # so that what cancels but for rounding is zero
    unit = 10.0 ** (magnitude.log10().floor() - _DIGITS)
    rounded = (value / unit).round() * unit + 0.0
    digits = ",".join(f"{float(one):.{_DIGITS}e}" for one in rounded.flatten())
    return sha256(digits.encode()).hexdigest()[:16]


def _extent(value: Tensor, points: Values) -> torch.Size:
    """Return the shape to which a number is spread, so that x - x is the same as 0."""
    return value.shape or next(iter(points.values())).shape


def _leaf(node: Node) -> Compiled:
    if node.number is None:
        return itemgetter(node.name)
    constant = torch.tensor(node.number, dtype=torch.float64)  # without axes it leaves the type of others as it is
    return partial(_constant, constant)


def _constant(value: Tensor, values: Values) -> Tensor:
    del values
    return value


def _whole_power(base: Compiled, exponent: int, values: Values) -> Tensor:
    power = base(values) ** abs(exponent)
    return 1 / (power + TINY) if exponent < 0 else power


def _dropped(kept: Compiled, share: float, values: Values) -> Tensor:
    value = kept(values)
    return value * (values[UNIFORM] >= share).to(value.dtype)


def _log(x: Tensor) -> Tensor:
    return x.abs().clamp_min(TINY).log()


def _exp(x: Tensor) -> Tensor:
    return x.clamp_max(HIGHEST_EXPONENT).exp()


def _sqrt(x: Tensor) -> Tensor:
    return x.abs().sqrt()


def _step(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


def _transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2) if x.ndim > 1 else x


def _normalized(x: Tensor) -> Tensor:
    return x / (x.square().sum((-2, -1), keepdim=True).sqrt() + TINY) if x.ndim > 1 else x


def _quotient(x: Tensor, y: Tensor) -> Tensor:
    return x / (y + TINY)


def _power(x: Tensor, y: Tensor) -> Tensor:
    return _exp(y * _log(x))


def _maximum(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x > y, x, y)  # takes a number for either, which torch.maximum does not


def _minimum(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x < y, x, y)


def _clip(x: Tensor, bound: Tensor) -> Tensor:
    return _maximum(_minimum(x, bound.abs()), -bound.abs())


OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "+": Tensor.add,
    "-": Tensor.sub,
    "*": Tensor.mul,
    "/": _quotient,
    "@": Tensor.matmul,
    "^": _power,
    "neg": Tensor.neg,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "abs": Tensor.abs,
    "sign": Tensor.sign,
    "step": _step,
    "transpose": _transposed,
    "norm": _normalized,
    "max": _maximum,
    "min": _minimum,
    "clip": _clip,
}
"""Every function but `drop`, which needs randomness beside its arguments."""

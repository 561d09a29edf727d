"""Backward rules at work: the forward pass of a stack of networks, and errors handed down as a rule says."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.child_training import Layers, Learner, Moment
from evaluators.expression_torch import Compiled, compiled
from evaluators.expressions import Node

RANDOM_SEED = 3
"""What tells the generators of random matrices from others of the same seed."""


@dataclass(frozen=True, slots=True)
class Forward:
    """What a forward pass leaves, from the input on; shapes (..., batch, units).

    Attributes:
        weights: of each layer, shape (..., units, units below).
        inputs: of each layer.
        sums: of each layer, before the ReLU.
    """

    weights: list[Tensor]
    inputs: list[Tensor]
    sums: list[Tensor]


@dataclass(frozen=True, slots=True)
class Feedback:
    """Random matrices for each hidden layer: Gaussian and of signs in the shape of the weights above, and direct."""

    gaussian: list[Tensor]
    signs: list[Tensor]
    direct: list[Tensor]


class BackwardRules:
    """Trains perceptrons by backward rules and plain steps down the gradients that they make; see School."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers

    def learner(self, rules: Sequence[Node], seeds: Sequence[int], rates: Tensor) -> Learner:
        """See School."""
        return _ByRules(self._layers, [compiled(rule) for rule in rules], seeds, rates)


class _ByRules:
    def __init__(self, layers: Layers, rules: Sequence[Compiled], seeds: Sequence[int], rates: Tensor) -> None:
        self._layers, self._rules, self._rates = layers, rules, rates
        self._feedback = feedback(layers, seeds, rates)

    def step(self, weights: Tensor, x: Tensor, target: Tensor, moment: Moment) -> Tensor:
        """See Learner."""
        del moment
        outputs: list[Tensor] = []
        for place, rule in enumerate(self._rules):
            mine = weights[:, place]
            gradients, out = gradient(rule, self._layers, mine, x[:, None], target[:, None], self._feedback)
            mine.addcmul_(self._rates, gradients, value=-1)
            outputs.append(out)
        return torch.stack(outputs, 1)


def gradient(
    rule: Compiled, layers: Layers, rows: Tensor, x: Tensor, target: Tensor, random: Feedback
) -> tuple[Tensor, Tensor]:
    """Return what a rule takes for the gradients of networks, shape (seeds, rates, parameters), and a number for each.

    The number is finite where the outputs are. The examples are of shape (seeds, 1, batch, ...), the target is of shape
    (seeds, 1, classes, batch).
    """
    by_name = layers.parted(rows)
    forward = _forward(by_name, x)
    logits = forward.sums[-1]
    output_error = (logits.softmax(-1) - target.transpose(-1, -2)) / target.shape[-1]
    errors = [output_error]
    for layer in range(len(forward.weights) - 2, -1, -1):
        values = {
            "b": errors[0],
            "e": output_error,
            "z": forward.sums[layer],
            "h": forward.inputs[layer + 1],
            "za": forward.sums[layer + 1],
            "W": forward.weights[layer + 1],
            "R": random.gaussian[layer],
            "S": random.signs[layer],
            "D": random.direct[layer],
        }
        error = rule(values).to(rows.dtype).expand_as(forward.sums[layer])
        errors.insert(0, error)
    found: dict[str, Tensor] = {}
    for layer, (error, below) in enumerate(zip(errors, forward.inputs, strict=True)):
        found[f"layers.{layer}.weight"] = error.transpose(-1, -2) @ below
        found[f"layers.{layer}.bias"] = error.sum(-2)
    return layers.joined(found), logits.sum((-2, -1))


def feedback(layers: Layers, seeds: Sequence[int], like: Tensor) -> Feedback:
    """Return random matrices, the same for all networks of a seed, shape (seeds, 1, ...), as large as first weights."""
    shapes = [shape for shape in layers.shapes.values() if len(shape) == 2]
    generators = [torch.Generator().manual_seed(4 * seed + RANDOM_SEED) for seed in seeds]

    def drawn(*shape: int) -> Tensor:
        each = [torch.randn(shape, generator=one, dtype=torch.float64) for one in generators]
        return torch.stack(each)[:, None].to(like)

    above = shapes[1:]
    scales = [(2 / shape[1]) ** 0.5 for shape in above]
    gaussian = [drawn(*shape) * scale for shape, scale in zip(above, scales, strict=True)]
    signs = [drawn(*shape).sign() * scale for shape, scale in zip(above, scales, strict=True)]
    direct = [drawn(shapes[-1][0], shape[1]) * scale for shape, scale in zip(above, scales, strict=True)]
    return Feedback(gaussian, signs, direct)


def _forward(by_name: dict[str, Tensor], x: Tensor) -> Forward:
    forward = Forward([], [x.flatten(3)], [])
    for layer in range(len(by_name) // 2):
        weight, bias = by_name[f"layers.{layer}.weight"], by_name[f"layers.{layer}.bias"]
        forward.weights.append(weight)
        forward.sums.append(forward.inputs[-1] @ weight.transpose(-1, -2) + bias[..., None, :])
        forward.inputs.append(forward.sums[-1].relu())
    forward.inputs.pop()
    return forward


def points() -> list[dict[str, Tensor]]:
    """Return random values of the operands, to tell rules apart; twice, with other errors, down to very small ones."""
    generator = torch.Generator().manual_seed(1808)
    batch, above, here, classes = 5, 4, 6, 3

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    z = drawn(batch, here)
    fixed = {"z": z, "h": z.relu(), "za": drawn(batch, above), "W": drawn(above, here), "R": drawn(above, here)}
    fixed |= {"S": drawn(above, here).sign(), "D": drawn(classes, here)}
    sizes = torch.tensor([1, 1, 1e-2, 1e-4, 1e-6], dtype=torch.float64)[:, None]
    return [fixed | {"b": sizes * drawn(batch, above), "e": sizes * drawn(batch, classes)} for _ in range(2)]

"""Update rules at work: from gradients to the operands of a rule, and from a rule to the next weights."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from evaluators.child_training import Layers, Learner, Moment
from evaluators.expression_torch import UNIFORM, compiled
from evaluators.expressions import Node
from evaluators.update_rule_language import DECAYS, GRADIENT_OPERANDS, NOISES

FIRST, SECOND, THIRD = 0.9, 0.999, 0.999
"""How much of the averages of g, g^2 and g^3 is kept from step to step."""

RMSPROP = 0.99
EPSILON = 1e-8
NOISE = 0.01
ANNEALING = 0.55  # of the variance, as in Neelakantan et al. (2015)
RESTARTS = 2
SMALL = 7
"""Powers of ten by which the smallest gradients lie below 1, where rules are told apart."""


Gradient = Callable[[dict[str, Tensor], Tensor, Tensor], tuple[dict[str, Tensor], Tensor]]


class Rule:
    """A rule with the averages that it needs, for weights of one shape."""

    def __init__(self, tree: Node) -> None:
        self._function = compiled(tree)
        self._needed = {node.name for node in tree.walk()}
        self._averages: dict[str, Tensor] = {}

    @property
    def noisy(self) -> bool:
        """Whether it needs noise, or drops at random."""
        return bool(self._needed & {*NOISES, "drop"})

    def update(self, weights: Tensor, gradient: Tensor, moment: Moment, noise: dict[str, Tensor]) -> Tensor:
        """Return what, times the learning rate, is to be taken off the weights; tell it of every step, in order."""
        values = {**noise, "g": gradient, "w": weights, **_decays(moment)}
        needed = self._needed
        if needed & {"m", "adam"}:
            values["m"] = self._average("m", gradient, FIRST) / (1 - FIRST**moment.step)
        if needed & {"v", "adam"}:
            values["v"] = self._average("v", gradient.square(), SECOND) / (1 - SECOND**moment.step)
        if "y" in needed:
            values["y"] = self._average("y", gradient**3, THIRD) / (1 - THIRD**moment.step)
        if "adam" in needed:
            values["adam"] = values["m"] / (values["v"].sqrt() + EPSILON)
        if "rmsprop" in needed:
            values["rmsprop"] = gradient / (self._average("rmsprop", gradient.square(), RMSPROP).sqrt() + EPSILON)
        return self._function(values).to(weights.dtype)

    def _average(self, name: str, value: Tensor, kept: float) -> Tensor:
        if name not in self._averages:
            self._averages[name] = torch.zeros_like(value)
        return self._averages[name].mul_(kept).add_(value, alpha=1 - kept)


class UpdateRules:
    """Trains networks by update rules; see School."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._gradient = _gradient(layers)

    def learner(self, rules: Sequence[Node], seeds: Sequence[int], rates: Tensor) -> Learner:
        """See School."""
        return _ByRules(self._layers, self._gradient, [Rule(rule) for rule in rules], seeds, rates)


class _ByRules:
    def __init__(
        self, layers: Layers, gradient: Gradient, rules: Sequence[Rule], seeds: Sequence[int], rates: Tensor
    ) -> None:
        self._layers, self._gradient, self._rules, self._rates = layers, gradient, rules, rates
        kinds = range(2) if any(rule.noisy for rule in rules) else ()
        self._generators = [[torch.Generator().manual_seed(2 * seed + kind) for seed in seeds] for kind in kinds]

    def step(self, weights: Tensor, x: Tensor, target: Tensor, moment: Moment) -> Tensor:
        """See Learner: the gradients of all networks at once, then rule by rule what to do with them."""
        by_name, outputs = self._gradient(self._layers.parted(weights.flatten(1, 2)), x, target)
        gradients = self._layers.joined(by_name).view_as(weights)
        noise = self._noise(weights, moment)
        for place, rule in enumerate(self._rules):
            mine = weights[:, place]
            mine.addcmul_(self._rates, rule.update(mine, gradients[:, place], moment, noise), value=-1)
        return outputs

    def _noise(self, weights: Tensor, moment: Moment) -> dict[str, Tensor]:
        """Return the noise of a step, shape (seeds, 1, parameters): the same for all rules and rates."""
        if not self._generators:
            return {}
        size = weights.shape[-1]
        normal = torch.stack([torch.randn(size, generator=one) for one in self._generators[0]])[:, None].to(weights)
        uniform = torch.stack([torch.rand(size, generator=one) for one in self._generators[1]])[:, None].to(weights)
        annealed = NOISE * normal / (1 + moment.step) ** (ANNEALING / 2)
        return {"noise": NOISE * normal, "annealed": annealed, UNIFORM: uniform}


def _gradient(layers: Layers) -> Gradient:
    """Return the function from the parameters of all networks to their gradients, and a number for each.

    The parameters have the axes (seeds, networks) before their own, the examples only the first one.
    """
    call = torch.func.functional_call

    def of_one(parameters: dict[str, Tensor], x: Tensor, target: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        def outputs(parameters: dict[str, Tensor]) -> Tensor:
            return call(layers.module, parameters, (x,))

        derived: Any = torch.func.vjp(outputs, parameters)
        out, pull_back = derived
        # The mean cross-entropy's gradient with respect to the outputs, written down: faster than to derive it.
        (gradient,) = pull_back((out.softmax(0) - target) / target.shape[-1])
        return gradient, out.sum()

    return torch.func.vmap(torch.func.vmap(of_one, in_dims=(0, None, None)))


def _decays(moment: Moment) -> dict[str, Tensor]:
    """Return the decays, numbers without axes; the first step has done nothing of the way."""
    done = (moment.step - 1) / moment.steps
    values = {
        "ld": 1 - done,
        "cd": 0.5 * (1 + math.cos(math.pi * done)),
        "rd": 0.5 * (1 + math.cos(math.pi * (RESTARTS * done % 1))),
    }
    return {name: torch.tensor(values[name], dtype=torch.float64) for name in DECAYS}


def points(count: int = 48) -> list[dict[str, Tensor]]:
    """Return random values of the operands, shape (count,), to tell rules apart; twice, with other gradients.

    Half of them are of the size of 1, the others as small as gradients become, and in one place all are zero, as where
    a unit is off: rules that differ there only train differently.
    """
    generator = torch.Generator().manual_seed(1709)

    def drawn(names: Iterable[str]) -> dict[str, Tensor]:
        return {name: spread(torch.randn(count, generator=generator, dtype=torch.float64)) for name in names}

    def spread(values: Tensor) -> Tensor:
        sizes = 10 ** (-SMALL * torch.rand(count, generator=generator, dtype=torch.float64))
        sizes[: count // 2], sizes[-1] = 1, 0
        return values * sizes

    def of_gradients() -> dict[str, Tensor]:
        values = drawn(GRADIENT_OPERANDS)
        values["v"] = values["v"].square()
        return values | {"adam": values["m"] / (values["v"].sqrt() + EPSILON)}

    fixed = drawn(("w", *NOISES))
    fixed |= {name: torch.rand(count, generator=generator, dtype=torch.float64) for name in (*DECAYS, UNIFORM)}
    return [of_gradients() | fixed, of_gradients() | fixed]

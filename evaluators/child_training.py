"""Training hundreds of small networks at once: rules x learning rates x seeds, stacked into one tensor.

Networks of one seed see the same examples in the same order; nothing else is shared between two of them, so each is
trained as it would be alone. One that diverges goes on as NaN, which costs nothing and disturbs nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from evaluators.child_data import ChildData, Part
from evaluators.child_networks import initial
from evaluators.expressions import Node
from opro.errors import OproError


@dataclass(frozen=True, slots=True)
class Schedule:
    """How networks are trained: over `epochs` passes, `batch` examples a step, at each of the `rates`."""

    epochs: int
    batch: int
    rates: tuple[float, ...]
    device: str = "cpu"
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True, slots=True)
class Moment:
    """Step `step` of `steps`, from 1."""

    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Trained:
    """What became of one rule: tensors of shape (seeds, rates), or with the epochs before.

    Attributes:
        valid: accuracy on the validation part after the last epoch.
        test: accuracy on the test part.
        curve: accuracy on the validation part after each epoch.
        died: the step that made the outputs infinite or NaN, 0 for what stayed finite.
    """

    valid: Tensor
    test: Tensor
    curve: Tensor
    died: Tensor


class Learner(Protocol):
    """Trains a stack of networks step by step; made anew for every stack."""

    def step(self, weights: Tensor, x: Tensor, target: Tensor, moment: Moment) -> Tensor:
        """Change weights, shape (seeds, rules, rates, parameters), in place; return a number for each network.

        The number is finite where the outputs of the network before the step were. The examples x are of shape
        (seeds, batch, ...), the target is 1 at the right class, shape (seeds, classes, batch).
        """
        ...


class School(Protocol):
    """What a stack of networks is trained by."""

    def learner(self, rules: Sequence[Node], seeds: Sequence[int], rates: Tensor) -> Learner:
        """Return what trains by these rules at these rates, shape (rates, 1)."""
        ...


class Layers:
    """The parameters of a network as one row of numbers."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.to("meta")  # its shape is all that is needed
        self.shapes: Mapping[str, torch.Size] = {name: one.shape for name, one in module.named_parameters()}
        self.sizes = [prod(shape) for shape in self.shapes.values()]

    def parted(self, rows: Tensor) -> dict[str, Tensor]:
        """Return rows, shape (..., parameters), as parameters by name, views of shape (..., *theirs)."""
        apart: Any = torch.split
        parts: Iterator[Tensor] = iter(apart(rows, self.sizes, -1))
        return {name: part.unflatten(-1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def joined(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return parameters of shape (..., *theirs) as rows, shape (..., parameters)."""
        pairs = ((parameters[name], len(shape)) for name, shape in self.shapes.items())
        return torch.cat([part.flatten(part.ndim - axes) for part, axes in pairs], -1)

    def outputs(self, rows: Tensor, x: Tensor) -> Tensor:
        """Return outputs, shape (seeds, networks, classes, n), of rows (seeds, networks, parameters) for x (n, ...)."""
        call = torch.func.functional_call

        def one(parameters: dict[str, Tensor]) -> Tensor:
            return call(self.module, parameters, (x,))

        with torch.no_grad():
            return torch.func.vmap(torch.func.vmap(one))(self.parted(rows))


class Trainer:
    """Trains networks of one shape on one data set."""

    def __init__(self, data: ChildData, layers: Layers, schedule: Schedule, school: School) -> None:
        self._layers = layers
        self._school = school
        self.schedule = schedule
        self._data = data
        self._train_x, self._train_y = self._tensors(data.train)
        held = [self._tensors(data.valid), self._tensors(data.test)]
        self._held_x = [x for x, _ in held]
        self._held_y = [self._target(y[None])[0] for _, y in held]

    def train(self, rules: Sequence[Node], seeds: Sequence[int], together: int) -> list[Trained]:
        """Return what became of each rule; about `together` networks are trained at once.

        Raises:
            OproError: the memory does not suffice for a single rule at a single rate.
        """
        each = len(seeds) * len(self.schedule.rates)
        size = max(1, together // each)
        stacks = (rules[first : first + size] for first in range(0, len(rules), size))
        return [one for stack in stacks for one in self._fitting(stack, seeds, self.schedule.rates)]

    def _fitting(self, rules: Sequence[Node], seeds: Sequence[int], rates: Sequence[float]) -> list[Trained]:
        """Train a stack; when the memory does not suffice, by halves."""
        try:
            return self._stack(rules, seeds, rates)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if (half := len(rules) // 2) > 0:
            return self._fitting(rules[:half], seeds, rates) + self._fitting(rules[half:], seeds, rates)
        if (half := len(rates) // 2) > 0:
            (one,), (other,) = self._fitting(rules, seeds, rates[:half]), self._fitting(rules, seeds, rates[half:])
            return [_beside(one, other)]
        raise OproError(
            f"the memory does not suffice for {len(seeds)} small networks: take fewer `seeds`, a smaller `batch` or "
            "another `device`"
        )

    def _stack(self, rules: Sequence[Node], seeds: Sequence[int], rates: Sequence[float]) -> list[Trained]:
        """Train all networks of a stack side by side."""
        schedule = self.schedule
        column = torch.tensor(rates, device=schedule.device, dtype=schedule.dtype)[:, None]
        learner = self._school.learner(rules, seeds, column)
        weights = self._initial(seeds, len(rules), len(rates))
        died = torch.zeros(weights.shape[:-1], dtype=torch.int64, device=schedule.device)
        orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        batch = min(schedule.batch, len(self._train_y))
        each = len(self._train_y) // batch
        curve: list[Tensor] = []
        for epoch in range(schedule.epochs):
            order = torch.stack([torch.randperm(len(self._train_y), generator=one) for one in orders])
            for number in range(each):
                chosen = order[:, number * batch : (number + 1) * batch].to(schedule.device)
                moment = Moment(epoch * each + number + 1, schedule.epochs * each)
                target = self._target(self._train_y[chosen])
                finite = learner.step(weights, self._train_x[chosen], target, moment).isfinite()
                died = torch.where(finite.view_as(died) | (died > 0), died, moment.step - 1)
            curve.append(self._accuracy(weights, 0))
        finite = weights.isfinite().all(-1)
        died = torch.where(finite | (died > 0), died, schedule.epochs * each)
        test = self._accuracy(weights, 1)
        curves = torch.stack(curve)
        return [
            Trained(curves[-1, :, rule], test[:, rule], curves[:, :, rule], died[:, rule].cpu())
            for rule in range(len(rules))
        ]

    def _initial(self, seeds: Sequence[int], rules: int, rates: int) -> Tensor:
        """Return the weights to begin with, shape (seeds, rules, rates, parameters)."""
        rows = torch.stack([self._layers.joined(initial(self._layers.module, seed)) for seed in seeds])
        rows = rows.to(self.schedule.device, self.schedule.dtype)
        return rows[:, None, None].repeat(1, rules, rates, 1)

    def _target(self, labels: Tensor) -> Tensor:
        """Return 1 at the right class, shape (seeds, classes, n), for labels of shape (seeds, n)."""
        classes = torch.arange(self._data.classes, device=labels.device)
        return (labels[:, None] == classes[:, None]).to(self.schedule.dtype)

    def _accuracy(self, weights: Tensor, part: int) -> Tensor:
        """Return accuracies, shape (seeds, rules, rates), on the validation part (0) or the test part (1).

        Outputs of which several are the highest name no class: else a rule that takes all weights to zero, after which
        all outputs are equal, would be always right.
        """
        outputs = self._layers.outputs(weights.flatten(1, 2), self._held_x[part])
        highest = outputs.amax(-2, keepdim=True)
        right = (outputs * self._held_y[part]).sum(-2) == highest[..., 0, :]  # much faster than argmax; false for NaN
        alone = (outputs == highest).sum(-2) == 1
        return (right & alone).double().mean(-1).view(weights.shape[:-1]).cpu()

    def _tensors(self, part: Part) -> tuple[Tensor, Tensor]:
        device = self.schedule.device
        return torch.tensor(part.x, dtype=self.schedule.dtype, device=device), torch.tensor(part.y, device=device)


def _beside(one: Trained, other: Trained) -> Trained:
    """Return what became of one rule at the rates of both."""
    return Trained(
        torch.cat([one.valid, other.valid], -1),
        torch.cat([one.test, other.test], -1),
        torch.cat([one.curve, other.curve], -1),
        torch.cat([one.died, other.died], -1),
    )


def _out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; on a CPU torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)

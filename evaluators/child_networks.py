"""The small networks that update rules train: a perceptron with hidden layers, and a ConvNet.

Their outputs are of shape (classes, batch), examples side by side: with thousands of small networks at once a softmax
over the first axis is many times faster than over the last one.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from evaluators.child_data import ChildData
from opro.errors import ConfigError

CHANNELS = 8
"""Of each of the two layers of the ConvNet."""


class Perceptron(nn.Module):
    """Layers of the given sizes, with ReLU between them."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (classes, batch), for inputs of shape (batch, ...)."""
        value = x.flatten(1).T
        for place, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            value = layer.weight @ (value.relu() if place else value) + layer.bias[:, None]
        return value


class ConvNet(nn.Module):
    """Two layers of 3x3 convolutions with ReLU and pooling, and a linear one; no statistics of a batch are kept."""

    def __init__(self, image: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = image
        self.first = nn.Conv2d(channels, CHANNELS, 3, padding=1)
        self.second = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.last = nn.Linear(CHANNELS * (height // 4) * (width // 4), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (classes, batch), for images of shape (batch, channels, height, width)."""
        value = functional.max_pool2d(self.first(x).relu(), 2)
        value = functional.max_pool2d(self.second(value).relu(), 2)
        return self.last(value.flatten(1)).T


def network(kind: str, data: ChildData, hidden: tuple[int, ...]) -> nn.Module:
    """Return an untrained network, `mlp` or `conv`, that fits the data.

    Raises:
        ConfigError: a ConvNet was asked for, and the data are no images of at least 4x4 pixels.
    """
    if kind == "mlp":
        return Perceptron([data.inputs, *hidden, data.classes])
    if data.image is None or min(data.image[1:]) < 4:
        raise ConfigError(f"network = {kind!r} needs images of at least 4x4 pixels; {data.name} has none: take `mlp`")
    return ConvNet(data.image, data.classes)


def initial(module: nn.Module, seed: int) -> dict[str, Tensor]:
    """Return initial parameters by name: normal weights as He et al. (2015) scale them, biases of zero."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        shape = parameter.shape
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        made[name] = drawn * (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else torch.zeros(shape).double()
    return made

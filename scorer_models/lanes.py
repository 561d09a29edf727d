"""KV caches side by side: a lane holds prompts that share a beginning, a block holds lanes of about the same length.

A lane is a small tree of tokens: all that is in it sees its root (what its prompts share), a prompt sees itself, and a
row (a sample in the making) sees itself and its prompt. So nothing is copied when one prompt is continued n times, and
what prompts share is kept once. Prompts that share little stand in different lanes, and pay nothing for each other.
"""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

ROOT, FREE = -1, -2  # owners of slots; the others are numbers of prompts and rows
SPARE = 64  # slots by which a block is wider than needed, at least

Ints = NDArray[np.int64]


class Block:
    """Keys and values of some lanes, shape (lanes, kv heads, width, d) a layer, and whose token is in which slot.

    Lanes whose rows are all done change places with those at the end, so that the lanes in use are always the first.
    """

    def __init__(self, lanes: int, width: int) -> None:
        self.lanes = self.used = lanes
        self.owners = np.full((lanes, width + SPARE), FREE, dtype=np.int64)
        self.positions = np.zeros((lanes, width + SPARE), dtype=np.int64)
        self._places = list(range(lanes))
        self._layers: list[tuple[Tensor, Tensor]] = []
        self._lacking: tuple[Block, int] | None = None

    def behind(self, trunk: "Block", length: int) -> Self:
        """Let every lane begin with the first `length` tokens of another block's only lane, copied when needed."""
        if length:
            self.owners[:, :length] = ROOT
            self.positions[:, :length] = np.arange(length)
            self._lacking = trunk, length
        return self

    @property
    def layers(self) -> int:
        """The number of layers that hold something."""
        return len(self._layers)

    def place(self, lane: int) -> int:
        """Return where a lane stands at present."""
        return self._places[lane]

    def take(self, lane: int, owner: int, position: int, count: int) -> Ints:
        """Return `count` free slots of a lane, which are given to tokens of `owner` from `position` on."""
        place = self._places[lane]
        slots = np.flatnonzero(self.owners[place] == FREE)[:count]
        if len(slots) < count:
            wider = ((0, 0), (0, max(count, SPARE, self.owners.shape[1] // 4)))
            self.owners = np.pad(self.owners, wider, constant_values=FREE)
            self.positions = np.pad(self.positions, wider)
            return self.take(lane, owner, position, count)
        self.owners[place, slots] = owner
        self.positions[place, slots] = np.arange(position, position + count)
        return slots

    def drop(self, lane: int, owner: int) -> None:
        """Free the slots of a row that is done."""
        owners = self.owners[self._places[lane]]
        owners[owners == owner] = FREE

    def width(self) -> int:
        """Return how many slots the lanes in use have at most."""
        taken = (self.owners[: self.used] != FREE).any(axis=0).nonzero()[0]
        return int(taken[-1]) + 1 if len(taken) else 0

    @torch.inference_mode()
    def retire(self, lane: int) -> None:
        """Take a lane out of use: it changes places with the last one in use."""
        self.used -= 1
        gone, last = self._places[lane], self.used
        if gone == last:
            return
        other = self._places.index(last)
        self._places[lane], self._places[other] = last, gone
        there, here = [gone, last], [last, gone]
        self.owners[there], self.positions[there] = self.owners[here], self.positions[here]
        for pair in self._layers:
            for buffer in pair:
                buffer[there] = buffer[here]

    def rewind(self, prompts: int) -> None:
        """Forget all rows, whose numbers are from `prompts` on, and use all lanes again."""
        self.owners[self.owners >= prompts] = FREE
        self.used = self.lanes

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` slots of each lane."""
        self.owners[:, length:] = FREE

    def clear(self) -> None:
        """Free the memory."""
        self._layers = []
        self._lacking = None

    def put(self, layer: int, places: Tensor, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write keys and values, shape (T, kv heads, d), of the tokens in those places and slots, shape (T,) each."""
        for buffer, new in zip(self._buffers(layer, keys, values), (keys, values), strict=True):
            buffer[places, :, slots] = new

    def _buffers(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the memory of a layer for keys and values like these, shape (T, kv heads, d), wide enough."""
        width = self.owners.shape[1]
        if layer == len(self._layers):
            # not `new_empty`: what was in the memory could be no number, and zero times that is none either
            first, second = (new.new_zeros(self.lanes, keys.shape[-2], width, new.shape[-1]) for new in (keys, values))
            self._layers.append((first, second))
        pair = self._layers[layer]
        if pair[0].shape[2] < width:
            first, second = (pad(buffer, (0, 0, 0, width - buffer.shape[2])) for buffer in pair)
            self._layers[layer] = pair = (first, second)
        return pair

    def part(self, layer: int, lane: int, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of some slots of a lane, shape (kv heads, stop - start, d) each."""
        keys, values = self._layers[layer]
        place = self._places[lane]
        return keys[place, :, start:stop], values[place, :, start:stop]

    def all(self, layer: int, width: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of the lanes in use, shape (lanes in use, kv heads, width, d) each."""
        keys, values = self._layers[layer]
        return keys[: self.used, :, :width], values[: self.used, :, :width]

    @torch.inference_mode()
    def complete(self) -> None:
        """Copy the beginning that the lanes were promised."""
        if self._lacking is None:
            return
        (trunk, length), self._lacking = self._lacking, None
        for layer in range(trunk.layers):
            parts = trunk.part(layer, 0, 0, length)
            # a lane whose prompts are all trunk has no buffers yet
            buffers = self._buffers(layer, *(part.transpose(0, 1) for part in parts))
            for buffer, part in zip(buffers, parts, strict=True):
                buffer[:, :, :length] = part

"""Forward passes over the tokens of a batch, without padding, whose keys and values lie in lanes.

All new tokens of a pass are one sequence of batch size 1, so that the greater part of a model, its linear layers, does
no work for nothing. Only attention knows of lanes: a prompt that is read sees what comes before it and itself; in a
decoding step, the rows of a block's lanes attend together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, DynamicCache

from opro.errors import ModelError
from scorer_models.lanes import ROOT, Block

ATTENTION = "opro_tree"
CHUNK = 256  # tokens of one prefill pass, always counted from the first, so that sums have the same order
STRANGE = (
    "{} attends in a way that the local backend does not know; serve it with vLLM or llama.cpp and use openai:MODEL@URL"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Slots `start` to `stop` of a lane."""

    block: Block
    lane: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens to add to a lane: their ids, the position of the first, and whom they belong to.

    A run that is read sees the spans in `before`, and itself; it stands in the slots behind the lane's last. A run of
    a row sees the lane's root, the row itself, and `parent`, its prompt.
    """

    ids: Sequence[int]
    position: int
    block: Block
    lane: int
    owner: int
    parent: int = ROOT
    before: tuple[Span, ...] = ()
    wanted: bool = True  # whether the logits after its last token are asked for

    def slots(self) -> Tensor:
        """Take slots for the tokens."""
        return torch.from_numpy(self.block.take(self.lane, self.owner, self.position, len(self.ids)))


class _Alone:
    """How one run that is read attends: under a causal mask, to what comes before it and to itself."""

    def __init__(self, length: int, spans: Sequence[Span]) -> None:
        self._length = length
        self._spans = spans
        self._masks: dict[tuple[int | None, int], Tensor] = {}

    def attend(self, layer: int, query: Tensor, scale: float | None, window: int | None) -> Tensor:
        """Return what the tokens see; query and result have the shape (T, heads, d)."""
        parts = [span.block.part(layer, span.lane, span.start, span.stop) for span in self._spans]
        keys, values = (torch.cat([part[i] for part in parts], dim=1) for i in (0, 1))
        length, heads, size = query.shape
        group = heads // keys.shape[0]
        # Heads that share a key head become more queries of that head, so that keys and values need not be repeated.
        grouped = query.transpose(0, 1).reshape(1, keys.shape[0], group * length, size)
        mask = self._mask(window, group, query)
        out = scaled_dot_product_attention(grouped, keys[None], values[None], attn_mask=mask, scale=scale)
        return out.reshape(heads, length, -1).transpose(0, 1)

    def _mask(self, window: int | None, group: int, like: Tensor) -> Tensor:
        if (window, group) not in self._masks:
            total = sum(span.stop - span.start for span in self._spans)
            keys = torch.arange(total)
            queries = torch.arange(total - self._length, total)[:, None]
            seen = keys <= queries
            if window is not None:
                seen &= keys > queries - window
            self._masks[window, group] = _added(seen, like).repeat(group, 1)
        return self._masks[window, group]


class _Together:
    """How the rows of a block attend: all lanes in use at once, filled up to the same number of tokens."""

    def __init__(self, block: Block, runs: Sequence[Run], device: torch.device) -> None:
        self._block = block
        self._width = block.width()
        places = np.repeat([block.place(run.lane) for run in runs], [len(run.ids) for run in runs])
        counts = np.bincount(places, minlength=block.used)
        self._lanes, self._length = len(counts), int(counts.max())
        order = np.argsort(places, kind="stable")
        nth = np.arange(len(places)) - (np.cumsum(counts) - counts)[places[order]]
        back = np.empty(len(places), dtype=np.int64)
        back[order] = places[order] * self._length + nth
        index = np.zeros(self._lanes * self._length, dtype=np.int64)  # where there is no token, the first stands in
        index[back] = np.arange(len(places))
        self._index, self._back = (torch.from_numpy(array).to(device) for array in (index, back))
        self._runs = runs
        self._at = index
        self._masks: dict[tuple[int | None, int], Tensor] = {}

    def attend(self, layer: int, query: Tensor, scale: float | None, window: int | None) -> Tensor:
        """Return what the tokens see; query and result have the shape (T, heads, d)."""
        keys, values = self._block.all(layer, self._width)
        heads, size, lanes, length = *query.shape[1:], self._lanes, self._length
        group = heads // keys.shape[1]
        padded = query[self._index].view(lanes, length, keys.shape[1], group, size).permute(0, 2, 3, 1, 4)
        mask = self._mask(window, group, query)
        out = scaled_dot_product_attention(
            padded.reshape(lanes, keys.shape[1], group * length, size), keys, values, attn_mask=mask, scale=scale
        )
        spread = out.view(lanes, keys.shape[1], group, length, -1).permute(0, 3, 1, 2, 4)
        return spread.reshape(lanes * length, heads, -1)[self._back]

    def _mask(self, window: int | None, group: int, like: Tensor) -> Tensor:
        if (window, group) not in self._masks:
            owners, positions = (
                a[: self._lanes, None, : self._width] for a in (self._block.owners, self._block.positions)
            )
            mine, parents, now = self._queries()
            seen = ((owners == ROOT) | (owners == mine) | (owners == parents)) & (positions <= now)
            if window is not None:
                seen &= positions > now - window
            self._masks[window, group] = _added(torch.from_numpy(seen), like).repeat(1, group, 1)[:, None]
        return self._masks[window, group]

    def _queries(self) -> tuple[np.ndarray[Any, Any], ...]:
        """Return owner, parent and position of the tokens that attend, shape (lanes, T, 1) each."""
        columns = (
            [run.owner for run in self._runs for _ in run.ids],
            [run.parent for run in self._runs for _ in run.ids],
            [run.position + i for run in self._runs for i in range(len(run.ids))],
        )
        return tuple(np.array(column)[self._at].reshape(self._lanes, self._length, 1) for column in columns)


def _added(seen: Tensor, like: Tensor) -> Tensor:
    """Return what is added to scores: 0 where a token is seen, else -inf; of the type and device of `like`."""
    blank = torch.zeros(seen.shape, dtype=like.dtype, device=like.device)
    return blank.masked_fill_(~seen.to(like.device), -torch.inf)


@dataclass(frozen=True, slots=True)
class _Write:
    """Which tokens of a pass go where."""

    part: slice
    block: Block
    places: Tensor
    slots: Tensor


@dataclass(slots=True)
class _Pass:
    """One forward pass: its tokens, where their keys and values go, and how they attend, part by part."""

    ids: list[int] = field(default_factory=list[int])
    positions: list[int] = field(default_factory=list[int])
    ends: list[int] = field(default_factory=list[int])  # the tokens after which logits are wanted
    writes: list[_Write] = field(default_factory=list[_Write])
    looks: list[tuple[slice, _Alone | _Together]] = field(default_factory=list[tuple[slice, _Alone | _Together]])

    def add(self, run: Run) -> slice:
        """Append a run's tokens; return which they are."""
        part = slice(len(self.ids), len(self.ids) + len(run.ids))
        self.ids.extend(run.ids)
        self.positions.extend(range(run.position, run.position + len(run.ids)))
        return part


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attend (shapes: query (1, heads, T, d); key and value, of the same tokens, (1, kv heads, T, d))."""
    now: _Pass | None = options.get("tree")
    layer = getattr(module, "layer_idx", None)
    if now is None or layer is None or options.get("softcap") is not None or options.get("s_aux") is not None:
        raise ModelError(STRANGE.format(type(module).__name__))
    keys, values = key[0].transpose(0, 1), value[0].transpose(0, 1)
    for write in now.writes:
        write.block.put(layer, write.places, write.slots, keys[write.part], values[write.part])
    queries = query[0].transpose(0, 1)
    scale, window = options.get("scaling"), options.get("sliding_window")
    outs = [look.attend(layer, queries[part], scale, window) for part, look in now.looks]
    return torch.cat(outs)[None], None


AttentionInterface.register(ATTENTION, _attend)


class _NoCache(DynamicCache):
    """Keeps nothing and hands on what is new: lanes keep it."""

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Return the new tokens' keys and values."""
        del layer_idx
        return key_states, value_states


class TokenTree:
    """Runs the model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.device: torch.device = model.device

    def read(self, runs: Sequence[Run]) -> Tensor:
        """Read runs of prompts, in order; return the logits after those wanted, shape (how many, vocabulary)."""
        return torch.cat([self._forward(now) for now in self._chunks(runs)])

    def _chunks(self, runs: Sequence[Run]) -> Iterator[_Pass]:
        """Cut runs into passes of CHUNK tokens."""
        now = _Pass()
        for run in runs:
            done, first = 0, 0
            while done < len(run.ids):
                piece = Run(
                    run.ids[done : done + CHUNK - len(now.ids)], run.position + done, run.block, run.lane, run.owner
                )
                slots = piece.slots()
                first = first if done else int(slots[0])
                spans = (*run.before, Span(run.block, run.lane, first, int(slots[-1]) + 1))
                part = now.add(piece)
                now.writes.append(self._write(part, run.block, [piece], slots))
                now.looks.append((part, _Alone(len(piece.ids), spans)))
                done += len(piece.ids)
                if done == len(run.ids) and run.wanted:
                    now.ends.append(len(now.ids) - 1)
                if len(now.ids) == CHUNK:
                    yield now
                    now = _Pass()
        if now.ids:
            yield now

    def step(self, runs: Sequence[Run]) -> Tensor:
        """Let rows read what is new in them; return the logits after each run, shape (len(runs), vocabulary)."""
        blocks: dict[Block, list[int]] = {}
        for number, run in enumerate(runs):
            blocks.setdefault(run.block, []).append(number)
        now = _Pass(ends=[0] * len(runs))
        for block, numbers in blocks.items():
            block.complete()
            here = [runs[number] for number in numbers]
            start = len(now.ids)
            slots = torch.cat([run.slots() for run in here])
            for number, run in zip(numbers, here, strict=True):
                now.ends[number] = now.add(run).stop - 1
            part = slice(start, len(now.ids))
            now.writes.append(self._write(part, block, here, slots))
            now.looks.append((part, _Together(block, here, self.device)))
        return self._forward(now)

    def _write(self, part: slice, block: Block, runs: Sequence[Run], slots: Tensor) -> _Write:
        places = torch.tensor([block.place(run.lane) for run in runs for _ in run.ids], device=self.device)
        return _Write(part, block, places, slots.to(self.device))

    @torch.inference_mode()
    def _forward(self, now: _Pass) -> Tensor:
        """Run the model over one pass."""
        out = self._model(
            input_ids=torch.tensor(now.ids, device=self.device)[None],
            position_ids=torch.tensor(now.positions, device=self.device)[None],
            past_key_values=_NoCache(),
            use_cache=True,
            logits_to_keep=torch.tensor(now.ends, dtype=torch.long, device=self.device),
            tree=now,
        )
        return out.logits[0].float()

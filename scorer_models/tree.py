"""The KV cache of a batch as one tree of tokens: what rows have in common is computed, and kept, once.

Every token of a batch lies in one sequence of batch size 1, and a mask says which tokens a token sees: the root (the
prefix that all prompts share), its own prompt, and its own row. One forward pass so prefills several prompts at once
without padding, and a decoding step of B rows is one sequence of B tokens. Nothing is copied when one prompt is
continued n times, where `generate(num_return_sequences=n)` of transformers computes the prompt n times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, DynamicCache

from opro.errors import ModelError

ATTENTION = "opro_tree"
ROOT = -1
CHUNK = 256  # tokens of one prefill pass, always counted from the root's first, so that sums have the same order
STRANGE = (
    "{} attends in a way that the local backend does not know; serve it with vLLM or llama.cpp and use openai:MODEL@URL"
)
SPARE = 256  # slots by which the cache grows at least


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens to add to the tree, all of length T: their ids, positions, and who owns them and whom they see.

    `owners` marks whose token it is (ROOT, a prompt or a row); it sees the root's and its owner's tokens, and those of
    `parents`.
    """

    ids: Sequence[int]
    positions: Sequence[int]
    owners: Sequence[int]
    parents: Sequence[int]

    def slice(self, start: int, stop: int) -> "Tokens":
        """Return the tokens from `start` to `stop`."""
        return Tokens(*(getattr(self, name)[start:stop] for name in ("ids", "positions", "owners", "parents")))


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attend (shapes: query (1, heads, T, d); key and value (1, kv heads, N, d)) under the mask of the tree."""
    tree: TokenTree | None = options.get("tree")
    if tree is None or options.get("softcap") is not None or options.get("s_aux") is not None:
        raise ModelError(STRANGE.format(type(module).__name__))
    heads, length = query.shape[1], query.shape[2]
    group = heads // key.shape[1]
    # Heads that share a key head become more queries of that head, so that keys and values need not be repeated.
    grouped = query.reshape(1, key.shape[1], group * length, -1)
    mask = tree.mask(options.get("sliding_window"), group)
    out = scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=options.get("scaling"))
    return out.reshape(1, heads, length, -1).transpose(1, 2), None


AttentionInterface.register(ATTENTION, _attend)


class _Store(DynamicCache):
    """Keys and values of all layers in buffers that grow by doubling, shape (1, kv heads, capacity, d) each."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0
        self.pending = 0
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values behind the old ones, and return all."""
        end = self.length + key_states.shape[2]
        for buffers, new in ((self.keys, key_states), (self.values, value_states)):
            if layer_idx == len(buffers):
                buffers.append(new.new_empty(1, new.shape[1], end + SPARE, new.shape[3]))
            buffer = buffers[layer_idx]
            if buffer.shape[2] < end:
                grown = new.new_empty(1, new.shape[1], end + max(SPARE, end // 2), new.shape[3])
                grown[:, :, : self.length] = buffer[:, :, : self.length]
                buffers[layer_idx] = buffer = grown
            buffer[:, :, self.length : end] = new
        return self.keys[layer_idx][:, :, :end], self.values[layer_idx][:, :, :end]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the number of tokens held."""
        del layer_idx
        return self.length

    def select(self, slots: Tensor) -> None:
        """Keep only the tokens in `slots`, in that order."""
        size = len(slots)
        for buffer in (*self.keys, *self.values):
            buffer[:, :, :size] = buffer[:, :, slots]
        self.length = size


class TokenTree:
    """The tokens of a batch, and the model that continues them."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.device: torch.device = model.device
        self._dtype: torch.dtype = model.dtype
        self._store = _Store()
        self._owners = torch.empty(0, dtype=torch.long, device=self.device)
        self._positions = torch.empty(0, dtype=torch.long, device=self.device)
        self._new: tuple[Tensor, Tensor] = (self._owners, self._owners)
        self._masks: dict[tuple[int | None, int], Tensor] = {}

    def __len__(self) -> int:
        return self._store.length

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._store.length = length
        self._owners, self._positions = self._owners[:length], self._positions[:length]

    @torch.inference_mode()
    def keep(self, owners: Sequence[int]) -> None:
        """Forget the tokens whose owner is neither the root nor among `owners`."""
        wanted = torch.tensor([ROOT, *owners], device=self.device)
        slots = torch.isin(self._owners, wanted).nonzero()[:, 0]
        self._store.select(slots)
        self._owners, self._positions = self._owners[slots], self._positions[slots]

    def add(self, tokens: Tokens, wanted: Sequence[int]) -> Tensor:
        """Add tokens and return the logits after those at the ascending indices `wanted`.

        The shape is (len(wanted), vocabulary).
        """
        logits: list[Tensor] = []
        for start in range(0, len(tokens.ids), CHUNK):
            here = [i - start for i in wanted if start <= i < start + CHUNK]
            logits.append(self._forward(tokens.slice(start, start + CHUNK), here))
        return torch.cat(logits)

    @torch.inference_mode()
    def _forward(self, tokens: Tokens, wanted: Sequence[int]) -> Tensor:
        """Run the model over one chunk."""
        ids, positions, owners, parents = (
            torch.tensor(part, device=self.device)
            for part in (tokens.ids, tokens.positions, tokens.owners, tokens.parents)
        )
        self._owners = torch.cat((self._owners, owners))
        self._positions = torch.cat((self._positions, positions))
        self._new = (torch.stack((owners, parents)), positions)
        self._masks.clear()
        out = self._model(
            input_ids=ids[None],
            position_ids=positions[None],
            past_key_values=self._store,
            use_cache=True,
            logits_to_keep=torch.tensor(wanted or [0], device=self.device),
            tree=self,
        )
        self._store.length += len(tokens.ids)
        return out.logits[0, : len(wanted)].float()

    def mask(self, window: int | None, group: int) -> Tensor:
        """Return what is added to the scores, shape (group * T, N): 0 where a new token sees a token, else -inf."""
        if (window, group) not in self._masks:
            (owners, parents), positions = self._new
            seen = (self._owners == ROOT) | (self._owners == owners[:, None]) | (self._owners == parents[:, None])
            seen &= self._positions <= positions[:, None]
            if window is not None:
                seen &= self._positions > positions[:, None] - window
            blank = torch.zeros(seen.shape, dtype=self._dtype, device=self.device)
            mask = blank.masked_fill_(~seen, -torch.inf)
            self._masks[window, group] = mask.repeat(group, 1)
        return self._masks[window, group]

"""Choosing the next token of many rows at once, with noise that depends on nothing but the row's own seed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opro.types import Request

HEAD = 1024  # candidates that truncation looks at first; nearly always enough, and sorting 50,000 is slow
GOLDEN, MIX_1, MIX_2 = -7046029254386353131, -4658895280553007687, -7723592293110705685  # splitmix64, as signed


def row_key(seed: int, sample: int) -> int:
    """Return the 63-bit key of the noise of one sample of a request."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{sample}".encode()).digest()[:8], "big") >> 1


def _mix(values: Tensor) -> Tensor:
    """Return the splitmix64 hash of int64 values (shifts are arithmetic in torch, so the sign is masked off)."""
    values = (values ^ ((values >> 30) & 0x3FFFFFFFF)) * MIX_1
    values = (values ^ ((values >> 27) & 0x1FFFFFFFFF)) * MIX_2
    return values ^ ((values >> 31) & 0x1FFFFFFFF)


def gumbel(keys: Tensor, step: Tensor, ids: Tensor) -> Tensor:
    """Return Gumbel noise, shape of `ids` (R, C): a function of row key, step and token id alone.

    It does not matter which other tokens are candidates or which other rows are in the batch, so that a small
    difference of the logits changes a choice only where two candidates are nearly level.
    """
    state = _mix(keys + step * GOLDEN)[:, None]
    bits = (_mix(state ^ (ids * GOLDEN)) >> 11) & 0x1FFFFFFFFFFFFF
    uniform = (bits.double() + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform)).float()


@dataclass(frozen=True, slots=True)
class Settings:
    """How R rows are sampled; every field has shape (R,) or (R, 1)."""

    keys: Tensor
    temperature: Tensor
    top_p: Tensor
    top_k: Tensor
    min_p: Tensor

    @classmethod
    def of(cls, rows: Sequence[tuple[Request, int]], device: torch.device) -> "Settings":
        """Return the settings of rows given as (request, number of the sample)."""
        requests = [request for request, _ in rows]

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

        return cls(
            torch.tensor([row_key(request.seed, sample) for request, sample in rows], device=device),
            column([r.temperature for r in requests]),
            column([r.top_p for r in requests]),
            column([r.top_k or torch.inf for r in requests]),
            column([r.min_p for r in requests]),
        )

    def select(self, rows: Tensor) -> "Settings":
        """Return the settings of some of the rows."""
        return Settings(self.keys[rows], self.temperature[rows], self.top_p[rows], self.top_k[rows], self.min_p[rows])

    @property
    def truncates(self) -> bool:
        """Whether any row looks at less than all candidates."""
        return bool(((self.top_p < 1) | (self.top_k < torch.inf) | (self.min_p > 0)).any())


def choose(scores: Tensor, ids: Tensor, settings: Settings, step: Tensor) -> Tensor:
    """Return a token id for every row.

    Args:
        scores: logits of the candidates, shape (R, C), float32, -inf where there is none.
        ids: the candidates' token ids, shape (R, C).
        settings: how each row is sampled.
        step: the number of tokens that each row has, shape (R,).
    """
    greedy = settings.temperature == 0
    if greedy.all():
        return ids.gather(1, scores.argmax(dim=1, keepdim=True))[:, 0]
    scores = scores / torch.where(greedy, 1.0, settings.temperature)
    if settings.truncates:
        scores, ids = _truncate(scores, ids, settings)
    noise = torch.where(greedy, 0.0, gumbel(settings.keys, step, ids))
    best = (scores + noise).argmax(dim=1, keepdim=True)
    return ids.gather(1, best)[:, 0]


def _truncate(scores: Tensor, ids: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """Apply top-k, then top-p, then min-p to the scaled scores."""
    total = scores.logsumexp(dim=1, keepdim=True)
    head, order = scores.topk(min(HEAD, scores.shape[1]), dim=1)
    if head.shape[1] < scores.shape[1] and not _enough(head, total, settings):
        head, order = scores.sort(dim=1, descending=True)
    rank = torch.arange(head.shape[1], device=head.device)
    head = head.masked_fill(rank >= settings.top_k, -torch.inf)
    total = torch.where(settings.top_k < torch.inf, head.logsumexp(dim=1, keepdim=True), total)
    probability = (head - total).exp()
    before = probability.cumsum(dim=1) - probability
    cut = (before >= settings.top_p) & (rank > 0) | (probability < settings.min_p * probability[:, :1])
    return head.masked_fill(cut, -torch.inf), ids.gather(1, order)


def _enough(head: Tensor, total: Tensor, settings: Settings) -> bool:
    """Say whether the highest scores of every row hold all that its truncation leaves."""
    by_rank = settings.top_k <= head.shape[1]
    by_mass = (settings.top_p < 1) & ((head - total).exp().sum(dim=1, keepdim=True) >= settings.top_p)
    by_share = (settings.min_p > 0) & ((head[:, -1:] - head[:, :1]).exp() < settings.min_p)
    return bool((by_rank | by_mass | by_share).all())


def pad(candidates: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return candidate lists as one array (R, C), filled up with 0, and where it was filled up."""
    longest = max(len(ids) for ids in candidates)
    out = np.zeros((len(candidates), longest), dtype=np.int64)
    filled = np.ones(out.shape, dtype=np.bool_)
    for row, ids in enumerate(candidates):
        out[row, : len(ids)] = ids
        filled[row, : len(ids)] = False
    return out, filled

"""Permutations while vLLM decodes: which tokens may come next in one row of its batch. Runs in vLLM's own process.

vLLM has two runners, of which the newer is the default on GPUs, and each has an interface of its own for what changes
logits: see vllm_runner_v1.py and vllm_runner_v2.py, which do nothing but call this.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from scorer_models.decoding import Visits, item_trie

KEY = "opro_permutation"
"""Under which a request's `extra_args` hold the items, each as a list of token ids."""

Spelled = Sequence[Sequence[int]]


class Walk:
    """Follows one row, whose every item is named once."""

    def __init__(self, spelled: Spelled) -> None:
        self._visits = visits(spelled)
        self._read = 0

    @classmethod
    def of(cls, extra_args: Mapping[str, Any] | None) -> "Walk | None":
        """Return the walk of a new row, None for a request without a permutation."""
        spelled = (extra_args or {}).get(KEY)
        return None if spelled is None else cls(spelled)

    def restrict(self, logits: torch.Tensor, output: Sequence[int]) -> None:
        """Set the logits, shape (vocabulary,), of tokens that may not follow `output` to -inf, in place.

        Ids below 0 stand for tokens that are still to come from the device.
        """
        for token in output[self._read :]:
            if token < 0 or self._visits.finished:
                break
            self._visits.push(token)
            self._read += 1
        if self._visits.finished:  # the row ends with its last token, for max_tokens says so
            return
        allowed = torch.from_numpy(self._visits.allowed()).to(logits.device)
        kept = logits[allowed]
        logits.fill_(-torch.inf)
        logits[allowed] = kept


def visits(spelled: Spelled) -> Visits:
    """Return the guide of one row.

    Raises:
        ModelError: two items are spelled alike.
    """
    return Visits(_trie(tuple(tuple(tokens) for tokens in spelled)))


@functools.lru_cache(64)
def _trie(spelled: tuple[tuple[int, ...], ...]) -> Any:
    return item_trie([list(tokens) for tokens in spelled])

"""Permutations for vLLM's first model runner. Imported by vLLM, in the process that runs the model."""

import importlib
from typing import Any

import torch

from scorer_models.vllm_permutation import Walk

_vllm: Any = importlib.import_module("vllm.v1.sample.logits_processor")
_Base: Any = _vllm.LogitsProcessor


class Permutations(_Base):
    """Keeps the rows that ask for a permutation to it."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:  # noqa: ARG002, FBT001 - vLLM's signature
        self._walks: dict[int, tuple[Walk, list[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        """Return False: a greedy row is changed as well."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Take over rows that came, went, or moved within the batch."""
        _vllm.process_dict_updates(self._walks, batch_update, _start)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Restrict the logits, shape (rows, vocabulary), in place."""
        for row, (walk, output) in self._walks.items():
            walk.restrict(logits[row], output)
        return logits


def _start(params: Any, _prompt: list[int] | None, output: list[int]) -> tuple[Walk, list[int]] | None:
    walk = Walk.of(params.extra_args)
    return None if walk is None else (walk, output)

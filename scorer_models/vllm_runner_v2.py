"""Permutations for vLLM's second model runner. Imported by vLLM, in the process that runs the model."""

import importlib
from typing import Any

import torch

from scorer_models.vllm_permutation import Walk

_Base: Any = importlib.import_module("vllm.v1.worker.gpu.sample.logits_processor").LogitsProcessor


class Permutations(_Base):
    """Keeps the rows that ask for a permutation to it."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:  # noqa: ARG002 - vLLM's signature
        self._states = req_states
        self._walks: dict[int, Walk] = {}

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Take over a slot; what was in it before is gone. Say whether its logits are changed."""
        self._walks.pop(req_idx, None)
        walk = Walk.of(sampling_params.extra_args)
        if walk is not None:
            self._walks[req_idx] = walk
        return walk is not None

    def apply(self, logits: torch.Tensor, ctx: Any) -> torch.Tensor:
        """Restrict the logits, shape (rows, vocabulary), in place; a row is a request, for nothing is speculated."""
        for row, slot in enumerate(ctx.idx_mapping_np.tolist()):
            if slot in self._walks:
                self._walks[slot].restrict(logits[row], self._output(slot))
        return logits

    def _output(self, slot: int) -> list[int]:
        """Return what the request in a slot has written so far."""
        start, end = int(self._states.prompt_len.np[slot]), int(self._states.total_len.gpu[slot])
        tokens: list[int] = self._states.all_token_ids.gpu[slot, start:end].tolist()
        return tokens

"""The permutations of both of vLLM's runners, on batches made by hand: the second runner needs a GPU, or Triton."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scorer_models.vllm_permutation import KEY

pytestmark = pytest.mark.vllm
FREE, BOUND = SimpleNamespace(extra_args=None), SimpleNamespace(extra_args={KEY: [[1], [2], [4, 5]]})


def left(row: torch.Tensor) -> set[int]:
    return set(row.isfinite().nonzero()[:, 0].tolist())


def update(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"batch_size": 2, "removed": [], "added": [], "moved": [], **changes})


def test_the_first_runner_follows_rows_that_come_move_and_go() -> None:
    from vllm.v1.sample.logits_processor import LogitsProcessor, MoveDirectionality

    from scorer_models.vllm_runner_v1 import Permutations

    processor: Any = Permutations(None, torch.device("cpu"), is_pin_memory=False)
    assert isinstance(processor, LogitsProcessor)
    assert not processor.is_argmax_invariant()
    output: list[int] = []
    processor.update_state(update(added=[(0, FREE, [9], []), (1, BOUND, [9], output)]))
    logits = processor.apply(torch.zeros(2, 8))
    assert [left(row) for row in logits] == [set(range(8)), {1, 2, 4}]
    output.append(4)
    processor.update_state(None)
    processor.update_state(update(moved=[(1, 0, MoveDirectionality.SWAP)]))
    logits = processor.apply(torch.zeros(2, 8))
    assert [left(row) for row in logits] == [{5}, set(range(8))]
    processor.update_state(update(removed=[0]))
    assert [left(row) for row in processor.apply(torch.zeros(2, 8))] == [set(range(8))] * 2


def test_the_second_runner_follows_slots_whatever_row_they_are_in() -> None:
    from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

    from scorer_models.vllm_runner_v2 import Permutations

    tokens = torch.zeros(4, 16, dtype=torch.int32)
    tokens[3, :4] = torch.tensor([7, 7, 7, 4])
    states = SimpleNamespace(
        all_token_ids=SimpleNamespace(gpu=tokens),
        prompt_len=SimpleNamespace(np=np.array([0, 0, 0, 3])),
        total_len=SimpleNamespace(gpu=torch.tensor([0, 5, 0, 3])),
    )
    processor: Any = Permutations(None, states)
    assert isinstance(processor, LogitsProcessor)
    assert processor.add_request(3, BOUND)
    assert not processor.add_request(1, FREE)
    batch = SimpleNamespace(idx_mapping_np=np.array([1, 3]))
    assert [left(row) for row in processor.apply(torch.zeros(2, 8), batch)] == [set(range(8)), {1, 2, 4}]
    states.total_len.gpu[3] = 4
    batch = SimpleNamespace(idx_mapping_np=np.array([3, 1]))
    assert [left(row) for row in processor.apply(torch.zeros(2, 8), batch)] == [{5}, set(range(8))]
    assert not processor.add_request(3, FREE)
    assert [left(row) for row in processor.apply(torch.zeros(2, 8), batch)] == [set(range(8))] * 2

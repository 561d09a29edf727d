"""Choosing tokens: truncation against a plain reference, and noise that depends on the row alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opro.types import Request
from scorer_models import sampling
from scorer_models.sampling import Settings, choose, gumbel, pad, row_key

CPU = torch.device("cpu")


def kept(scores: list[float], request: Request) -> set[int]:
    """Return what top-k, then top-p, then min-p leave: the definition, one row, no shortcut."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])[: request.top_k or None]
    shares = np.exp([scores[i] - scores[order[0]] for i in order])
    shares /= shares.sum()
    before = np.concatenate(([0.0], np.cumsum(shares)[:-1]))
    return {
        i
        for rank, i in enumerate(order)
        if (before[rank] < request.top_p or rank == 0) and shares[rank] >= request.min_p * shares[0]
    }


@settings(deadline=None, max_examples=60)
@given(
    scores=st.lists(st.integers(-40, 40), min_size=2, max_size=30, unique=True),
    top_k=st.integers(0, 6),
    top_p=st.sampled_from([0.31, 0.83, 1.0]),
    min_p=st.sampled_from([0.0, 0.07]),
    head=st.sampled_from([2, 5, 1024]),
)
def test_only_what_truncation_leaves_is_chosen(
    scores: list[int], top_k: int, top_p: float, min_p: float, head: int
) -> None:
    values = [score / 7 for score in scores]
    request = Request(prompt="", n=40, top_k=top_k, top_p=top_p, min_p=min_p, temperature=1.0)
    rows = [(request, sample) for sample in range(request.n)]
    ids = torch.arange(100, 100 + len(values)).expand(request.n, -1)
    old, sampling.HEAD = sampling.HEAD, head
    try:
        chosen = choose(
            torch.tensor([values] * request.n), ids, Settings.of(rows, CPU), torch.zeros(request.n, dtype=torch.long)
        )
    finally:
        sampling.HEAD = old
    assert {token - 100 for token in chosen.tolist()} <= kept(values, request)


@pytest.mark.parametrize(
    "request_", [Request(prompt="", top_p=0.95), Request(prompt="", min_p=0.5), Request(prompt="")]
)
def test_what_truncation_leaves_beyond_the_head_is_chosen_too(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "HEAD", 3)
    n = 600
    rows = [(request_, sample) for sample in range(n)] + [(Request(prompt="", top_k=2), 0)]
    ids = torch.arange(12).expand(n + 1, 12)
    chosen = choose(torch.zeros(n + 1, 12), ids, Settings.of(rows, CPU), torch.zeros(n + 1, dtype=torch.long))
    assert len(set(chosen[:n].tolist())) == 12


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    n = 20_000
    request = Request(prompt="", n=n, temperature=2.0, seed=5)
    probability = torch.tensor([0.5, 0.3, 0.15, 0.05])
    scores = (probability.log() * 2.0).expand(n, 4)  # the temperature divides the 2 away
    rows = Settings.of([(request, sample) for sample in range(n)], CPU)
    chosen = choose(scores, torch.tensor([7, 49_000, 3, 12]).expand(n, 4), rows, torch.full((n,), 3))
    counts = torch.stack([(chosen == token).sum() for token in (7, 49_000, 3, 12)]) / n
    assert torch.allclose(counts, probability, atol=0.015)


def test_a_choice_does_not_depend_on_the_other_rows_or_on_padding() -> None:
    requests = [Request(prompt="", seed=seed, temperature=1.0) for seed in range(5)]
    scores, ids = torch.randn(5, 9, generator=torch.Generator().manual_seed(0)), torch.arange(9).expand(5, 9) * 31
    steps = torch.arange(5)
    together = choose(scores, ids, Settings.of([(r, 2) for r in requests], CPU), steps)
    for row, request in enumerate(requests):
        wide = torch.cat((scores[row : row + 1], torch.full((1, 4), -torch.inf)), dim=1)
        alone = choose(
            wide, torch.cat((ids[:1], ids[:1, :4]), dim=1), Settings.of([(request, 2)], CPU), steps[row : row + 1]
        )
        assert alone[0] == together[row]


def test_temperature_zero_takes_the_highest_score() -> None:
    rows = Settings.of([(Request(prompt="", temperature=0.0), i) for i in range(3)], CPU)
    scores = torch.tensor([[0.0, 2.0, 1.0]] * 3)
    assert choose(scores, torch.tensor([[5, 6, 7]] * 3), rows, torch.zeros(3, dtype=torch.long)).tolist() == [6, 6, 6]


def test_noise_differs_by_seed_sample_and_step() -> None:
    keys = torch.tensor([row_key(1, 0), row_key(1, 1), row_key(2, 0), row_key(1, 0)])
    noise = gumbel(keys, torch.tensor([0, 0, 0, 1]), torch.arange(50).expand(4, 50))
    assert torch.isfinite(noise).all()
    assert len({tuple(row) for row in noise.tolist()}) == 4
    assert abs(float(noise.mean()) - 0.5772) < 0.25


def test_lists_of_candidates_are_filled_up() -> None:
    ids, filled = pad([np.array([4, 5, 6]), np.array([9])])
    assert ids.tolist() == [[4, 5, 6], [9, 0, 0]]
    assert filled.tolist() == [[False] * 3, [False, True, True]]

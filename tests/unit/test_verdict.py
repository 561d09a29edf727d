"""The verdict: what is claimed, and what is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opro.types import Direction, Reference
from opro.verdict import ENOUGH, Outcome, compare, interval, judge, paired_test

OPTIMUM = Reference("optimum", 10.0, optimum=True)


def outcomes(values: list[float], direction: Direction = Direction.MINIMIZE) -> list[Outcome]:
    return [
        Outcome(
            seed=seed,
            start=direction.cost(-1.0) * 100,
            best=value,
            evaluations=45,
            steps=5,
            found=value == OPTIMUM.value,
            references=(OPTIMUM, Reference("nearest neighbour", 12.0)),
        )
        for seed, value in enumerate(values)
    ]


def test_one_seed_is_too_few_for_a_claim() -> None:
    verdict = judge("opro", outcomes([10.0]), {"random": outcomes([50.0])}, Direction.MINIMIZE)
    assert "opro against random: better in 1 of 1" in str(verdict)
    assert "1 seed is too few for a test" in str(verdict)
    assert "no gain over all of them is shown" in str(verdict)


def test_a_gain_on_every_seed_is_a_gain() -> None:
    values = [10.0, 11.0, 12.0, 10.0, 11.0, 12.0, 10.0, 11.0]
    verdict = judge("opro", outcomes(values), {"random": outcomes([v + 5 for v in values])}, Direction.MINIMIZE)
    (comparison,) = verdict.comparisons
    assert (comparison.wins, comparison.difference) == (8, 5.0)
    assert (comparison.low, comparison.high) == (pytest.approx(5.0), pytest.approx(5.0))
    assert comparison.p == pytest.approx(2 / 2**8)
    assert "did better than every baseline" in str(verdict)


def test_a_loss_is_said() -> None:
    verdict = judge("opro", outcomes([20.0] * 8), {"surrogate": outcomes([10.0] * 8)}, Direction.MINIMIZE)
    assert "a loss is shown" in str(verdict)
    assert "surrogate did better than opro" in str(verdict)


def test_a_loss_is_told_without_a_minus_and_one_value_is_no_mean() -> None:
    ours, theirs = [20.0, 31.0, 40.0, 22.0, 35.0, 27.0, 31.0, 24.0], [10.0] * 8
    text = str(judge("opro", outcomes(ours), {"surrogate": outcomes(theirs)}, Direction.MINIMIZE))
    assert "worse by 18.75 on average, 95 % interval 13" in text
    assert "worse)." in text
    assert "-18" not in text
    alone = str(judge("opro", outcomes([11.0]), {"random": outcomes([12.0])}, Direction.MINIMIZE))
    assert "better in 1 of 1; 11 against 12; 1 seed is too few" in alone
    assert "mean" not in alone
    assert "on average" not in alone.partition("In short")[0]


def test_the_bottom_line_claims_no_more_than_the_test_shows() -> None:
    ours, theirs = [10.0, 20.0, 10.0, 20.0, 10.0, 20.0, 10.0, 21.0], [20.0, 10.0, 20.0, 10.0, 20.0, 10.0, 20.0, 10.0]
    for one, other in ((ours, theirs), (theirs, ours)):
        text = str(judge("opro", outcomes(one), {"random": outcomes(other)}, Direction.MAXIMIZE))
        assert "no difference is shown (p = " in text
        assert "did better" not in text
        assert "In short: between opro and its baselines no difference is shown." in text


def test_a_gain_over_some_baselines_is_told_with_those_over_which_none_is_shown() -> None:
    values = [11.0, 12.0, 13.0, 11.0, 12.0, 13.0, 11.0, 12.0]
    worse = outcomes([value + 5 for value in values])
    text = str(judge("opro", outcomes(values), {"random": worse, "evolution": outcomes(values)}, Direction.MINIMIZE))
    assert "In short: opro did better than random; against evolution nothing is shown." in text


def test_of_few_seeds_what_was_seen_is_not_called_more() -> None:
    text = str(judge("opro", outcomes([20.0] * 3), {"random": outcomes([10.0] * 3)}, Direction.MINIMIZE))
    assert "of these few seeds alone: random came out ahead of opro; whether that is more than luck" in text
    assert "did better" not in text


def test_a_baseline_that_is_quicker_at_the_optimum_is_named() -> None:
    quick = [Outcome(seed=s, start=50.0, best=10.0, evaluations=21, steps=2, found=True) for s in range(3)]
    text = str(judge("opro", outcomes([10.0, 10.0, 10.0]), {"surrogate": quick}, Direction.MINIMIZE))
    assert "surrogate reached the optimum in 3 of 3 runs, after 2.0 steps and 21.0 evaluations" in text
    assert "In short, of these few seeds alone: surrogate reached the optimum as often as opro, with fewer" in text


def test_equal_values_are_no_difference() -> None:
    verdict = judge("opro", outcomes([10.0] * 8), {"random": outcomes([10.0] * 8)}, Direction.MINIMIZE)
    assert "no difference is shown (p = 1" in str(verdict)
    (comparison,) = verdict.comparisons
    assert (comparison.wins, comparison.ties, comparison.losses) == (0, 8, 0)


def test_higher_is_better_when_maximizing() -> None:
    comparison = compare("random", outcomes([3.0] * 8), outcomes([1.0] * 8), Direction.MAXIMIZE)
    assert comparison
    assert (comparison.wins, comparison.difference) == (8, 2.0)


def test_optimum_and_references_are_told_apart() -> None:
    text = str(judge("opro", outcomes([10.0, 12.0, 15.0]), {}, Direction.MINIMIZE))
    assert "reached the optimum in 1 of 3 runs, after 5 steps and 45 evaluations;" in text
    assert "its best is 35.0 % worse than the optimum on average" in text
    assert "nearest neighbour (mean 12): bettered in 1 of 3, equalled in 1" in text


def test_runs_are_paired_by_seed_and_others_are_left_out() -> None:
    theirs = [Outcome(seed=seed, start=None, best=1.0, evaluations=1, steps=1, found=None) for seed in (1, 7)]
    comparison = compare("random", outcomes([5.0, 6.0, 7.0]), theirs, Direction.MINIMIZE)
    assert comparison
    assert (comparison.pairs, comparison.mean) == (1, 6.0)
    assert compare("random", outcomes([5.0]), [theirs[1]], Direction.MINIMIZE) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=ENOUGH, max_size=9))
def test_a_p_value_is_a_probability_and_does_not_depend_on_the_sign(values: list[float]) -> None:
    p, mirrored = paired_test(np.array(values)), paired_test(-np.array(values))
    assert p is not None
    assert 0 < p <= 1
    assert p == pytest.approx(mirrored)


@given(st.lists(st.integers(-1000, 1000), min_size=ENOUGH, max_size=9))
def test_the_interval_holds_what_the_test_does_not_reject(values: list[int]) -> None:
    differences = np.array(values, dtype=np.float64)
    low, high = interval(differences)
    p = paired_test(differences)
    assert low is not None
    assert high is not None
    assert p is not None
    assert low <= differences.mean() <= high
    if p < 0.05:
        assert not low < 0 < high
    if low > 1e-6 or high < -1e-6:
        assert p <= 0.05


def test_the_test_errs_as_rarely_as_it_says() -> None:
    """Of 400 pairs of equal contestants, about one in twenty at most is called different."""
    rng = np.random.default_rng(0)
    called = sum((paired_test(rng.normal(size=8)) or 1.0) < 0.05 for _ in range(400))
    assert called <= 30  # 20 expected, three standard deviations are 13

"""What scores on the same examples allow to say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opro.paired import accuracy, compare, difference_interval, mcnemar, paired_p


def table(wins: int, losses: int, ties: int) -> np.ndarray:
    return np.array([1.0] * wins + [-1.0] * losses + [0.0] * ties)


def named(scores: list[float]) -> dict[str, float]:
    return {str(place): score for place, score in enumerate(scores)}


def coverage(n: int, wins: float, losses: float) -> float:
    """Return how often the interval of 2000 random tables holds the true difference."""
    tables = np.random.default_rng(n).multinomial(n, [wins, losses, 1 - wins - losses], size=2000)
    kinds, counts = np.unique(tables, axis=0, return_counts=True)
    holds = [low <= wins - losses <= high for low, high in (difference_interval(table(*kind)) for kind in kinds)]
    return float((np.array(holds) * counts).sum() / counts.sum())


def test_the_interval_of_an_accuracy_is_wilsons() -> None:
    found = accuracy([1.0] * 81 + [0.0] * 182)  # Newcombe 1998, table I, 81 of 263
    assert (found.n, found.mean) == (263, pytest.approx(81 / 263))
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))


def test_all_right_does_not_mean_surely_always_right() -> None:
    found = accuracy([1.0] * 20)
    assert found.high == 1.0
    assert found.low < 0.85


def test_mcnemars_test_is_exact() -> None:
    assert mcnemar(1, 7) == pytest.approx(0.0703125)  # 2 (1 + 8) / 2**8
    assert mcnemar(7, 1) == mcnemar(1, 7)
    assert mcnemar(0, 0) == mcnemar(4, 4) == 1.0


def test_the_interval_of_a_difference_is_tangos() -> None:
    """The table of 21 patients in Fagerland, Lydersen and Laake (2014): -0.286, from -0.517 to -0.026."""
    low, high = difference_interval(table(1, 7, 13))
    assert (low, high) == (pytest.approx(-0.517, abs=5e-4), pytest.approx(-0.026, abs=5e-4))


@pytest.mark.parametrize("n", [10, 20, 50, 100, 250])
@pytest.mark.parametrize(("wins", "losses"), [(0.1, 0.1), (0.2, 0.1), (0.3, 0.05), (0.02, 0.02), (0.5, 0.0)])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(n: int, wins: float, losses: float) -> None:
    assert coverage(n, wins, losses) >= 0.93


@pytest.mark.parametrize("n", [6, 10, 30, 100])
def test_the_interval_of_real_valued_differences_holds_too(n: int) -> None:
    rng = np.random.default_rng(n)
    even = [difference_interval(rng.uniform(-0.5, 0.7, n)) for _ in range(1000)]
    skewed = [difference_interval(rng.beta(1, 9, n)) for _ in range(1000)]
    assert sum(low <= 0.1 <= high for low, high in even) >= 930
    assert sum(low <= 0.1 <= high for low, high in skewed) >= 910


def test_examples_without_any_difference_leave_room_for_one() -> None:
    low, high = difference_interval(np.zeros(20))
    assert -0.2 < low < -0.1
    assert high == pytest.approx(-low)


def test_equal_differences_are_not_taken_for_certainty() -> None:
    low, high = difference_interval(np.full(6, 0.25))
    assert low < 0.2
    assert high >= 0.25
    assert 0 < paired_p(np.full(6, 0.25)) < 0.05


def test_texts_are_compared_on_the_examples_that_both_have() -> None:
    comparison = compare({"a": 1.0, "b": 1.0, "c": 0.0}, "start", {"b": 0.0, "c": 0.0, "d": 1.0})
    assert (comparison.n, comparison.wins, comparison.losses, comparison.ties) == (2, 1, 0, 1)
    assert (comparison.mean, comparison.other_mean, comparison.difference) == (0.5, 0.0, 0.5)


def test_a_gain_is_said_when_it_is_shown() -> None:
    sentence = compare(named([1.0] * 30 + [0.0] * 20), "empty", named([1.0] * 15 + [0.0] * 35)).sentence("best")
    assert sentence.startswith("best against empty on 50 examples: 60.0 % against 30.0 %, better on 15, worse on 0; ")
    assert "a gain is shown (+30.0 points, 95 % interval +19" in sentence


def test_a_loss_is_said() -> None:
    assert "a loss is shown (-30.0 points" in compare(
        named([1.0] * 15 + [0.0] * 35), "empty", named([1.0] * 30 + [0.0] * 20)
    ).sentence("best")


def test_a_gain_within_the_noise_is_no_gain() -> None:
    sentence = compare(named([1.0] * 12 + [0.0] * 8), "empty", named([0.0] * 5 + [1.0] * 8 + [0.0] * 7)).sentence("x")
    assert "no difference is shown (+20.0 points, 95 % interval " in sentence
    assert "a gain is" not in sentence


def test_a_gain_needs_the_exact_test_as_well_as_the_interval() -> None:
    """Seven against one: Tango's interval leaves zero out, McNemar's test does not reject."""
    comparison = compare(named([1.0] * 7 + [0.0] + [0.0] * 13), "empty", named([0.0] * 7 + [1.0] + [0.0] * 13))
    assert comparison.low > 0
    assert comparison.p > 0.05
    assert not comparison.shown


@pytest.mark.parametrize("scores", [[], [1.5], [float("nan")], [-0.1, 1.0]])
def test_scores_that_are_none_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match=r"nothing can be said|lie in"):
        accuracy(scores)


def test_texts_without_a_shared_example_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"no \(shared\) example"):
        compare({"a": 1.0}, "start", {"b": 1.0})


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_to_be_compared_the_other_way_round_turns_all_signs(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = named([pair[0] for pair in pairs]), named([pair[1] for pair in pairs])
    there, back = compare(ours, "b", theirs), compare(theirs, "a", ours)
    assert there.p == pytest.approx(back.p)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert -1 <= there.low <= there.difference <= there.high <= 1
    assert (there.wins, there.losses) == (back.losses, back.wins)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_interval_of_counts_holds_the_difference_seen(wins: int, losses: int, ties: int) -> None:
    n = wins + losses + ties
    if n:
        low, high = difference_interval(table(wins, losses, ties))
        assert -1 <= low <= (wins - losses) / n <= high <= 1

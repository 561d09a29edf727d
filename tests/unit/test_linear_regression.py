import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluators.linear_regression import GRID_B, GRID_W, LinearRegression
from opro.errors import InvalidSolutionError
from opro.types import Candidate

TABLE_2 = [(15, 14), (17, 17), (16, 10), (3, 5), (25, 23), (2, 30), (36, -1)]


def problem(seed: int = 0, **config) -> LinearRegression:
    return LinearRegression(LinearRegression.Config(**config), seed)


async def loss(line: LinearRegression, w: int, b: int) -> float:
    (evaluation,) = await line.evaluate([Candidate(f"w={w}, b={b}")])
    assert evaluation.value is not None
    return evaluation.value


@pytest.mark.parametrize(
    ("reply", "pair"),
    [
        ("[15, 14]", "w=15, b=14"),
        ("w=15, b=14", "w=15, b=14"),
        ("w = 15, b = -3.", "w=15, b=-3"),
        ("**w: 15** and so **b: 14**; in short w: 2 and b: 3", "w=2, b=3"),
        ("The new pair [w, b] could be [3, 4], or better [5, 6].", "w=5, b=6"),
        ("[w=3, b=4.4]", "w=3, b=4"),
        ("[14.6, -0.4]", "w=15, b=0"),
        ("[1.5e1, .5e1]", "w=15, b=5"),
        ("[1, 2] or rather w=3, b=4", "w=3, b=4"),
        ("w=3, b=4 or rather [1, 2]", "w=1, b=2"),
        ("\\boxed{[7, 8]} with names [w, b]", "w=7, b=8"),
        ("[\N{MINUS SIGN}7, +8]", "w=-7, b=8"),
    ],
)
def test_the_last_pair_of_a_reply_is_taken_and_rounded(reply: str, pair: str):
    assert problem().parse(reply) == pair


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "the reply is empty"),
        ("no idea", "holds no pair"),
        ("[w, b]", "holds no pair"),
        ("[1]", "a pair holds 2 values, not 1"),
        ("[1, 2, 3]", "a pair holds 2 values, not 3"),
        ("[nan, 3]", "w is not finite: nan"),
        ("[inf, -inf]", "w is not finite: inf"),
        ("[nan, nan]", "w is not finite: nan"),
        ("w=3, b=-Infinity", "b is not finite: -Infinity"),
        ("[3, 1e400]", "b is too large to be finite: '1e400'"),
        ("[1000001, 1]", "w is beyond 1,000,000: '1000001'"),
        ("[\uff11\uff15, 14]", "w is not a number in the digits 0-9: '\uff11\uff15'"),
        ("[1_5, 14]", "w is not a number in the digits 0-9: '1_5'"),
        ("[3, ]", "b is not a number in the digits 0-9: ''"),
        ("[0x10, 1]", "w is not a number in the digits 0-9: '0x10'"),
    ],
)
def test_a_reply_without_a_usable_pair_is_refused_with_the_reason(reply: str, reason: str):
    with pytest.raises(InvalidSolutionError) as raised:
        problem().parse(reply)
    assert str(raised.value).startswith(reason)


@settings(deadline=None)
@given(w=st.integers(-(10**6), 10**6), b=st.integers(-(10**6), 10**6), before=st.text(), after=st.text("xyz .!\n"))
def test_a_pair_in_brackets_is_found_in_any_prose(w: int, b: int, before: str, after: str):
    assert problem().parse(f"{before} [{w}, {b}] {after}") == f"w={w}, b={b}"


async def test_the_loss_is_the_sum_of_squared_residuals_over_50_points():
    noise = np.random.default_rng(4).normal(size=50)
    x = np.arange(1, 51)
    line = problem(seed=4, w=3, b=5)
    assert await loss(line, 3, 5) == pytest.approx(np.sum(noise**2))
    assert await loss(line, 7, 1) == pytest.approx(np.sum((3 * x + 5 + noise - 7 * x - 1) ** 2))


@pytest.mark.parametrize(("w", "b"), TABLE_2)
def test_the_planted_pair_is_the_optimum_and_random_search_can_reach_it(w: int, b: int):
    (optimum,) = problem(w=w, b=b).references()
    assert optimum.optimum
    assert optimum.solution == f"w={w}, b={b}"
    assert GRID_W[0] <= w <= GRID_W[1]
    assert GRID_B[0] <= b <= GRID_B[1]


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    points=st.integers(2, 12),
    noise=st.floats(0, 8),
    w=st.integers(-5, 5),
    b=st.integers(-5, 5),
)
def test_the_optimum_is_the_best_of_all_integer_pairs(seed: int, points: int, noise: float, w: int, b: int):
    line = problem(seed, points=points, noise=noise, w=w, b=b)
    box = list(itertools.product(range(-50, 51), repeat=2))
    optimum = line.references()[0]
    best_w, best_b = line.point(optimum.solution)
    assume(abs(best_w) < 50 and abs(best_b) < 50)
    assert line._losses(box).min() == pytest.approx(optimum.value, rel=1e-12, abs=1e-18)


def test_where_noise_makes_another_pair_better_the_planted_one_is_a_reference_too():
    references = problem(w=3, b=5, points=3, noise=20.0).references()
    assert [reference.name for reference in references] == ["optimum", "planted pair"]
    assert references[0].value < references[1].value


def test_a_run_starts_with_five_pairs_between_10_and_20():
    line = problem()
    points = np.array([line.point(candidate.text) for seed in range(50) for candidate in line.start(seed)])
    assert points.shape == (250, 2)
    assert points.min() == 10
    assert points.max() == 20


def test_random_pairs_cover_the_grid_of_2091():
    line, random = problem(), Random(0)
    drawn = {line.draw(random) for _ in range(40_000)}
    assert len(drawn) == 2091


def test_the_brief_hides_the_form_of_the_function():
    brief = problem().brief()
    told = f"{brief.task} {brief.answer} {brief.facts}".lower()
    for word in ("linear", "regression", "line", "slope", "square", "residual", "noise"):
        assert word not in told.replace("square brackets", "")


def test_a_planted_value_that_the_constraint_could_not_write_is_refused():
    with pytest.raises(ValidationError):
        problem(w=100)

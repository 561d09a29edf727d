"""Racing: who is dropped and who not, how surely, and that the order of arrival does not matter."""

import math
import random
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from opro.field import Field, survey
from opro.looks import block_ends, limit
from opro.racing import Heat, Race, Rules, Standing, State, assess, judge, worth_finding

Floats = NDArray[np.float64]


def worlds(rng: np.random.Generator, n: int, accuracies: Floats) -> Floats:
    """Return zeros and ones, shape (candidates, n), of candidates that find the same examples hard."""
    difficulty = rng.normal(scale=1.7, size=n)
    skill = np.log(accuracies / (1 - accuracies)) * 1.35  # difficulty flattens the curve by about that much
    return (rng.random((len(accuracies), n)) < 1 / (1 + np.exp(difficulty - skill[:, None]))).astype(np.float64)


def nobody(n: int) -> Floats:
    return np.empty((0, n))


def run(rows: Floats, field: Field, rules: Rules | None = None, seed: int | None = None) -> Mapping[str, Standing]:
    """Race the rows; with a seed, answers arrive in a random order, several blocks being in flight."""
    race = Race([str(row) for row in range(len(rows))], field, rules)
    chance, in_flight = random.Random(seed), list[Heat]()
    while not race.over:
        in_flight += race.next_blocks(in_flight)[: chance.randint(1, 20) if seed is not None else None]
        heat = in_flight.pop(chance.randrange(len(in_flight)) if seed is not None else 0)
        race.report(heat, rows[int(heat.candidate), list(race.examples(heat.block))].tolist())
    return race.standings


def states(standings: Mapping[str, Standing]) -> list[str]:
    return [standing.state for standing in standings.values()]


@given(st.integers(1, 3000))
def test_blocks_grow_and_cover_all_examples(total: int) -> None:
    ends = block_ends(total)
    assert ends[-1] == total
    assert all(later > earlier for earlier, later in pairwise(ends))
    assert len(ends) <= 25


def test_the_limit_of_one_look_is_the_normal_one_and_more_looks_raise_it() -> None:
    assert limit((10, 100), 0.1, 1) == pytest.approx(1.2816, abs=0.02)
    assert limit((10, 100), 0.05, 2) == pytest.approx(1.96, abs=0.02)
    assert limit((10, 20, 40, 100), 0.1, 1) > limit((10, 20, 100), 0.1, 1) > limit((10, 100), 0.1, 1)


@given(st.floats(0, 1), st.integers(5, 2000), st.floats(0, 3))
def test_the_bar_is_the_margin_short_of_what_is_worth_finding(bar: float, total: int, margin: float) -> None:
    score = worth_finding(bar, total, margin)
    assert bar - 1e-9 <= score <= 1 + 1e-9
    assert score - bar == pytest.approx(margin * math.sqrt(max(score * (1 - score), 0) / total), abs=1e-6)


def test_a_candidate_far_below_the_bar_is_dropped_early_and_a_better_one_is_scored_in_full() -> None:
    rows = worlds(np.random.default_rng(0), 261, np.array([0.6, 0.6, 0.2, 0.75]))
    bad, good = run(rows[2:], Field(rows[:2], nobody(261))).values()
    assert bad.state is State.DROPPED
    assert bad.n < 50
    assert bad.low <= rows[2].mean() <= bad.high
    assert bad.reason.startswith("significantly below 0.")
    assert (good.state, good.n, good.reason) == (State.FINISHED, 261, "")
    assert good.low == good.high == good.estimate == good.mean == pytest.approx(rows[3].mean())


def test_a_candidate_that_cannot_reach_the_bar_any_more_is_dropped_whatever_alpha_is() -> None:
    full = np.ones((1, 50))
    full[0, 0] = 0.0
    scores = np.ones(50)
    scores[:3] = 0.0
    standing = run(scores[None], Field(full, nobody(50)), Rules(alpha=1e-4, margin=0.0))["0"]
    assert standing.state is State.DROPPED
    assert standing.reason == "can reach 0.940 at most, and 0.980 is worth finding"


@pytest.mark.parametrize("n", [20, 30, 50])
def test_near_the_ceiling_one_wrong_answer_that_turns_up_early_drops_nobody(n: int) -> None:
    best = np.ones((1, n))
    best[0, -2:] = 0
    candidate = np.ones(n)
    candidate[0] = 0  # better than the best, by as much as is worth finding
    assert candidate.mean() >= worth_finding(best.mean(), n, 1.0)
    others = np.tile(best, (6, 1))  # which find the same examples hard, so that a test believes them to explain much
    looks = [judge(candidate[:end], block_ends(n), Field(others, nobody(n)), Rules()) for end in block_ends(n)]
    assert [look.state for look in looks[:-1]] == [State.RACING] * (len(looks) - 1)
    candidate[1] = 0
    assert judge(candidate[:4], block_ends(n), Field(others, nobody(n)), Rules()).state is State.DROPPED


def test_with_several_to_keep_the_bar_is_the_kth_best() -> None:
    full = np.array([np.arange(100) < right for right in (90, 50, 70)], dtype=np.float64)
    field = Field(full, nobody(100))
    assert [field.bar(keep) for keep in (1, 2, 3, 4)] == [0.9, 0.7, 0.5, None]


@pytest.mark.parametrize(("n", "accuracy"), [(50, 0.5), (50, 0.85), (100, 0.3), (261, 0.6)])
def test_one_just_worth_finding_is_dropped_no_more_often_than_alpha_says(n: int, accuracy: float) -> None:
    rng, rules, dropped = np.random.default_rng(n), Rules(), 0
    for _ in range(75):
        rows = worlds(rng, n, np.full(5, accuracy))
        wanted = math.ceil(n * worth_finding(rows[:-1].mean(axis=1).max(), n, rules.margin) - 1e-9)
        row, more = rows[-1], wanted - int(rows[-1].sum())
        row[rng.choice(np.flatnonzero(row == (0 if more > 0 else 1)), abs(more), replace=False)] = float(more > 0)
        for _ in range(8):
            order = rng.permutation(n)
            field = Field(rows[:-1][:, order], nobody(n))
            looks = (judge(row[order][:end], block_ends(n), field, rules).state for end in block_ends(n))
            dropped += State.DROPPED in looks
    assert dropped / 600 <= rules.alpha + 0.03


def test_racing_selects_as_well_as_full_scoring_with_a_quarter_of_the_calls() -> None:
    """Four runs of 20 steps of 8: the best found is within a standard error of the best of all."""
    n, calls = 150, 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = worlds(rng, n, rng.normal(0.55, 0.08, 161))
        full, partial = rows[:1], nobody(n)
        for first in range(1, 161, 8):
            order = rng.permutation(n)
            raced = rows[first : first + 8]
            ended = run(raced[:, order], Field(full[:, order], partial[:, order])).values()
            calls += sum(standing.n for standing in ended)
            full = np.vstack([full, *(row for row, s in zip(raced, ended, strict=True) if s.state == "finished")])
        best = rows.mean(axis=1).max()
        assert full.mean(axis=1).max() >= best - math.sqrt(best * (1 - best) / n)
    assert calls * 4 <= 4 * 160 * n


def test_the_interval_of_a_dropped_candidate_holds_its_full_score() -> None:
    """Stopping when a score looks low must not spoil it: 95 % of the intervals hold, whenever the race stopped."""
    rng, held = np.random.default_rng(1), list[bool]()
    for _ in range(60):
        rows = worlds(rng, 100, np.append(np.full(3, 0.6), rng.uniform(0.3, 0.6, 8)))
        standings = run(rows[3:], Field(rows[:3], nobody(100))).values()
        held += [
            standing.low <= row.mean() <= standing.high
            for row, standing in zip(rows[3:], standings, strict=True)
            if standing.state is State.DROPPED
        ]
    assert len(held) > 200
    assert np.mean(held) >= 0.94


def test_few_examples_left_leave_little_doubt() -> None:
    """80 of 100 examples without replacement: the standard error is 0.5 (1/80 - 1/100)**0.5 = 0.025, not 0.056."""
    standing = assess(np.arange(80) % 2.0, (80, 100), Field(nobody(100), nobody(100)))
    assert standing.high - standing.low == pytest.approx(2 * 1.96 * 0.025, rel=0.03)


def test_an_estimate_allows_for_hard_examples() -> None:
    """Where the first examples are those that all found hard, a low mean there is no low score."""
    hard = np.arange(100) < 20
    full = np.array([np.where(hard, 0.0, 1.0)] * 5)
    full[:, ::7] = 1 - full[:, ::7]  # not quite alike
    race = Race(["new"], Field(full, nobody(100)))
    race.report(Heat("new", 0), np.where(np.arange(8) < 2, 1.0, 0.0).tolist())
    standing = race.standings["new"]
    assert standing.mean == 0.25
    assert standing.estimate > 0.6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
def test_the_order_of_arrival_does_not_matter(seed: int, keep: int) -> None:
    """With a bar (k = 1), and without one, where rivals are compared (k = 3)."""
    rng = np.random.default_rng(seed)
    rows = worlds(rng, 60, rng.uniform(0.2, 0.8, 8))
    field, rules = Field(rows[:2], nobody(60)), Rules(keep=keep)
    assert run(rows[2:], field, rules, seed) == run(rows[2:], field, rules)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
def test_a_race_that_was_killed_and_resumed_equals_an_uninterrupted_one(seed: int, keep: int) -> None:
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    rows = worlds(rng, 60, rng.uniform(0.2, 0.8, 7))
    names, field, rules = [str(row) for row in range(6)], Field(rows[:1], nobody(60)), Rules(keep=keep)
    race, stored, in_flight = Race(names, field, rules), list[tuple[Heat, list[float]]](), list[Heat]()
    while not race.over:
        if chance.random() < 0.2:  # killed: what was in flight is lost, what was stored is reported in any order
            race, in_flight = Race(names, field, rules), []
            for heat, scores in chance.sample(stored, len(stored)):
                race.report(heat, scores)
        in_flight += race.next_blocks(in_flight)
        if in_flight:
            heat = in_flight.pop(chance.randrange(len(in_flight)))
            stored.append((heat, rows[1 + int(heat.candidate), list(race.examples(heat.block))].tolist()))
            race.report(*stored[-1])
    assert race.standings == run(rows[1:], field, rules)


def test_with_a_bar_no_candidate_waits_for_another() -> None:
    rows = worlds(np.random.default_rng(3), 100, np.full(3, 0.6))
    race = Race(["slow", "quick"], Field(rows[:2], nobody(100)))
    slow = Heat("slow", 0)
    while race.standings["quick"].state is State.RACING:
        (heat,) = race.next_blocks([slow])
        race.report(heat, np.ones(len(race.examples(heat.block))).tolist())
    assert race.standings["quick"].state is State.FINISHED
    assert race.next_blocks() == [slow]


def test_without_a_bar_a_candidate_may_be_one_block_ahead() -> None:
    race = Race(["slow", "quick"], Field(nobody(100), nobody(100)))
    for block in (0, 1):
        assert Heat("quick", block) in race.next_blocks()
        race.report(Heat("quick", block), [1.0] * len(race.examples(block)))
    assert race.next_blocks() == [Heat("slow", 0), Heat("slow", 1)]


def test_behind_a_start_that_anybody_may_beat_rivals_drop_each_other() -> None:
    rows = worlds(np.random.default_rng(1), 50, np.array([0.01, 0.02, 0.02, 0.75]))
    rows[0] = 0
    standings = run(rows[1:], Field(rows[:1], nobody(50)))
    assert [one.state for one in standings.values()] == [State.DROPPED, State.DROPPED, State.FINISHED]
    assert sum(one.n for one in standings.values()) < 100


def test_without_a_bar_rivals_drop_each_other_but_never_the_best_few() -> None:
    rows = worlds(np.random.default_rng(4), 200, np.array([0.8, 0.3, 0.75, 0.2, 0.85, 0.25]))
    standings = run(rows, Field(nobody(200), nobody(200)), Rules(keep=3))
    assert states(standings) == ["finished", "dropped", "finished", "dropped", "finished", "dropped"]
    assert standings["3"].reason.startswith("significantly worse than ")
    assert standings["3"].n < 100


def test_equal_rivals_are_seldom_dropped() -> None:
    rng, dropped = np.random.default_rng(5), 0
    for _ in range(60):
        row = worlds(rng, 60, np.full(4, 0.5))
        row = np.array([rng.permuted(row[0]) for _ in range(4)])  # the same score in full, on other examples
        dropped += "dropped" in states(run(row, Field(nobody(60), nobody(60)), Rules(alpha=0.1)))
    assert dropped / 60 <= 0.4  # alpha for each of the four


def test_examples_without_a_score_are_left_out() -> None:
    rows = worlds(np.random.default_rng(6), 100, np.array([0.5, 0.9]))
    rows[1, ::10] = np.nan
    standing = run(rows[1:], Field(rows[:1], nobody(100)))["0"]
    assert (standing.state, standing.n) == (State.FINISHED, 90)
    assert standing.mean == pytest.approx(float(np.nanmean(rows[1])))
    assert standing.low < standing.estimate < standing.high


def test_a_candidate_of_which_nothing_is_known_is_not_dropped() -> None:
    race = Race(["mute"], Field(np.full((1, 50), 0.95), nobody(50)))
    race.report(Heat("mute", 0), [math.nan] * len(race.examples(0)))
    assert race.standings["mute"].state is State.RACING
    assert race.next_blocks() == [Heat("mute", 1)]


def test_the_shared_part_is_estimated_and_not_believed_beyond_a_half() -> None:
    rng = np.random.default_rng(7)
    apart = Field((rng.random((20, 300)) < 0.5).astype(np.float64), nobody(300))
    alike = Field(np.array([np.arange(300) % 3 == 0] * 5, dtype=np.float64), nobody(300))
    assert apart.shared < 0.02
    assert alike.shared == 0.5
    assert 0.2 < Field(worlds(rng, 300, np.full(10, 0.5)), nobody(300)).shared < 0.45


def test_scores_are_put_into_the_order_of_the_race() -> None:
    field = survey(["c", "a", "b"], [{"a": 1.0, "b": 0.0, "c": 0.5}], [{"b": 1.0}])
    assert field.full.tolist() == [[0.5, 1.0, 0.0]]
    assert np.isnan(field.partial).tolist() == [[True, True, False]]
    assert field.bar(1) == 0.5


def test_wrong_reports_are_refused() -> None:
    race = Race(["a"], Field(np.ones((1, 50)) * 0.5, nobody(50)))
    size = len(race.examples(0))
    race.report(Heat("a", 0), [1.0] * size)
    for heat, scores in (
        (Heat("a", 0), [1.0] * size),
        (Heat("b", 0), [1.0] * size),
        (Heat("a", 99), [1.0]),
        (Heat("a", 1), [1.0]),
        (Heat("a", 1), [1.5] * len(race.examples(1))),
    ):
        with pytest.raises(ValueError, match=r"Heat\("):
            race.report(heat, scores)


def test_races_that_cannot_be_run_are_refused() -> None:
    with pytest.raises(ValueError, match="candidates that differ"):
        Race(["a", "a"], Field(np.ones((1, 50)), nobody(50)))
    with pytest.raises(ValueError, match="a race needs examples"):
        Race(["a"], Field(nobody(0), nobody(0)))
    with pytest.raises(ValueError, match="keep >= 1"):
        Rules(alpha=1.0)

import itertools
from functools import cache

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import optimal_tour as exact
from evaluators.optimal_tour import optimal_tour
from evaluators.tours import distance_matrix, farthest_insertion, improved, length, lengths, nearest_neighbour

SQUARE = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], dtype=float)

few_points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=7).map(
    lambda points: np.array(points, dtype=float)
)


def random_points(n: int, seed: int = 0) -> np.ndarray:
    return np.trunc(np.random.default_rng(seed).uniform(-100, 100, size=(n, 2)))


def shortest_by_trying_all(distances: np.ndarray) -> float:
    n = len(distances)
    return min(
        sum(distances[i, j] for i, j in zip((0, *others), (*others, 0), strict=True))
        for others in itertools.permutations(range(1, n))
    )


def shortest_by_held_karp(distances: np.ndarray) -> float:
    @cache
    def path(left: frozenset[int], last: int) -> float:
        if not left:
            return distances[0, last]
        return min(path(left - {k}, k) + distances[k, last] for k in left)

    return path(frozenset(range(1, len(distances))), 0)


def is_tour(tour: np.ndarray, n: int) -> bool:
    return tour[0] == 0 and sorted(tour.tolist()) == list(range(n))


def test_the_length_of_many_tours_is_measured_at_once():
    distances = distance_matrix(SQUARE)
    measured = lengths(distances, np.array([[0, 2, 1, 3], [0, 1, 2, 3]]))
    assert measured.tolist() == pytest.approx([40, 20 + 20 * np.sqrt(2)])


def test_distances_of_a_tsplib_file_are_rounded_half_up():
    points = np.array([[0, 0], [0.5, 0], [1.4, 0]])
    assert distance_matrix(points, rounded=True).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_nearest_neighbour_always_goes_to_the_nearest_city_left():
    points = np.array([[0, 0], [5, 0], [2, 0], [-1, 0]], dtype=float)
    assert nearest_neighbour(distance_matrix(points)).tolist() == [0, 3, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_farthest_insertion_puts_the_city_of_largest_least_cost_at_its_cheapest_place(seed: int):
    d = distance_matrix(random_points(9, seed))
    tour, left = [0], set(range(1, 9))
    while left:
        costs = {
            (k, place): d[i, k] + d[k, j] - d[i, j]
            for k in left
            for place, (i, j) in enumerate(zip(tour, [*tour[1:], tour[0]], strict=True), 1)
        }
        least = {k: min(cost for (city, _), cost in costs.items() if city == k) for k in left}
        chosen = max(least, key=lambda k: least[k])
        tour.insert(next(p for (k, p), cost in costs.items() if k == chosen and cost == least[k]), chosen)
        left.remove(chosen)
    assert farthest_insertion(d).tolist() == tour


@pytest.mark.parametrize("seed", range(5))
def test_local_search_never_lengthens_a_tour_and_ends_where_no_reversal_helps(seed: int):
    distances = distance_matrix(random_points(15, seed))
    start = nearest_neighbour(distances)
    tour = improved(distances, start)
    assert is_tour(tour, 15)
    assert length(distances, tour) <= length(distances, start)
    for i, j in itertools.combinations(range(1, 16), 2):
        turned = np.concatenate([tour[:i], tour[i:j][::-1], tour[j:]])
        assert length(distances, turned) >= length(distances, tour) - 1e-9


@settings(deadline=None)
@given(points=few_points)
def test_every_construction_gives_a_tour_no_shorter_than_the_optimum(points: np.ndarray):
    distances = distance_matrix(points)
    shortest = shortest_by_trying_all(distances)
    assert length(distances, optimal_tour(distances)) == pytest.approx(shortest, abs=1e-9)
    for tour in (
        nearest_neighbour(distances),
        farthest_insertion(distances),
        improved(distances, farthest_insertion(distances)),
    ):
        assert is_tour(tour, len(points))
        assert length(distances, tour) >= shortest - 1e-9


@settings(deadline=None, max_examples=40)
@given(points=few_points.filter(lambda points: len(points) > 3))
def test_the_integer_programme_finds_what_trying_all_tours_finds(points: np.ndarray):
    distances = distance_matrix(points)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "ENUMERATED", 3)
        tour = optimal_tour(distances)
    assert tour is not None
    assert is_tour(tour, len(points))
    assert length(distances, tour) == pytest.approx(shortest_by_trying_all(distances), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_of_12_cities_is_that_of_dynamic_programming(seed: int):
    distances = distance_matrix(random_points(12, seed))
    assert length(distances, optimal_tour(distances)) == pytest.approx(shortest_by_held_karp(distances))


def two_triangles_joined_by_three_paths() -> np.ndarray:
    """Return the classic metric of 12 cities whose relaxation (12) stays far below its shortest tour (14)."""
    graph = nx.Graph()
    for i in range(3):
        nx.add_path(graph, [i, 3 + i, 6 + i, 9 + i])
        graph.add_edges_from([(i, (i + 1) % 3), (9 + i, 9 + (i + 1) % 3)])
    return nx.floyd_warshall_numpy(graph, nodelist=range(12))


@pytest.mark.parametrize("first", [None, nearest_neighbour, lambda distances: np.arange(len(distances))])
def test_the_proof_rests_neither_on_a_tight_relaxation_nor_on_a_good_first_tour(first, monkeypatch: pytest.MonkeyPatch):
    if first is not None:
        monkeypatch.setattr(exact, "_good_tour", first)
    assert length(two_triangles_joined_by_three_paths(), optimal_tour(two_triangles_joined_by_three_paths())) == 14
    for seed in (2, 5, 7):  # their relaxations lie 0.5 to 1.5 below the optimum
        upper = np.triu(np.random.default_rng(seed).integers(1, 30, (12, 12)), 1).astype(float)
        distances = upper + upper.T
        assert length(distances, optimal_tour(distances)) == shortest_by_held_karp(distances)


def test_the_optimum_of_clustered_cities_is_that_of_dynamic_programming():
    # Four far clusters of three: the relaxation falls into subtours, which must be cut off.
    centres = np.array([[0, 0], [0, 500], [500, 0], [500, 500]])
    points = (centres[:, None, :] + random_points(3, 1)[None, :, :] / 10).reshape(-1, 2)
    distances = distance_matrix(points)
    assert length(distances, optimal_tour(distances)) == pytest.approx(shortest_by_held_karp(distances))


def test_the_optimum_of_a_ring_is_the_ring():
    angles = np.random.default_rng(3).permutation(30) * 2 * np.pi / 30
    distances = distance_matrix(1e4 * np.column_stack([np.cos(angles), np.sin(angles)]))
    tour = optimal_tour(distances)
    assert length(distances, tour) == pytest.approx(30 * 2e4 * np.sin(np.pi / 30))


def test_nothing_is_claimed_when_the_time_does_not_suffice():
    assert optimal_tour(distance_matrix(random_points(20)), seconds=0) is None


def test_cities_in_one_place_have_a_tour_of_length_zero():
    distances = distance_matrix(np.zeros((20, 2)))
    assert is_tour(optimal_tour(distances), 20)

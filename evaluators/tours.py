"""Tours as arrays: lengths, construction heuristics, local search. Pure functions of a distance matrix.

A tour is an integer array of shape (n,) that holds every city once; it is closed, and the ones made here start at 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tour = NDArray[np.intp]

GAIN = 1e-9  # a change that gains less is rounding error, and would make local search run in circles


def distance_matrix(points: Floats, *, rounded: bool = False) -> Floats:
    """Return the Euclidean distances, shape (n, n), between points of shape (n, 2).

    Rounded to the nearest integer they are TSPLIB's EUC_2D, in which its known optima are given.
    """
    apart = points[:, None, :] - points[None, :, :]
    distances: Floats = np.hypot(apart[..., 0], apart[..., 1])
    return np.floor(distances + 0.5) if rounded else distances


def lengths(distances: Floats, tours: NDArray[np.intp]) -> Floats:
    """Return the lengths, shape (k,), of closed tours of shape (k, n)."""
    return distances[tours, np.roll(tours, -1, axis=1)].sum(axis=1)


def length(distances: Floats, tour: Tour) -> float:
    """Return the length of one closed tour."""
    return float(lengths(distances, tour[None, :])[0])


def nearest_neighbour(distances: Floats, start: int = 0) -> Tour:
    """Return the tour that always goes on to the nearest city not yet visited; of equal ones, the first."""
    left = np.ones(len(distances), dtype=bool)
    tour = [start]
    left[start] = False
    while left.any():
        tour.append(int(np.argmin(np.where(left, distances[tour[-1]], np.inf))))
        left[tour[-1]] = False
    return rotated(np.array(tour))


def farthest_insertion(distances: Floats) -> Tour:
    """Return the tour that grows from city 0 by the city whose cheapest insertion is dearest, put at that place.

    The rule of OPRO's baseline: c(k) = min over tour edges (i, j) of d(i,k) + d(k,j) - d(i,j), and the k of largest
    c(k) is next. It differs from the textbook's rule, which takes the city farthest from the tour.
    """
    tour, left = [0], list(range(1, len(distances)))
    while left:
        here, after, new = np.array(tour), np.roll(tour, -1), np.array(left)
        costs = distances[np.ix_(new, here)] + distances[np.ix_(new, after)] - distances[here, after]
        k = int(np.argmax(costs.min(axis=1)))
        tour.insert(int(np.argmin(costs[k])) + 1, left.pop(k))
    return np.array(tour)


def improved(distances: Floats, tour: Tour) -> Tour:
    """Return a tour that no 2-opt or or-opt move (segments of 1 to 3 cities) makes shorter, starting from `tour`."""
    while True:
        tour, shorter = _two_opt(distances, tour)
        moved = _or_opt(distances, tour)
        if moved is not None:
            tour = moved
        elif not shorter:
            return rotated(tour)


def rotated(tour: Sequence[int] | Tour) -> Tour:
    """Return the same tour, starting at city 0."""
    cities = np.asarray(tour, dtype=np.intp)
    return np.roll(cities, -int(np.argmin(cities)))


def _two_opt(distances: Floats, tour: Tour) -> tuple[Tour, bool]:
    """Reverse the segment that gains most, until none gains; say whether any did."""
    shorter = False
    while True:
        after = np.roll(tour, -1)
        edges = distances[tour, after]
        gains = edges[:, None] + edges[None, :] - distances[np.ix_(tour, tour)] - distances[np.ix_(after, after)]
        np.fill_diagonal(gains, -np.inf)  # one edge cannot be exchanged with itself
        i, j = sorted(divmod(int(np.argmax(gains)), len(tour)))
        if gains[i, j] <= GAIN:
            return tour, shorter
        tour = np.concatenate([tour[: i + 1], tour[i + 1 : j + 1][::-1], tour[j + 1 :]])
        shorter = True


def _or_opt(distances: Floats, tour: Tour) -> Tour | None:
    """Move the segment of 1 to 3 cities that gains most, reversed or not, to another place; None if none gains."""
    best, gain = None, GAIN
    places = np.arange(len(tour))
    offset = (places[None, :] - places[:, None]) % len(tour)
    after = np.roll(tour, -1)
    edges = distances[tour, after]
    for size in (1, 2, 3):
        last, behind, before = np.roll(tour, 1 - size), np.roll(tour, -size), np.roll(tour, 1)
        freed = distances[before, tour] + distances[last, behind] - distances[before, behind]
        straight = distances[np.ix_(tour, tour)] + distances[np.ix_(last, after)]
        turned = distances[np.ix_(last, tour)] + distances[np.ix_(tour, after)]
        gains = freed[:, None] + edges[None, :] - np.minimum(straight, turned)
        gains[(offset < size) | (offset == len(tour) - 1)] = -np.inf  # the places inside the segment or next to it
        i, j = divmod(int(np.argmax(gains)), len(tour))
        if gains[i, j] > gain:
            gain = gains[i, j]
            best = _moved(tour, i, size, int(offset[i, j]), turned=bool(turned[i, j] < straight[i, j]))
    return best


def _moved(tour: Tour, start: int, size: int, offset: int, *, turned: bool) -> Tour:
    """Put the segment of `size` cities at `start` behind the city `offset` places on."""
    ring = np.roll(tour, -start)
    segment = ring[:size][::-1] if turned else ring[:size]
    return np.concatenate([ring[size : offset + 1], segment, ring[offset + 1 :]])

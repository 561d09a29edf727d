"""The shortest tour, proved: subtour elimination (Dantzig, Fulkerson and Johnson, 1954) over the solver HiGHS.

1. Local search finds a good tour; its length is an upper bound.
2. The linear relaxation, in which two edge halves meet at every city, is tightened by the subtour constraints that it
   violates, until it violates none: a lower bound.
3. An edge whose reduced cost exceeds the difference of the bounds is in no shorter tour, and is left out.
4. The integer programme over the few edges left is solved, and solved again with the subtours of its solution
   forbidden, until its solution is one tour.
"""

import itertools
import time
from typing import Any, cast

import networkx
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from evaluators.tours import Floats, Tour, farthest_insertion, improved, length, lengths

ENUMERATED = 8  # with so many cities or fewer, all tours are tried: 5,040 at most
KICKS = 3  # kicks a city, each within so many cities in a row: by trial, near the optimum at n = 100
KICKED = 60
LONGEST = 1000.0  # distances are scaled to it, so that the solver's absolute tolerances (1e-6) suit them
TOLERANCE = 1e-6

nx = cast(Any, networkx)  # it tells no types

Cut = NDArray[np.bool_]  # (n,): a set of cities that a tour enters and leaves, so that it uses two edges across
Edges = NDArray[np.intp]  # (m, 2)


def optimal_tour(distances: Floats, seconds: float = 120.0) -> Tour | None:
    """Return a shortest tour of symmetric `distances`, shape (n, n), or None if `seconds` do not suffice to prove one.

    The proof holds up to the solver's tolerances: another tour may be shorter by 1e-8 of its length, not by more.
    """
    n = len(distances)
    if n <= 3 or not distances.any():
        return np.arange(n)
    if n <= ENUMERATED:
        return _enumerated(distances)
    scaled = distances * (LONGEST / distances.max())
    known = _good_tour(scaled)
    deadline = time.monotonic() + seconds
    cuts, edges = _promising(scaled, length(scaled, known), deadline)
    while True:
        chosen = _solved(scaled, edges, cuts, deadline)
        if chosen is None:
            return None
        parts = _parts(n, chosen)
        if len(parts) == 1:
            return _walk(chosen)
        cuts += parts


def _enumerated(distances: Floats) -> Tour:
    """Return the shortest of all tours."""
    others = np.array(list(itertools.permutations(range(1, len(distances)))), dtype=np.intp)
    tours = np.insert(others, 0, 0, axis=1)
    return tours[np.argmin(lengths(distances, tours))]


def _good_tour(distances: Floats) -> Tour:
    """Return a tour by iterated local search: kick the best one with a double bridge and improve it again."""
    n = len(distances)
    rng = np.random.default_rng(0)
    best = improved(distances, farthest_insertion(distances))
    for _ in range(KICKS * n):
        ring = np.roll(best, -rng.integers(n))
        i, j, k = np.sort(rng.choice(np.arange(1, min(n, KICKED + 1)), size=3, replace=False))
        kicked = improved(distances, np.concatenate([ring[:i], ring[j:k], ring[i:j], ring[k:]]))
        if length(distances, kicked) < length(distances, best):
            best = kicked
    return best


def _promising(distances: Floats, upper: float, deadline: float) -> tuple[list[Cut], Edges]:
    """Return the cuts that tighten the relaxation, and the edges that a tour no longer than `upper` can use."""
    n = len(distances)
    edges = np.column_stack(np.triu_indices(n, 1))
    costs = distances[edges[:, 0], edges[:, 1]]
    cuts: list[Cut] = []
    while True:
        answer: Any = optimize.linprog(
            costs,
            A_ub=-_across(edges, cuts) if cuts else None,
            b_ub=np.full(len(cuts), -2.0) if cuts else None,
            A_eq=_degrees(n, edges),
            b_eq=np.full(n, 2.0),
            bounds=(0, 1),
        )
        violated = _violated(n, edges, answer.x)
        if not violated or time.monotonic() > deadline:
            return cuts, edges[answer.lower.marginals <= upper - answer.fun + TOLERANCE * upper]
        cuts += violated


def _solved(distances: Floats, edges: Edges, cuts: list[Cut], deadline: float) -> Edges | None:
    """Return the cheapest edges, two at every city, that satisfy the cuts; None when the time is up."""
    n = len(distances)
    left = deadline - time.monotonic()
    if left <= 0:
        return None
    constraints = [optimize.LinearConstraint(_degrees(n, edges), 2, 2)]
    if cuts:
        constraints.append(optimize.LinearConstraint(_across(edges, cuts), 2, np.inf))
    answer: Any = optimize.milp(
        distances[edges[:, 0], edges[:, 1]],
        integrality=np.ones(len(edges)),
        bounds=optimize.Bounds(0, 1),
        constraints=constraints,
        options={"mip_rel_gap": 0.0, "time_limit": left},
    )
    return edges[answer.x > 0.5] if answer.status == 0 else None


def _degrees(n: int, edges: Edges) -> sparse.csr_array:
    """Return the incidence matrix, shape (n, m)."""
    columns = np.arange(len(edges))
    ones = np.ones(2 * len(edges))
    return sparse.csr_array((ones, (edges.T.ravel(), np.tile(columns, 2))), shape=(n, len(edges)))


def _across(edges: Edges, cuts: list[Cut]) -> sparse.csr_array:
    """Return which edges cross which cuts, shape (len(cuts), m)."""
    sides = np.array(cuts)
    return sparse.csr_array((sides[:, edges[:, 0]] != sides[:, edges[:, 1]]).astype(np.float64))


def _violated(n: int, edges: Edges, weights: Floats) -> list[Cut]:
    """Return cuts with less than two edges across: the connected parts, or else a minimum cut."""
    used = weights > TOLERANCE
    parts = _parts(n, edges[used])
    if len(parts) > 1:
        return parts
    graph = nx.Graph()
    graph.add_weighted_edges_from((i, j, w) for (i, j), w in zip(edges[used].tolist(), weights[used], strict=True))
    value, (side, _) = nx.stoer_wagner(graph)
    return [np.isin(np.arange(n), side)] if value < 2 - TOLERANCE else []


def _parts(n: int, edges: Edges) -> list[Cut]:
    """Return the connected parts of the graph on n cities."""
    graph: Any = sparse.csr_array((np.ones(len(edges)), edges.T), shape=(n, n))
    count, labels = sparse.csgraph.connected_components(graph, directed=False)
    return [labels == label for label in range(count)]


def _walk(edges: Edges) -> Tour:
    """Return the cities in the order of the closed walk that the edges make."""
    near: dict[int, list[int]] = {}
    for i, j in edges.tolist():
        near.setdefault(i, []).append(j)
        near.setdefault(j, []).append(i)
    tour = [0, near[0][0]]
    while len(tour) < len(near):
        i, j = near[tour[-1]]
        tour.append(j if i == tour[-2] else i)
    return np.array(tour)

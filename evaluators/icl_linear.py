"""Linear classification in N dimensions with what it is compared with (arXiv 2303.03846, Algorithm 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIGHEST = 1000
"""Coordinates are whole numbers from 1 to this."""

LABELS = ("Foo", "Bar")
"""At most the threshold, and above it."""

_TRIES = 2000  # points drawn for one problem; a threshold at the edge, which leaves nothing to draw, takes another one
_NEIGHBOURS = 5

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: 2k labelled points, shape (2k, N), in random order, and one more to be classified."""

    points: Ints
    labels: Ints
    asked: Ints
    gold: int


def linear_problem(n: int, k: int, random: Random) -> Problem:
    """Return a problem in `n` dimensions with `k` points of each class; the one that is asked is of either by a coin.

    With integer vectors a and p drawn at random, the label of x says whether <a, x> exceeds <a, p>.
    """
    draws = np.random.default_rng(random.getrandbits(64))
    gold = int(draws.integers(2))
    wanted = [k + (gold == 0), k + (gold == 1)]
    while True:
        a, p = draws.integers(1, HIGHEST + 1, size=(2, n))
        points = draws.integers(1, HIGHEST + 1, size=(_TRIES, n))
        above = points @ a > p @ a
        classes = [points[~above], points[above]]
        if all(len(found) >= count for found, count in zip(classes, wanted, strict=True)):
            break
    shown = np.concatenate([found[:k] for found in classes])
    order = draws.permutation(2 * k)
    return Problem(shown[order], np.repeat((0, 1), k)[order], classes[gold][k], gold)


def written(point: Ints) -> str:
    """Return a point as a prompt shows it."""
    return ", ".join(map(str, point.tolist()))


def rivals(problems: Sequence[Problem]) -> Mapping[str, float]:
    """Return the accuracy of classical methods that see what the model sees: the paper's, and two more."""
    methods = {
        "svm": lambda: import_module("sklearn.svm").SVC(kernel="poly"),
        "logistic": lambda: import_module("sklearn.linear_model").LogisticRegression(max_iter=2000),
        "neighbours": lambda: import_module("sklearn.neighbors").KNeighborsClassifier(
            min(_NEIGHBOURS, 2 * min(len(one.points) // 2 for one in problems))
        ),
    }
    return {name: float(np.mean([_right(make(), one) for one in problems])) for name, make in methods.items()}


def _right(method: Any, problem: Problem) -> bool:
    method.fit(problem.points / HIGHEST, problem.labels)
    return int(method.predict(problem.asked[None] / HIGHEST)[0]) == problem.gold

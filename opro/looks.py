"""When a race looks at a candidate, and how far from fair its score must be at any of the looks together."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PATHS = 40_000
"""Random paths from which limits are read: their own error is about 0.015 standard errors."""


def block_ends(total: int) -> tuple[int, ...]:
    """Return after how many of `total` examples each block ends: the first about 3/4 of the root, each next 1.3-fold.

    Early looks are where most are dropped; later ones are few, for each look makes all limits a little wider.
    """
    ends: list[int] = []
    end = max(4, round(0.75 * total**0.5))
    while end < total - 1:
        ends.append(end)
        end = max(end + 4, round(1.3 * end))
    return (*ends, total)


def limit(ends: tuple[int, ...], error: float, sides: int) -> float:
    """Return the z-value that a fair candidate passes at any look but the last with the probability `error`.

    The same limit holds at all looks (Pocock 1977); read from PATHS random paths with a fixed seed.
    """
    return float(_highest(ends)[sides - 1][math.ceil((1 - error) * PATHS) - 1]) if len(ends) > 1 else math.inf


@cache
def _highest(ends: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return the highest z-values of fair candidates, and their largest sizes, sorted, shape (PATHS,)."""
    looks = np.array(ends[:-1], dtype=np.float64)
    information = 1 / (1 / looks - 1 / ends[-1])
    z = np.random.default_rng(0).normal(size=(PATHS, len(looks))) * np.sqrt(np.diff(information, prepend=0))
    z = np.cumsum(z, axis=1) / np.sqrt(information)
    return np.sort(z.max(axis=1)), np.sort(np.abs(z).max(axis=1))

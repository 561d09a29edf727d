"""Racing replayed over full results: scorer calls saved, and whether the instruction selected is as good.

python -m tests.bench.bench_racing [--replays 200] [--n 50 100 261] [--keep 1 3] [--matrix FILE]

Each replay takes 201 candidates (--candidates) with scores on all examples, the first as the start, the others in
steps of 8. Full scoring asks N calls for each. "within" is how often the score of the instruction that racing selects
is at most one standard error of an accuracy below that of the best of all (which full scoring selects); "k-th" is the
same for the k-th best. Without --matrix the scores are simulated: accuracies of 40-70 %, each example with a difficulty
of its own.
A matrix (candidates x examples, of 0 and 1 or between) is read from .npz (its first array) or .csv; its candidates are
shuffled for every replay, unless --ordered says to keep their order, and its examples are drawn without replacement.

--errors shows the other side: how often a candidate that is just worth finding is dropped, which alpha bounds.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opro.field import Field
from opro.looks import block_ends
from opro.racing import Race, Rules, State, judge, worth_finding
from tests.bench.machine import machine

Floats = NDArray[np.float64]

CANDIDATES = 201


@dataclass(frozen=True)
class World:
    """How simulated candidates differ: mean accuracy, its spread, the spread of difficulty, and the gain over a run."""

    mean: float = 0.55
    spread: float = 0.08
    difficulty: float = 1.7
    gain: float = 0.0
    kinds: int = 1


WORLDS = {
    "like real ones": World(),
    "improving by 15 points": World(gain=0.15),
    "close (spread of 5 points)": World(spread=0.05),
    "examples alike": World(difficulty=0.7),
    "two kinds of instructions": World(kinds=2),
    "accurate (85 %)": World(mean=0.85, spread=0.05),
}


def simulate(world: World, n: int, rng: np.random.Generator, candidates: int = CANDIDATES) -> Floats:
    """Return zeros and ones, shape (candidates, n): logit P(right) = skill of the candidate - difficulty."""
    difficulty = rng.normal(scale=world.difficulty, size=(world.kinds, n))
    accuracy = rng.normal(world.mean, world.spread, candidates) + world.gain * np.linspace(-0.5, 0.5, candidates)
    levels, many = np.linspace(-8, 8, 321), rng.normal(scale=world.difficulty, size=4000)
    curve = (1 / (1 + np.exp(many - levels[:, None]))).mean(axis=1)
    skill = np.interp(np.clip(accuracy, 0.02, 0.98), curve, levels)
    kind = rng.integers(world.kinds, size=candidates)
    chance = 1 / (1 + np.exp(difficulty[kind] - skill[:, None]))
    return (rng.random((candidates, n)) < chance).astype(np.float64)


@dataclass(frozen=True)
class Replay:
    """What racing did in one replay."""

    calls: int
    of: int
    within: bool
    same: bool
    kth_within: bool
    finished: int


def replay(matrix: Floats, rules: Rules, size: int, rng: np.random.Generator) -> Replay:
    """Race the rows of a matrix in steps of `size`, each step against what the earlier ones left."""
    total, calls = matrix.shape[1], 0
    full, partial = matrix[:1], np.empty((0, total))
    for first in range(1, len(matrix), size):
        order = rng.permutation(total)
        seen = race(matrix[first : first + size, order], Field(full[:, order], partial[:, order]), rules)
        back = np.argsort(order)
        calls += int((~np.isnan(seen)).sum())
        ended = ~np.isnan(seen).any(axis=1)
        full, partial = np.vstack([full, seen[ended][:, back]]), np.vstack([partial, seen[~ended][:, back]])
    scores, kept = np.sort(matrix.mean(axis=1))[::-1], np.sort(full.mean(axis=1))[::-1]
    slack = np.sqrt(scores[0] * (1 - scores[0]) / total) + 1e-9
    kth = scores[rules.keep - 1] - kept[rules.keep - 1] if len(kept) >= rules.keep else 1.0
    gap = scores[0] - kept[0]
    return Replay(calls, matrix[1:].size, gap <= slack, gap < 1e-9, kth <= slack, len(kept))


def race(rows: Floats, field: Field, rules: Rules) -> Floats:
    """Run one race over known scores; return those that were asked for, nan elsewhere."""
    runner = Race([str(row) for row in range(len(rows))], field, rules)
    seen = np.full(rows.shape, np.nan)
    while heats := runner.next_blocks():
        for heat in heats:
            places = list(runner.examples(heat.block))
            seen[int(heat.candidate), places] = rows[int(heat.candidate), places]
            runner.report(heat, seen[int(heat.candidate), places].tolist())
    return seen


def read(path: Path) -> Floats:
    """Read a matrix of full results."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return arrays[arrays.files[0]].astype(np.float64)
    return np.loadtxt(path, delimiter=",", ndmin=2)


def drawn(matrix: Floats, n: int, rng: np.random.Generator, given: argparse.Namespace) -> Floats:
    """Return the candidates of a replay: as many rows as are wanted, if there are as many, and n examples."""
    rows = np.arange(len(matrix)) if given.ordered else rng.permutation(len(matrix))
    return matrix[np.ix_(rows[: given.candidates], rng.permutation(matrix.shape[1])[:n])]


def line(name: str, replays: Iterator[Replay]) -> str:
    """One row of the table."""
    done = list(replays)
    saved = sum(r.of for r in done) / sum(r.calls for r in done)
    shares = [100 * np.mean([getattr(r, key) for r in done]) for key in ("within", "same", "kth_within")]
    finished = np.mean([r.finished for r in done])
    return f"{name:44} {saved:5.2f} x  {shares[0]:5.1f} %  {shares[1]:5.1f} %  {shares[2]:5.1f} %  {finished:5.1f}"


def error(n: int, accuracy: float, earlier: int, *, alike: bool, rules: Rules, worlds: int = 20) -> float:
    """Return how often a candidate whose full score is just at the target is dropped, over random orders."""
    rng, ends, dropped = np.random.default_rng(n), block_ends(n), []
    for _ in range(worlds):
        world = World(mean=accuracy, spread=0.0, kinds=1, difficulty=1.7 if alike else 3.4)
        rows = simulate(world, n, rng, earlier + 1)
        row = rows[-1] if alike else simulate(world, n, rng, 1)[0]
        bar = rows[:-1].mean(axis=1).max()
        wanted = int(np.ceil(n * worth_finding(bar, n, rules.margin) - 1e-9))
        row = moved(row, wanted, rng)
        for _ in range(50):
            order = rng.permutation(n)
            field = Field(rows[:-1][:, order], np.empty((0, n)))
            looks = (judge(row[order][:end], ends, field, rules).state is State.DROPPED for end in ends)
            dropped.append(any(looks))
    return float(np.mean(dropped))


def moved(row: Floats, wanted: int, rng: np.random.Generator) -> Floats:
    """Return a row of zeros and ones with as many ones as wanted, random ones turned round."""
    row, more = row.copy(), wanted - int(row.sum())
    places = np.flatnonzero(row == (0 if more > 0 else 1))
    row[rng.choice(places, abs(more), replace=False)] = 1 if more > 0 else 0
    return row


def show_errors(sizes: list[int], rules: Rules) -> None:
    """Print how often a candidate that is just worth finding is dropped."""
    print(f"dropped though just worth finding (alpha = {rules.alpha}); columns: accuracy of the best so far about")
    print(f"{'':44}" + "".join(f"{accuracy:8.0%}" for accuracy in (0.2, 0.5, 0.8, 0.93)))
    for n in sizes:
        for earlier in (1, 10):
            for alike in (True, False):
                name = f"N = {n}, {earlier} earlier, {'alike' if alike else 'nothing in common'}"
                rates = [error(n, a, earlier, alike=alike, rules=rules) for a in (0.2, 0.5, 0.8, 0.93)]
                print(f"{name:44}" + "".join(f"{rate:8.1%}" for rate in rates), flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--n", type=int, nargs="+", default=[50, 100, 261])
    parser.add_argument("--keep", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--size", type=int, default=8, help="candidates of a step")
    parser.add_argument("--candidates", type=int, default=CANDIDATES, help="of a replay, the start counted")
    parser.add_argument("--alpha", type=float, default=Rules().alpha)
    parser.add_argument("--margin", type=float, default=Rules().margin)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--matrix", type=Path)
    parser.add_argument("--ordered", action="store_true", help="keep the order of the matrix's candidates")
    parser.add_argument("--errors", action="store_true")
    return parser.parse_args()


def replays(given: argparse.Namespace, matrix: Floats | None, name: str, n: int, rules: Rules) -> Iterator[Replay]:
    """Replay the matrix, or simulated worlds of that name."""
    for seed in range(given.replays):
        rng = np.random.default_rng([seed, n])
        made = simulate(WORLDS[name], n, rng, given.candidates) if matrix is None else drawn(matrix, n, rng, given)
        yield replay(made, rules, given.size, rng)


def show_replays(given: argparse.Namespace) -> None:
    """Print a row for each N, k and world, or for each N and k of the matrix."""
    matrix = read(given.matrix) if given.matrix else None
    names = given.worlds if matrix is None else [given.matrix.name]
    sizes = given.n if matrix is None else [n for n in given.n if n <= matrix.shape[1]] or [matrix.shape[1]]
    print(f"{'':44} fewer    within     same     k-th   full")
    for n, keep, name in product(sizes, given.keep, names):
        rules = Rules(keep, given.alpha, given.margin)
        print(line(f"N = {n}, k = {keep}, {name}", replays(given, matrix, name, n, rules)), flush=True)


def main() -> None:
    given = options()
    print(machine())
    if given.errors:
        show_errors(given.n, Rules(alpha=given.alpha, margin=given.margin))
    else:
        show_replays(given)


if __name__ == "__main__":
    main()

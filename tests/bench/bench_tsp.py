"""OPRO's Table 3: gap to the proved optimum and successes, beside references, random search and a model-free control.

python -m tests.bench.bench_tsp [--n 10 15 20 50] [--seeds 5] [--steps 500] [--model local] [--control flipped-scores]

`uniform` is the same proposer with a model that knows nothing: what the search around the model does alone.
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from opro.config import run_config
from opro.report import Summary, gap, summarize
from opro.types import Direction
from opro.workbench import Workbench
from scorer_models import open_model
from tests.bench.machine import machine

# Gap in % and successes of 5 of text-bison, gpt-3.5-turbo and gpt-4 within 500 steps (Yang et al. 2023, Table 3).
PAPER = {
    10: ("0.0 (5)", "0.0 (5)", "0.0 (5)"),
    15: ("4.4 (0)", "1.2 (4)", "0.2 (4)"),
    20: ("30.4 (0)", "4.4 (1)", "1.4 (2)"),
    50: ("219.8", "133.0", "11.0"),
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, nargs="+", default=list(PAPER))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--contestants", nargs="+", default=["local", "uniform", "random", "evolution"])
    parser.add_argument("--control", default="none")
    parser.add_argument("--option", action="append", default=[], help="NAME=VALUE of the proposer")
    return parser.parse_args()


async def runs(workbench: Workbench, given: argparse.Namespace, n: int, contestant: str) -> list[Summary]:
    """Run all seeds of one contestant: `random`, `evolution`, or `opro` with a model."""
    with_model = contestant not in ("random", "evolution")
    model = open_model(contestant) if with_model else None
    extra = dict(pair.split("=", 1) for pair in given.option)
    options = {"style": "continuation", "control": given.control, **extra} if with_model else {}
    proposer = "opro" if with_model else contestant
    values = {"problem": "tsp", "set": {"n": n}, "proposer": proposer, "options": options, "steps": given.steps}
    found: list[Summary] = []
    for seed in range(given.first, given.first + given.seeds):
        run = await workbench.run(run_config({**values, "model": contestant, "seed": seed}), model=model)
        found.append(summarize(workbench.reader, workbench.reader.run(run)))
    return found


def cell(summaries: list[Summary]) -> str:
    """Mean gap in %, successes, and mean steps of the successes."""
    solved = [s for s in summaries if s.found]
    gaps = statistics.mean(100 * (s.gap or 0.0) for s in summaries)
    steps = f", {statistics.mean(s.steps for s in solved):.0f} steps" if solved else ""
    return f"{gaps:.1f} ({len(solved)}/{len(summaries)}{steps})"


def reference(workbench: Workbench, summaries: list[Summary], name: str) -> str:
    """Mean gap in % of a reference over the same instances."""
    gaps: list[float] = []
    for summary in summaries:
        references = {r.name: r.value for r in workbench.reader.run(summary.run).spec.references}
        gaps.append(100 * (gap(references[name], references["optimum"], Direction.MINIMIZE) or 0.0))
    return f"{statistics.mean(gaps):.1f}"


async def main() -> None:
    given = options()
    print(machine())
    print(
        f"control {given.control}, instances and runs {given.first} to {given.first + given.seeds - 1}, "
        f"at most {given.steps} steps of 8; gap in % (solved, steps of the solved)"
    )
    contestants = given.contestants
    print("| n |", " | ".join(contestants), "| seconds a step | NN | FI | two-opt | bison | gpt-3.5 | gpt-4 |")
    print("|---" * (len(contestants) + 8) + "|")
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(str(Path(folder) / "bench.db"))
        for n in given.n:
            made = {name: await runs(workbench, given, n, name) for name in contestants}
            ours = made[contestants[0]]
            seconds = sum(s.seconds for s in ours) / max(sum(s.steps for s in ours), 1)
            names = ("nearest neighbour", "farthest insertion", "two-opt")
            references = [reference(workbench, ours, name) for name in names]
            cells = [*map(cell, made.values()), f"{seconds:.2f}", *references, *PAPER.get(n, ())]
            print("|", " | ".join([str(n), *cells]), "|", flush=True)
        workbench.close()


if __name__ == "__main__":
    asyncio.run(main())

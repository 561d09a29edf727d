"""OPRO's Table 2 with the default model: steps and unique pairs to the true (w, b), beside the paper and baselines.

python -m tests.bench.bench_linear_regression [--seeds 5] [--first 0] [--steps 40] [--per-step 8] [--model local]
    [--control flipped-scores] [--targets "15,14;3,5"]
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from opro.config import run_config
from opro.report import Summary, summarize
from opro.workbench import Workbench
from scorer_models import open_model
from tests.bench.machine import machine

# Steps / unique pairs of text-bison, gpt-3.5-turbo and gpt-4, mean of 5 runs (Yang et al. 2023, Table 2).
PAPER = {
    "15,14": ((5.8, 40.0), (7.6, 36.0), (4.0, 17.2)),
    "17,17": ((4.0, 33.4), (12.6, 53.8), (6.0, 26.0)),
    "16,10": ((3.8, 30.2), (10.4, 42.8), (6.2, 24.2)),
    "3,5": ((9.8, 55.8), (10.8, 39.6), (12.2, 33.0)),
    "25,23": ((19.6, 104.0), (26.4, 78.6), (12.2, 44.2)),
    "2,30": ((31.4, 126.4), (42.8, 125.6), (38.0, 99.0)),
    "36,-1": ((35.8, 174.0), (45.4, 142.2), (50.4, 116.4)),
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--per-step", type=int, default=8)
    parser.add_argument("--model", default="local")
    parser.add_argument("--control", default="none")
    parser.add_argument("--targets", default=";".join(PAPER))
    parser.add_argument("--contestants", nargs="+", default=["opro", "random", "evolution", "surrogate"])
    return parser.parse_args()


async def runs(workbench: Workbench, given: argparse.Namespace, target: str, proposer: str) -> list[Summary]:
    w, b = map(int, target.split(","))
    steps = given.steps if proposer == "opro" else 500
    found: list[Summary] = []
    model = open_model(given.model) if proposer == "opro" else None
    for seed in range(given.first, given.first + given.seeds):
        control = {"control": given.control, "style": "continuation"} if proposer == "opro" else {}
        values = {"problem": "linear-regression", "set": {"w": w, "b": b}, "proposer": proposer, "options": control}
        limits = {"steps": steps, "per_step": given.per_step, "seed": seed, "model": given.model}
        run = await workbench.run(run_config({**values, **limits}), model=model)
        found.append(summarize(workbench.reader, workbench.reader.run(run)))
    return found


def cell(summaries: list[Summary]) -> str:
    """Steps / unique pairs, mean and standard deviation, and how many runs were solved where not all were."""
    steps, unique = ([getattr(s, name) for s in summaries] for name in ("steps", "unique"))
    spread = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in (steps, unique)]
    solved = sum(bool(s.found) for s in summaries)
    note = "" if solved == len(summaries) else f" ({solved}/{len(summaries)} solved)"
    return f"{statistics.mean(steps):.1f}±{spread[0]:.1f} / {statistics.mean(unique):.1f}±{spread[1]:.1f}{note}"


async def main() -> None:
    given = options()
    print(machine())
    print(
        f"{given.model}, control {given.control}, seeds {given.first} to {given.first + given.seeds - 1}, "
        f"at most {given.steps} steps of {given.per_step}; steps / unique pairs"
    )
    columns = [*given.contestants, "samples", "seconds a step", "bison", "gpt-3.5", "gpt-4"]
    print("| target |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(str(Path(folder) / "bench.db"))
        for target in given.targets.split(";"):
            made = {name: await runs(workbench, given, target, name) for name in given.contestants}
            first = made[given.contestants[0]]
            samples = statistics.mean(summary.samples for summary in first)
            seconds = sum(summary.seconds for summary in first) / max(sum(summary.steps for summary in first), 1)
            paper = [f"{steps} / {unique}" for steps, unique in PAPER.get(target, ())]
            cells = [*map(cell, made.values()), f"{samples:.0f}", f"{seconds:.2f}", *paper]
            print("|", " | ".join([target, *cells]), "|", flush=True)
        workbench.close()


if __name__ == "__main__":
    asyncio.run(main())

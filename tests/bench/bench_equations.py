"""Searches for rules at an equal budget: random, evolution, controller, language models; then the test on fresh seeds.

python -m tests.bench.bench_equations [--problem update-rule] [--rules 1000] [--seeds 3] [--per-step 20]
    [--contestants random evolution controller opro] [--models local] [--set NAME=VALUE]... [--store FILE] [--no-exam]
    [--no-other]

The first table has the best validation accuracy after 10, 30, 100, ... rules, mean over seeds and standard deviation;
the second the best rule of every search trained on fresh seeds, longer, and on other data, beside the known rules, the
decay of the learning rate alone among them. With `--store` a bench that was cut goes on where it was.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from opro.build import build_problem
from opro.config import RunConfig, run_config
from opro.protocols import Examinable
from opro.records import Status
from opro.report import finalist
from opro.types import Trial
from opro.workbench import Workbench
from scorer_models import open_model
from tests.bench.machine import machine

MARKS = (10, 30, 100, 300, 1000, 3000)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problem", default="update-rule")
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--per-step", type=int, default=20)
    parser.add_argument("--contestants", nargs="+", default=["random", "evolution", "controller", "opro"])
    parser.add_argument("--models", nargs="+", default=["local"])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--store", default="")
    parser.add_argument("--no-exam", action="store_true")
    parser.add_argument("--no-other", action="store_true", help="leave the other kind of network out of the exam")
    return parser.parse_args()


def config(given: argparse.Namespace, proposer: str, model: str, seed: int) -> RunConfig:
    settings = dict(pair.split("=", 1) for pair in given.set)
    limits = {"trials": given.rules, "steps": 10 * given.rules, "per_step": given.per_step, "silence": 50}
    named = {"problem": given.problem, "set": settings, "proposer": proposer, "seed": seed, "baselines": "never"}
    return run_config({**named, **limits, **({"model": model} if model else {})})


async def searched(workbench: Workbench, wanted: RunConfig) -> tuple[str, float]:
    """Return the run of a config, made, continued or found in the store, and the seconds that it took."""
    began = time.perf_counter()
    model = open_model(wanted.model) if wanted.proposer == "opro" else None
    same = wanted.model_dump(mode="json", include={"problem", "set", "proposer", "seed", "trials", "model"})
    for run in workbench.reader.runs():
        if not run.spec.parent and {name: run.spec.config.get(name) for name in same} == same:
            if run.status is not Status.DONE:
                await workbench.resume(run.id, model=model)
            return run.id, time.perf_counter() - began
    return await workbench.run(wanted, model=model), time.perf_counter() - began


def best_after(trials: Sequence[Trial], mark: int) -> float:
    return max((trial.value for trial in trials[:mark] if trial.value is not None), default=0.0)


def curve_row(name: str, runs: Sequence[Sequence[Trial]], marks: Sequence[int]) -> str:
    cells: list[str] = []
    for mark in marks:
        values = [100 * best_after(trials, mark) for trials in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        short = min(map(len, runs))
        cells.append(f"{statistics.mean(values):.2f}±{spread:.2f}" + (f" ({short} scored)" if short < mark else ""))
    failed = sum(trial.value is None for trials in runs for trial in trials)
    same = sum("the same as" in trial.evaluation.feedback for trials in runs for trial in trials)
    total = sum(map(len, runs))
    return f"| {name} | {' | '.join(cells)} | {100 * failed / total:.0f} % | {100 * same / total:.0f} % |"


async def examine(given: argparse.Namespace, found: dict[str, str]) -> None:
    """Train what was found, and the known rules, on fresh seeds, and print what the test says."""
    problem = build_problem(config(given, "random", "", given.first))
    assert isinstance(problem, Examinable)
    named = {**found, **problem.rivals}
    exam = problem.examination(list(dict.fromkeys(named.values())))
    if given.no_other:
        exam = type(exam)(exam.config.model_copy(update={"other": False}), given.first)
    texts = [candidate.text for candidate in exam.start(0)]
    scores = dict(zip(texts, await exam.evaluate(exam.start(0)), strict=True))
    columns = next(list(one.metrics) for one in scores.values() if one.metrics)
    print("| rule |", " | ".join([*columns, "formula"]), "|")
    print("|---" * (len(columns) + 2) + "|")
    for name, text in named.items():
        answers = scores[text].answers
        cells = [cell([one.score or 0.0 for one in answers if one.split == column]) for column in columns]
        print(f"| {name} |", " | ".join([*cells, f"`{text}`"]), "|")


def cell(values: Sequence[float]) -> str:
    """Return mean and standard error in percent."""
    if len(values) < 2:
        return "diverged"
    return f"{100 * statistics.mean(values):.2f} ({100 * statistics.stdev(values) / len(values) ** 0.5:.2f})"


async def main() -> None:
    given = options()
    marks = [*(mark for mark in MARKS if mark < given.rules), given.rules]
    found: dict[str, str] = {}
    print(machine())
    print(f"{given.problem} {' '.join(given.set)}, {given.rules} rules a search, {given.seeds} seeds")
    print("| search |", " | ".join([*map(str, marks), "failed", "same as another"]), "|")
    print("|---" * (len(marks) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(given.store or str(Path(folder) / "bench.db"))
        for contestant in given.contestants:
            for model in given.models if contestant == "opro" else [""]:
                name = f"{contestant} {model}".strip()
                runs: list[Sequence[Trial]] = []
                took = 0.0
                for seed in range(given.first, given.first + given.seeds):
                    run, seconds = await searched(workbench, config(given, contestant, model, seed))
                    runs.append(workbench.reader.trials(run))
                    found[f"{name}, seed {seed}"] = finalist(workbench.reader, workbench.reader.run(run)).text
                    took += seconds
                print(curve_row(f"{name}, {took / given.seeds:.0f} s", runs, marks), flush=True)
        workbench.close()
    if not given.no_exam:
        print()
        await examine(given, found)


if __name__ == "__main__":
    asyncio.run(main())

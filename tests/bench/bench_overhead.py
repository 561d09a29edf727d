"""What the workbench itself costs: milliseconds a trial without model and evaluator, with 100 to 100,000 trials stored.

python -m tests.bench.bench_overhead [--steps 100]
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from evaluators.linear_regression import LinearRegression
from opro.build import build_proposer, resolve_options
from opro.config import run_config
from opro.loop import Limits, Loop, Progress
from opro.reader import Reader
from opro.recording import RecordedModel
from opro.records import RunSpec, Status
from opro.store import Store
from opro.types import Candidate, Evaluation, Request, Trial
from scorer_models.scripted import ScriptedModel
from tests.bench.machine import machine

PER_STEP = 8


def reply(request: Request) -> Sequence[str]:
    random = Random(request.seed)
    return [f"{random.randint(-99, 99)}, b={random.randint(-99, 99)}" for _ in range(request.n)]


def stored(count: int) -> list[Trial]:
    """Trials with made-up texts, for the space of pairs holds fewer than 100,000."""
    random = Random(0)
    return [Trial(i, 0, Candidate(f"w={i}, b=0"), Evaluation(random.uniform(1e4, 1e8))) for i in range(count)]


async def milliseconds(folder: Path, count: int, steps: int) -> tuple[float, float]:
    """Return milliseconds a trial over `steps` steps, and seconds to come back from `count` stored trials."""
    problem = LinearRegression(LinearRegression.Config(), 0)
    store = str(folder / f"{count}.db")
    spec = RunSpec(problem="x", direction=problem.direction, proposer="opro", model="scripted", seed=0, config={})
    journal = Store(store).new_run(spec)
    journal.record_step(stored(count), asking=0.0, scoring=0.0)
    began = time.perf_counter()
    model = RecordedModel(ScriptedModel(reply), journal)
    config = run_config({"problem": "linear-regression"})
    config = config.model_copy(update={"options": resolve_options(config, model)})
    proposer, progress = build_proposer(config, problem, model), Progress(problem.direction)
    trials = Reader(store).trials(journal.run)
    proposer.tell(trials)
    progress.add(trials, 0.0)
    back = time.perf_counter() - began
    began = time.perf_counter()
    await Loop(problem, proposer, journal, Limits(steps=steps, per_step=PER_STEP), 0).run(progress)
    spent = time.perf_counter() - began
    journal.finish(Status.DONE, "")
    return 1000 * spent / (progress.trajectory.length - count), back


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    print(machine())
    print("| trials in the store | ms a trial | s to resume |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in (100, 10_000, 100_000):
            spent, back = await milliseconds(Path(folder), count, steps)
            print(f"| {count:,} | {spent:.2f} | {back:.2f} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""Search instructions for tasks with a real model, and hold what was found against its rivals on the test examples.

    python -m tests.bench.bench_instructions --data FOLDER --model SPEC [--tasks bbh/boolean_expressions,...]

FOLDER holds `bbh/` and `gsm8k/` as published. The model is optimizer and scorer. Runs are kept in `--store`: what is
there already is not asked again, so an interrupted benchmark goes on where it was.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from opro.config import RunConfig, run_config
from opro.examination import BEST_OF_N, Report
from opro.paired import percent
from opro.records import Status
from opro.report import summarize
from opro.workbench import Workbench
from tests.bench.machine import machine

TASKS = "bbh/object_counting,bbh/boolean_expressions,bbh/date_understanding,bbh/dyck_languages,bbh/sports_understanding"


def config_of(task: str, given: argparse.Namespace) -> RunConfig:
    """Return the config of a task's run."""
    folder = given.data / task.partition("/")[0]
    settings: dict[str, Any] = {"task": task, "data": str(folder), "train": given.train, "test": given.test}
    settings |= {"position": given.position, "reply_tokens": given.reply_tokens}
    return run_config(
        {
            "problem": "instructions",
            "set": settings,
            "model": given.model,
            "steps": given.steps,
            "per_step": given.per_step,
            "concurrency": given.concurrency,
            "timeout": 1800,
            "seed": given.seed,
        }
    )


async def searched(workbench: Workbench, config: RunConfig) -> str:
    """Return the run of this config in the store, made or finished if need be."""
    made = [run for run in workbench.reader.runs() if run.spec.config["set"] == config.model_dump(mode="json")["set"]]
    if not made:
        return await workbench.run(config)
    if made[-1].status is not Status.DONE:
        return await workbench.resume(made[-1].id)
    return made[-1].id


def row(task: str, workbench: Workbench, made: Report, minutes: float) -> str:
    """Return a task's line of the table."""
    run = workbench.reader.run(made.run).spec.parent or made.run
    summary = summarize(workbench.reader, workbench.reader.run(run))
    found = made.examined[0].accuracy
    assert found is not None, made.examined[0].reason
    cells = [task, f"{summary.unique}", percent(made.train or 0.0), percent(found.mean)]
    cells += [against(made, name) for name in ("no instruction", "step by step", BEST_OF_N)]
    return f"| {' | '.join(cells)} | {found.n} | {minutes:.0f} |"


def against(made: Report, name: str) -> str:
    """Return a rival's accuracy and the difference to it."""
    for one in made.comparisons:
        if one.other == name:
            interval = f"{percent(one.low)} to {percent(one.high)}"
            return f"{percent(one.other_mean)}: {percent(one.difference)} ({interval}), p = {one.p:.2g}"
    return "the same text" if name in made.merged else "not asked"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="local")
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--store", default="bench_instructions.db")
    parser.add_argument("--train", type=int, default=40)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--per-step", type=int, default=8)
    parser.add_argument("--position", default="Q_end")
    parser.add_argument("--reply-tokens", type=int, default=40, help="of the scorer; few leave no room for reasoning")
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--best-of-n", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(machine())
    print("| task | scored | found, train | found, test | no instruction | step by step | best of N | n | minutes |")
    print("|---|---|---|---|---|---|---|---|---|")
    workbench = Workbench(given.store)
    for task in given.tasks.split(","):
        began = time.monotonic()
        made = await workbench.examine(await searched(workbench, config_of(task, given)), best_of_n=given.best_of_n)
        print(row(task, workbench, made, (time.monotonic() - began) / 60), flush=True)
        print("\n".join(f"{one.name}: {one.text!r}" for one in made.examined), flush=True)
        print("\n".join(f"  {sentence}" for sentence in made.sentences), flush=True)
    workbench.close()


if __name__ == "__main__":
    asyncio.run(main())

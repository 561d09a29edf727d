"""What `opro run` and `opro resume` do: runs before the user's eyes, and a report at their end."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console

from opro.build import build_problem
from opro.config import RunConfig, run_config
from opro.console import (
    cost_table,
    live_answers,
    live_run,
    plain,
    printable,
    summary_table,
)
from opro.errors import BudgetError
from opro.examination import is_evaluation
from opro.probing import is_probe, probe_report
from opro.reader import EXAMINER, Reader
from opro.records import RunRecord, Status
from opro.report import by_role, contestant, replay, summarize, verdict
from opro.views import examination_of, print_examination, print_probe
from opro.workbench import Workbench, references_of


async def study(config: RunConfig, count: int, store: str | None, *, as_json: bool) -> None:
    """Make `count` runs with seeds from the config's on, give the baselines their turn, and report."""
    console = Console(stderr=as_json)
    configs = [config.model_copy(update={"seed": config.seed + number}) for number in range(count)]
    problems = [build_problem(each) for each in configs]
    runs: list[str] = []
    with closing(Workbench(store)) as workbench:
        for each, problem in zip(configs, problems, strict=True):
            with console.status(f"{each.problem}: computing what to compare with"):
                await asyncio.to_thread(references_of, problem)  # a problem computes them once
            try:
                with live_run(console, each, problem.direction) as watch:
                    first = runs[0] if runs else ""
                    runs.append(await workbench.run(each, problem=problem, study=first, watch=watch))
            except asyncio.CancelledError:
                _say_what_is_left(console, each.seed + 1, configs[-1].seed)
                raise
            await workbench.give_baselines(runs[-1], problem=problem)
        report(workbench.reader, runs, console, store, as_json=as_json)


async def score(config: RunConfig, store: str | None, *, as_json: bool) -> None:
    """Score the starting solutions of a config, and report.

    Raises:
        BudgetError: the budget did not suffice.
    """
    console = Console(stderr=as_json)
    problem = build_problem(config)
    with closing(Workbench(store)) as workbench, live_answers(console, config.set["task"]):
        run = workbench.reader.run(await workbench.run(config, problem=problem))
        _check_whole(run, store)
        print_examination(console, examination_of(workbench.reader, run), as_json=as_json)


async def examine(
    name: str, budget: Sequence[str], store: str | None, *, best_of_n: bool = True, as_json: bool = False
) -> None:
    """Score what a run found on examples that it has not seen, and report.

    Raises:
        BudgetError: the budget did not suffice.
    """
    console = Console(stderr=as_json)
    with closing(Workbench(store)) as workbench, live_answers(console, "answers of the scorer"):
        try:
            made = await workbench.examine(name, budget=budget, best_of_n=best_of_n)
        except BudgetError as error:
            raise BudgetError(f"{error}; {_larger('verdict', name, store)}") from error
    print_examination(console, made, as_json=as_json)


def _check_whole(run: RunRecord, store: str | None) -> None:
    """Raise a BudgetError for an evaluation that its budget stopped."""
    if run.status is Status.STOPPED:
        raise BudgetError(f"{run.id} is not complete: {run.reason}; {_larger('resume', run.id, store)}")


def _larger(command: str, run: str, store: str | None) -> str:
    """Say how to go on with a run that its budget stopped."""
    return f"opro {command} {run} --budget LARGER{f' --store {store}' if store else ''} goes on"


def _say_what_is_left(console: Console, first: int, last: int) -> None:
    if first <= last:
        left = f"seed {last} was" if first == last else f"seeds {first} to {last} were"
        console.print(f"{left} not begun: `opro run` with --seed {first} --seeds {last - first + 1} makes up for it")


async def go_on(name: str, changes: Mapping[str, Any], store: str | None, *, as_json: bool) -> None:
    """Resume a run, let its baselines follow, and report."""
    console = Console(stderr=as_json)
    with closing(Workbench(store)) as workbench:
        record = workbench.reader.run(name)
        with live_run(console, run_config({**record.spec.config, **changes}), record.spec.direction) as watch:
            record = workbench.reader.run(await workbench.resume(record.id, changes, watch=watch))
        if record.spec.proposer == EXAMINER:
            _check_whole(record, store)
        if is_probe(record) and not as_json:
            print_probe(console, probe_report(workbench.reader, record))
        elif is_evaluation(workbench.reader, record):
            print_examination(console, examination_of(workbench.reader, record), as_json=as_json)
        else:
            await workbench.give_baselines(record.id)
            report(workbench.reader, [record.id], console, store, as_json=as_json)


def report(reader: Reader, runs: Sequence[str], console: Console, store: str | None, *, as_json: bool) -> None:
    """Print what runs that differ in their seeds only have reached, beside their baselines, and the verdict."""
    records = [reader.run(run) for run in runs]
    if as_json:
        sys.stdout.writelines(json.dumps(summarize(reader, record).as_dict()) + "\n" for record in records)
        return
    rows = [
        (contestant(each.spec), summarize(reader, each))
        for record in records
        for each in (record, *reader.baselines_of(record.id))
    ]
    console.print(summary_table(rows, "runs, and baselines with the same allowance of evaluations"))
    if spent := [part for record in records for part in reader.spending(record.id)]:
        console.print(cost_table(by_role(spent)))
    for record in records:
        best = replay(reader, record).trajectory.best
        console.print(f"best of seed {record.spec.seed}:", plain(best.text if best else "none", 100), highlight=False)
    for sentence in verdict(reader, records).sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)
    for record in records:
        if record.status is Status.STOPPED:
            console.print(f"• {record.id} stopped: {printable(record.reason)}.", markup=False, highlight=False)
            console.print(f"  {_larger('resume', record.id, store)}.", markup=False, highlight=False)
    console.print(f"opro show {runs[-1]} [--step K] shows more.", style="dim", highlight=False)

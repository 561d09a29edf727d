"""What `opro run` and `opro resume` do: runs before the user's eyes, and a report at their end."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console

from opro.build import build_problem, problem_of
from opro.closing import print_findings, print_next, print_winner
from opro.config import RunConfig, run_config, seeded
from opro.consent import agree_to
from opro.console import (
    announce,
    cost_table,
    live_answers,
    live_run,
    plain,
    summary_table,
)
from opro.equipment import open_ledger
from opro.errors import BudgetError
from opro.examination import is_evaluation
from opro.opening import check_examinable
from opro.passwords import masked
from opro.probing import is_probe, probe_report
from opro.reader import EXAMINER, Reader
from opro.records import RunRecord, Status
from opro.report import by_role, contestant, summarize, verdict
from opro.screen import screen
from opro.texts import printable
from opro.views import examination_of, print_examination, print_probe
from opro.workbench import UNMOVED, Workbench, references_of


async def study(
    config: RunConfig, count: int, store: str | None, *, as_json: bool = False, judged: bool = False
) -> None:
    """Make `count` runs with seeds from the config's on, give the baselines their turn, and report.

    With `judged`, every run then has its verdict, within what its budget left.

    Raises:
        ConfigError: a verdict is wanted, and the problem keeps no examples for one.
        BudgetError: the budget did not suffice for the verdict.
    """
    console = screen(stderr=as_json)
    configs = seeded(config, count)
    agree_to(config)
    problems = [build_problem(each) for each in configs]
    if judged:
        check_examinable(problems[0], config.problem)
    runs: list[str] = []
    announce(console, problems[0])
    with closing(Workbench(store)) as workbench:
        for each, problem in zip(configs, problems, strict=True):
            with console.status(plain(f"{each.problem}: computing what to compare with")):
                await asyncio.to_thread(references_of, problem)  # a problem computes them once
            try:
                with live_run(console, each, problem.direction) as watch:
                    first = runs[0] if runs else ""
                    runs.append(await workbench.run(each, problem=problem, study=first, watch=watch))
            except asyncio.CancelledError:
                _say_what_is_left(console, each.seed + 1, configs[-1].seed)
                raise
            await workbench.give_baselines(runs[-1], problem=problem)
        report(workbench.reader, runs, console, store, as_json=as_json, judged=judged)
    for run in runs if judged else ():
        await judge(run, store, as_json=as_json)


async def judge(name: str, store: str | None, *, as_json: bool) -> None:
    """Give a run that has just ended its verdict, within what its budget left.

    Raises:
        BudgetError: nothing is left, or not enough.
    """
    with closing(Workbench(store)) as workbench:
        left = _halves(workbench.reader, workbench.reader.run(name), store)
    await examine(name, left, store, as_json=as_json)


def _halves(reader: Reader, run: RunRecord, store: str | None) -> tuple[str, ...]:
    """Return half of what a run left of its budget: a verdict spends it twice, on the drawing and on the examination.

    Raises:
        BudgetError: nothing is left.
    """
    caps = run_config(run.spec.config).caps
    ledger = open_ledger(reader, run.id, caps)
    spent = {"usd": (caps.usd, ledger.spent.usd), "tok": (caps.tokens, ledger.spent.tokens)}
    spent["s"] = (caps.seconds, ledger.seconds)
    left = {unit: cap - (gone or 0.0) for unit, (cap, gone) in spent.items() if cap is not None}
    if any(amount <= 0 for amount in left.values()):
        raise BudgetError(f"{run.id} left nothing of its budget for a verdict; {_larger('verdict', run.id, store)}")
    return tuple(f"{amount / 2:.9f}{unit}" for unit, amount in left.items())


async def score(config: RunConfig, store: str | None, *, as_json: bool) -> None:
    """Score the starting solutions of a config, and report.

    Raises:
        BudgetError: the budget did not suffice.
    """
    console = screen(stderr=as_json)
    agree_to(config)
    problem = build_problem(config)
    announce(console, problem)
    with closing(Workbench(store)) as workbench, live_answers(console, config.set["task"]):
        run = workbench.reader.run(await workbench.run(config, problem=problem))
        _check_whole(run, store)
        print_examination(console, examination_of(workbench.reader, run), as_json=as_json)
        print_findings(console, workbench.reader, run, problem)


async def examine(
    name: str,
    budget: Sequence[str],
    store: str | None,
    *,
    places: Mapping[str, Any] = UNMOVED,
    best_of_n: bool = True,
    as_json: bool = False,
) -> None:
    """Score what a run found on examples that it has not seen, and report.

    Raises:
        BudgetError: the budget did not suffice.
    """
    console = screen(stderr=as_json)
    with closing(Workbench(store)) as workbench, live_answers(console, "answers of the scorer"):
        try:
            made = await workbench.examine(name, budget=budget, best_of_n=best_of_n, places=places)
        except BudgetError as error:
            raise BudgetError(f"{error}; {_larger('verdict', name, store)}") from error
        print_examination(console, made, as_json=as_json)
        print_findings(console, workbench.reader, workbench.reader.run(made.run), None)


def _check_whole(run: RunRecord, store: str | None) -> None:
    """Raise a BudgetError for an evaluation that its budget stopped."""
    if run.status is Status.STOPPED:
        raise BudgetError(f"{run.id} is not complete: {run.reason}; {_larger('resume', run.id, store)}")


def _larger(command: str, run: str, store: str | None) -> str:
    """Say how to go on with a run that its budget stopped."""
    return f"opro {command} {run} --budget LARGER{f' --store {masked(store)}' if store else ''} goes on"


def _say_what_is_left(console: Console, first: int, last: int) -> None:
    if first <= last:
        left = f"seed {last} was" if first == last else f"seeds {first} to {last} were"
        console.print(f"{left} not begun: `opro run` with --seed {first} --seeds {last - first + 1} makes up for it")


async def go_on(name: str, changes: Mapping[str, Any], store: str | None, *, as_json: bool) -> None:
    """Resume a run, let its baselines follow, and report."""
    console = screen(stderr=as_json)
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


def report(
    reader: Reader, runs: Sequence[str], console: Console, store: str | None, *, as_json: bool, judged: bool = False
) -> None:
    """Print what runs that differ in their seeds only have reached, beside their baselines; `judged` ones are next."""
    records = [reader.run(run) for run in runs]
    if as_json:
        sys.stdout.writelines(json.dumps(summarize(reader, record).as_dict()) + "\n" for record in records)
        for record in records:
            print_findings(console, reader, record, problem_of(record))
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
        print_winner(console, reader, record)
    for sentence in verdict(reader, records).sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)
    for record in records:
        print_next(console, reader, record, store, judged=judged)
        if record.status is Status.STOPPED:
            console.print(f"• {record.id} stopped: {printable(record.reason)}.", markup=False, highlight=False)
            console.print(f"  {_larger('resume', record.id, store)}.", markup=False, highlight=False)
    console.print(f"opro show {runs[-1]} [--step K] shows more.", style="dim", highlight=False)

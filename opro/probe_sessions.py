"""What `opro probe` does before the user's eyes."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.table import Table

from opro.auditioning import STYLES, TARGETS, Audition, advice, audition_configs, auditioned
from opro.build import build_problem
from opro.config import RunConfig
from opro.console import live_run
from opro.paired import percent
from opro.probing import probe_report, whole
from opro.records import Status
from opro.views import print_probe
from opro.workbench import Workbench


async def probe_tasks(configs: Sequence[RunConfig], store: str | None, *, as_json: bool) -> None:
    """Make a probe of each task, and report."""
    console = Console(stderr=as_json)
    made = [(config, build_problem(config)) for config in configs]  # what is wrong shows before anything is asked
    with closing(Workbench(store)) as workbench:
        for config, problem in made:
            full = whole(config, problem)
            with live_run(console, full, problem.direction) as watch:
                run = workbench.reader.run(await workbench.run(full, problem=problem, watch=watch))
            report = probe_report(workbench.reader, run)
            if as_json:
                sys.stdout.write(json.dumps(report.as_dict()) + "\n")
                continue
            print_probe(console, report)
            if run.status is not Status.DONE:
                console.print(f"{run.id} stopped: {run.reason}", markup=False, highlight=False)


async def audition(model: str, run: Mapping[str, Any], store: str | None, *, as_json: bool) -> None:
    """Let a model optimize small problems in both styles, and report."""
    console = Console(stderr=as_json)
    heard: list[Audition] = []
    with closing(Workbench(store)) as workbench:
        for style in STYLES:
            runs = await _played(console, workbench, audition_configs(model, style, "none", run))
            if auditioned(workbench.reader, style, runs).solved:
                runs += await _played(console, workbench, audition_configs(model, style, "flipped-scores", run))
            heard.append(auditioned(workbench.reader, style, runs))
    if as_json:
        told = {"model": model, "styles": [one.as_dict() for one in heard], "advice": advice(model, heard)}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    _print_audition(console, model, heard)


async def _played(console: Console, workbench: Workbench, configs: Sequence[RunConfig]) -> list[str]:
    """Make the runs of configs; return their ids."""
    runs: list[str] = []
    for config in configs:
        with live_run(console, config, build_problem(config).direction) as watch:
            runs.append(await workbench.run(config, watch=watch))
    return runs


def _print_audition(console: Console, model: str, heard: Sequence[Audition]) -> None:
    columns = ("style", "texts", "readable", "repeats", "found", "in steps", "found, scores reversed", "first run")
    table = Table(*columns, title=f"{model} as an optimizer of {len(TARGETS)} small linear regressions")
    for one in heard:
        counted = one.counted
        table.add_row(
            one.style.value,
            str(counted.samples),
            f"{percent(counted.parsed / max(counted.samples, 1))} %",
            f"{percent(counted.repeats / max(counted.parsed, 1))} %",
            f"{one.solved} of {len(TARGETS)}",
            ", ".join("-" if step is None else str(step) for step in one.steps),
            ", ".join("-" if step is None else str(step) for step in one.reversed_steps) or "not tried",
            one.runs[0],
        )
    console.print(table)
    for sentence in advice(model, heard):
        console.print(f"• {sentence}", markup=False, highlight=False)

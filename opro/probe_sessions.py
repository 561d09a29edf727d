"""What `opro probe` does before the user's eyes."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console

from opro.auditioning import STYLES, TARGETS, Audition, advice, audition_configs, auditioned
from opro.build import build_problem
from opro.config import RunConfig
from opro.consent import agree_to
from opro.console import live_run
from opro.errors import OproError
from opro.paired import percent
from opro.probing import ProbeReport, probe_report, whole
from opro.reader import Reader
from opro.records import Status
from opro.report import NOTHING_SPENT
from opro.screen import Sheet, screen
from opro.views import print_probe
from opro.workbench import Workbench


async def probe_tasks(configs: Sequence[RunConfig], store: str | None, *, as_json: bool) -> None:
    """Make a probe of each task, and report."""
    console = screen(stderr=as_json)
    for config in configs:
        agree_to(config)
    made = [(config, build_problem(config)) for config in configs]  # what is wrong shows before anything is asked
    reports: list[ProbeReport] = []
    with closing(Workbench(store)) as workbench:
        for config, problem in made:
            full = within(whole(config, problem), workbench.reader, [report.run for report in reports])
            with live_run(console, full, problem.direction) as watch:
                run = workbench.reader.run(await workbench.run(full, problem=problem, watch=watch))
            report = probe_report(workbench.reader, run)
            reports.append(report)
            if as_json:
                sys.stdout.write(json.dumps(report.as_dict()) + "\n")
                continue
            print_probe(console, report)
            if run.status is not Status.DONE:
                console.print(f"{run.id} stopped: {run.reason}", markup=False, highlight=False)
    if not any(row.accuracy for report in reports for row in report.rows):
        raise OproError("no setting was measured; why stands above")


def within(config: RunConfig, reader: Reader, runs: Sequence[str]) -> RunConfig:
    """Return a config with what runs made before under the same budget left of it; next to nothing if it is used up."""
    spent = sum((part for run in runs for part in reader.spending(run)), NOTHING_SPENT)
    seconds = sum(step.asking + step.scoring for run in runs for step in reader.steps(run))
    usd = (spent.usd or 0.0) + (spent.lost_usd or 0.0)
    caps = {"usd": (config.caps.usd, usd), "s": (config.caps.seconds, seconds)}
    caps["tok"] = config.caps.tokens, float(spent.tokens + spent.lost_tokens)
    left = {unit: max(cap - used, 1e-9) for unit, (cap, used) in caps.items() if cap is not None}
    return config.model_copy(update={"budget": tuple(f"{amount:.9f}{unit}" for unit, amount in left.items())})


async def audition(model: str, run: Mapping[str, Any], store: str | None, *, as_json: bool) -> None:
    """Let a model optimize small problems in both styles, and report."""
    console = screen(stderr=as_json)
    heard: list[Audition] = []
    with closing(Workbench(store)) as workbench:
        for style in STYLES:
            before = [name for one in heard for name in one.runs]
            runs = await _played(console, workbench, audition_configs(model, style, "none", run), before)
            if auditioned(workbench.reader, style, runs).solved:
                false = audition_configs(model, style, "flipped-scores", run)
                runs += await _played(console, workbench, false, [*before, *runs])
            heard.append(auditioned(workbench.reader, style, runs))
    if as_json:
        told = {"model": model, "styles": [one.as_dict() for one in heard], "advice": advice(model, heard)}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    _print_audition(console, model, heard)


async def _played(
    console: Console, workbench: Workbench, configs: Sequence[RunConfig], before: Sequence[str]
) -> list[str]:
    """Make the runs of configs within what those before left of the budget; return their ids."""
    runs: list[str] = []
    for config in configs:
        full = within(config, workbench.reader, [*before, *runs])
        with live_run(console, full, build_problem(config).direction) as watch:
            runs.append(await workbench.run(full, watch=watch))
    return runs


def _print_audition(console: Console, model: str, heard: Sequence[Audition]) -> None:
    columns = ("style", "texts", "readable", "repeats", "found", "in steps", "found, scores reversed", "first run")
    table = Sheet(*columns, title=f"{model} as an optimizer of {len(TARGETS)} small linear regressions")
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

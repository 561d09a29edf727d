"""What `opro list`, `show` and `compare` print."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from rich.console import Console

from opro.build import Allowed, nothing, problem_of, sight_of
from opro.comparing import contestants_of, flat, label
from opro.console import (
    cost_table,
    examination_table,
    number,
    percent,
    plain,
    probe_table,
    summary_table,
    value_of,
)
from opro.contrasting import Contrast, contrast, is_listed
from opro.examination import Report, is_evaluation, report
from opro.export import answer_rows
from opro.judging import compare
from opro.probing import ProbeReport, is_probe, probe_report
from opro.protocols import Examinable
from opro.reader import Reader, is_alive
from opro.records import RunRecord, Standing, Status
from opro.report import by_role, contestant, gap, optimum_of, outcome, replay, summarize, verdict
from opro.review import review
from opro.scoring_view import SCORER, check_step, print_scoring
from opro.screen import Sheet, clipped, prose
from opro.texts import printable

SETTING = 200
"""Characters of a setting that are shown."""

WHOLE = 2000
"""Characters of a reply that are shown; the rest stays in the store."""


def run_table(reader: Reader, *, whole: bool = False) -> Sheet:
    """Return a table of the runs of a store, one a row, without reading their trials.

    Their ids are as short as can be typed, or in full (`whole`).
    """
    table = Sheet(
        "run",
        clipped("problem"),
        clipped("proposer"),
        "seed",
        "status",
        "steps",
        "best value",
        "gap",
        title=reader.name,
    )
    standings, short = reader.standings(), {} if whole else reader.short_ids()
    for run in reader.runs():
        standing = standings.get(run.id, Standing())
        best = standing.best(run.spec.direction)
        optimum = optimum_of(run.spec.references)
        distance = gap(best, optimum.value, run.spec.direction) if optimum and best is not None else None
        table.add_row(
            short.get(run.id, run.id),
            run.spec.problem,
            f"{run.spec.proposer} {run.spec.model}".strip(),
            str(run.spec.seed),
            "died" if run.status is Status.RUNNING and not is_alive(run) else run.status,
            str(standing.step),
            "none" if best is None else number(best),
            percent(distance),
        )
    return table


def print_probe(console: Console, report: ProbeReport) -> None:
    """Print what a probe found."""
    console.print(probe_table(report))
    for sentence in (*report.notes, *report.sentences):
        console.print(f"• {printable(sentence)}", markup=False, highlight=False)
    console.print(f"run {report.run}: `opro ui` draws it", style="dim", highlight=False, markup=False)


def examination_of(reader: Reader, run: RunRecord, allowed: Allowed = nothing) -> Report:
    """Return what an evaluation, or the examination of another run, found."""
    problem = problem_of(run, allowed)
    return report(reader, run, problem.rivals if isinstance(problem, Examinable) else None)


def print_examination(console: Console, made: Report, *, as_json: bool = False) -> None:
    """Print how texts did on examples, and the first one against each of the others; as JSON on standard output."""
    if as_json:
        sys.stdout.write(json.dumps(made.as_dict()) + "\n")
        return
    console.print(examination_table(made))
    for sentence in made.sentences:
        console.print(f"• {printable(sentence)}", markup=False, highlight=False)
    console.print(f"run {made.run}", style="dim", highlight=False)


def show_run(console: Console, reader: Reader, run: RunRecord, allowed: Allowed = nothing) -> None:
    """Show a run: what it is, how far it came, and what it found, with all that may be said of it."""
    if is_probe(run):
        console.print(f"status: {printable(status(run))}", markup=False, highlight=False)
        print_probe(console, probe_report(reader, run))
        return
    summary = summarize(reader, run)
    title = f"{run.spec.problem}, model {run.spec.model or 'none'}"
    console.print(summary_table([(contestant(run.spec), summary)], title))
    console.print(f"status: {printable(status(run))}", markup=False, highlight=False)
    settings = _shortened(run.spec.config)
    console.print(f"settings: {label(settings, flat(settings))}", markup=False, highlight=False)
    for remark in reader.remarks(run.id):
        console.print(f"data: {printable(remark)}", markup=False, highlight=False)
    if spent := reader.spending(run.id):
        console.print(cost_table(by_role(spent)))
    if is_evaluation(reader, run):
        print_examination(console, examination_of(reader, run, allowed))
        return
    _print_best(console, reader, run)
    for sentence in verdict(reader, [run]).sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)


def _shortened(value: Any) -> Any:
    """Return settings with every text in them short and without what a terminal would obey."""
    if isinstance(value, Mapping):
        return {name: _shortened(part) for name, part in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shortened(part) for part in cast("list[Any]", value)]
    return plain(value, SETTING).plain if isinstance(value, str) else value


def _print_best(console: Console, reader: Reader, run: RunRecord) -> None:
    """Print the best solutions of a run, and what they are compared with."""
    best = Sheet("trial", "step", "value", clipped("solution"), title="best solutions")
    for trial in replay(reader, run).trajectory.leaders(10):
        best.add_row(str(trial.number), str(trial.step), value_of(trial), plain(trial.text))
    console.print(best)
    for reference in run.spec.references:
        name = f"{reference.name} (proved)" if reference.optimum else reference.name
        console.print(f"reference {name}: {number(reference.value)}", plain(reference.solution), highlight=False)


def status(run: RunRecord) -> str:
    """Say where a run stands; a run that died is told from one that works."""
    if run.status is Status.RUNNING and not is_alive(run):
        return f"died; `opro resume {run.id}` goes on from there"
    return f"{run.status}{f': {run.reason}' if run.reason else ''}"


def show_step(
    console: Console,
    reader: Reader,
    run: RunRecord,
    step: int,
    allowed: Allowed = nothing,
    *,
    whole: bool = False,
) -> None:
    """Show the meta-prompts of a step, every raw reply and what became of it.

    Of a scorer's answers the counts are shown with a few examples, or all with their prompts (`whole`).
    """
    check_step(reader, run, step)
    trials = [trial for trial in reader.trials(run.id) if trial.step <= step]
    sight = sight_of(run, allowed)
    if sight.missing:
        console.print(f"What became of replies that are no trial is not told: {sight.missing}; --trust does so.")
    generations = reader.generations(run.id, step=step)
    shown = [one for one in generations if whole or one.role != SCORER]
    for generation in shown:
        heading = f"{generation.role}, temperature {generation.temperature:.3g}, {generation.seconds:.2f} s"
        console.print(f"── {heading} ──", style="bold", markup=False, highlight=False)
        console.print(printable(generation.prompt), markup=False, highlight=False)
        replies = Sheet(prose("reply"), prose("what became of it"), show_lines=True)
        for reply in review(generation, trials, sight.problem):
            replies.add_row(plain(reply.text, WHOLE), plain(reply.fate, WHOLE))
        console.print(replies)
    now = [trial for trial in trials if trial.step == step]
    if hidden := [one for one in generations if one not in shown]:
        print_scoring(console, reader, run, now, hidden)
    for event in reader.events(run.id, step=step):
        console.print(f"{event.kind}: {printable(f'{event.role} {event.text}'.strip())}", markup=False, highlight=False)
    made = Sheet("trial", "value", prose("solution"), title=f"trials of step {step}")
    for trial in now:
        value = value_of(trial) if trial.value is not None else "failed"
        why = f" (failed: {trial.evaluation.reason})" if trial.value is None else ""
        made.add_row(str(trial.number), value, plain(trial.text + why, WHOLE))
    console.print(made)


def show_flagged(console: Console, reader: Reader, run: RunRecord) -> None:
    """Show the replies of which two ways of reading the answer disagree, for a person to decide."""
    table = Sheet(
        "trial", "split", prose("read as"), prose("right answer"), "counted as", prose("reply"), show_lines=True
    )
    for row in answer_rows(reader, run):
        if row["flagged"]:
            counted = "right" if row["score"] else "wrong"
            cells = (row["split"], row["extracted"] or "", row["gold"], counted, row["reply"] or "")
            table.add_row(str(row["trial"]), *(plain(cell, WHOLE) for cell in cells))
    console.print(table if table.row_count else "No reply of this run is flagged.")


def compare_runs(console: Console, reader: Reader, names: Sequence[str], *, as_json: bool) -> None:
    """Compare the runs of several contestants, each with all its seeds; the first one is held against the others.

    Raises:
        ConfigError: they have not the same problem, or a contestant has two runs with one seed.
    """
    contestants = contestants_of(reader, names)
    rows = [(name, summarize(reader, run)) for name, runs in contestants.items() for run in runs]
    if as_json:
        sys.stdout.writelines(json.dumps({"contestant": name, **summary.as_dict()}) + "\n" for name, summary in rows)
        return
    if is_listed(contestants):
        _print_contrast(console, contrast(reader, contestants))
        return
    console.print(summary_table(rows, "runs"))
    (first, *rest) = contestants
    if not rest:
        console.print("• There is nothing to compare: name a run of another proposer, model or setting, too.")
    direction = contestants[first][0].spec.direction
    ours = [outcome(reader, run) for run in contestants[first]]
    for other in rest:
        theirs = [outcome(reader, run) for run in contestants[other]]
        comparison = compare(other, ours, theirs, direction)
        sentence = comparison.sentence(first) if comparison else f"{first} and {other} share no seed"
        console.print(f"• {sentence}.", markup=False, highlight=False)
    spent = {name: sum(summary.unique for each, summary in rows if each == name) for name in contestants}
    if len(set(spent.values())) > 1:
        evaluations = ", ".join(f"{name}: {count}" for name, count in spent.items())
        console.print(f"• Mind that they made unequal numbers of evaluations ({evaluations}).", highlight=False)


def _print_contrast(console: Console, made: Contrast) -> None:
    """Print the values of runs that went through one list."""
    names = (str(plain(name)) for name in made.contestants)
    table = Sheet(clipped(""), *names, title="value of each")
    for text, values in made.values.items():
        table.add_row(plain(text), *("none" if value is None else number(value) for value in values))
    console.print(table)
    for sentence in made.sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)

"""What the command shows in a terminal."""

import logging
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from opro.budget import Budget
from opro.config import RunConfig
from opro.estimate import Estimate
from opro.examination import Report
from opro.headway import heard
from opro.judging import number
from opro.loop import Watcher
from opro.paired import percent as shares
from opro.probing import ProbeReport
from opro.progress_lines import answer_lines, run_lines
from opro.protocols import Announced, Problem, Remarked
from opro.records import Spending
from opro.report import Summary
from opro.screen import Sheet, clipped, screen
from opro.texts import printable
from opro.trajectory import Trajectory
from opro.types import Direction, Trial

_LOG = logging.getLogger("opro")

LONGEST = 2000
"""Characters of a model's text that are shown; the rest stays in the store."""


def plain(text: str, cut: int = LONGEST) -> Text:
    """Return a model's text as text on one line: no markup, no control codes, cut to fit."""
    shown = printable(text).replace("\n", " ⏎ ")
    return Text(shown if len(shown) <= cut else shown[: cut - 1] + "…")


@contextmanager
def live_run(console: Console, config: RunConfig, direction: Direction) -> Generator[Watcher]:
    """Show a run while it goes: a bar over its steps and the best solutions so far, or plain lines without a terminal.

    What is no terminal is left to the results; the progress is then told on standard error.
    """
    if not console.is_terminal:
        console = screen(stderr=True)
    if not console.is_terminal:
        with run_lines(config.steps, direction) as lines:
            yield lines
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    task = bar.add_task(printable(f"{config.problem}, {config.proposer}, seed {config.seed}"), total=config.steps)
    answers = bar.add_task("  answers of the scorer in this step", total=None, visible=False)

    def count(done: int, most: int) -> None:
        bar.update(answers, completed=done, total=most, visible=True)

    trajectory = Trajectory(direction)
    with Live(bar, console=console, refresh_per_second=8) as live, heard(count):

        def watch(step: int, trials: Sequence[Trial]) -> None:
            trajectory.extend(trials)
            bar.update(task, completed=step)
            layout = Table.grid()
            layout.add_row(bar)
            layout.add_row(_best_so_far(trajectory))
            live.update(layout)

        yield watch


@contextmanager
def live_answers(console: Console, what: str) -> Generator[None]:
    """Show a bar over the answers of a scorer, or plain lines without a terminal."""
    if not console.is_terminal:
        console = screen(stderr=True)
    if not console.is_terminal:
        with answer_lines(what):
            yield
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(printable(what), total=None)
        with heard(lambda done, most: bar.update(task, completed=done, total=most)):
            yield


def _best_so_far(trajectory: Trajectory) -> Sheet:
    caption = f"{trajectory.unique} evaluated, {trajectory.invalid} invalid"
    table = Sheet("trial", "step", "value", clipped("solution"), title="best so far", caption=caption)
    for trial in trajectory.leaders(5):
        table.add_row(str(trial.number), str(trial.step), value_of(trial), plain(trial.text))
    return table


def value_of(trial: Trial) -> str:
    """Write the value of a trial that has one; that of a dropped one is marked, for it is an estimate."""
    return f"{number(trial.value or 0.0)}{', dropped' if trial.dropped else ''}"


def summary_table(summaries: Iterable[tuple[str, Summary]], title: str) -> Sheet:
    """Return a table with a row for each (label, summary)."""
    table = Sheet(clipped(""), "seed", "steps", "evaluated", "best value", "gap", "seconds", title=title)
    for label, summary in summaries:
        evaluated = f"{summary.unique}" + (f" + {summary.invalid} invalid" if summary.invalid else "")
        table.add_row(
            label,
            str(summary.seed),
            str(summary.steps),
            evaluated,
            "none" if summary.best_value is None else number(summary.best_value),
            percent(summary.gap),
            f"{summary.seconds:.1f}",
        )
    return table


def cost_table(spent: Iterable[Spending]) -> Sheet:
    """Return a table with a row for each role."""
    table = Sheet(
        "model as", "requests", "tokens read", "from cache", "written", "failed tries", "usd", title="what it cost"
    )
    for part in spent:
        about = "≤ " if part.usage.estimated else ""
        most = f"{part.lost_tokens:,} tokens, {usd(part.lost_usd)} usd"
        lost = f"{part.faults}" + (f" (≤ {most})" if part.lost_tokens else "")
        table.add_row(
            part.role,
            f"{part.requests:,}",
            f"{about}{part.usage.prompt:,}",
            f"{part.usage.cached:,}",
            f"{about}{part.usage.completion:,}",
            lost,
            usd(part.usd),
        )
    return table


def estimate_table(estimates: Iterable[Estimate], title: str, count: int = 1) -> Sheet:
    """Return a table of what `count` runs will cost, two rows a role: as is likely, and at most."""
    table = Sheet(clipped("model as"), "", "requests", "tokens read", "written", "usd", title=title)
    for column in table.columns[2:]:
        column.justify = "right"
    for one in estimates:
        rows = (
            (one.role, "likely", one.requests, one.likely, one.likely_usd),
            (one.model, "at most", one.most_requests, one.most, one.most_usd),
        )
        for who, how, requests, tokens, money in rows:
            amounts = (requests, tokens.prompt, tokens.completion)
            told = (f"{count * amount:,}" for amount in amounts)
            table.add_row(plain(who), how, *told, usd(money and count * money), end_section=how == "at most")
    return table


def examination_table(made: Report) -> Sheet:
    """Return a table with a row for each text that was examined."""
    classes = any(one.macro_f1 is not None for one in made.examined)
    f1 = ("macro F1",) if classes else ()
    counts = ("accuracy", "95 % interval", *f1, "n", "unread", "flagged", "failed")
    table = Sheet(clipped(""), *counts, clipped("text"), title=f"{made.split} examples")
    for one in made.examined:
        share = one.accuracy
        table.add_row(
            plain(one.name),
            f"{100 * share.mean:.1f} %" if share else "failed",
            f"{100 * share.low:.1f} to {100 * share.high:.1f}" if share else "",
            *(("" if one.macro_f1 is None else f"{one.macro_f1:.3f}",) if classes else ()),
            f"{share.n:,}" if share else "0",
            str(one.unread),
            str(one.flagged),
            str(one.failed),
            plain(one.text),
        )
    return table


def probe_table(report: ProbeReport) -> Sheet:
    """Return a table with a row for each setting of a probe."""
    rivals = list(dict.fromkeys(name for row in report.rows for name in row.rivals))
    title = f"{report.task}, {report.model}: accuracy by the data's own labels"
    table = Sheet("setting", "accuracy", "95 % interval", "n", "chance", *rivals, title=printable(title))
    for row in report.rows:
        share = row.accuracy
        if share is None:
            table.add_row(row.setting, "failed", *("" for _ in table.columns[2:]))
            continue
        table.add_row(
            row.setting,
            f"{shares(share.mean)} %",
            f"{shares(share.low)} to {shares(share.high)}",
            str(share.n),
            f"{shares(row.chance)} %",
            *(f"{shares(row.rivals[name])} %" if name in row.rivals else "" for name in rivals),
        )
    return table


def enough(estimates: Sequence[Estimate], caps: Budget, what: str) -> str:
    """Say whether a budget will do for what was estimated."""
    unpriced = [one.model for one in estimates if one.likely_usd is None]
    if caps.usd is not None and unpriced:
        return (
            f"No price is known of {printable(unpriced[0])}, so a budget in usd cannot be kept: give its price "
            "(`--prices FILE`), or cap tokens instead."
        )
    needed = {
        "tokens": (caps.tokens, sum(one.likely.prompt + one.likely.completion for one in estimates)),
        "usd": (caps.usd, sum(one.likely_usd or 0.0 for one in estimates)),
    }
    short = [
        f"about {amount:,.4g} {unit}" for unit, (cap, amount) in needed.items() if cap is not None and amount > cap
    ]
    if short:
        return f"The budget of {caps} will stop {what} early: it would take {', '.join(short)}."
    unknown = "" if caps.seconds is None else "; time is not foreseen"
    return f"The budget of {caps} is likely to do for {what}{unknown}."


def usd(amount: float | None) -> str:
    """Write an amount of money; "?" where a price is not known."""
    return "?" if amount is None else f"{amount:.4g}"


def percent(gap: float | None) -> str:
    """Write a gap to the optimum; "?" where none is known."""
    return "?" if gap is None else f"{100 * gap:,.{1 if gap < 1 else 0}f} %"


def announce(console: Console, problem: Problem) -> None:
    """Say what a problem was made of, what it guessed and what is odd in it, before anything is spent."""
    if isinstance(problem, Announced):
        for sentence in problem.announcements:
            console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)
    if isinstance(problem, Remarked):
        for remark in problem.remarks:
            _LOG.warning("%s", remark)  # which tells it once, however often a run says it

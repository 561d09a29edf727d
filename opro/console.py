"""What the command shows in a terminal."""

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
from opro.loop import Watcher, no_watch
from opro.paired import percent as shares
from opro.probing import ProbeReport
from opro.records import Spending
from opro.report import Summary
from opro.trajectory import Trajectory
from opro.types import Direction, Trial
from opro.verdict import number

CUT = 60
"""Characters of a solution that fit into a table."""


def printable(text: str) -> str:
    """Return text without anything that a terminal would obey; line breaks stay."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def plain(text: str, cut: int = CUT) -> Text:
    """Return a model's text as text on one line: no markup, no control codes, cut to fit."""
    shown = printable(text).replace("\n", " ⏎ ")
    return Text(shown if len(shown) <= cut else shown[: cut - 1] + "…")


@contextmanager
def live_run(console: Console, config: RunConfig, direction: Direction) -> Generator[Watcher]:
    """Show a run while it goes, where somebody looks: a bar over its steps and the best solutions so far."""
    if not console.is_terminal:
        yield no_watch
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    task = bar.add_task(f"{config.problem}, {config.proposer}, seed {config.seed}", total=config.steps)
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
    """Show a bar over the answers of a scorer, where somebody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        with heard(lambda done, most: bar.update(task, completed=done, total=most)):
            yield


def _best_so_far(trajectory: Trajectory) -> Table:
    caption = f"{trajectory.unique} evaluated, {trajectory.invalid} invalid"
    table = Table("trial", "step", "value", "solution", title="best so far", caption=caption)
    for trial in trajectory.top(5):
        table.add_row(str(trial.number), str(trial.step), number(trial.value or 0.0), plain(trial.text))
    return table


def summary_table(summaries: Iterable[tuple[str, Summary]], title: str) -> Table:
    """Return a table with a row for each (label, summary)."""
    table = Table("", "seed", "steps", "evaluated", "best value", "gap", "seconds", title=title)
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


def cost_table(spent: Iterable[Spending]) -> Table:
    """Return a table with a row for each role."""
    table = Table(
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


def estimate_table(estimates: Iterable[Estimate], title: str, count: int = 1) -> Table:
    """Return a table of what `count` runs will cost, two rows a role: as is likely, and at most."""
    table = Table(title=title)
    table.add_column("model as", overflow="fold")
    table.add_column("")
    for column in ("requests", "tokens read", "written", "usd"):
        table.add_column(column, justify="right", no_wrap=True)
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


def examination_table(made: Report) -> Table:
    """Return a table with a row for each text that was examined."""
    table = Table(
        "", "accuracy", "95 % interval", "n", "unread", "flagged", "failed", "text", title=f"{made.split} examples"
    )
    for one in made.examined:
        share = one.accuracy
        table.add_row(
            plain(one.name, 24),
            f"{100 * share.mean:.1f} %" if share else "failed",
            f"{100 * share.low:.1f} to {100 * share.high:.1f}" if share else "",
            f"{share.n:,}" if share else "0",
            str(one.unread),
            str(one.flagged),
            str(one.failed),
            plain(one.text),
        )
    return table


def probe_table(report: ProbeReport) -> Table:
    """Return a table with a row for each setting of a probe."""
    rivals = list(dict.fromkeys(name for row in report.rows for name in row.rivals))
    title = f"{report.task}, {report.model}: accuracy by the data's own labels"
    table = Table("setting", "accuracy", "95 % interval", "n", "chance", *rivals, title=printable(title))
    for row in report.rows:
        share = row.accuracy
        if share is None:
            table.add_row(row.setting, "failed")
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

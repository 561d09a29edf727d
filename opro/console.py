"""What the command shows in a terminal."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from opro.budget import Budget
from opro.config import RunConfig
from opro.estimate import Estimate
from opro.examination import Report
from opro.headway import heard
from opro.judging import number
from opro.loop import Watcher, no_watch
from opro.paired import percent as shares
from opro.probing import ProbeReport
from opro.records import Spending
from opro.report import Summary
from opro.texts import printable
from opro.trajectory import Trajectory
from opro.types import Direction, Trial

CUT = 60
"""Characters of a solution that fit into a table."""


def screen(*, stderr: bool = False) -> Console:
    """Return the terminal, as all that is shown goes to it: texts hold no markup, and nothing that it would obey."""
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    console.push_render_hook(_Cleaned())
    return console


class _Cleaned(RenderHook):
    """Takes out of all that is drawn what a terminal would obey; the colours are put in behind it."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """See RenderHook."""
        return [_CleanedOne(one) for one in renderables]


class _CleanedOne:
    """One thing to be drawn, cleaned."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        for part in console.render(self._shown, options):
            yield part if part.control else Segment(printable(part.text), part.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Tell how wide it is."""
        return Measurement.get(console, options, self._shown)


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
    """Show a bar over the answers of a scorer, where somebody looks."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(printable(what), total=None)
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


def estimate_table(estimates: Iterable[Estimate], count: int) -> Table:
    """Return a table of what `count` runs will cost."""
    title = f"estimate for {count} run{'s' if count > 1 else ''} to the last step; failed tries not foreseen"
    table = Table("model as", "model", "requests", "tokens read", "written", "at most", "usd", "at most", title=title)
    for one in estimates:
        table.add_row(
            one.role,
            one.model,
            f"{count * one.requests:,}",
            f"{count * one.likely.prompt:,}",
            f"{count * one.likely.completion:,}",
            f"{count * one.most.completion:,}",
            usd(one.likely_usd and count * one.likely_usd),
            usd(one.most_usd and count * one.most_usd),
        )
    return table


def examination_table(made: Report) -> Table:
    """Return a table with a row for each text that was examined."""
    classes = any(one.macro_f1 is not None for one in made.examined)
    f1 = ("macro F1",) if classes else ()
    counts = ("n", "unread", "flagged", "failed", "text")
    table = Table("", "accuracy", "95 % interval", *f1, *counts, title=f"{made.split} examples")
    for one in made.examined:
        share = one.accuracy
        table.add_row(
            plain(one.name, 24),
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


def enough(estimates: Sequence[Estimate], caps: Budget) -> str:
    """Say whether a budget will do for one run."""
    needed = {
        "tokens": (caps.tokens, sum(one.likely.prompt + one.likely.completion for one in estimates)),
        "usd": (caps.usd, sum(one.likely_usd or 0.0 for one in estimates)),
    }
    short = [
        f"about {amount:,.4g} {unit}" for unit, (cap, amount) in needed.items() if cap is not None and amount > cap
    ]
    if short:
        return f"The budget of {caps} will stop a run early: it would take {', '.join(short)}."
    return f"The budget of {caps} is likely to do for one run; time is not foreseen."


def usd(amount: float | None) -> str:
    """Write an amount of money; "?" where a price is not known."""
    return "?" if amount is None else f"{amount:.4g}"


def percent(gap: float | None) -> str:
    """Write a gap to the optimum; "?" where none is known."""
    return "?" if gap is None else f"{100 * gap:,.{1 if gap < 1 else 0}f} %"

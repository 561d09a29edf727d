"""What a run says at its end: what it found, whole, how far that can be trusted, and what to do next."""

from rich.console import Console
from rich.text import Text

from opro.build import everything, problem_of
from opro.diagnosis import diagnose
from opro.errors import ConfigError
from opro.passwords import masked
from opro.protocols import Examinable, Problem
from opro.reader import Reader
from opro.records import RunRecord
from opro.texts import printable
from opro.verdict_cost import verdict_requests
from opro.winning import Best, best_of


def print_winner(console: Console, reader: Reader, run: RunRecord) -> None:
    """Print what a run found with all its lines, and what it reached in training."""
    best = _best(reader, run)
    seed = f"best of seed {run.spec.seed}"
    if best is None:
        console.print(f"{seed}: none", highlight=False)
        return
    console.print(f"{seed}{f', {best.score}' if best.score else ''}:", highlight=False)
    console.print(Text(printable(best.shown.expandtabs()) or "(the empty text)"), soft_wrap=True)
    if best.shown != best.text:
        all_of_it = f"  all {len(best.text):,} characters of it: opro best {run.id}"
        console.print(all_of_it, style="dim", highlight=False)


def print_next(console: Console, reader: Reader, run: RunRecord, store: str | None, *, judged: bool = False) -> None:
    """Print what was wrong with the replies of a run, and, unless it is `judged` now, how to learn its best's worth."""
    problem = problem_of(run, everything)
    print_findings(console, reader, run, problem)
    best = None if judged else _best(reader, run)
    if best is None or best.unseen or not isinstance(problem, Examinable) or problem.examines:
        return
    requests = verdict_requests(reader, run, problem)
    command = f"opro verdict {run.id}{f' --store {masked(store)}' if store else ''}"
    chosen = "• This is the score that the search chose by" if best.trained is None else "• This is a training score"
    cost = f": about {requests:,} requests" if requests else ""
    console.print(
        f"{chosen}: run `{command}` for examples that it has not seen{cost}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def print_findings(console: Console, reader: Reader, run: RunRecord, problem: Problem | None) -> None:
    """Print what was wrong with the replies of a run, if anything was."""
    for one in diagnose(reader, run, problem):
        console.print(f"• {one.sentence}", markup=False, highlight=False, style="yellow")


def _best(reader: Reader, run: RunRecord) -> Best | None:
    try:
        return best_of(reader, run)
    except ConfigError:
        return None

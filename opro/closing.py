"""What a run says at its end: what it found, whole, how far that can be trusted, and what to do next."""

from rich.console import Console
from rich.text import Text

from opro.build import problem_of
from opro.diagnosis import diagnose
from opro.errors import ConfigError
from opro.examination import entrants
from opro.protocols import Examinable, Problem, Withholding
from opro.reader import Reader
from opro.records import RunRecord, Status
from opro.report import BLIND, contestant
from opro.texts import printable
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
    problem = problem_of(run)
    print_findings(console, reader, run, problem)
    best = None if judged else _best(reader, run)
    if best is None or best.unseen or not isinstance(problem, Examinable) or problem.examines:
        return
    requests = verdict_requests(reader, run, problem)
    command = f"opro verdict {run.id}{f' --store {store}' if store else ''}"
    chosen = "• This is the score that the search chose by" if best.trained is None else "• This is a training score"
    what = "examples that it has not seen" if isinstance(problem, Withholding) else "what it has not seen"
    cost = f": about {requests:,} requests" if requests else ""
    console.print(f"{chosen}: run `{command}` for {what}{cost}.", markup=False, highlight=False, soft_wrap=True)


def print_findings(console: Console, reader: Reader, run: RunRecord, problem: Problem | None) -> None:
    """Print what was wrong with the replies of a run, if anything was."""
    for one in diagnose(reader, run, problem):
        console.print(f"• {one.sentence}", markup=False, highlight=False, style="yellow")


def verdict_requests(reader: Reader, run: RunRecord, problem: Examinable) -> int | None:
    """Return about how many requests a verdict takes: each text on each example that was kept away, and the drawing.

    None where no model is asked.
    """
    if not isinstance(problem, Withholding):
        return None
    blind = contestant(run.spec) == "opro"
    drawn = any(contestant(one.spec) == BLIND and one.status is Status.DONE for one in reader.made_for(run.id))
    texts = len(entrants(reader, run, problem.rivals, best_of_n=False)) + blind
    again = sum(part.requests for part in reader.spending(run.id)) if blind and not drawn else 0
    return texts * problem.withheld + again


def _best(reader: Reader, run: RunRecord) -> Best | None:
    try:
        return best_of(reader, run)
    except ConfigError:
        return None

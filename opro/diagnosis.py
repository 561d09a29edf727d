"""Why a run came to nothing: replies that could not be read, or that were no new solutions. Pure functions of records.

A run whose scorer cannot be read ends like any other one, with a score of zero that nobody can act on. So it says what
the replies look like, and what is likely to help.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from opro.errors import InvalidSolutionError
from opro.protocols import Problem
from opro.reader import Reader
from opro.records import GenerationRecord, RunRecord
from opro.types import Trial

HARDLY = 0.1
"""Up to this share of replies that could be read, hardly any could."""

HARDLY_NEW = 0.02
"""Up to this share of replies that are new solutions, hardly any are; drawing more than is needed is no fault."""

QUOTED = 200
"""Characters of a reply that are quoted."""

ENOUGH_NEW = 20
"""New solutions from which on nobody need ask what became of the other replies."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the replies of a model, one of them as it was written, and the likely cause with a remedy.

    `reply` is None where it is no matter of replies.
    """

    what: str
    reply: str | None
    cause: str

    @property
    def quoted(self) -> str:
        """The reply on one line, without what a terminal would obey, shortened."""
        line = " ".join("".join(one if one.isprintable() else " " for one in self.reply or "").split())
        return line if len(line) <= QUOTED else f"{line[: QUOTED - 1]}…"

    @property
    def sentence(self) -> str:
        """All of it, in a line."""
        if self.reply is None:
            return f"{self.what} {self.cause}"
        shown = f'One of them: "{self.quoted}".' if self.quoted else "They are empty."
        return f"{self.what} {shown} {self.cause}"


def diagnose(reader: Reader, run: RunRecord, problem: Problem | None) -> list[Finding]:
    """Return what is wrong with the replies in a stored run; without its problem, less can be told.

    Args:
        reader: of the store.
        run: a search, an evaluation or an examination.
        problem: its problem, None where it cannot be made.
    """
    unread, count, held = reader.unread_answers(run.id)
    found = [unreadable(unread, count, list(reader.asked(held).values()))] if unread else []
    trials = reader.trials(run.id)
    found.append(unscored(trials))
    if len(new_solutions(trials)) < ENOUGH_NEW:
        found.append(unusable(reader.generations(run.id, role="optimizer"), trials, problem))
    return [one for one in found if one is not None]


def unreadable(unread: int, count: int, replies: Sequence[GenerationRecord]) -> Finding | None:
    """Return what is wrong with a scorer of whose `count` replies `unread` could not be read, such as `replies`.

    None if more than a few could be read.
    """
    if count - unread > HARDLY * count or not unread:
        return None
    what = f"{_share(count - unread, count)} of the scorer could be read, so the scores say little of the solutions."
    texts = [one.samples[0] for one in replies]
    cut = [one for one in replies if not all(one.complete)]
    if 2 * len(cut) > len(replies):
        tokens = max(one.request["max_tokens"] for one in cut)
        cause = f"Most replies were cut at {tokens} tokens, before an answer: raise `reply_tokens`."
    elif texts and not any(text.strip() for text in texts):
        cause = "Does the model expect a chat (`form=chat`), or a text to continue (`form=plain`)?"
    else:
        cause = (
            "Likely the model does not do what it is asked, as small models do: try a larger scorer. Or its answers "
            "have another form than they are read in: look at `kind`, `position`, and `final`, a second prompt such as "
            "'So the final answer is'."
        )
    return Finding(what, next((text for text in texts if text.strip()), ""), cause)


def unscored(trials: Sequence[Trial]) -> Finding | None:
    """Return what is wrong with a scoring that failed on every example of every solution that it was given.

    None if any solution has a value. One that was refused says nothing of the scoring.
    """
    reasons = Counter(one.evaluation.reason for one in trials if one.evaluation.unscored)
    if not reasons or any(one.value is not None for one in trials):
        return None
    reason, _ = reasons.most_common(1)[0]
    solutions = "solution" if reasons.total() == 1 else f"{reasons.total():,} solutions"
    return Finding(
        f"No solution has a value: of {'the' if reasons.total() == 1 else 'all'} {solutions} {reason.rstrip('.')}.",
        None,
        "Look at the metric or the scorer that this error comes from: what the optimizer model wrote was never judged.",
    )


def unusable(
    generations: Sequence[GenerationRecord], trials: Sequence[Trial], problem: Problem | None
) -> Finding | None:
    """Return what is wrong with an optimizer model whose replies, `generations`, became hardly any new solution.

    None if they did become some. Without the problem, it is not told why they did not. Replies that were never judged,
    as in a step that a budget ended or under a scoring that failed, do not count.
    """
    replies = [(one, place) for one in generations for place in range(len(one.samples))]
    new = len(new_solutions(trials))
    if not replies or new > HARDLY_NEW * len(replies):
        return None
    judged = [(reply, fate) for reply in replies if (fate := _fate(reply, trials, problem)) != UNJUDGED]
    replies, fates = [reply for reply, _ in judged], [fate for _, fate in judged]
    if not replies or new > HARDLY_NEW * len(replies):
        return None
    refused = [reply for reply, fate in judged if fate not in {"", REPEAT}]
    if new and len(refused) < (1 - HARDLY) * len(replies):
        return None
    what = f"{_share(new, len(replies))} of the optimizer model became a new solution{_told(Counter(fates))}."
    one, place = (refused or replies)[0]
    return Finding(what, one.lead + one.samples[place], _remedy(refused, len(replies)))


def new_solutions(trials: Sequence[Trial]) -> set[str]:
    """Return the solutions with a value that were not there at the start."""
    start = {trial.text for trial in trials if trial.step == 0}
    return {trial.text for trial in trials if trial.value is not None} - start


REPEAT, UNJUDGED = "repeat", "unjudged"


def _fate(reply: tuple[GenerationRecord, int], trials: Sequence[Trial], problem: Problem | None) -> str:
    """Return why a reply is no new solution: REPEAT, UNJUDGED, or a reason; "" where that cannot be told."""
    if problem is None:
        return ""
    generation, place = reply
    try:
        solution = problem.parse(generation.lead + generation.samples[place])
    except InvalidSolutionError as error:
        return str(error)
    same = [trial for trial in trials if trial.text == solution]
    if not same or any(trial.evaluation.unscored for trial in same):
        return UNJUDGED
    return next((trial.evaluation.reason for trial in same if trial.step > 0), "") or REPEAT


def _told(fates: Counter[str]) -> str:
    """Tell what became of replies: how many were none, with the most frequent reason, and how many repeats."""
    repeats = fates.pop(REPEAT, 0)
    fates.pop("", 0)
    told = [f"{_were(fates.total())} refused (most often: {fates.most_common(1)[0][0]})"] if fates else []
    if repeats:
        told.append(f"{_were(repeats)} {'a repeat of a known one' if repeats == 1 else 'repeats of known ones'}")
    return f": {', '.join(told)}" if told else ""


def _were(count: int) -> str:
    return f"{count:,} {'was' if count == 1 else 'were'}"


def _remedy(refused: Sequence[tuple[GenerationRecord, int]], count: int) -> str:
    cut = [one for one, place in refused if not one.complete[place]]
    if refused and 2 * len(cut) > len(refused):
        tokens = max(one.request["max_tokens"] for one in cut)
        chat = not isinstance(cut[0].request["prompt"], str)
        more = "the option `reply_tokens` allows more" if chat else "it writes on without an end: try a larger model"
        return f"Most were cut at {tokens} tokens: {more}."
    if 2 * len(refused) < count:
        return (
            "The model repeats what it is shown: a higher `temperature`, more samples (`draw`), both options of the "
            "proposer, or a larger model may help."
        )
    return (
        "Likely the model does not write what it is asked for, as small models do: try a larger one, or the option "
        "`style` (chat or continuation)."
    )


def _share(count: int, of: int) -> str:
    return f"{f'Only {count:,}' if count else 'None'} of the {of:,} repl{'y' if of == 1 else 'ies'}"

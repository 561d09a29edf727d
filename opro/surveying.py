"""All runs of a store at once: what `summarize` says of one, counted without making values of every trial."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from opro import schema
from opro.records import EventKind, Spending
from opro.types import Direction, Usage

NOTHING_SPENT = Spending(0, "", 0, Usage(), 0.0, 0.0)


@dataclass(slots=True)
class Extremes:
    """The lowest and the highest value so far, each with the first text that has it."""

    lowest: tuple[float, str] | None = None
    highest: tuple[float, str] | None = None

    def add(self, value: float, text: str) -> None:
        """Take in a value."""
        if self.lowest is None or value < self.lowest[0]:
            self.lowest = value, text
        if self.highest is None or value > self.highest[0]:
            self.highest = value, text

    def best(self, direction: Direction) -> tuple[float, str] | None:
        """Return the better end."""
        return self.lowest if direction is Direction.MINIMIZE else self.highest


@dataclass(slots=True)
class Tally:
    """What one run did: the counts of a `Summary`. A text counts by its first trial alone.

    The values of `start` and `all` are of trials that were scored in full.
    """

    steps: int = 0
    seconds: float = 0.0
    trials: int = 0
    unique: int = 0
    invalid: int = 0
    samples: int = 0
    start: Extremes = field(default_factory=Extremes)
    all: Extremes = field(default_factory=Extremes)
    spent: Spending = NOTHING_SPENT
    remarks: tuple[str, ...] = ()


def is_dropped() -> sa.ColumnElement[bool]:
    """Return the condition that a race dropped a trial: `Trial.dropped`, read off the text without parsing it.

    A database would refuse the whole table for one row whose JSON is broken.
    """
    metrics = sa.cast(schema.trials.c.metrics, sa.Text)
    return metrics.like('%"dropped": %') & ~metrics.like('%"dropped": 0%')


def tallies(connection: sa.Connection) -> dict[str, Tally]:
    """Return the tally of every run that has recorded something."""
    found: defaultdict[str, Tally] = defaultdict(Tally)
    steps = schema.steps.c
    for run, seconds in connection.execute(
        sa.select(steps.run, steps.asking + steps.scoring).order_by(steps.run, steps.step)
    ):
        found[run].steps += 1
        found[run].seconds += seconds
    trials = schema.trials.c
    columns = (trials.run, trials.step, trials.text, trials.value, is_dropped())
    _count_trials(found, connection.execute(sa.select(*columns).order_by(trials.run, trials.number)))
    _count_costs(found, connection)
    events = schema.events.c
    remarked = (events.kind == EventKind.REMARK) & (events.step == 0)
    for run, text in connection.execute(sa.select(events.run, events.text).where(remarked).order_by(events.id)):
        found[run].remarks += (text,)
    return dict(found)


def _count_trials(found: defaultdict[str, Tally], rows: Iterable[Any]) -> None:
    """Count the trials, which come run by run in their order."""
    current, tally, known = None, Tally(), set[str]()
    for run, step, text, value, dropped in rows:
        if run != current:
            current, tally, known = run, found[run], set[str]()
        tally.trials += 1
        if value is None:
            tally.invalid += 1
        elif text not in known:
            tally.unique += 1
            if not dropped:
                tally.all.add(value, text)
                if step == 0:
                    tally.start.add(value, text)
        known.add(text)


def _count_costs(found: defaultdict[str, Tally], connection: sa.Connection) -> None:
    table, total, count = schema.generations.c, sa.func.sum, sa.func.count
    tokens = (total(table.prompt_tokens), total(table.completion_tokens), total(table.cached_tokens))
    money = (total(table.usd), count() - count(table.usd))
    texts = total(sa.func.json_array_length(table.samples))
    for run, prompt, completion, cached, usd, unpriced, samples in connection.execute(
        sa.select(table.run, *tokens, *money, texts).group_by(table.run)
    ):
        found[run].samples = int(samples)
        usage = Usage(int(prompt), int(completion), int(cached))
        found[run].spent = replace(NOTHING_SPENT, usage=usage, usd=None if unpriced else float(usd))
    lost = schema.events.c
    columns = (lost.run, count(), total(lost.tokens), total(lost.usd), count() - count(lost.usd))
    query = sa.select(*columns).where(lost.kind == EventKind.FAULT).group_by(lost.run)
    for run, faults, lost_tokens, usd, unpriced in connection.execute(query):
        lost_usd = None if unpriced else float(usd)
        spent = replace(found[run].spent, faults=faults, lost_tokens=int(lost_tokens), lost_usd=lost_usd)
        found[run].spent = spent

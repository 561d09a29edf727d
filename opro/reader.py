"""The reader's side of a store: cannot write, and works while a writer is active."""

import logging
import os
import socket
import weakref
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from opro import checked, schema
from opro.errors import StoreError
from opro.journal import store_errors
from opro.locks import is_held, is_run_id
from opro.naming import called, short_ids
from opro.ours import check_file
from opro.records import Event, EventKind, GenerationRecord, RunRecord, Spending, Standing, Status, StepRecord
from opro.store import check_revision, file_of, shown, store_url
from opro.surveying import Tally, is_dropped, tallies
from opro.types import Answer, Candidate, Evaluation, Origin, Trial, Usage

_LOG = logging.getLogger("opro")

EXAMINER = "none"
"""The proposer of runs that propose nothing, and only score what they begin with."""


class OlderStoreError(StoreError):
    """The tables of a store were made by an older version; opening it for writing brings them up to date."""


class EmptyStoreError(StoreError):
    """A store has no tables yet: the first run makes them."""


class Reader:
    """Reads runs, steps, trials and generations."""

    def __init__(self, store: str) -> None:
        """Open `store`, a database URL or the path of an SQLite file, which must exist."""
        url = store_url(store)
        self.left_out: dict[object, str] = {}
        self.name = shown(url)
        if file := file_of(url):
            check_file(file)
            url = url.set(database=f"file:{quote(url.database or '')}", query={"uri": "true", **_access(url)})
        with store_errors(f"cannot read the store {self.name}"):
            self._engine = sa.create_engine(url, json_deserializer=checked.loads)
            weakref.finalize(self._engine, self._engine.pool.dispose)  # nobody need close a reader
            with self._engine.connect() as connection:
                revision = check_revision(connection, self.name)
        if revision is None:
            raise EmptyStoreError(f"the store {self.name} has no tables yet: `opro run` with it makes them")
        if revision != schema.REVISION:
            raise OlderStoreError(
                f"the store {self.name} is of an older version ({revision}): open it with Store first"
            )

    @contextmanager
    def _read(self) -> Generator[sa.Connection]:
        try:
            with store_errors(f"cannot read the store {self.name}"), self._engine.connect() as connection:
                yield connection
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise StoreError(f"the store {self.name} holds what is no record of a run: {error}") from error

    def _known(self, rows: Iterable[sa.Row[Any]]) -> list[RunRecord]:
        """Return the runs in rows; what is none is left out, and told once."""
        found: list[RunRecord] = []
        for row in rows:
            try:
                found.append(checked.run_record(row))
            except (TypeError, ValueError, KeyError) as error:
                if row.id not in self.left_out:
                    self.left_out[row.id] = str(error)
                    _LOG.warning("%s: the run %.80r is left out: %.300s", self.name, row.id, error)
        return found

    def runs(self, *, baselines: bool = False) -> list[RunRecord]:
        """Return the runs, oldest first; those made as baselines of others only when asked for."""
        query = sa.select(schema.runs).order_by(schema.runs.c.created)
        if not baselines:
            query = query.where(schema.runs.c.parent.is_(None))
        with self._read() as connection:
            return self._known(connection.execute(query))

    def run(self, name: str) -> RunRecord:
        """Return the run that `name` means: its id, the beginning or end of one, or `last` (see `naming.called`).

        Raises:
            ConfigError: there is none, or more than one.
        """
        runs = schema.runs.c
        names = sa.select(runs.id, runs.parent).order_by(runs.created)
        with self._read() as connection:
            # What is not printable is no id, and may be something that no database can look for.
            exact = sa.select(schema.runs).where(runs.id == name)
            found = self._known(connection.execute(exact)) if name.isprintable() else []
            if not found:
                parents = {row.id: row.parent for row in connection.execute(names) if is_run_id(row.id)}
                exact = sa.select(schema.runs).where(runs.id == called(name, parents, self.name))
                found = self._known(connection.execute(exact))
        if not found:
            raise StoreError(f"the run {name!r} of {self.name} cannot be read")
        return found[0]

    def short_ids(self) -> dict[str, str]:
        """Return the shortest ends by which the runs that are no baselines can be told apart, by id."""
        query = sa.select(schema.runs.c.id).where(schema.runs.c.parent.is_(None))
        with self._read() as connection:
            return short_ids(connection.execute(query).scalars().all())

    def tallies(self) -> dict[str, Tally]:
        """Return what every run did, counted at once; runs that have recorded nothing yet are left out."""
        with self._read() as connection:
            return tallies(connection)

    def baselines_of(self, run: str) -> list[RunRecord]:
        """Return the finished runs that were made as baselines of `run`."""
        return [made for made in self.made_for(run) if made.spec.proposer != EXAMINER and made.status is Status.DONE]

    def examinations_of(self, run: str) -> list[RunRecord]:
        """Return the runs in which solutions of `run` were scored on the examples that it has not seen."""
        return [made for made in self.made_for(run) if made.spec.proposer == EXAMINER]

    def made_for(self, run: str) -> list[RunRecord]:
        """Return the runs that were made on behalf of `run`, oldest first: its baselines and examinations."""
        with self._read() as connection:
            query = sa.select(schema.runs).where(schema.runs.c.parent == run).order_by(schema.runs.c.created)
            return self._known(connection.execute(query))

    def steps(self, run: str) -> list[StepRecord]:
        """Return the recorded steps in order; 0 is the start."""
        with self._read() as connection:
            query = sa.select(schema.steps).where(schema.steps.c.run == run).order_by(schema.steps.c.step)
            return [
                StepRecord(checked.whole(row.step), checked.number(row.asking), checked.number(row.scoring))
                for row in connection.execute(query)
            ]

    def trials(self, run: str, *, after: int = -1) -> list[Trial]:
        """Return the trajectory in order, or only the trials with a number above `after`."""
        table = schema.trials
        columns = [column for column in table.c if column.name != "run"]
        query = sa.select(*columns).where(table.c.run == run, table.c.number > after).order_by(table.c.number)
        with self._read() as connection:
            return [_trial(*row) for row in connection.execute(query)]

    def answers(self, run: str, *, split: str | None = "train") -> dict[int, tuple[Answer, ...]]:
        """Return what the scorer answered in one part of the data, or in all (None), by trial."""
        table = schema.answers
        query = sa.select(table).where(table.c.run == run).order_by(table.c.trial)
        if split is not None:
            query = query.where(table.c.split == split)
        found: dict[int, list[Answer]] = {}
        with self._read() as connection:
            for _, trial, part, *rest in connection.execute(query):
                found.setdefault(checked.whole(trial), []).append(checked.answer(rest, part))
        return {trial: tuple(answers) for trial, answers in found.items()}

    def failed_answers(self, run: str) -> tuple[int, int, str]:
        """Return how many examples could not be scored, of how many that were asked, and why the first could not."""
        table = schema.answers
        failed = sa.func.nullif(table.c.failure, "")
        counts = sa.select(sa.func.count(failed), sa.func.count()).where(table.c.run == run)
        first = sa.select(failed).where(table.c.run == run, failed.is_not(None)).order_by(table.c.trial).limit(1)
        with self._read() as connection:
            count, asked = connection.execute(counts).one()
            return count, asked, connection.execute(first).scalar_one() if count else ""

    def unread_answers(self, run: str, most: int = 50) -> tuple[int, int, list[int]]:
        """Return how many replies of the scorer could not be read, of how many, and generations that hold such ones."""
        table = schema.answers
        mine = sa.and_(table.c.run == run, table.c.failure == "")
        unread = sa.and_(mine, table.c.extracted.is_(None))
        counts = sa.select(sa.func.count() - sa.func.count(table.c.extracted), sa.func.count()).where(mine)
        held = sa.select(table.c.generation).where(unread, table.c.generation.is_not(None)).limit(most)
        with self._read() as connection:
            count, asked = connection.execute(counts).one()
            return count, asked, list(connection.execute(held).scalars()) if count else []

    def whole_trials(self, run: str, *, split: str = "train") -> list[Trial]:
        """Return the trajectory with the answers of the scorer in it, those to one part of the data."""
        answers = self.answers(run, split=split)
        return [
            replace(trial, evaluation=replace(trial.evaluation, answers=answers.get(trial.number, ())))
            for trial in self.trials(run)
        ]

    def generations(self, run: str, *, step: int | None = None, role: str = "") -> list[GenerationRecord]:
        """Return the generations of a run in order, or those of one step, or of one role."""
        table = schema.generations
        query = sa.select(table).where(table.c.run == run).order_by(table.c.id)
        if step is not None:
            query = query.where(table.c.step == step)
        if role:
            query = query.where(table.c.role == role)
        with self._read() as connection:
            return [checked.generation_record(row) for row in connection.execute(query)]

    def asked(self, numbers: Collection[int]) -> dict[int, GenerationRecord]:
        """Return generations by their numbers."""
        query = sa.select(schema.generations)
        wanted, found = sorted(numbers), dict[int, GenerationRecord]()
        with self._read() as connection:
            for first in range(0, len(wanted), 500):  # databases limit the length of a list
                rows = connection.execute(query.where(schema.generations.c.id.in_(wanted[first : first + 500])))
                found.update((row.id, checked.generation_record(row)) for row in rows)
        return found

    def standings(self) -> dict[str, Standing]:
        """Return how far each run is, without reading its texts; runs that have recorded nothing yet are left out."""
        trials, made, call = schema.trials.c, schema.generations.c, sa.func
        full = sa.case((is_dropped(), sa.null()), else_=trials.value)
        values = (trials.run, call.max(trials.step), call.count(), call.min(full), call.max(full))
        tokens = call.sum(made.prompt_tokens + made.completion_tokens)
        costs = (made.run, tokens, call.sum(made.usd), call.count() - call.count(made.usd))
        with self._read() as connection:
            counts = connection.execute(sa.select(*values, call.count(trials.value)).group_by(trials.run)).all()
            spent = {run: paid for run, *paid in connection.execute(sa.select(*costs).group_by(made.run))}
        found: dict[str, Standing] = {}
        for run, step, count, lowest, highest, good in counts:
            if not isinstance(step, int) or not all(isinstance(one, float | None) for one in (lowest, highest)):
                continue  # somebody wrote into the store what is none
            tokens, usd, unpriced = spent.get(run, (0, 0.0, 0))
            money = None if unpriced else usd
            found[run] = Standing(step, count, count - good, lowest, highest, int(tokens), money)
        return found

    def spending(self, run: str) -> list[Spending]:
        """Return what each role cost in each step, the steps in order."""
        with self._read() as connection:
            paid = connection.execute(_paid(run)).all()
            lost = connection.execute(_lost(run)).all()
            return _spending(paid, lost)

    def events(self, run: str, *, step: int | None = None) -> list[Event]:
        """Return what happened on the way to the answers of a run, or of one step of it, in order."""
        table = schema.events
        query = sa.select(table).where(table.c.run == run).order_by(table.c.id)
        if step is not None:
            query = query.where(table.c.step == step)
        with self._read() as connection:
            return [
                Event(
                    checked.whole(row.step),
                    checked.text(row.role),
                    EventKind(row.kind),
                    checked.text(row.text),
                    row.facts,
                    row.tokens,
                    row.usd,
                )
                for row in connection.execute(query)
            ]

    def remarks(self, run: str) -> tuple[str, ...]:
        """Return what was odd in the data of a run."""
        return tuple(event.text for event in self.events(run, step=0) if event.kind is EventKind.REMARK)

    def samples(self, run: str) -> int:
        """Return how many texts the model wrote in a run."""
        table = schema.generations
        with self._read() as connection:
            counts = connection.execute(sa.select(sa.func.json_array_length(table.c.samples)).where(table.c.run == run))
            return sum(counts.scalars())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _access(url: sa.URL) -> dict[str, str]:
    """Return how to open a file that is only read: where not even its folder can be written, nobody changes it."""
    path = Path(url.database or "")
    frozen = path.exists() and not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    return {"immutable": "1"} if frozen else {"mode": "ro"}


def is_alive(run: RunRecord) -> bool:
    """Say whether a process is working on the run; of another machine's runs, only what was recorded is known."""
    if run.status is not Status.RUNNING or run.host != socket.gethostname():
        return run.status is Status.RUNNING
    return is_held(run.id)


def _trial(  # noqa: PLR0913 - one parameter a column, in their order: 100,000 rows are read so in a second
    number: int,
    step: int,
    text: str,
    value: float | None,
    reason: str,
    feedback: str,
    metrics: dict[str, float],
    generation: int | None,
    sample: int,
    temperature: float,
) -> Trial:
    origin = None if generation is None else Origin(generation, sample, temperature)
    for written in (text, reason, feedback):
        checked.text(written)
    checked.whole(number)
    checked.whole(step)
    value = None if value is None else checked.number(value)
    return Trial(number, step, Candidate(text, origin), Evaluation(value, reason, feedback, checked.metrics(metrics)))


def _paid(run: str) -> sa.Select[*tuple[Any, ...]]:
    table, total = schema.generations, sa.func.sum
    return (
        sa.select(
            table.c.step,
            table.c.role,
            sa.func.count().label("requests"),
            total(table.c.prompt_tokens).label("prompt"),
            total(table.c.completion_tokens).label("completion"),
            total(table.c.cached_tokens).label("cached"),
            sa.func.max(sa.cast(table.c.estimated, sa.Integer)).label("estimated"),
            total(table.c.seconds).label("seconds"),
            total(table.c.usd).label("usd"),
            (sa.func.count() - sa.func.count(table.c.usd)).label("unpriced"),
        )
        .where(table.c.run == run)
        .group_by(table.c.step, table.c.role)
    )


def _lost(run: str) -> sa.Select[*tuple[Any, ...]]:
    table, total = schema.events, sa.func.sum
    return (
        sa.select(
            table.c.step,
            table.c.role,
            sa.func.count().label("faults"),
            total(table.c.tokens).label("tokens"),
            total(table.c.usd).label("usd"),
            (sa.func.count() - sa.func.count(table.c.usd)).label("unpriced"),
        )
        .where(table.c.run == run, table.c.kind == EventKind.FAULT)
        .group_by(table.c.step, table.c.role)
    )


def _spending(paid: Sequence[sa.Row[Any]], lost: Sequence[sa.Row[Any]]) -> list[Spending]:
    spent: dict[tuple[int, str], Spending] = {}
    for row in paid:
        usage = Usage(int(row.prompt), int(row.completion), int(row.cached), bool(row.estimated))
        usd = None if row.unpriced else float(row.usd)
        spent[row.step, row.role] = Spending(row.step, row.role, row.requests, usage, row.seconds, usd)
    for row in lost:
        before = spent.get((row.step, row.role), Spending(row.step, row.role, 0, Usage(), 0.0, 0.0))
        usd = None if row.unpriced else float(row.usd)
        spent[row.step, row.role] = replace(before, faults=row.faults, lost_tokens=int(row.tokens), lost_usd=usd)
    return [spent[key] for key in sorted(spent)]

"""Where one run is written."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import exc

from opro import schema
from opro.errors import StoreError
from opro.locks import let_go
from opro.records import Event, Json, Status
from opro.types import Answer, Generation, Sample, Source, Trial, Usage

BUSY_SECONDS = 30
"""How long a writer waits for another one before it gives up."""


@contextmanager
def store_errors(what: str) -> Generator[None]:
    """Turn a database error into a StoreError that says what failed."""
    try:
        yield
    except exc.DBAPIError as error:
        raise StoreError(f"{what}: {error.orig}{_remedy(str(error.orig))}") from error
    except exc.SQLAlchemyError as error:
        raise StoreError(f"{what}: {error}") from error
    except ModuleNotFoundError as error:
        raise StoreError(f"{what}: its driver is not installed ({error})") from error


def _remedy(message: str) -> str:
    remedies = {
        "locked": f" (another program held it for {BUSY_SECONDS} s; stop that one or use another --store)",
        "readonly": " (it may not be written; check its permissions or use another --store)",
        "full": " (free some space, then `opro resume` the run: what was recorded is kept)",
        "not a database": " (this file is not a store; use another --store, or move it away)",
        "malformed": " (the file is damaged; restore a copy, or use another --store)",
        "unable to open": " (does its folder exist, and may it be written?)",
    }
    return next((remedy for word, remedy in remedies.items() if word in message), "")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A generation on its way into the record: who asked (`role`), and the request as JSON with its key."""

    role: str
    key: str
    request: Json
    generation: Generation


@dataclass(frozen=True, slots=True)
class Part:
    """Stored samples of a request: `count` of them, numbered from `first`, in the generation `id`."""

    first: int
    count: int
    id: int

    def overlaps(self, numbers: range) -> bool:
        """Say whether one of the samples has one of the numbers."""
        return self.first < numbers.stop and numbers.start < self.first + self.count


class Journal:
    """Where one run is written: every generation when it arrives, every step before the proposer learns from it."""

    def __init__(self, engine: sa.Engine, store: str, run: str, lock: FileLock) -> None:
        self.run = run
        self.step = 0
        self._engine = engine
        self._store = store
        self._lock = lock
        self._opened = time.monotonic()
        self._parts = self._stored_parts()

    @contextmanager
    def _write(self) -> Generator[sa.Connection]:
        with store_errors(f"cannot write to {self._store}"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Generator[sa.Connection]:
        with store_errors(f"cannot read {self._store}"), self._engine.connect() as connection:
            yield connection

    def record_step(self, trials: Sequence[Trial], *, asking: float, scoring: float) -> None:
        """Record the current step with its trials, all or nothing."""
        now = {"updated": time.time()}
        with self._write() as connection:
            connection.execute(
                sa.insert(schema.steps), {"run": self.run, "step": self.step, "asking": asking, "scoring": scoring}
            )
            if trials:
                connection.execute(sa.insert(schema.trials), [_trial_row(self.run, trial) for trial in trials])
            self._insert_answers(connection, [(trial.number, trial.evaluation.answers) for trial in trials])
            connection.execute(sa.update(schema.runs).where(schema.runs.c.id == self.run).values(**now))

    def record_answers(self, trial: int, answers: Sequence[Answer]) -> None:
        """Record answers to examples under a trial that is recorded already."""
        with self._write() as connection:
            self._insert_answers(connection, [(trial, answers)])

    def _insert_answers(self, connection: sa.Connection, given: Sequence[tuple[int, Sequence[Answer]]]) -> None:
        rows = [{"run": self.run, "trial": number, **asdict(answer)} for number, part in given for answer in part]
        if rows:
            connection.execute(sa.insert(schema.answers), rows)

    def record_generations(self, arrived: Sequence[Arrived]) -> list[Generation]:
        """Record what requests returned in the current step, all or nothing; return it with the samples' sources."""
        insert = sa.insert(schema.generations).returning(schema.generations.c.id, sort_by_parameter_order=True)
        with self._write() as connection:
            numbers = connection.execute(insert, [self._generation_row(one) for one in arrived]).scalars().all()
        for one, number in zip(arrived, numbers, strict=True):
            part = Part(one.request["first"], len(one.generation.samples), number)
            self._parts.setdefault((one.role, one.key), []).append(part)
        return [_sourced(one.generation, number) for one, number in zip(arrived, numbers, strict=True)]

    def _generation_row(self, arrived: Arrived) -> dict[str, object]:
        generation = arrived.generation
        return {
            "run": self.run,
            "step": self.step,
            "role": arrived.role,
            "key": arrived.key,
            "first": arrived.request["first"],
            "request": arrived.request,
            "samples": [_sample_row(sample) for sample in generation.samples],
            "prompt_tokens": generation.usage.prompt,
            "cached_tokens": generation.usage.cached,
            "completion_tokens": generation.usage.completion,
            "estimated": generation.usage.estimated,
            "usd": generation.usd,
            "seconds": generation.seconds,
            "created": time.time(),
        }

    def _stored_parts(self) -> dict[tuple[str, str], list[Part]]:
        """Return what the run has asked for already, without the texts."""
        table = schema.generations
        count = sa.func.json_array_length(table.c.samples)
        query = sa.select(table.c.role, table.c.key, table.c.first, count, table.c.id).where(table.c.run == self.run)
        parts: dict[tuple[str, str], list[Part]] = {}
        with self._read() as connection:
            for role, key, first, length, number in connection.execute(query):
                parts.setdefault((role, key), []).append(Part(first, length, number))
        return parts

    def stored(self, role: str, key: str, numbers: range) -> list[tuple[int, Generation]]:
        """Return the generations that hold samples of a request with `numbers`, each with its first number.

        They arrived earlier in this run, perhaps before it was cut.
        """
        parts = [part for part in self._parts.get((role, key), ()) if part.overlaps(numbers)]
        return [(part.first, self._generation(part.id)) for part in parts]

    def _generation(self, number: int) -> Generation:
        table = schema.generations
        with self._read() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == number)).one()
        samples = tuple(Sample(text, complete, None, *rest) for text, complete, *rest in row.samples)
        usage = Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.estimated)
        return _sourced(Generation(samples, usage, row.seconds, row.usd), number)

    def record_event(self, event: Event) -> None:
        """Record what happened on the way to an answer."""
        row = {"run": self.run, **asdict(event), "created": time.time()}
        with self._write() as connection:
            connection.execute(sa.insert(schema.events), row)

    def finish(self, status: Status, reason: str) -> None:
        """Record how the run ended, and let go of it."""
        seconds = schema.runs.c.seconds + time.monotonic() - self._opened
        values = {"status": status, "reason": reason, "updated": time.time(), "seconds": seconds}
        try:
            with self._write() as connection:
                connection.execute(sa.update(schema.runs).where(schema.runs.c.id == self.run).values(**values))
        finally:
            let_go(self._lock)


def _trial_row(run: str, trial: Trial) -> dict[str, object]:
    origin, evaluation = trial.candidate.origin, trial.evaluation
    return {
        "run": run,
        "number": trial.number,
        "step": trial.step,
        "text": trial.text,
        "value": evaluation.value,
        "reason": evaluation.reason,
        "feedback": evaluation.feedback,
        "metrics": dict(evaluation.metrics),
        "generation": origin and origin.generation,
        "sample": origin and origin.sample,
        "temperature": origin and origin.temperature,
    }


def _sample_row(sample: Sample) -> list[object]:
    row: list[object] = [sample.text, sample.complete]
    return row if sample.logprob is None else [*row, sample.logprob]


def _sourced(generation: Generation, number: int) -> Generation:
    samples = (replace(sample, source=Source(number, place)) for place, sample in enumerate(generation.samples))
    return replace(generation, samples=tuple(samples))

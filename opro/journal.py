"""Where one run is written."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import exc

from opro import schema
from opro.errors import StoreError
from opro.records import Status, request_json, request_key
from opro.types import Generation, Request, Sample, Trial, Usage

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


class Journal:
    """Where one run is written: every generation when it arrives, every step before the proposer learns from it."""

    def __init__(self, engine: sa.Engine, store: str, run: str, lock: FileLock) -> None:
        self.run = run
        self.step = 0
        self._engine = engine
        self._store = store
        self._lock = lock

    @contextmanager
    def _write(self) -> Generator[sa.Connection]:
        with store_errors(f"cannot write to {self._store}"), self._engine.begin() as connection:
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
            connection.execute(sa.update(schema.runs).where(schema.runs.c.id == self.run).values(**now))

    def record_generations(self, role: str, arrived: Sequence[tuple[Request, Generation]]) -> list[Generation]:
        """Record what requests returned in the current step, all or nothing; return it numbered."""
        insert = sa.insert(schema.generations).returning(schema.generations.c.id)
        with self._write() as connection:
            numbers = [connection.execute(insert, self._generation_row(role, *pair)).scalar() for pair in arrived]
        return [replace(made, id=number) for (_, made), number in zip(arrived, numbers, strict=True)]

    def _generation_row(self, role: str, request: Request, generation: Generation) -> dict[str, object]:
        return {
            "run": self.run,
            "step": self.step,
            "role": role,
            "key": request_key(request),
            "request": request_json(request),
            "samples": [[sample.text, sample.complete] for sample in generation.samples],
            "prompt_tokens": generation.usage.prompt,
            "cached_tokens": generation.usage.cached,
            "completion_tokens": generation.usage.completion,
            "seconds": generation.seconds,
            "created": time.time(),
        }

    def find_generation(self, role: str, request: Request) -> Generation | None:
        """Return what this request returned earlier in the current step, before the run was cut."""
        table = schema.generations
        same = sa.and_(
            table.c.run == self.run,
            table.c.step == self.step,
            table.c.role == role,
            table.c.key == request_key(request),
        )
        with store_errors(f"cannot read {self._store}"), self._engine.connect() as connection:
            row = connection.execute(sa.select(table).where(same)).first()
        if row is None:
            return None
        samples = tuple(Sample(text, complete) for text, complete in row.samples)
        usage = Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens)
        return Generation(samples, usage, row.seconds, row.id)

    def finish(self, status: Status, reason: str) -> None:
        """Record how the run ended, and let go of it."""
        values = {"status": status, "reason": reason, "updated": time.time()}
        try:
            with self._write() as connection:
                connection.execute(sa.update(schema.runs).where(schema.runs.c.id == self.run).values(**values))
        finally:
            self._lock.release()


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

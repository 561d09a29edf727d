"""What the page knows: read from the store, kept between redrawings, and never read twice where it cannot change."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from opro.build import problem_of
from opro.diagnosis import diagnose
from opro.gallery import pictures_of
from opro.pictures import Picture
from opro.probing import is_probe, probe_report
from opro.protocols import Problem
from opro.reader import Reader, is_alive
from opro.records import RunRecord, Standing, Status
from opro.report import optimum_of
from opro.report import verdict as verdict_of
from opro.trajectory import Trajectory
from opro.types import Trial
from opro.ui import access
from opro.ui.commands import Started

FRESH = 1.0
"""Seconds for which a survey of the store counts as fresh."""


@st.cache_resource(max_entries=4, show_spinner=False)
def reader_of(store: str, file: float) -> Reader:
    """Return the reader of a store, the same for all sessions; `file` tells a new one under an old name."""
    del file
    return Reader(store)


def file_of(store: str) -> float:
    """Return what tells a file from another one under the same name, 0 where there is none."""
    path = Path(store).expanduser()
    return path.stat().st_ino if path.exists() else 0.0


@st.cache_resource(show_spinner=False)
def started() -> list[Started]:
    """Return the commands that this page has started."""
    return []


@st.cache_data(ttl=FRESH, show_spinner=False)
def survey(_reader: Reader, store: str) -> tuple[list[RunRecord], dict[str, Standing]]:
    """Return the runs, newest first, and how far each is."""
    del store
    return _reader.runs()[::-1], _reader.standings()


def state(run: RunRecord) -> str:
    """Return a run's status; one whose process is gone has died."""
    return "died" if run.status is Status.RUNNING and not is_alive(run) else str(run.status)


class Followed:
    """The trials of a run, of which only new ones are read."""

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.trajectory = Trajectory(run.spec.direction)
        self._trials: list[Trial] = []
        self._lock = threading.Lock()
        self.read = 0

    def trials(self, reader: Reader) -> Sequence[Trial]:
        """Return all trials that are there by now."""
        with self._lock:
            last = self._trials[-1].number if self._trials else -1
            new = reader.trials(self.run.id, after=last)
            self.read += len(new)
            self._trials += new
            self.trajectory.extend(new)
            return tuple(self._trials)


@st.cache_resource(max_entries=32, show_spinner=False)
def followed(store: str, run: str, _record: RunRecord) -> Followed:
    """Return the trials of a run, shared by all sessions."""
    del store, run
    return Followed(_record)


Stamp = tuple[str, str, float, int]
"""What a run's verdict and pictures depend on: store, id, newest change of it and its baselines, and their number."""


def stamp(reader: Reader, store: str, run: RunRecord) -> Stamp:
    """Return what changes when a run, or what was made on its behalf, goes on."""
    made = reader.made_for(run.id)
    return store, run.id, max([run.updated, *(one.updated for one in made)]), len(made)


def verdict_sentences(reader: Reader, store: str, run: RunRecord) -> tuple[str, ...]:
    """Return what may be said of a run."""
    return _verdict(stamp(reader, store, run), reader, run)


@st.cache_data(max_entries=64, show_spinner=False)
def _verdict(at: Stamp, _reader: Reader, _run: RunRecord) -> tuple[str, ...]:
    del at
    if is_probe(_run):
        report = probe_report(_reader, _run)
        return (*report.notes, *report.sentences)
    return verdict_of(_reader, [_run]).sentences


def findings(reader: Reader, store: str, run: RunRecord) -> tuple[str, ...]:
    """Return what is wrong with the replies of a run."""
    return _findings(stamp(reader, store, run), reader, run)


@st.cache_data(max_entries=64, show_spinner=False)
def _findings(at: Stamp, _reader: Reader, _run: RunRecord) -> tuple[str, ...]:
    del at
    return tuple(one.sentence for one in diagnose(_reader, _run, problem_at(_run.id, _run)))


def gallery(reader: Reader, store: str, run: RunRecord) -> list[Picture]:
    """Return the pictures of a run."""
    return _gallery(stamp(reader, store, run), reader, run)


@st.cache_resource(max_entries=16, show_spinner=False)
def _gallery(at: Stamp, _reader: Reader, _run: RunRecord) -> list[Picture]:
    del at
    return pictures_of(_reader, _run, access.is_allowed)


def is_awaited(reader: Reader, run: RunRecord) -> bool:
    """Say whether something is at work on a run's behalf: a command of this page, a baseline or an examination."""
    if any(not one.over and (run.id in one.line or one.process.pid == run.pid) for one in started()):
        return True
    return any(one.status is Status.RUNNING and is_alive(one) for one in reader.made_for(run.id))


@st.cache_resource(max_entries=16, show_spinner=False)
def problem_at(run: str, _record: RunRecord) -> Problem | None:
    """Return the problem of a run, made once: its data may be large."""
    del run
    return problem_of(_record, access.is_allowed)


def gap_of(run: RunRecord, best: float | None) -> float | None:
    """Return how far a best value is from the optimum, in percent of it."""
    optimum = optimum_of(run.spec.references)
    if optimum is None or best is None or not optimum.value:
        return None
    cost = run.spec.direction.cost
    return 100 * (cost(best) - cost(optimum.value)) / abs(optimum.value)


def age(moment: float) -> str:
    """Return how long ago a moment was, in words."""
    seconds = max(0, int(time.time() - moment))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"

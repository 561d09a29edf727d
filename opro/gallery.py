"""All pictures of a stored run: its trajectory, and what its problem draws."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from opro.build import build_problem
from opro.config import run_config
from opro.errors import OproError, unknown
from opro.pictures import Picture, trajectory_picture
from opro.protocols import Pictured, Problem
from opro.reader import Reader
from opro.records import RunRecord
from opro.report import contestant
from opro.types import Reference


@runtime_checkable
class _Referred(Protocol):
    """A problem that would compute anew, for its pictures, the references which the record of a run holds."""

    def refer(self, references: Sequence[Reference]) -> None: ...


def pictures_of(reader: Reader, run: RunRecord) -> list[Picture]:
    """Return the pictures of a run, that of its trajectory first."""
    trials = reader.whole_trials(run.id)
    baselines = {contestant(one.spec): reader.trials(one.id) for one in reader.baselines_of(run.id)}
    pictures = [trajectory_picture(trials, run.spec.direction, run.spec.references, baselines)]
    problem = _problem(run)
    if isinstance(problem, _Referred):
        problem.refer(run.spec.references)
    if isinstance(problem, Pictured):
        pictures += problem.pictures(trials)
    return pictures


def picture(pictures: Sequence[Picture], title: str | None) -> Picture:
    """Return the picture with a title, the first one without.

    Raises:
        ConfigError: no picture has this title.
    """
    if title is None:
        return pictures[0]
    found = next((one for one in pictures if one.title == title), None)
    if found is None:
        raise unknown("picture", title, [one.title for one in pictures])
    return found


def _problem(run: RunRecord) -> Problem | None:
    try:
        return build_problem(run_config(run.spec.config))
    except OproError:  # a problem of the user's own that is not here any more: its trajectory is drawn all the same
        return None

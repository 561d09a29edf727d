"""All pictures of a stored run: its trajectory, and what its problem draws."""

from collections.abc import Sequence

from opro.build import Allowed, nothing, problem_of, sight_of
from opro.errors import unknown
from opro.pictures import Picture, trajectory_picture
from opro.protocols import Pictured
from opro.reader import Reader
from opro.records import RunRecord
from opro.report import contestant


def pictures_of(reader: Reader, run: RunRecord, allowed: Allowed = nothing) -> list[Picture]:
    """Return the pictures of a run, that of its trajectory first; those of its problem as far as that may be seen."""
    trials = reader.whole_trials(run.id)
    baselines = {contestant(one.spec): reader.trials(one.id) for one in reader.baselines_of(run.id)}
    pictures = [trajectory_picture(trials, run.spec.direction, run.spec.references, baselines)]
    problem = problem_of(run, allowed)
    if isinstance(problem, Pictured):
        pictures += problem.pictures(trials, run.spec.references)
    return pictures


def missing_from(run: RunRecord, allowed: Allowed = nothing) -> str:
    """Return why the pictures of a run's problem are missing; empty where they are not."""
    return sight_of(run, allowed).missing


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

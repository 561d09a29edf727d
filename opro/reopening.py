"""Making the problem of a stored run again: as its settings were meant then, and from where its data lie now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators import PROBLEMS
from opro import trust
from opro.build import build_problem, is_problem_of
from opro.config import RunConfig, run_config
from opro.consent import code_of
from opro.errors import ConfigError
from opro.opening import check_same_problem
from opro.places import movable, placed
from opro.protocols import Problem, Settled
from opro.records import RunRecord
from opro.registry import find


def reopened(run: RunRecord, changes: Mapping[str, Any]) -> tuple[RunConfig, Problem]:
    """Return a stored run's config with changes, and its problem; a `set` among them says where its data lie now.

    A setting whose default has changed since then is taken as it was meant, if that makes the problem of the run.

    Raises:
        ConfigError: the problem is not what it was when the run began, `set` has settings that say something else, or
            the problem is made of code to which nobody has agreed.
    """
    trust.check(code_of(run_config(run.spec.config)))
    places: Mapping[str, Any] = changes.get("set", {})
    made: Any = getattr(find("problem", run.spec.config["problem"], PROBLEMS), "Config", None)
    _check_places(made, places)
    config = run_config({**run.spec.config, **changes, "set": {**run.spec.config["set"], **places}})
    try:
        problem = build_problem(config)
    except ConfigError as error:
        raise _with_remedy(error, made, config.set) from error
    if not is_problem_of(run, problem) and hasattr(made, "former"):
        meant = config.model_copy(update={"set": made.former(config.set)})
        earlier = build_problem(meant)
        if is_problem_of(run, earlier):
            config, problem = meant, earlier
    check_same_problem(run, problem)
    return config.model_copy(update={"set": {**config.set, **(placed(made, places) if places else {})}}), problem


def alike(problem: Problem, settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Say whether settings make the same problem, wherever its data lie, as far as the settings tell.

    What a problem takes from its data need not be stated in both.
    """
    made: Any = getattr(type(problem), "Config", None)
    ours, theirs = (made.former(one) if hasattr(made, "former") else dict(one) for one in (settings, others))
    elsewhere = {*movable(made)} if made is not None else set[str]()
    taken = {*problem.settled} if isinstance(problem, Settled) else set[str]()
    unstated = taken & (ours.keys() ^ theirs.keys())
    compared = (ours.keys() | theirs.keys()) - elsewhere - unstated
    return all(name in ours and name in theirs and ours[name] == theirs[name] for name in compared)


def _with_remedy(error: ConfigError, made: Any, settings: Mapping[str, Any]) -> ConfigError:
    """Return an error with how to say where the data lie now, if some are not where they lay."""
    paths = {name: settings.get(name) for name in (movable(made) if made is not None else ())}
    gone = [name for name, path in paths.items() if isinstance(path, str) and _is_gone(Path(path))]
    remedy = " ".join(f"--set {name}=NEW_PLACE" for name in gone)
    return ConfigError(f"{error}; if it was moved: {remedy}") if gone else error


def _is_gone(path: Path) -> bool:
    """Say whether a path names what is no longer there; those of what was there are recorded whole."""
    return path.is_absolute() and not path.exists()


def _check_places(made: Any, places: Mapping[str, Any]) -> None:
    """Raise a ConfigError for settings that say something else than where data lie."""
    known = movable(made) if made is not None else []
    for name in places:
        if name not in known:
            raise ConfigError(
                f"--set {name}=... would make another run: only where its data lie can be set here"
                f" ({', '.join(known) or 'this problem has no such setting'})"
            )

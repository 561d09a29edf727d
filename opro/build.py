"""From a config to the parts of a run: the only place that knows the tables of problems, proposers and models."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from evaluators import PROBLEMS
from opro.callables import HANDED_IN
from opro.config import RunConfig, run_config
from opro.errors import ConfigError, ModelError, OproError
from opro.places import placed, whole_path
from opro.proposers import PROPOSERS
from opro.protocols import Identified, LanguageModel, Moved, Problem, Proposer, Settled, Supplied
from opro.records import RunRecord
from opro.registry import configure, find
from scorer_models import open_model

_FROM_FILES = ("local", "vllm", "scripted")


def build_problem(config: RunConfig) -> Problem:
    """Return the problem that a config names, made with its `set` and the run's seed."""
    made = find("problem", config.problem, PROBLEMS)
    missing = [name for name in ("direction", "start", "brief", "parse", "evaluate") if not hasattr(made, name)]
    if missing:
        raise ConfigError(f"{config.problem} is no problem: it has no {', '.join(missing)} (see opro/protocols.py)")
    if hasattr(made, "Config"):
        return made(configure(made.Config, config.set, config.problem), config.seed)
    if config.set:
        raise ConfigError(f"{config.problem} has no settings; it was given {', '.join(config.set)}")
    return made()


def supplied_problem(config: RunConfig, data: object, metric: object) -> Problem:
    """Return the problem that a config names, with data and a metric that are handed in from Python, or one of them.

    Raises:
        ConfigError: the problem takes neither, or they are not what the config names.
    """
    made = find("problem", config.problem, PROBLEMS)
    if not isinstance(made, Supplied):
        raise ConfigError(f"{config.problem} takes neither data nor a metric from Python; `instructions` does")
    return made.supplied(config.set, config.seed, data, metric)


def problem_of(run: RunRecord) -> Problem | None:
    """Return the problem of a stored run; None for one of the user's own that cannot be made here any more."""
    try:
        return build_problem(run_config(run.spec.config))
    except OproError:
        return None


def problem_fingerprint(problem: Problem) -> str:
    """Return what tells a problem from another one: a digest of all that a meta-prompt may say of it."""
    return _digest(problem, problem.identity if isinstance(problem, Identified) else None)


def is_problem_of(run: RunRecord, problem: Problem) -> bool:
    """Say whether a problem is the one that a stored run began with, wherever its data lie now."""
    if problem_fingerprint(problem) == run.spec.problem_fingerprint:
        return True
    if not isinstance(problem, Moved):
        return False
    return _digest(problem, problem.former_identity(run.spec.config["set"])) == run.spec.problem_fingerprint


def _digest(problem: Problem, identity: str | None) -> str:
    brief = problem.brief()
    told = (brief.task, brief.facts, brief.lead, brief.constraint, problem.direction)
    return sha256(repr(told if identity is None else (*told, identity)).encode()).hexdigest()


def settled(config: RunConfig, problem: Problem) -> RunConfig:
    """Return a config that makes the same run in any folder: its paths whole, and stated what its data settled."""
    made: Any = type(problem)
    values = placed(made.Config, config.set) if hasattr(made, "Config") else dict(config.set)
    taken = dict(problem.settled) if isinstance(problem, Settled) else {}
    name = whole_path(config.problem) if ".py:" in config.problem else config.problem
    paths = {"problem": name, "model": _whole_model(config.model)}
    return config.model_copy(update={**paths, "scorer": _whole_model(config.scorer), "set": {**values, **taken}})


def _whole_model(spec: str) -> str:
    """Return a model's KIND:NAME with an absolute path where NAME is a file or a folder of weights."""
    kind, _, name = spec.partition(":")
    return f"{kind}:{whole_path(name)}" if kind in _FROM_FILES and name else spec


def needs_model(config: RunConfig) -> bool:
    """Say whether the proposer asks a model."""
    return find("proposer", config.proposer, PROPOSERS).needs_model


def build_model(spec: str, settings: Mapping[str, Any]) -> LanguageModel:
    """Return a model that can be used.

    Raises:
        ConfigError: there is no such model, it cannot be had, or it was handed in from Python.
    """
    if spec.startswith(HANDED_IN):
        raise ConfigError(
            f"the model {spec.removeprefix(HANDED_IN)} was handed in from Python: go on there, with "
            "`opro.resume(RUN, model=..., scorer=...)` or `opro.verdict(RUN, model=..., scorer=...)`"
        )
    try:
        model = open_model(spec, settings)
        _ = model.fingerprint, model.style  # what cannot be loaded shows here, before a run is recorded
    except ModelError as error:
        raise ConfigError(f"the model {spec!r} cannot be used: {error}") from error
    return model


def resolve_options(config: RunConfig, model: LanguageModel | None) -> Mapping[str, Any]:
    """Return the proposer's settings in full, as plain values."""
    made = find("proposer", config.proposer, PROPOSERS)
    if hasattr(made, "resolve"):
        return made.resolve(config.options, config.problem, model).model_dump(mode="json")
    return configure(made.Config, config.options, config.proposer).model_dump(mode="json")


def build_proposer(config: RunConfig, problem: Problem, model: LanguageModel | None) -> Proposer:
    """Return the proposer; `config.options` are in full (see `resolve_options`)."""
    made = find("proposer", config.proposer, PROPOSERS)
    return made(problem, configure(made.Config, config.options, config.proposer), config.seed, model)

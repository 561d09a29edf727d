"""From a config to the parts of a run: the only place that knows the tables of problems, proposers and models."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from evaluators import PROBLEMS
from opro.config import RunConfig, run_config
from opro.errors import ConfigError, ModelError, OproError
from opro.outline import Outline
from opro.proposers import PROPOSERS
from opro.protocols import Identified, LanguageModel, Problem, Proposer
from opro.records import RunRecord
from opro.registry import configure, find
from scorer_models import open_model, outline


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


def problem_of(run: RunRecord) -> Problem | None:
    """Return the problem of a stored run; None for one of the user's own that cannot be made here any more."""
    try:
        return build_problem(run_config(run.spec.config))
    except OproError:
        return None


def problem_fingerprint(problem: Problem) -> str:
    """Return what tells a problem from another one: a digest of all that a meta-prompt may say of it."""
    brief = problem.brief()
    told = (brief.task, brief.facts, brief.lead, brief.constraint, problem.direction)
    if isinstance(problem, Identified):
        return sha256(repr((*told, problem.identity)).encode()).hexdigest()
    return sha256(repr(told).encode()).hexdigest()


def needs_model(config: RunConfig) -> bool:
    """Say whether the proposer asks a model."""
    return find("proposer", config.proposer, PROPOSERS).needs_model


def build_model(spec: str, settings: Mapping[str, Any]) -> LanguageModel:
    """Return a model that can be used.

    Raises:
        ConfigError: there is no such model, or it cannot be had.
    """
    try:
        model = open_model(spec, settings)
        _ = model.fingerprint, model.style  # what cannot be loaded shows here, before a run is recorded
    except ModelError as error:
        raise ConfigError(f"the model {spec!r} cannot be used: {error}") from error
    return model


def outline_model(spec: str, settings: Mapping[str, Any]) -> Outline:
    """Return what is known of a model without its key, its server or its weights.

    Raises:
        ConfigError: there is no such model.
    """
    try:
        return outline(spec, settings)
    except ModelError as error:
        raise ConfigError(f"the model {spec!r} cannot be used: {error}") from error


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

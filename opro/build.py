"""From a config to the parts of a run: the only place that knows the tables of problems, proposers and models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from evaluators import PROBLEMS
from opro import trust
from opro.callables import HANDED_IN
from opro.config import RunConfig, run_config
from opro.consent import code_of, own_code, problem_code, read_by, sendings
from opro.errors import ConfigError, ModelError, OproError
from opro.outline import Outline
from opro.places import placed, whole_path
from opro.proposers import PROPOSERS
from opro.protocols import Identified, LanguageModel, Moved, Problem, Proposer, Settled, Supplied
from opro.records import RunRecord
from opro.registry import configure, find
from opro.trust import Deed
from scorer_models import open_model, outline

_FROM_FILES = ("local", "vllm", "scripted")


def build_problem(config: RunConfig) -> Problem:
    """Return the problem that a config names, made with its `set` and the run's seed.

    Raises:
        ConfigError: it cannot be made, or is made of code to which nobody has agreed (see `opro.trust`).
    """
    trust.check(code_of(config))
    return _built(config)


def _built(config: RunConfig) -> Problem:
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
        ConfigError: the problem takes neither, they are not what the config names, or it is made of code to which
            nobody has agreed.
    """
    trust.check(own_code("problem", config.problem) if metric is not None else code_of(config))
    made = find("problem", config.problem, PROBLEMS)
    if not isinstance(made, Supplied):
        raise ConfigError(f"{config.problem} takes neither data nor a metric from Python; `instructions` does")
    return made.supplied(config.set, config.seed, data, metric)


Allowed = Callable[[Deed], bool]
"""Says what may be done for somebody who only looks."""


def nothing(deed: Deed) -> bool:
    """Allow nothing."""
    del deed
    return False


def everything(deed: Deed) -> bool:
    """Allow all."""
    del deed
    return True


@dataclass(frozen=True, slots=True)
class Sight:
    """The problem of a stored run as it is looked at, or why there is none."""

    problem: Problem | None
    missing: str = ""


def sight_of(run: RunRecord, allowed: Allowed = nothing) -> Sight:
    """Return the problem of a stored run, for looking at it.

    Looking imports no code of the user's own, and fetches nothing, unless that is `allowed`. Data is not read where the
    problem can be looked at without it; else only from here, and if the user has had it read before.
    """
    try:
        return _sight(run_config(run.spec.config), allowed)
    except OproError as error:
        return Sight(None, str(error))


def _sight(config: RunConfig, allowed: Allowed) -> Sight:
    needed = [*problem_code(config), *(trust.reading(name) for name in read_by(config))]
    if not all(map(allowed, needed)) and not trust.is_own("problem", config.problem):
        made = find("problem", config.problem, PROBLEMS)
        if hasattr(made, "unread"):
            return Sight(made.unread(configure(made.Config, config.set, config.problem)))
    left = [deed for deed in needed if not (allowed(deed) or (deed.reads and trust.is_agreed(deed)))]
    return Sight(None, f"for it one would have to {trust.in_words(left)}") if left else Sight(_built(config))


def problem_of(run: RunRecord, allowed: Allowed = nothing) -> Problem | None:
    """Return the problem of a stored run, for looking at it; None where that cannot be: see `sight_of`."""
    return sight_of(run, allowed).problem


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
    return _proposer(config).needs_model


def _proposer(config: RunConfig) -> Any:
    trust.check(own_code("proposer", config.proposer))
    return find("proposer", config.proposer, PROPOSERS)


def build_model(spec: str, settings: Mapping[str, Any]) -> LanguageModel:
    """Return a model that can be used.

    Raises:
        ConfigError: there is no such model, it cannot be had, it was handed in from Python, or nobody has agreed to
            where its key is sent.
    """
    if spec.startswith(HANDED_IN):
        raise ConfigError(
            f"the model {spec.removeprefix(HANDED_IN)} was handed in from Python: go on there, with "
            "`opro.resume(RUN, model=..., scorer=...)` or `opro.verdict(RUN, model=..., scorer=...)`"
        )
    trust.check(sendings(spec, settings))
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
    made = _proposer(config)
    if hasattr(made, "resolve"):
        return made.resolve(config.options, config.problem, model).model_dump(mode="json")
    return configure(made.Config, config.options, config.proposer).model_dump(mode="json")


def build_proposer(config: RunConfig, problem: Problem, model: LanguageModel | None) -> Proposer:
    """Return the proposer; `config.options` are in full (see `resolve_options`)."""
    made = _proposer(config)
    return made(problem, configure(made.Config, config.options, config.proposer), config.seed, model)

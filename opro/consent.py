"""What a config has the workbench do beyond computing: the user's own code, keys that are sent, data that is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators import PROBLEMS
from opro import trust
from opro.config import RunConfig
from opro.errors import ConfigError
from opro.registry import configure, find
from opro.trust import Deed
from scorer_models import key_of


def deeds_of(config: RunConfig) -> list[Deed]:
    """Return all that a run of this config would do."""
    models = ((config.model, config.model_set), (config.scorer, config.scorer_set or config.model_set))
    asked = [deed for spec, settings in models if spec for deed in (*sendings(spec, settings), *_files(spec))]
    read = [trust.reading(name) for name in (*read_by(config), *filter(None, [config.prices]))]
    return [*code_of(config), *asked, *read]


def code_of(config: RunConfig) -> list[Deed]:
    """Return what code of the user's own a config names."""
    return [*problem_code(config), *own_code("proposer", config.proposer)]


def problem_code(config: RunConfig) -> list[Deed]:
    """Return what code of the user's own the problem of a config is made of."""
    kind = config.set.get("kind")
    scoring = kind.removeprefix("metric:") if isinstance(kind, str) and not kind.startswith("regex:") else ""
    return [*own_code("problem", config.problem), *own_code("scoring function", scoring)]


def own_code(kind: str, name: str) -> list[Deed]:
    """Return the deed of importing what a name stands for, none for what a table or an installed package names."""
    deed = trust.running(name) if trust.is_own(kind, name) else None
    return [deed] if deed else []


def sendings(spec: str, settings: Mapping[str, Any]) -> list[Deed]:
    """Return which key a model sends where."""
    try:
        pair = key_of(spec, settings)
    except ConfigError:  # it is said when the model is opened, if it ever is
        return []
    deed = trust.sending(*pair) if pair else None
    return [deed] if deed else []


def read_by(config: RunConfig) -> list[str]:
    """Return the files, folders and hub ids that a problem of ours reads, as its settings name them."""
    if trust.is_own("problem", config.problem):
        return []
    try:
        made = find("problem", config.problem, PROBLEMS)
        return list(made.reads(configure(made.Config, config.set, config.problem))) if hasattr(made, "reads") else []
    except ConfigError:  # it is said when the problem is built
        return []


def _files(spec: str) -> list[Deed]:
    """Return the files that a model in this process is read from."""
    name = spec.partition(":")[2]
    return [trust.reading(name)] if name and Path(name).exists() else []


def agree_to(config: RunConfig) -> None:
    """Remember that the user has agreed to what a config does, who wrote it or typed it."""
    trust.agree(deeds_of(config))

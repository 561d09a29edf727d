"""Language-model backends, one a file, and the table of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from opro.errors import ConfigError
from opro.protocols import LanguageModel
from opro.registry import configure, find, known_names
from scorer_models.meaning import no_kind

NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})

MODELS: Mapping[str, str] = {
    "local": "scorer_models.local:LocalModel",
    "openai": "scorer_models.openai:OpenAIModel",
    "uniform": "scorer_models.uniform:UniformModel",
    "scripted": "scorer_models.scripted:ScriptedModel",
    "vllm": "scorer_models.vllm:VllmModel",
}

UNNAMED = frozenset({"local", "uniform", "vllm"})
"""Kinds that need no name behind them."""


def open_model(spec: str, settings: Mapping[str, Any] = NO_SETTINGS) -> LanguageModel:
    """Return the model of a spec `KIND` or `KIND:REST`, where REST means what the kind's `load` takes it to mean.

    Kinds come from the table above and from the entry-point group `opro.models` of installed packages. `settings` are
    fields of the kind's `Config`, if it has one.

    Raises:
        ConfigError: no such kind, no name where the kind needs one, or a setting that it does not have.
        ModelError: the kind knows no such model.
    """
    kind, _, rest = spec.partition(":")
    if kind not in (known := known_names("model", MODELS)):
        raise no_kind(spec, known)
    if kind in MODELS and kind not in UNNAMED and not rest.strip():
        raise ConfigError(f"{spec!r} names no model: write {kind}:NAME; `opro models {kind}` shows an example")
    made = find("model", kind, MODELS)
    if hasattr(made, "Config"):
        return made.load(rest, configure(made.Config, settings, f"{kind} model"))
    if settings:
        raise ConfigError(f"the model {kind!r} has no settings; it was given {', '.join(settings)}")
    return made.load(rest)

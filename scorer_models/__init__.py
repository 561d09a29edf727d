"""Language-model backends, one a file, and the table of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from opro.errors import ConfigError
from opro.outline import Outline
from opro.protocols import LanguageModel
from opro.registry import configure, find, known_names
from scorer_models.meaning import no_kind

NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})

MODELS: Mapping[str, str] = {
    "local": "scorer_models.local:LocalModel [local]",
    "openai": "scorer_models.openai:OpenAIModel",
    "uniform": "scorer_models.uniform:UniformModel",
    "scripted": "scorer_models.scripted:ScriptedModel",
    "vllm": "scorer_models.vllm:VllmModel [vllm]",
}

_WITHOUT_EXTRAS = {kind: entry.partition(" [")[0] for kind, entry in MODELS.items()}
"""The table as it is for an outline, which needs none of a kind's libraries where its module imports without them."""

UNNAMED = frozenset({"local", "uniform", "vllm"})
"""Kinds that need no name behind them."""


def key_of(spec: str, settings: Mapping[str, Any] = NO_SETTINGS) -> tuple[str, str] | None:
    """Return the variable of the key that a model sends, and the URL it is sent to; None for one that sends none.

    Raises:
        ConfigError: no such kind, or a setting that it does not have.
    """
    kind, _, rest = spec.partition(":")
    made = find("model", kind, MODELS)
    return made.sends(rest, configure(made.Config, settings, f"{kind} model")) if hasattr(made, "sends") else None


def open_model(spec: str, settings: Mapping[str, Any] = NO_SETTINGS) -> LanguageModel:
    """Return the model of a spec `KIND` or `KIND:REST`, where REST means what the kind's `load` takes it to mean.

    Kinds come from the table above and from the entry-point group `opro.models` of installed packages. `settings` are
    fields of the kind's `Config`, if it has one.

    Raises:
        ConfigError: no such kind, no name where the kind needs one, or a setting that it does not have.
        ModelError: the kind knows no such model.
    """
    made, given = _found(spec, settings)
    return made.load(*given)


def outline(spec: str, settings: Mapping[str, Any] = NO_SETTINGS) -> Outline:
    """Return what is known of the model of a spec without its key, its server or its weights.

    A kind tells it by a class method `outline` that takes what its `load` takes; one that has none is loaded.

    Raises:
        ConfigError: no such kind, or a setting that it does not have.
        ModelError: the kind knows no such model.
    """
    made, given = _found(spec, settings, _WITHOUT_EXTRAS)
    return made.outline(*given) if hasattr(made, "outline") else Outline.of(made.load(*given))


def _found(spec: str, settings: Mapping[str, Any], table: Mapping[str, str] = MODELS) -> tuple[Any, tuple[Any, ...]]:
    """Return the class of a spec's kind, and what its class methods take."""
    kind, _, rest = spec.partition(":")
    if kind not in (known := known_names("model", MODELS)):
        raise no_kind(spec, known)
    if kind in MODELS and kind not in UNNAMED and not rest.strip():
        raise ConfigError(f"{spec!r} names no model: write {kind}:NAME; `opro models {kind}` shows an example")
    made = find("model", kind, table)
    if hasattr(made, "Config"):
        return made, (rest, configure(made.Config, settings, f"{kind} model"))
    if settings:
        raise ConfigError(f"the model {kind!r} has no settings; it was given {', '.join(settings)}")
    return made, (rest,)

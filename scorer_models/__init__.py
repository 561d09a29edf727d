"""Language-model backends, one a file, and the table of them."""

from collections.abc import Mapping

from opro.protocols import LanguageModel
from opro.registry import find

MODELS: Mapping[str, str] = {
    "local": "scorer_models.local:LocalModel",
    "openai": "scorer_models.openai:OpenAIModel",
    "uniform": "scorer_models.uniform:UniformModel",
    "scripted": "scorer_models.scripted:ScriptedModel",
}


def open_model(spec: str) -> LanguageModel:
    """Return the model of a spec `KIND` or `KIND:REST`, where REST means what the kind's `load` takes it to mean.

    Kinds come from the table above and from the entry-point group `opro.models` of installed packages.

    Raises:
        ConfigError: no such kind.
        ModelError: the kind knows no such model.
    """
    kind, _, rest = spec.partition(":")
    return find("model", kind, MODELS).load(rest)

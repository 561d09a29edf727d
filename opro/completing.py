"""What the shell offers for a word that is begun: names and runs. It is quick, asks nobody, and says nothing."""

from collections.abc import Iterable

import typer

from opro.errors import OproError

NEWEST = 30
"""Runs that are offered."""


def problem(begun: str) -> list[str]:
    """Return problems."""
    from evaluators import PROBLEMS
    from opro.registry import known_names

    return _fitting(begun, known_names("problem", PROBLEMS))


def proposer(begun: str) -> list[str]:
    """Return proposers."""
    from opro.proposers import PROPOSERS
    from opro.registry import known_names

    return _fitting(begun, known_names("proposer", PROPOSERS))


def model(begun: str) -> list[str]:
    """Return kinds of models; those that need a name end in a colon."""
    from opro.registry import known_names
    from scorer_models import MODELS, UNNAMED

    return _fitting(begun, (kind if kind in UNNAMED else f"{kind}:" for kind in known_names("model", MODELS)))


def kind(begun: str) -> list[str]:
    """Return kinds of models, as `opro models` takes them."""
    from opro.registry import known_names
    from scorer_models import MODELS

    return _fitting(begun, known_names("model", MODELS))


def run(context: typer.Context, begun: str) -> list[str]:
    """Return `last` and the newest runs of the store that the line names so far, else of $OPRO_STORE or the default."""
    from opro.reader import Reader
    from opro.store import default_store

    try:
        runs = Reader(context.params.get("store") or default_store()).runs()
    except OproError:
        return []
    return _fitting(begun, ["last", *(one.id for one in runs[: -NEWEST - 1 : -1])])


def _fitting(begun: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(begun)]

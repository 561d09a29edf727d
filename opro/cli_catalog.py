"""The commands `opro problems`, `opro proposers` and `opro models`."""

from typing import Annotated

import typer

from opro import completing


def _show(shelf: str, name: str | None) -> None:
    from opro import catalog

    if name is None:
        catalog.show_all(shelf)
    else:
        catalog.show_one(shelf, name)


def problems(
    name: Annotated[
        str | None, typer.Argument(help="Show this one with its settings.", autocompletion=completing.problem)
    ] = None,
) -> None:
    """List the problems, or show one with its settings."""
    _show("problems", name)


def proposers(
    name: Annotated[
        str | None, typer.Argument(help="Show this one with its settings.", autocompletion=completing.proposer)
    ] = None,
) -> None:
    """List the proposers, or show one with its settings."""
    _show("proposers", name)


def models(
    name: Annotated[
        str | None, typer.Argument(help="Show this kind with its settings.", autocompletion=completing.kind)
    ] = None,
) -> None:
    """List the kinds of models and the weights in the cache, or show one kind with its settings."""
    _show("models", name)

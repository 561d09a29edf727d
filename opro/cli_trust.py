"""Before a stored run goes on: what it would do on the word of the store, asked for once."""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opro.cli_options import opened
from opro.errors import ConfigError, OproError

if TYPE_CHECKING:
    from opro.config import RunConfig
    from opro.trust import Deed

UNMOVED: Mapping[str, Any] = MappingProxyType({})
"""The places of data that lie where they lay."""

YesOption = Annotated[bool, typer.Option("--yes", help="Agree to what the store has this run do: do not ask.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run the code, and read the data, that the run names, for what needs them.")
]


def settle(store: str | None, name: str, places: Mapping[str, Any] = UNMOVED, *, yes: bool) -> None:
    """Have the user agree to what going on with a stored run does, as far as that is new.

    To the data whose `places` are typed, the user agrees by typing them.

    Raises:
        ConfigError: there is nobody to ask, and `yes` was not given.
    """
    from opro import trust

    trust.agree(trust.reading(str(place)) for place in places.values())
    left = trust.pending(_deeds(store, name, places))
    if not left:
        return
    if not yes:
        _ask(name, left)
    trust.agree(left)


def _deeds(store: str | None, name: str, places: Mapping[str, Any]) -> "list[Deed]":
    """Return what going on with a run, and with what was made on its behalf, would do."""
    from opro.consent import deeds_of

    reader = opened(store)
    try:
        run = reader.run(name)
        deeds = deeds_of(_moved(run.spec.config, places))
        for made in reader.made_for(run.id):
            try:
                deeds += deeds_of(_moved(made.spec.config, places))
            except OproError:  # it cannot go on
                continue
        return deeds
    finally:
        reader.close()


def _moved(values: Mapping[str, Any], places: Mapping[str, Any]) -> "RunConfig":
    """Return the config of a stored run with its data at other places."""
    from opro.config import run_config

    return run_config({**values, "set": {**values["set"], **places}})


def _ask(name: str, left: "list[Deed]") -> None:
    from opro import trust
    from opro.texts import printable

    told = [printable(deed.told).replace("\n", " ") for deed in left]
    if not sys.stdin.isatty():
        raise ConfigError(
            f"to go on with {name} is to {trust.in_words(left)}, as the store says: if you trust it, agree with --yes"
        )
    sys.stderr.write(f"As the store says, to go on with {name} is to\n")
    sys.stderr.writelines(f"  - {line}\n" for line in told)
    typer.confirm("Go on?", abort=True, err=True)

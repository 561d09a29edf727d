"""What the commands have in common: their options, their stores, and how they end on Ctrl-C."""

import asyncio
import contextlib
import os
import signal
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opro.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from opro.reader import Reader

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Path or URL of the store; default: $OPRO_STORE, else one in your home.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON line per run instead of tables.")]

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Estimate requests, tokens and money, and stop.")]

BudgetOption = Annotated[
    list[str] | None,
    typer.Option(help="What the run may cost in all: 2.50usd, 1e6tok or 30min; repeatable. It is never exceeded."),
]
PricesOption = Annotated[str | None, typer.Option(help="A TOML file with prices; default: $OPRO_PRICES.")]
ConcurrencyOption = Annotated[
    int | None, typer.Option(min=1, help="Requests to a served model in flight at most; default: it adapts.")
]
TimeoutOption = Annotated[
    float | None, typer.Option(min=0.001, help="Seconds that one try of a request to a server may take; default: 300.")
]
DeadlineOption = Annotated[
    float | None, typer.Option(min=0.001, help="Seconds after which a request is not tried again; default: 900.")
]


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, Any]:
    """Return NAME=VALUE texts as a mapping; a value is TOML where it can be, else text."""
    values: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} {text!r}: NAME=VALUE is needed")
        try:
            values[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[name.strip()] = value
    return values


def interruptible(work: Any, store: str | None) -> None:
    """Do asynchronous work; on Ctrl-C or SIGTERM finish the durable part and say how to go on."""
    try:
        asyncio.run(_stoppable(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say_how_to_resume(store)
        raise typer.Exit(130) from None


async def _stoppable(work: Any) -> None:
    """Do the work, but let SIGTERM end it as Ctrl-C does, which a shell keeps from what it runs in the background."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):  # on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await work


def _say_how_to_resume(store: str | None) -> None:
    reader = opened(store)
    mine = [run for run in reader.runs() if run.pid == os.getpid() and run.status == "stopped"]
    option = f" --store {store}" if store else ""
    for run in mine:
        sys.stderr.write(f"\nStopped; everything so far is kept. Go on with: opro resume {run.id}{option}\n")


def existing(store: str | None) -> str:
    """Return the name of a store; one that does not exist is a StoreError."""
    from opro.store import default_store

    name = store or default_store()
    if "://" not in name and not Path(name).expanduser().exists():
        raise StoreError(f"there is no store {name} yet: `opro run` makes it")
    return name


def opened(store: str | None) -> "Reader":
    """Return a reader of a store, which is brought up to date first if an older version made it."""
    from opro.reader import OlderStoreError, Reader
    from opro.store import Store

    name = existing(store)
    try:
        return Reader(name)
    except OlderStoreError:
        Store(name).close()
        return Reader(name)

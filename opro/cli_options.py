"""What the commands have in common: their options, their stores, and how they end on Ctrl-C."""

import asyncio
import logging
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from opro import completing
from opro.errors import ConfigError, StoreError
from opro.passwords import masked

if TYPE_CHECKING:
    from opro.reader import Reader

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Path or URL of the store; default: $OPRO_STORE, else one in your home.")
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id, its beginning or end, or last, last~1, ...", autocompletion=completing.run
    ),
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Runs' ids, their beginnings or ends, or last, ...", autocompletion=completing.run
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="The optimizer model, KIND:NAME; default: local.", autocompletion=completing.model),
]
ScorerOption = Annotated[
    str | None,
    typer.Option("--scorer", help="The scorer model, if the problem needs one.", autocompletion=completing.model),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON line per run instead of tables.")]

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Estimate requests, tokens and money, and stop.")]

BudgetOption = Annotated[
    list[str] | None,
    typer.Option(help="What the run may cost in all: 2.50usd, 1e6tok or 30min; repeatable. It is never exceeded."),
]
MovedOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Where the data lie now, if they were moved: task=FILE, data=DIR; repeatable."),
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


def _speak_up(wanted: bool) -> bool:  # noqa: FBT001 - typer calls it with the value
    if wanted:
        from opro import logs

        logs.tell(logging.DEBUG)
    return wanted


VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_speak_up,
        expose_value=False,
        help="Log requests, retries and notes on standard error; tracebacks, too.",
    ),
]


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, Any]:
    """Return NAME=VALUE texts as a mapping; a value is TOML where it can be, else text."""
    values: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} {text!r}: NAME=VALUE is needed")
        try:
            read = tomllib.loads(f"value = {value}")
        except tomllib.TOMLDecodeError:
            read = {}
        values[name.strip()] = read["value"] if read.keys() == {"value"} else value  # a text of several lines is one
    return values


class Commands(TyperGroup):
    """The commands: on Ctrl-C each ends with a line and with 130, as a shell expects."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.stderr.write("\nStopped.\n")
            raise typer.Exit(130) from None


def interruptible(work: Coroutine[Any, Any, None], store: str | None) -> None:
    """Do asynchronous work; on Ctrl-C or SIGTERM finish the durable part and say how to go on.

    A second Ctrl-C ends the process at once; the record is whole all the same.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(_stoppable(work, before[signal.SIGINT]))
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say_how_to_resume(store)
        raise typer.Exit(130) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


async def _stoppable(work: Coroutine[Any, Any, None], before: Any) -> None:
    """Do the work, but let SIGTERM end it as Ctrl-C does, which a shell keeps from what it runs in the background."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped.append(number)
        if len(stopped) > 1:
            _end_at_once()
        loop.call_soon_threadsafe(_cancel, task)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, stop)
    await work


def _cancel(task: "asyncio.Task[Any]") -> None:
    """Cancel a task; where its end takes more than a second, for what is paid for, say so."""
    task.cancel()
    waiting = "Stopping: answers that are paid for are awaited. Ctrl-C again ends at once.\n"
    task.get_loop().call_later(1.0, sys.stderr.write, waiting)


def _end_at_once() -> None:
    """End the process; every record is written or not, never half; only the terminal needs tidying."""
    if os.isatty(2):
        os.write(2, b"\x1b[?25h")  # the cursor, which a progress bar hides
    os.write(2, b"\nEnded at once; what was recorded is kept, and `opro resume last` goes on with it.\n")
    os._exit(130)


def _say_how_to_resume(store: str | None) -> None:
    try:
        runs = opened(store).runs()
    except StoreError:
        runs = []
    mine = [run for run in runs if run.pid == os.getpid() and run.status == "stopped"]
    option = f" --store {masked(store)}" if store else ""
    for run in mine:
        sys.stderr.write(f"\nStopped; everything so far is kept. Go on with: opro resume {run.id}{option}\n")
    if not mine:
        sys.stderr.write("\nStopped.\n")


def existing(store: str | None) -> str:
    """Return the name of a store; one that does not exist is a StoreError."""
    from opro.store import existing_store

    return existing_store(store)


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

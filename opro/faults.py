"""How the command ends when something is wrong: a line for people, and the traceback for those who ask."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from opro import logs, streams
from opro.errors import ConfigError, OproError
from opro.passwords import masked


def ended_well(command: Callable[[], object]) -> None:
    """Run a command to its end; an error of the workbench, or of the system, is one line and an exit code."""
    streams.settle()
    logs.tell(logging.WARNING)
    sys.excepthook = _tell
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except OproError as error:
        _end(str(error), 2 if isinstance(error, ConfigError) else 1)
    except BrokenPipeError:
        streams.give_up_output()
        sys.exit(1)
    except OSError as error:
        if _wanted():
            raise
        if error.errno == errno.ENOSPC and error.filename is None:
            streams.give_up_output()
        _end(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)


def _end(message: str, code: int) -> None:
    """Write a message on one line, and end."""
    sys.stderr.write(f"error: {_line(message)}\n")
    sys.exit(code)


def _line(text: str) -> str:
    """Return text on one line, without what a terminal would obey and without passwords in addresses."""
    return "".join(character if character.isprintable() else " " for character in masked(text))


def _wanted() -> bool:
    """Say whether the user wants tracebacks."""
    return bool(os.environ.get("OPRO_DEBUG")) or logging.getLogger("opro").isEnabledFor(logging.DEBUG)


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of an exception that nobody foresaw."""
    if _wanted():
        lines = "".join(traceback.format_exception(kind, error, trace)).splitlines()
        sys.stderr.writelines(f"{_line(line)}\n" for line in lines)
        return
    frames = traceback.extract_tb(trace)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name})" if frames else ""
    what = _line(f"{kind.__name__}: {error}".rstrip(": "))
    sys.stderr.write(
        f"error: {what}{place}. This was not foreseen: OPRO_DEBUG=1 before the command shows the traceback; "
        "please report it with that, unless the line is in a file of yours\n"
    )

"""Standard output and standard error, whatever they are: an ASCII terminal, a closed pipe, a full disk."""

import codecs
import io
import os
import sys

_SPELLED = {"•": "*", "⏎": "|", "…": "...", "≤": "<=", "·": "-", "\N{REPLACEMENT CHARACTER}": "?"}


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding does not have in other characters, or as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    escaped = (_SPELLED.get(one) or one.encode("ascii", "backslashreplace").decode() for one in letters)
    return "".join(escaped), error.end


def settle() -> None:
    """Let both streams take every text, and be there, also where the caller closed them."""
    codecs.register_error("opro.spelled", _spelled)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="opro.spelled")


def give_up_output() -> None:
    """Write nothing more to standard output, whose other end is gone or full; Python would try once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)

"""What the workbench tells on standard error while it works: warnings, and with `--verbose` every request."""

import logging
import sys

from opro.passwords import masked
from opro.texts import printable


class _Stderr(logging.Handler):
    """Writes each message on a line of its own, a warning once, to what is standard error at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        text = " ".join(printable(masked(record.getMessage())).split())
        if record.levelno >= logging.WARNING:
            if text in self._told:
                return
            self._told.add(text)
        sys.stderr.write(f"{text}\n")


def tell(level: int) -> None:
    """Write what is logged from `level` on to standard error."""
    logger = logging.getLogger("opro")
    for handler in [one for one in logger.handlers if isinstance(one, _Stderr)]:
        logger.removeHandler(handler)
    logger.addHandler(_Stderr())
    logger.setLevel(level)

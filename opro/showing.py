"""What `opro show` does: a run or a step in the terminal, as JSON, or as a picture in a file."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from opro import gallery, views
from opro.build import Allowed, problem_of
from opro.errors import ConfigError
from opro.pictures import write
from opro.reader import Reader
from opro.records import RunRecord
from opro.report import summarize
from opro.scoring_view import step_as_json
from opro.screen import paged, screen


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be shown of a run: all of it in short, a step (`whole`: with every prompt), or its flagged answers."""

    step: int | None = None
    whole: bool = False
    flagged: bool = False


def draw(reader: Reader, run: RunRecord, title: str | None, file: Path, allowed: Allowed) -> None:
    """Draw one picture of a run into a file, and name the file.

    Raises:
        ConfigError: there is none with this title, or it may not be drawn.
    """
    missing = gallery.missing_from(run, allowed) if title else ""
    pictures = gallery.pictures_of(reader, run, allowed)
    if missing and title not in [one.title for one in pictures]:
        raise ConfigError(f"{title!r} is not drawn: {missing}; --trust does so")
    write(gallery.picture(pictures, title).draw(), file)
    sys.stdout.write(f"{file}\n")


def write_json(reader: Reader, run: RunRecord, step: int | None, allowed: Allowed) -> None:
    """Write the summary of a run, or all of a step, as one line."""
    line = (
        json.dumps(summarize(reader, run).as_dict())
        if step is None
        else step_as_json(reader, run, step, problem_of(run, allowed))
    )
    sys.stdout.write(line + "\n")


def show(reader: Reader, run: RunRecord, wish: Wish, allowed: Allowed) -> None:
    """Show a run, one of its steps, or its flagged answers, in the pager where they are long."""
    console = screen()
    with paged(console):
        if wish.flagged:
            views.show_flagged(console, reader, run)
        elif wish.step is not None:
            views.show_step(console, reader, run, wish.step, allowed, whole=wish.whole)
        else:
            views.show_run(console, reader, run, allowed)

"""What `opro show` does: a run or a step in the terminal, as JSON, or as a picture in a file."""

import json
import sys
from pathlib import Path

from opro import gallery, views
from opro.build import problem_of
from opro.pictures import write
from opro.reader import Reader
from opro.records import RunRecord
from opro.report import summarize
from opro.scoring_view import step_as_json
from opro.screen import paged, screen


def draw(reader: Reader, run: RunRecord, picture: str | None, file: Path) -> None:
    """Draw one picture of a run into a file, and name the file."""
    write(gallery.picture(gallery.pictures_of(reader, run), picture).draw(), file)
    sys.stdout.write(f"{file}\n")


def write_json(reader: Reader, run: RunRecord, step: int | None) -> None:
    """Write the summary of a run, or all of a step, as one line."""
    line = (
        json.dumps(summarize(reader, run).as_dict())
        if step is None
        else step_as_json(reader, run, step, problem_of(run))
    )
    sys.stdout.write(line + "\n")


def show(reader: Reader, run: RunRecord, step: int | None, *, whole: bool, flagged: bool) -> None:
    """Show a run, one of its steps, or its flagged answers, in the pager where they are long."""
    console = screen()
    with paged(console):
        if flagged:
            views.show_flagged(console, reader, run)
        elif step is not None:
            views.show_step(console, reader, run, step, whole=whole)
        else:
            views.show_run(console, reader, run)

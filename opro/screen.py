"""What is shown fits where it is shown: tables that cut no number, a pager, and all of it where nobody looks."""

import os
import pydoc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from opro.texts import printable

UNBOUNDED = 100_000
"""Columns of what is no terminal: another program reads it, and wants all."""

LEAST = 8
"""Columns to which a text may be cut in a table."""


def screen(*, stderr: bool = False) -> Console:
    """Return standard output, or standard error, to print on: texts hold no markup, and nothing that it would obey.

    Where that is no terminal, lines have no end.
    """
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUNDED
    console.push_render_hook(_Cleaned())
    return console


class _Cleaned(RenderHook):
    """Takes out of all that is drawn what a terminal would obey; the colours are put in behind it."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """See RenderHook."""
        return [_CleanedOne(one) for one in renderables]


class _CleanedOne:
    """One thing to be drawn, cleaned."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        for part in console.render(self._shown, options):
            yield part if part.control else Segment(printable(part.text), part.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Tell how wide it is."""
        return Measurement.get(console, options, self._shown)


@contextmanager
def paged(console: Console) -> Generator[None]:
    """Show what is printed meanwhile in the user's pager where it is longer than the terminal; `PAGER=cat` does not."""
    if not console.is_terminal:
        yield
        return
    with console.capture() as captured:
        yield
    text = captured.get()
    if text.count("\n") < console.height:
        console.file.write(text)
        return
    os.environ.setdefault("LESS", "-R")  # keeps the colours
    pydoc.pager(text)


def clipped(header: str) -> Column:
    """Return a column of a Sheet whose texts are cut where the screen is too narrow."""
    return Column(header, no_wrap=True, overflow="ellipsis")


def prose(header: str) -> Column:
    """Return a column of a Sheet whose texts are wrapped."""
    return Column(header, overflow="fold")


class Sheet(Table):
    """A table that fits the screen and cuts no number.

    A column given as a string keeps what it holds whole; one given as a `Column` holds text, which may be cut, or
    wrapped where it says so. On a narrow screen the lines between the columns go first, and then the columns
    themselves: each row becomes a paragraph. Cells are text: a model's brackets are no markup.
    """

    def __init__(self, *headers: str | Column, **look: Any) -> None:
        super().__init__(*headers, **look)
        self._whole = [isinstance(header, str) for header in headers]
        self._lines = self.box, self.padding, self.pad_edge

    def add_row(self, *cells: Any, **look: Any) -> None:
        """Add a row, as Table does."""
        super().add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in cells), **look)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table as it fits."""
        self.box, self.padding, self.pad_edge = self._lines
        widths = self._fitting(options.max_width - 3 * len(self.columns) - 1)
        if widths is None:
            self.box, self.padding, self.pad_edge = None, (0, 1, 0, 0), False
            widths = self._fitting(options.max_width - len(self.columns) + 1)
        if widths is None:
            yield from self._paragraphs()
            return
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _fitting(self, room: int) -> list[int] | None:
        """Return widths of the columns that fit into `room`; None where numbers would be cut."""
        wanted = [max(_width(part) for part in (column.header, *column.cells)) for column in self.columns]
        least = [
            max(_longest_word(column.header), *map(_width, column.cells), 1) if whole else min(width, LEAST)
            for column, whole, width in zip(self.columns, self._whole, wanted, strict=True)
        ]
        if sum(least) > room:
            return None
        return _shared(least, wanted, room)

    def _paragraphs(self) -> RenderResult:
        if self.title:
            yield Text(str(self.title), style="italic")
        rows = zip(*(column.cells for column in self.columns), strict=True)
        for row in rows:
            for column, cell in zip(self.columns, row, strict=True):
                if _width(cell):
                    yield Text.assemble((f"{column.header or self.columns[0].header}: ".lstrip(": "), "bold"), cell)
            yield Text()


def _shared(least: Sequence[int], wanted: Sequence[int], room: int) -> list[int]:
    """Return widths from least to wanted that fill the room: the narrowest wishes are met first."""
    widths = list(least)
    left = room - sum(least)
    order = sorted(range(len(wanted)), key=lambda place: wanted[place] - least[place])
    for rank, place in enumerate(order):
        more = min(wanted[place] - least[place], left // (len(order) - rank))
        widths[place] += more
        left -= more
    return widths


def _width(cell: Any) -> int:
    """Return the columns that a cell takes."""
    return max((cell_len(line) for line in str(cell).split("\n")), default=0)


def _longest_word(header: Any) -> int:
    return max((cell_len(word) for word in str(header).split()), default=0)

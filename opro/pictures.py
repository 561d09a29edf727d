"""Pictures of runs as Plotly figures: pure functions of trials, shown by the page and written into files.

A figure names no background and no text colour, so that it fits a light page and a dark one. Texts that a model wrote
go through `hover`: Plotly would obey markup in them.
"""

import html
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opro.errors import ConfigError
from opro.extras import optional
from opro.types import Direction, Reference, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, safe for the colour-blind."""

GREY = "#888888"
"""Readable on white and on black."""

MOST_POINTS = 4000
"""Points of one trajectory that are drawn; of more, every best one and an even choice of the others."""

_DASHES = ("dash", "dot", "dashdot", "longdash")
_WIDTH = 70
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure that is drawn when somebody wants to see it.

    Attributes:
        title: what it shows, in a few words; unique among the pictures of a run.
        caption: how to read it.
        draw: makes the figure.
    """

    title: str
    caption: str
    draw: "Callable[[], Figure]"


def hover(text: str) -> str:
    """Return a text as Plotly shows it letter by letter: no markup, no formulas, in lines, cut where it is long."""
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
    printable = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in shown)
    lines = [part for line in printable.splitlines() for part in textwrap.wrap(line, _WIDTH) or [""]]
    return "<br>".join(html.escape(line).replace("$", "&#36;") for line in lines)


def blank(x: str, y: str) -> "Figure":
    """Return a figure without data, with titled axes; what the user zooms into stays when data are added."""
    figure: Figure = optional("plotly.graph_objects", "figures", "a figure").Figure()
    figure.update_layout(
        xaxis_title=x,
        yaxis_title=y,
        uirevision="kept",
        hovermode="closest",
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        colorway=list(COLOURS),
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def trajectory_picture(
    trials: Sequence[Trial],
    direction: Direction,
    references: Sequence[Reference] = (),
    baselines: Mapping[str, Sequence[Trial]] | None = None,
) -> Picture:
    """Return the picture of a run's trajectory."""
    better = "lower" if direction is Direction.MINIMIZE else "higher"
    caption = f"Each point is a candidate; {better} is better. Crosses at the edge failed. Lines: the best so far."
    if len(trials) > MOST_POINTS:
        caption += f" Of {len(trials):,} candidates about {MOST_POINTS:,} are drawn, the best ones among them."
    draw = partial(trajectory, trials, direction, references, baselines or {})
    return Picture("Trajectory", caption, draw)


def trajectory(
    trials: Sequence[Trial],
    direction: Direction,
    references: Sequence[Reference],
    baselines: Mapping[str, Sequence[Trial]],
) -> "Figure":
    """Draw every trial by its number, the best so far, references and baselines."""
    figure = blank("candidates, in the order in which they were scored", "value")
    shown = thinned(trials, direction)
    good = [trial for trial in shown if trial.value is not None]
    figure.add_scattergl(
        x=[trial.number for trial in good],
        y=[trial.value for trial in good],
        mode="markers",
        name="candidate",
        marker={"size": 6, "color": COLOURS[0], "opacity": 0.55},
        customdata=[[trial.step, hover(trial.text)] for trial in good],
        hovertemplate="step %{customdata[0]}, value %{y}<br>%{customdata[1]}<extra></extra>",
    )
    numbers, values = best_so_far(trials, direction)
    figure.add_scatter(
        x=numbers,
        y=values,
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": COLOURS[0], "width": 2.5},
        hoverinfo="skip",
    )
    for place, (name, theirs) in enumerate(baselines.items()):
        _line(figure, name, best_so_far(theirs, direction), COLOURS[1 + place % (len(COLOURS) - 1)])
    for place, reference in enumerate(references):
        _level(figure, reference, _DASHES[place % len(_DASHES)], trials[-1].number if trials else 1)
    _failures(figure, [trial for trial in shown if trial.value is None])
    values = [trial.value for trial in good if trial.value is not None]
    stretch(figure, [*values, *(reference.value for reference in references)], direction)
    return figure


def improvements(trials: Sequence[Trial], direction: Direction) -> list[Trial]:
    """Return the trials that were better than all before them, among those that were scored in full."""
    better: list[Trial] = []
    for trial in trials:
        best = better[-1].value if better else None
        if trial.value is not None and not trial.dropped and (best is None or direction.better(trial.value, best)):
            better.append(trial)
    return better


def best_so_far(trials: Sequence[Trial], direction: Direction) -> tuple[list[int], list[float]]:
    """Return where the best value so far changes, by the number of the trial, and at the end."""
    better = [(trial.number, trial.value) for trial in improvements(trials, direction) if trial.value is not None]
    if better and trials[-1].number > better[-1][0]:
        better.append((trials[-1].number, better[-1][1]))
    return [number for number, _ in better], [value for _, value in better]


def thinned(trials: Sequence[Trial], direction: Direction) -> list[Trial]:
    """Return about MOST_POINTS of the trials at most: all that were the best when they came, and evenly of the rest."""
    if len(trials) <= MOST_POINTS:
        return list(trials)
    best = {trial.number for trial in improvements(trials, direction)}
    every = -(-len(trials) // MOST_POINTS)
    return [trial for place, trial in enumerate(trials) if place % every == 0 or trial.number in best]


def _line(figure: Any, name: str, points: tuple[list[int], list[float]], colour: str) -> None:
    numbers, values = points
    figure.add_scatter(
        x=numbers, y=values, mode="lines", name=hover(name), line={"shape": "hv", "color": colour, "width": 1.5}
    )


def _level(figure: Any, reference: Reference, dash: str, last: int) -> None:
    """Draw a reference as a level line."""
    figure.add_scatter(
        x=[0, max(last, 1)],
        y=[reference.value, reference.value],
        mode="lines",
        name=hover(f"{reference.name}, {reference.value:.4g}"),
        line={"dash": dash, "color": GREY, "width": 1.5},
        hoverinfo="name",
    )


def _failures(figure: Any, failed: Sequence[Trial]) -> None:
    """Mark failed candidates at the lower edge, where they hide no value."""
    if not failed:
        return
    figure.add_scatter(
        x=[trial.number for trial in failed],
        y=[0.02] * len(failed),
        yaxis="y2",
        mode="markers",
        name="failed",
        marker={"symbol": "x", "size": 7, "color": COLOURS[1]},
        customdata=[[trial.step, hover(trial.evaluation.reason), hover(trial.text)] for trial in failed],
        hovertemplate="step %{customdata[0]}: %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def stretch(figure: Any, values: Sequence[float], direction: Direction) -> None:
    """Take a logarithmic axis for values to be minimized that span more than two powers of ten.

    What the user zoomed into on the other axis is not kept, for it means nothing on this one.
    """
    if direction is Direction.MINIMIZE and values and min(values) > 0 and max(values) > 100 * min(values):
        figure.update_layout(yaxis_type="log", yaxis_uirevision="logarithmic")


def write(figure: "Figure", path: Path) -> None:
    """Write a figure into a file, whose ending says the format: html, or png, svg, pdf, for which Chrome is needed.

    Raises:
        ConfigError: the format is unknown, Chrome is missing, or the file cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    try:
        if form == "html":
            figure.write_html(path, include_mathjax=False)
        else:
            path.write_bytes(image(figure, form))
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error


FORMATS = ("png", "svg", "pdf")


@cache
def can_draw() -> bool:
    """Say whether Chrome or Chromium, by means of which images are drawn, can be found."""
    from choreographer.browsers.chromium import Chromium

    return Chromium.find_browser(skip_local=False) is not None


def image(figure: "Figure", form: str) -> bytes:
    """Return a figure as an image.

    Raises:
        ConfigError: the format is unknown, or Chrome, which draws it, cannot be found.
    """
    errors = optional("kaleido.errors", "figures", f"a figure as {form}")
    if form not in FORMATS:
        raise ConfigError(f"cannot draw {form!r}: the formats of a figure are html, {', '.join(FORMATS)}")
    try:
        return figure.to_image(form, width=960, height=540, scale=2)
    except (errors.ChromeNotFoundError, RuntimeError) as error:
        raise ConfigError(
            f"a figure becomes a {form} by means of Chrome or Chromium, which was not found: install one of them, or "
            "write .html, which needs none"
        ) from error

"""What a run of the travelling salesman means: a map with the tours that it found, one improvement after the other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opro.pictures import COLOURS, GREY, Picture, blank, improvements
from opro.types import Direction, Reference, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_NAMED = 60
"""Cities of a map on which each has its name written beside it."""

MOST_TOURS = 100
"""Tours that can be looked through; of more improvements, an even choice with the first and the last."""

_TOUR = 1
"""The place of the tour among the traces of the map: the only one that changes."""


_SIDES = (
    "middle right",
    "top right",
    "top center",
    "top left",
    "middle left",
    "bottom left",
    "bottom center",
    "bottom right",
)


@dataclass(frozen=True, slots=True)
class Cities:
    """The cities: their points, shape (n, 2), their names, how a tour is read, and what tours can be held against."""

    points: NDArray[np.float64]
    names: Sequence[str]
    tour: Callable[[str], Sequence[int]]
    references: Sequence[Reference]

    def path(self, text: str) -> dict[str, Any]:
        """Return the points of a closed tour in order, and the names of its cities."""
        order = self.tour(text)
        closed = [*order, *order[:1]]
        x, y = self.points[closed].T.tolist()
        return {"x": x, "y": y, "customdata": [self.names[city] for city in closed]}


def pictures(cities: Cities, trials: Sequence[Trial]) -> list[Picture]:
    """Return the pictures of trials."""
    better = improvements(trials, Direction.MINIMIZE)
    caption = "The cities with the best tour; where the optimum is known, it is the broad grey band below it."
    if len(better) > 1:
        caption += " The slider goes through the tours that were the best when they came."
    return [Picture("Map", caption, partial(_map, cities, _chosen(better)))]


def _chosen(better: Sequence[Trial]) -> list[Trial]:
    places: list[int] = np.linspace(0, len(better) - 1, min(len(better), MOST_TOURS)).round().astype(int).tolist()
    return [better[place] for place in places]


def _map(cities: Cities, better: Sequence[Trial]) -> "Figure":
    """Draw the optimum, the best tour, the cities, and a slider through the tours before it."""
    figure = blank("x, in the unit of the length", "y, in the unit of the length")
    _optimum(figure, cities)
    figure.add_scatter(**_tour(cities, better[-1]) if better else {"x": [], "y": [], "showlegend": False})
    x, y = cities.points.T.tolist()
    named = len(cities.names) <= MOST_NAMED
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers+text" if named else "markers",
        name="city",
        text=list(cities.names),
        textposition=_beside(cities, better[-1].text) if better else "top right",
        textfont={"size": 12 if len(cities.names) <= 26 else 9},
        marker={"size": 8 if named else 5, "color": COLOURS[1]},
        hovertemplate="%{text} (%{x}, %{y})<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(zeroline=False, constrain="domain")
    figure.update_yaxes(zeroline=False, constrain="domain", scaleanchor="x", scaleratio=1)
    if len(better) > 1:
        _slider(figure, cities, better)
    return figure


def _beside(cities: Cities, text: str) -> list[str]:
    """Return for each city the side on which its name is out of the way of a tour: away from its two neighbours."""
    order = list(cities.tour(text))
    points = cities.points[order]
    ways = np.stack([np.roll(points, 1, axis=0) - points, np.roll(points, -1, axis=0) - points])
    away = -(ways / np.maximum(np.hypot(ways[..., :1], ways[..., 1:]), 1e-9)).sum(axis=0)
    angles: list[float] = np.arctan2(away[:, 1], away[:, 0]).tolist()
    side_of = {city: _SIDES[round(4 * angle / math.pi) % 8] for city, angle in zip(order, angles, strict=True)}
    return [side_of[city] for city in range(len(order))]


def _optimum(figure: Any, cities: Cities) -> None:
    optimum = next((one for one in cities.references if one.optimum and one.solution), None)
    path: dict[str, Any] = cities.path(optimum.solution) if optimum else {"x": [], "y": []}
    figure.add_scatter(
        **path,
        mode="lines",
        name=f"optimum, length {optimum.value:,.6g}" if optimum else "",
        showlegend=optimum is not None,
        line={"color": GREY, "width": 9},
        opacity=0.4,
        hoverinfo="skip",
    )


def _tour(cities: Cities, trial: Trial) -> dict[str, Any]:
    """Return the trace of a trial's tour."""
    return {
        **cities.path(trial.text),
        "mode": "lines",
        "name": f"trial {trial.number} of step {trial.step}, length {trial.value:,.6g}",
        "line": {"color": COLOURS[0], "width": 2.5},
        "hoverinfo": "skip",
        "showlegend": True,
    }


def _slider(figure: Any, cities: Cities, better: Sequence[Trial]) -> None:
    """Add a frame for each tour, a slider to choose one, and buttons to see them one after the other."""
    figure.frames = [
        {"name": str(trial.number), "data": [{"type": "scatter", **_tour(cities, trial)}], "traces": [_TOUR]}
        for trial in better
    ]
    still: dict[str, Any] = {"mode": "immediate", "transition": {"duration": 0}}
    show = {**still, "frame": {"duration": 0, "redraw": True}}
    play = {**still, "frame": {"duration": max(60, 6000 // len(better)), "redraw": True}}
    figure.update_layout(
        sliders=[
            {
                "active": len(better) - 1,
                "currentvalue": {"prefix": "best after trial "},
                "steps": [
                    {"label": str(trial.number), "method": "animate", "args": [[str(trial.number)], show]}
                    for trial in better
                ],
                "x": 0.2,
                "len": 0.8,
                "pad": {"t": 45},
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "buttons": [
                    {"label": "play", "method": "animate", "args": [None, play]},
                    {"label": "pause", "method": "animate", "args": [[None], show]},
                ],
                "x": 0,
                "xanchor": "left",
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 60},
            }
        ],
    )

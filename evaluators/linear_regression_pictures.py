"""What a run of linear regression means: the loss over the pairs with the way of the proposals, and the fitted line."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opro.pictures import COLOURS, GREY, Picture, blank, hover, improvements, thinned
from opro.types import Direction, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Pair = tuple[float, float]
"""A slope and an intercept, (w, b)."""

Floats = NDArray[np.float64]

MOST_POINTS = 2000
"""Data points that are drawn; of more, an even choice."""

_GRID = 120
_NEAR = 10  # pairs so near to each other are never called wild

_CONTOUR = 0.5
"""Between two contours, in powers of ten of the loss."""

_STEPS = ((0.0, COLOURS[5]), (0.5, COLOURS[3]), (1.0, COLOURS[1]))
_VALLEY = ((0.0, "#333333"), (1.0, "#dddddd"))


@dataclass(frozen=True, slots=True)
class Points:
    """The data: x and y, each of shape (n,), the line that they were drawn from, and the pair of least loss."""

    x: Floats
    y: Floats
    planted: Pair
    optimum: Pair

    def losses(self, w: Floats, b: Floats) -> Floats:
        """Return the loss of each pair, shape (len(b), len(w)), from four moments of the data.

        It is n times the squared mean residual, and what the slope leaves of the centred data.
        """
        x, y = self.x - self.x.mean(), self.y - self.y.mean()
        slope = float(x @ y) / float(x @ x)
        least = float(np.square(y - slope * x).sum())
        means = self.y.mean() - w[None, :] * self.x.mean() - b[:, None]
        return least + float(x @ x) * np.square(w[None, :] - slope) + len(self.x) * np.square(means)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial that has a value, with its pair."""

    trial: Trial
    pair: Pair


def pictures(points: Points, trials: Sequence[Trial], pairs: Sequence[Pair | None]) -> list[Picture]:
    """Return the pictures of trials, of which `pairs` are the values: None for a failed one."""
    pair_of = {trial.number: pair for trial, pair in zip(trials, pairs, strict=True)}
    shown = thinned(trials, Direction.MINIMIZE)
    proposals = [Proposal(trial, pair) for trial in shown if (pair := pair_of[trial.number]) is not None]
    bests = {trial.number for trial in improvements(trials, Direction.MINIMIZE)}
    best = [one for one in proposals if one.trial.number in bests]
    return [
        Picture(
            "Loss and proposals",
            "Each point is a proposed pair, coloured by the step that proposed it; the line leads from one best so far "
            "to the next, the star is the best pair there is. The darker the ground, the lower the loss; from one "
            "contour to the next it is about three times as high. The wildest proposals lie outside.",
            partial(_landscape, points, proposals, best),
        ),
        Picture(
            "Data and lines",
            "Above, the data with the planted line and that of the best proposal. Below, the same with the planted "
            "line taken away, so that small differences show.",
            partial(_lines, points, best[-1].pair if best else None),
        ),
    ]


def _landscape(points: Points, proposals: Sequence[Proposal], best: Sequence[Proposal]) -> "Figure":
    """Draw the contours of the loss, all proposals, and the way of the best so far."""
    figure = blank("slope w", "intercept b")
    w, b = _box([one.pair for one in proposals], [points.optimum, *(one.pair for one in best[-1:])])
    steps = {one.trial.step for one in proposals}
    powers = np.log10(points.losses(w, b) + 1e-9)
    lowest, highest = float(powers.min()), float(powers.max())
    figure.add_contour(
        x=w,
        y=b,
        z=powers,
        colorscale=_VALLEY,
        showscale=False,
        contours={"start": lowest + 0.01, "end": highest, "size": _CONTOUR},
        opacity=0.5,
        line={"color": GREY, "width": 0.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[one.pair[0] for one in best],
        y=[one.pair[1] for one in best],
        mode="lines",
        name="best so far",
        line={"color": COLOURS[2], "width": 3},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[one.pair[0] for one in proposals],
        y=[one.pair[1] for one in proposals],
        mode="markers",
        name="proposal",
        marker={
            "size": 9,
            "color": [one.trial.step for one in proposals],
            "colorscale": _STEPS,
            "line": {"color": GREY, "width": 0.5},
            "colorbar": {
                "title": {"text": "step", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
                "dtick": max(1, len(steps) // 6),
            },
            "showscale": len(steps) > 1,
        },
        customdata=[[one.trial.number, one.trial.step, one.trial.value, hover(one.trial.text)] for one in proposals],
        hovertemplate="%{customdata[3]}<br>loss %{customdata[2]:,.6~g}<br>trial %{customdata[0]}, step %{customdata[1]}"
        "<extra></extra>",
    )
    figure.add_scatter(
        x=[points.optimum[0]],
        y=[points.optimum[1]],
        mode="markers",
        name="optimum",
        marker={"symbol": "star", "size": 18, "color": COLOURS[4], "line": {"color": GREY, "width": 1}},
        hovertemplate="optimum: w=%{x}, b=%{y}<extra></extra>",
    )
    figure.update_xaxes(range=[w[0], w[-1]])
    figure.update_yaxes(range=[b[0], b[-1]])
    return figure


def _box(pairs: Sequence[Pair], always: Sequence[Pair]) -> tuple[Floats, Floats]:
    """Return w and b, each of shape (_GRID,), over all but the wildest pairs, and over those that are always seen."""
    given = np.array([*always, *pairs])
    first, last = np.quantile(given, 0.25, axis=0), np.quantile(given, 0.75, axis=0)
    reach = 5 * (last - first + _NEAR)
    sane = (given >= first - reach) & (given <= last + reach)
    seen = np.vstack([given[sane.all(axis=1)], always])
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = 0.08 * (high - low) + 1
    ends: list[list[float]] = np.stack([low - margin, high + margin]).tolist()
    (w_low, b_low), (w_high, b_high) = ends
    return np.linspace(w_low, w_high, _GRID), np.linspace(b_low, b_high, _GRID)


def _lines(points: Points, best: Pair | None) -> "Figure":
    """Draw the data with both lines, and below them how far they are from the planted line."""
    figure = blank("", "y")
    few = slice(None, None, -(-len(points.x) // MOST_POINTS))
    x, y = points.x[few], points.y[few]
    ends = np.array([points.x.min(), points.x.max()])
    lines = [] if best is None else [("best proposal", best, COLOURS[1], "solid")]
    lines.append(("planted line", points.planted, GREY, "dash"))
    for rows, base in (("", (0.0, 0.0)), ("2", points.planted)):
        axes = {"xaxis": "x", "yaxis": f"y{rows}", "showlegend": not rows}
        figure.add_scatter(
            x=x,
            y=y - base[0] * x - base[1],
            mode="markers",
            name="data",
            marker={"size": 6, "color": COLOURS[0], "opacity": 0.7},
            customdata=y,
            hovertemplate="x = %{x}, y = %{customdata:.6~g}<extra></extra>",
            **axes,
        )
        for name, (w, b), colour, dash in lines:
            figure.add_scatter(
                x=ends,
                y=(w - base[0]) * ends + b - base[1],
                mode="lines",
                name=f"{name}: y = {w:g} x {'-' if b < 0 else '+'} {abs(b):g}",
                line={"color": colour, "dash": dash, "width": 2},
                hoverinfo="skip",
                **axes,
            )
    figure.update_layout(
        xaxis={"title": {"text": "x"}, "anchor": "y2"},
        yaxis={"domain": [0.42, 1.0]},
        yaxis2={"domain": [0.0, 0.34], "title": {"text": "y minus planted line"}, "automargin": True},
    )
    return figure

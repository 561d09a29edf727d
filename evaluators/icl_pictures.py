"""What in-context-learning probes show: the curves of arXiv 2303.03846, for one model or several."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evaluators.icl_settings import Kind, Setting, read_setting
from opro.pictures import COLOURS, GREY, Picture, blank
from opro.types import Reference, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_RIVALS = {"svm": "support vector machine", "logistic": "logistic regression", "neighbours": "5 nearest neighbours"}
_INTERVAL = "Bars are 95 % intervals of what other items of the same kind would give."


@dataclass(frozen=True, slots=True)
class Point:
    """A measured setting."""

    setting: Setting
    value: float
    metrics: Mapping[str, float]


Runs = Mapping[str, Sequence[Point]]
"""What was measured, by the name of the model; a single run has none."""


def pictures(runs: Mapping[str, Sequence[Trial]], references: Sequence[Reference]) -> list[Picture]:
    """Return the curves for which there are points."""
    read = {name: _points(trials) for name, trials in runs.items()}
    kinds = {point.setting.kind for points in read.values() for point in points}
    made: list[Picture] = []
    if Kind.FLIPPED in kinds:
        caption = "A model that lets its context override what it believes falls below chance, to 0 % at last."
        made.append(_picture("Flipped labels", f"{caption} {_INTERVAL}", partial(_flipped, read, references)))
    if {Kind.REGULAR, Kind.UNRELATED} <= kinds:
        caption = "Labels that mean nothing for the task have to be learned from the exemplars alone."
        made.append(_picture("Unrelated labels", f"{caption} {_INTERVAL}", partial(_unrelated, read, references)))
    if Kind.REMAPPED in kinds:
        caption = "Words of the inputs are replaced by other ones, the same way everywhere."
        made.append(_picture("Remapped words", f"{caption} {_INTERVAL}", partial(_remapped, read, references)))
    if Kind.LINEAR in kinds:
        caption = "Grey: classical methods that see the same points."
        made.append(_picture("Linear classification", f"{caption} {_INTERVAL}", partial(_linear, read, references)))
    return made


def _picture(title: str, caption: str, draw: "Callable[[], Figure]") -> Picture:
    return Picture(title, caption, draw)


def _points(trials: Sequence[Trial]) -> list[Point]:
    return [
        Point(read_setting(trial.text), trial.value, trial.evaluation.metrics)
        for trial in trials
        if trial.value is not None
    ]


def _flipped(runs: Runs, references: Sequence[Reference]) -> "Figure":
    """Draw accuracy against the share of flipped labels; the regular setting is the one with none."""
    figure = _figure("exemplar labels flipped, %", references, (0, 100))
    for place, (name, points) in enumerate(runs.items()):
        for label, curve in _by_k(name, points, (Kind.REGULAR, Kind.FLIPPED)).items():
            shares = [(100 * point.metrics.get("flipped", 0.0), point) for point in curve]
            _curve(figure, label, shares, COLOURS[place % len(COLOURS)])
    figure.add_scatter(
        x=[0, 100],
        y=[100, 0],
        mode="lines",
        name="copies the share of right labels",
        line={"dash": "dashdot", "color": GREY},
    )
    return figure


def _remapped(runs: Runs, references: Sequence[Reference]) -> "Figure":
    """Draw accuracy against the share of words that are replaced."""
    figure = _figure("words remapped, %", references, (0, 100))
    for place, (name, points) in enumerate(runs.items()):
        for label, curve in _by_k(name, points, (Kind.REGULAR, Kind.REMAPPED)).items():
            _curve(figure, label, [(point.setting.share, point) for point in curve], COLOURS[place % len(COLOURS)])
    return figure


def _unrelated(runs: Runs, references: Sequence[Reference]) -> "Figure":
    """Draw accuracy with the task's own labels and with unrelated ones, side by side."""
    figure = _figure("labels", references, None)
    for place, (name, points) in enumerate(runs.items()):
        chosen = [point for point in points if point.setting.kind in (Kind.REGULAR, Kind.UNRELATED)]
        low, high = _errors(chosen)
        figure.add_bar(
            x=[str(point.setting) for point in chosen],
            y=[100 * point.value for point in chosen],
            error_y={"type": "data", "array": high, "arrayminus": low},
            name=html.escape(name or "accuracy"),
            marker_color=COLOURS[place % len(COLOURS)],
        )
    return figure


def _linear(runs: Runs, references: Sequence[Reference]) -> "Figure":
    """Draw accuracy against the number of dimensions, beside classical methods."""
    del references
    figure = _figure("dimensions N", (), None)
    figure.update_xaxes(type="log", dtick="D2")
    shown: dict[int, Point] = {}
    for place, (name, points) in enumerate(runs.items()):
        for label, curve in _by_k(name, points, (Kind.LINEAR,)).items():
            _curve(figure, label, [(point.setting.n, point) for point in curve], COLOURS[place % len(COLOURS)])
            shown |= {point.setting.n: point for point in curve}
    for dash, (key, name) in zip(("solid", "dash", "dot"), _RIVALS.items(), strict=True):
        ordered = [(n, 100 * point.metrics[key]) for n, point in sorted(shown.items()) if key in point.metrics]
        line = {"dash": dash, "color": GREY, "width": 1.5}
        figure.add_scatter(x=[n for n, _ in ordered], y=[y for _, y in ordered], mode="lines", name=name, line=line)
    figure.add_hline(y=50, line={"dash": "dot", "color": GREY, "width": 1})
    return figure


def _by_k(name: str, points: Sequence[Point], kinds: Sequence[Kind]) -> dict[str, list[Point]]:
    """Return the points of some kinds as curves: those with the same k and format are one."""
    curves: dict[str, list[Point]] = {}
    for point in points:
        if point.setting.kind in kinds:
            told = [name, "" if point.setting.k is None else f"k={point.setting.k}"]
            told.append("" if point.setting.format == "input" else point.setting.format)
            curves.setdefault(", ".join(word for word in told if word) or "accuracy", []).append(point)
    return curves


def _figure(x: str, references: Sequence[Reference], span: tuple[float, float] | None) -> "Figure":
    figure = blank(x, "accuracy by the data's labels, %")
    figure.update_yaxes(range=[0, 101])
    for reference in references:
        if span:
            figure.add_scatter(
                x=span,
                y=[100 * reference.value] * 2,
                mode="lines",
                name=html.escape(f"{reference.name}, {100 * reference.value:.3g} %"),
                line={"dash": "dot", "color": GREY},
            )
        else:
            figure.add_hline(y=100 * reference.value, line={"dash": "dot", "color": GREY, "width": 1})
    return figure


def _curve(figure: Any, name: str, points: Sequence[tuple[float, Point]], colour: str) -> None:
    ordered = sorted(points, key=lambda pair: pair[0])
    low, high = _errors([point for _, point in ordered])
    figure.add_scatter(
        x=[x for x, _ in ordered],
        y=[100 * point.value for _, point in ordered],
        error_y={"type": "data", "array": high, "arrayminus": low, "thickness": 1},
        mode="lines+markers",
        name=html.escape(name),
        line={"color": colour},
    )


def _errors(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Return how far the intervals reach below and above, in percent."""
    low = [100 * (point.value - point.metrics.get("low", point.value)) for point in points]
    return low, [100 * (point.metrics.get("high", point.value) - point.value) for point in points]

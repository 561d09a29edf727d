"""Runs beside each other: best so far against what it took, with a band over seeds, and what may be said of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from opro.build import problem_of
from opro.comparing import contestants_of
from opro.contrasting import contrast, is_listed
from opro.errors import ConfigError
from opro.judging import compare
from opro.pictures import COLOURS, Picture, blank, hover, stretch
from opro.protocols import Contrasted
from opro.reader import Reader
from opro.records import RunRecord
from opro.report import outcome, summarize
from opro.ui import access, charts, data, parts

AXES = {"candidates": "candidates scored", "seconds": "seconds of asking and scoring", "tokens": "tokens", "usd": "usd"}
GRID = 200
"""Places at which best values of several seeds are put together."""

Curve = tuple[list[float], list[float]]
"""Where the best value changes, by what it took, and the values."""


def show(reader: Reader, store: str) -> None:
    """Draw the page."""
    st.title("Compare", anchor=False)
    runs, _ = data.survey(reader, store)
    labels = {run.id: _label(run) for run in runs}
    before = st.session_state.get("compared", st.query_params.get("runs", "").split())
    st.session_state["compared"] = [run for run in before if run in labels]
    chosen = st.multiselect(
        "Runs", list(labels), key="compared", format_func=labels.__getitem__, placeholder="Choose runs of one problem"
    )
    st.query_params["runs"] = " ".join(chosen)
    whole = st.toggle("With all seeds of their studies", value=False)
    if not chosen:
        st.info("Choose two or more runs: those that differ in their seeds only are drawn as one, with a band.")
        return
    try:
        contestants = contestants_of(reader, chosen, whole=whole)
    except ConfigError as error:
        parts.explained(error)
        return
    if is_listed(contestants):
        _contrasted(reader, contestants)
        return
    axis = st.segmented_control("Against", list(AXES), default="candidates", key="axis") or "candidates"
    picture = Picture("Best so far", "", lambda: _figure(reader, contestants, axis))
    charts.show(picture.draw(), f"comparison-{axis}")
    if axis == "usd":
        st.caption("Runs with a model whose price is not known are left out.")
    _said(reader, contestants)
    parts.figure_exports(picture, "comparison")


def _label(run: RunRecord) -> str:
    model = parts.short(run.spec.model or run.spec.scorer, 40)
    return " · ".join(filter(None, (parts.name_of(run), model, parts.short(parts.settings_of(run), 40))))


def _contrasted(reader: Reader, contestants: Mapping[str, Sequence[RunRecord]]) -> None:
    """Draw runs that went through one list: the pictures of their problem, the values, and what may be said."""
    first = next(iter(contestants.values()))[0]
    problem = problem_of(first, access.is_allowed)
    if isinstance(problem, Contrasted):
        trials = {name.removeprefix("list "): reader.trials(runs[0].id) for name, runs in contestants.items()}
        for picture in problem.contrasts(trials, first.spec.references):
            st.subheader(picture.title, anchor=False)
            st.caption(parts.literal(picture.caption))
            charts.show(picture.draw(), f"contrast-{picture.title}")
    made = contrast(reader, contestants)
    rows = [{"": text, **dict(zip(made.contestants, values, strict=True))} for text, values in made.values.items()]
    st.dataframe(rows, hide_index=True, alt="The value of each")
    parts.sentences(made.sentences)


def _figure(reader: Reader, contestants: Mapping[str, Sequence[RunRecord]], axis: str) -> Any:
    direction = next(iter(contestants.values()))[0].spec.direction
    figure: Any = blank(AXES[axis], f"best value so far ({'lower' if direction == 'minimize' else 'higher'} is better)")
    figure.update_layout(uirevision=" ".join([axis, *(run.id for runs in contestants.values() for run in runs)]))
    for place, (name, runs) in enumerate(contestants.items()):
        curves = [curve for run in runs if (curve := _curve(reader, run, axis))[0]]
        if curves:
            _draw(figure, f"{parts.short(name)} ({len(curves)})", curves, COLOURS[place % len(COLOURS)])
    stretch(figure, [value for one in figure.data for value in one.y], direction)
    for reference in next(iter(contestants.values()))[0].spec.references:
        if reference.optimum:
            figure.add_hline(y=reference.value, line={"dash": "dash", "color": "#888888", "width": 1})
    return figure


def _draw(figure: Any, name: str, curves: Sequence[Curve], colour: str) -> None:
    """Draw the mean of several seeds, and the band from the lowest to the highest of them."""
    name = hover(name)
    if len(curves) == 1:
        x, y = curves[0]
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"shape": "hv", "color": colour, "width": 2})
        return
    grid = np.linspace(max(x[0] for x, _ in curves), max(x[-1] for x, _ in curves), GRID)
    values = np.array([np.array(y)[np.clip(np.searchsorted(x, grid, side="right") - 1, 0, None)] for x, y in curves])
    band = [*values.max(axis=0), *values.min(axis=0)[::-1]]
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    figure.add_scatter(
        x=[*grid, *grid[::-1]],
        y=band,
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.18)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        mode="lines",
    )
    figure.add_scatter(x=grid, y=values.mean(axis=0), name=name, mode="lines", line={"color": colour, "width": 2})


def _curve(reader: Reader, run: RunRecord, axis: str) -> Curve:
    """Return the best so far of a run against what it took up to the end of each step, or against candidates."""
    trials = reader.trials(run.id)
    spent = _spent(reader, run, axis)
    if spent == {}:
        return [], []
    x: list[float] = []
    y: list[float] = []
    for trial in trials:
        if trial.value is not None:
            x.append(float(trial.number + 1) if spent is None else spent.get(trial.step, 0.0))
            y.append(trial.value if not y or run.spec.direction.better(trial.value, y[-1]) else y[-1])
    return x, y


def _spent(reader: Reader, run: RunRecord, axis: str) -> dict[int, float] | None:
    """Return what was spent up to the end of each step, nothing where that is not known; None to count candidates."""
    if axis == "candidates":
        return None
    steps = {record.step: record.asking + record.scoring for record in reader.steps(run.id)}
    if axis != "seconds":
        paid = dict.fromkeys(steps, 0.0)
        spending = reader.spending(run.id)
        if axis == "usd" and any(part.usd is None for part in spending):
            return {}
        for part in spending:
            amount = part.tokens if axis == "tokens" else part.usd or 0.0
            paid[part.step] = paid.get(part.step, 0.0) + amount
        steps = paid
    total, upto = 0.0, dict[int, float]()
    for step in sorted(steps):
        total += steps[step]
        upto[step] = total
    return upto


def _said(reader: Reader, contestants: Mapping[str, Sequence[RunRecord]]) -> None:
    rows: list[dict[str, Any]] = []
    for name, runs in contestants.items():
        made = [summarize(reader, run) for run in runs]
        best = [one.best_value for one in made if one.best_value is not None]
        rows.append(
            {
                "contestant": name,
                "seeds": len(runs),
                "best value, mean": float(np.mean(best)) if best else None,
                "best value, spread": float(np.std(best, ddof=1)) if len(best) > 1 else None,
                "candidates, mean": float(np.mean([one.trials for one in made])),
                "seconds, mean": float(np.mean([one.seconds for one in made])),
                "tokens, mean": float(np.mean([one.tokens for one in made])),
            }
        )
    st.dataframe(rows, hide_index=True, alt="What each contestant reached")
    first, *rest = contestants
    direction = contestants[first][0].spec.direction
    ours = [outcome(reader, run) for run in contestants[first]]
    said: list[str] = []
    for other in rest:
        made_of = compare(other, ours, [outcome(reader, run) for run in contestants[other]], direction)
        said.append(f"{made_of.sentence(first)}." if made_of else f"{first} and {other} share no seed.")
    parts.sentences(said)

"""What a run of instructions means: which examples each got right, how its race went, and which replies look odd."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from opro.pictures import COLOURS, GREY, Picture, blank, hover
from opro.types import Answer, Direction, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_INSTRUCTIONS = 60
"""Instructions that are drawn: the best ones."""

MOST_EXAMPLES = 300
"""Examples that are columns of the grid; of more, an even choice from the easiest to the hardest."""

_SHORT = 160


class Outcome(StrEnum):
    """What became of an example under an instruction."""

    RIGHT = "right"
    PARTLY = "partly right"
    WRONG = "wrong"
    FAILED = "scoring failed"
    NOT_ASKED = "not asked"


_COLOUR_OF: Mapping[str, str] = {
    Outcome.RIGHT: COLOURS[0],
    Outcome.PARTLY: COLOURS[5],
    Outcome.WRONG: COLOURS[4],
    Outcome.FAILED: COLOURS[3],
    Outcome.NOT_ASKED: "rgba(136,136,136,0.22)",
}
_OUTCOMES = tuple(Outcome)


def pictures(trials: Sequence[Trial]) -> list[Picture]:
    """Return the pictures of trials with the scorer's answers in them; none where there are no answers."""
    scored = [trial for trial in trials if trial.value is not None and trial.evaluation.answers]
    if not scored:
        return []
    ranked = sorted(scored, key=lambda trial: (Direction.MAXIMIZE.cost(trial.value or 0.0), trial.number))
    best = ranked[:MOST_INSTRUCTIONS]
    in_order = sorted(best, key=lambda trial: trial.number)
    only = f" Of {len(scored)} instructions the best {len(best)} are drawn." if len(scored) > len(best) else ""
    return [
        Picture(
            "Which examples",
            "Each row is an instruction, the best on top, each column a training example, the easiest on the left. "
            f"Examples that were not asked were left out when the instruction was dropped.{only}",
            partial(_grid, best),
        ),
        *_against_start(scored, ranked),
        Picture(
            "Race",
            "Above, accuracy with a 95 % interval: of those asked all examples, for unseen examples; of those dropped "
            "early, an estimate for all training examples. Below, on how many of them that rests; the reason of "
            f"dropping shows when you point at it.{only}",
            partial(_race, in_order),
        ),
        *_flagged(in_order, only),
    ]


def _label(trial: Trial) -> str:
    return f"#{trial.number}"


def _short(text: str) -> str:
    return hover(text if len(text) <= _SHORT else f"{text[:_SHORT]}…")


def _by_example(trial: Trial) -> dict[str, Answer]:
    return {answer.example: answer for answer in trial.evaluation.answers}


def _outcome(answer: Answer | None) -> Outcome:
    match answer and answer.score:
        case None:
            return Outcome.FAILED if answer else Outcome.NOT_ASKED
        case 0:
            return Outcome.WRONG
        case score:
            return Outcome.RIGHT if score == 1 else Outcome.PARTLY


def _read(answer: Answer) -> str:
    """Return what was read from a reply, for a hover text."""
    if answer.failure:
        return f"failed: {_short(answer.failure)}"
    return f"read: {'nothing' if answer.extracted is None else _short(answer.extracted)}"


def easiest_first(trials: Iterable[Trial]) -> list[str]:
    """Return the ids of the examples, by the share of right answers among those that were scored."""
    scores: dict[str, list[float]] = {}
    for trial in trials:
        for answer in trial.evaluation.answers:
            scores.setdefault(answer.example, []).extend([] if answer.score is None else [answer.score])
    share = {example: sum(found) / len(found) if found else -1.0 for example, found in scores.items()}
    return sorted(share, key=lambda example: (-share[example], -len(scores[example]), example))


def _grid(best: Sequence[Trial]) -> "Figure":
    """Draw what became of each example under each instruction."""
    examples = easiest_first(best)
    some: list[int] = np.linspace(0, len(examples) - 1, min(len(examples), MOST_EXAMPLES)).round().astype(int).tolist()
    columns = [examples[place] for place in some]
    of = f"{len(columns)} of {len(examples)}" if len(columns) < len(examples) else f"{len(examples)}"
    figure = blank(f"{of} training examples, from most often right to least often right", "instruction (trial)")
    rows = [_by_example(trial) for trial in best]
    outcomes = [[_outcome(row.get(example)) for example in columns] for row in rows]
    spaced = len(columns) <= 100 and len(rows) <= 30
    figure.add_heatmap(
        x=list(range(1, len(columns) + 1)),
        y=[_label(trial) for trial in best],
        z=[[_OUTCOMES.index(outcome) for outcome in row] for row in outcomes],
        zmin=-0.5,
        zmax=len(_OUTCOMES) - 0.5,
        colorscale=_stepped([_COLOUR_OF[outcome] for outcome in _OUTCOMES]),
        showscale=False,
        xgap=1 if spaced else 0,
        ygap=1,
        customdata=[_cells(trial, row, columns) for trial, row in zip(best, rows, strict=True)],
        hovertemplate="%{customdata}<extra></extra>",
    )
    counts = Counter(outcome for row in outcomes for outcome in row)
    for outcome in _OUTCOMES:
        if counts[outcome]:
            _legend(figure, f"{outcome} ({counts[outcome]:,})", _COLOUR_OF[outcome])
    figure.update_xaxes(showgrid=False, zeroline=False, showticklabels=False)
    height = min(1.0, (1 + len(rows)) / 14)  # a few rows do not fill a screen
    figure.update_yaxes(
        showgrid=False, zeroline=False, autorange="reversed", type="category", domain=[1 - height, 1], dtick=1
    )
    if len(rows) > 30:
        figure.update_yaxes(tickfont={"size": 8})
    return figure


def _cells(trial: Trial, answers: Mapping[str, Answer], examples: Sequence[str]) -> list[str]:
    """Return the hover text of each cell of a row."""
    head = f"<b>{_label(trial)}</b>, value {trial.value:.4g}<br>{_short(trial.text)}"
    return [
        f"{head}<br>example {hover(example)}: {_outcome(answers.get(example))}"
        + (
            f"<br>{_read(answers[example])}<br>right answer: {_short(answers[example].gold)}"
            if example in answers
            else ""
        )
        for example in examples
    ]


def _stepped(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Return a scale of equal steps without shades between them."""
    n = len(colours)
    return [(end / n, colour) for place, colour in enumerate(colours) for end in (place, place + 1)]


def _legend(figure: Any, name: str, colour: str) -> None:
    """Add a square to the legend; heatmaps have no entries of their own in it."""
    marker = {"symbol": "square", "size": 11, "color": colour}
    figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, hoverinfo="skip")


def _against_start(scored: Sequence[Trial], ranked: Sequence[Trial]) -> list[Picture]:
    """Return the picture of the best against the first, both asked all examples; none where they are the same."""
    start = min(scored, key=lambda trial: trial.number)
    best = next((trial for trial in ranked if not trial.dropped), start)
    if start.dropped or best.number == start.number:
        return []
    caption = (
        f"Each small bar is a training example, by whether the best instruction ({_label(best)}) and the first one "
        f"({_label(start)}) got it wholly right. The best was chosen on these examples: what it gains on unseen ones, "
        "`opro verdict` says."
    )
    return [Picture("Best against start", caption, partial(_duel, best, start))]


def _duel(best: Trial, start: Trial) -> "Figure":
    """Draw how many examples both, either or none got right, each example a bar of its own."""
    ours, theirs = _by_example(best), _by_example(start)
    both = [example for example in easiest_first([best, start]) if example in ours and example in theirs]
    groups: dict[tuple[bool, bool], list[str]] = {(a, b): [] for a in (True, False) for b in (True, False)}
    for example in both:
        groups[_right(ours[example]), _right(theirs[example])].append(example)
    gain = len(groups[True, False]) - len(groups[False, True])
    figure = blank(
        f"{len(both)} training examples; right under {_label(best)} less right under {_label(start)}: {gain:+d}", ""
    )
    kinds = (
        ((True, False), f"only {_label(best)},<br>the best, is right", COLOURS[0]),
        ((False, True), f"only {_label(start)},<br>the first, is right", COLOURS[4]),
        ((True, True), "both are right", GREY),
        ((False, False), "neither is right", GREY),
    )
    width = 0.85 if len(both) <= 300 else 1.0
    for rights, name, colour in kinds:
        examples = groups[rights]
        label = f"{name}: <b>{len(examples)}</b>"
        figure.add_bar(
            x=[width] * len(examples) or [0],
            base=list(range(len(examples))) or [0],
            y=[label] * max(len(examples), 1),
            orientation="h",
            marker={"color": colour, "line": {"width": 0}},
            opacity=1.0 if colour != GREY else 0.6,
            customdata=[_both(example, (best, ours), (start, theirs)) for example in examples] or [""],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    figure.update_layout(barmode="overlay", bargap=0.3)
    figure.update_xaxes(rangemode="tozero", zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)
    return figure


def _right(answer: Answer) -> bool:
    return _outcome(answer) is Outcome.RIGHT


def _both(example: str, *sides: tuple[Trial, Mapping[str, Answer]]) -> str:
    """Return the hover text of an example under two instructions."""
    gold = sides[0][1][example].gold
    parts = [f"{_label(trial)}: {_outcome(row[example])}, {_read(row[example])}" for trial, row in sides]
    return "<br>".join([f"example {hover(example)}", f"right answer: {_short(gold)}", *parts])


def _race(trials: Sequence[Trial]) -> "Figure":
    """Draw the estimates with their intervals above how many answers they rest on."""
    figure = blank("instruction (trial)", "examples")
    for name, colour, symbol, wanted in (
        ("asked all examples", COLOURS[0], "circle", False),
        ("dropped early", COLOURS[4], "diamond-open", True),
    ):
        group = [trial for trial in trials if trial.dropped is wanted]
        if not group:
            continue
        x, value = [_label(trial) for trial in group], [trial.value or 0.0 for trial in group]
        low, high = _metric(group, "low", value), _metric(group, "high", value)
        told = [_fate(trial) for trial in group]
        common = {"x": x, "customdata": told, "hovertemplate": "%{customdata}<extra></extra>", "legendgroup": name}
        figure.add_bar(
            y=_metric(group, "n", [float(len(trial.evaluation.answers)) for trial in group]),
            marker={"color": colour, "line": {"width": 0}},
            name=name,
            showlegend=False,
            width=0.7 * min(1.0, len(trials) / 10),
            **common,
        )
        figure.add_scatter(
            y=value,
            yaxis="y2",
            mode="markers",
            name=name,
            marker={"color": colour, "size": 8, "symbol": symbol},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [max(top - mean, 0.0) for top, mean in zip(high, value, strict=True)],
                "arrayminus": [max(mean - end, 0.0) for mean, end in zip(value, low, strict=True)],
                "thickness": 1.5,
                "width": 3,
            },
            **common,
        )
    figure.update_layout(
        barmode="overlay",
        yaxis={"domain": [0.0, 0.3]},
        yaxis2={"domain": [0.38, 1.0], "title": {"text": "accuracy"}, "tickformat": ".0%", "automargin": True},
    )
    _instructions_axis(figure, trials)
    return figure


def _metric(trials: Sequence[Trial], name: str, default: Sequence[float]) -> list[float]:
    return [float(trial.evaluation.metrics.get(name, other)) for trial, other in zip(trials, default, strict=True)]


def _fate(trial: Trial) -> str:
    """Return the hover text of an instruction in the race."""
    metrics, feedback = trial.evaluation.metrics, trial.evaluation.feedback
    interval = f" ({metrics['low']:.1%} to {metrics['high']:.1%})" if {"low", "high"} <= metrics.keys() else ""
    lines = [f"<b>{_label(trial)}</b>, step {trial.step}: {trial.value:.1%}{interval}", _short(trial.text)]
    if trial.dropped:
        lines.append(f"dropped after {metrics.get('n', 0):.0f} examples: {_short(feedback)}")
    return "<br>".join(lines)


def _instructions_axis(figure: Any, trials: Sequence[Trial]) -> None:
    """Keep the instructions in the order of their numbers, each with its label."""
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=[_label(trial) for trial in trials], showgrid=False
    )


_ODD: tuple[tuple[str, str, Callable[[Answer], bool]], ...] = (
    ("read in two ways (flagged)", COLOURS[4], lambda answer: answer.flagged and not answer.failure),
    ("no answer found in it", COLOURS[0], lambda answer: answer.extracted is None and not answer.failure),
    ("scoring failed", COLOURS[3], lambda answer: bool(answer.failure)),
)


def _flagged(trials: Sequence[Trial], only: str) -> list[Picture]:
    """Return the picture of the odd replies, if there are any."""
    if not any(odd(answer) for trial in trials for answer in trial.evaluation.answers for _, _, odd in _ODD):
        return []
    caption = (
        "How many replies to each instruction should be looked at by a person: two ways of reading them disagree, no "
        f"answer was found, or the scoring failed. `opro show RUN --flagged` shows the flagged ones.{only}"
    )
    return [Picture("Flagged", caption, partial(_odd_replies, trials))]


def _odd_replies(trials: Sequence[Trial]) -> "Figure":
    """Draw the numbers of odd replies to each instruction."""
    figure = blank("instruction (trial)", "replies")
    for name, colour, odd in _ODD:
        counts = [sum(map(odd, trial.evaluation.answers)) for trial in trials]
        if not any(counts):
            continue
        figure.add_bar(
            x=[_label(trial) for trial in trials],
            y=counts,
            name=f"{name}: {sum(counts):,}",
            marker={"color": colour, "line": {"width": 0}},
            customdata=[[name, len(trial.evaluation.answers), _short(trial.text)] for trial in trials],
            hovertemplate="<b>%{x}</b>: %{y} of %{customdata[1]} replies: %{customdata[0]}<br>%{customdata[2]}"
            "<extra></extra>",
        )
    figure.update_layout(barmode="stack", showlegend=True)
    _instructions_axis(figure, trials)
    return figure

"""What a run over training rules means: how fast networks learn by the best rule and by the known ones."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from opro.pictures import COLOURS, GREY, Picture, blank, hover, improvements
from opro.types import Direction, Reference, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from evaluators.child_training import Trained

Training = Callable[[Sequence[str]], "list[Trained]"]

MOST_KNOWN = 8
"""References that are drawn, the best ones."""

_DASHES = ("solid", "dash", "dot", "dashdot")


def pictures(
    trials: Sequence[Trial], references: Sequence[Reference], training: Training, rates: Sequence[float]
) -> list[Picture]:
    """Return the pictures of trials; what they draw is trained again, in seconds."""
    better = improvements(trials, Direction.MAXIMIZE)
    known = sorted((one for one in references if one.solution), key=lambda one: one.value, reverse=True)[:MOST_KNOWN]
    rules = {"best rule": better[-1].text} if better else {}
    rules |= {one.name: one.solution for one in known}
    return [
        Picture(
            "Training curves",
            "Accuracy on the validation examples after each epoch, at the best learning rate of each rule, mean over "
            "the seeds of the run: the best rule of the run and the known rules that are best.",
            partial(_curves, rules, training),
        ),
        Picture(
            "Learning rates",
            "Accuracy on the validation examples at the end, at each learning rate. Where a curve has a gap, the "
            "training diverged. A rule of use is good over more than one rate.",
            partial(_rates, rules, training, rates),
        ),
    ]


def _curves(rules: Mapping[str, str], training: Training) -> "Figure":
    from evaluators.child_results import best_rate

    figure = blank("epoch", "validation accuracy, %")
    for place, (name, trained) in enumerate(_trained(rules, training).items()):
        best = best_rate(trained)
        if best is not None:
            values = [100 * float(value) for value in trained.curve[:, :, best].mean(1)]
            _line(figure, place, name, list(range(1, len(values) + 1)), values)
    return figure


def _rates(rules: Mapping[str, str], training: Training, rates: Sequence[float]) -> "Figure":
    figure = blank("learning rate", "validation accuracy, %")
    for place, (name, trained) in enumerate(_trained(rules, training).items()):
        pairs = zip(trained.valid.mean(0), (trained.died == 0).all(0), strict=True)
        values = [100 * float(mean) if bool(alive) else None for mean, alive in pairs]
        _line(figure, place, name, list(rates), values)
    figure.update_layout(xaxis_type="log")
    return figure


def _trained(rules: Mapping[str, str], training: Training) -> dict[str, "Trained"]:
    return dict(zip(rules, training(list(rules.values())), strict=True))


def _line(figure: "Figure", place: int, name: str, x: Sequence[float], y: Sequence[float | None]) -> None:
    best = name == "best rule"
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=hover(name),
        line={
            "color": COLOURS[place % len(COLOURS)] if place < len(COLOURS) else GREY,
            "width": 3 if best else 1.5,
            "dash": _DASHES[place // len(COLOURS)],
        },
    )

"""The picture of a trajectory: every trial, the best so far, references and baselines."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

from opro.errors import ConfigError
from opro.reader import Reader
from opro.records import RunRecord
from opro.types import Direction, Trial

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, safe for the colour-blind."""


def best_so_far(trials: Sequence[Trial], direction: Direction) -> tuple[list[int], list[float]]:
    """Return how many evaluations were made, and the best value among them, at each success."""
    counts: list[int] = []
    values: list[float] = []
    for trial in trials:
        if trial.value is not None:
            best = trial.value if not values or direction.better(trial.value, values[-1]) else values[-1]
            counts.append(len(counts) + 1)
            values.append(best)
    return counts, values


def draw(reader: Reader, run: RunRecord, path: Path) -> None:
    """Draw a run with its baselines into `path`, whose ending says the format.

    Raises:
        ConfigError: the format is unknown, the file cannot be written, or nothing has a value yet.
    """
    mpl.use("Agg")
    from matplotlib import pyplot

    direction, trials = run.spec.direction, reader.trials(run.id)
    successes = [trial.value for trial in trials if trial.value is not None]
    if not successes:
        raise ConfigError(f"{run.id} has no valid solution yet: there is nothing to draw")
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(
        range(1, len(successes) + 1),
        successes,
        ".",
        color=COLOURS[0],
        alpha=0.35,
        label=f"{run.spec.proposer}: each evaluation",
    )
    for number, contestant in enumerate((run, *reader.baselines_of(run.id))):
        counts, values = best_so_far(reader.trials(contestant.id), direction)
        axes.step(counts, values, where="post", color=COLOURS[number], label=f"{contestant.spec.proposer}: best so far")
    _references(axes, run)
    if min(successes) > 0:
        axes.set_yscale("log")
    axes.set_xlim(0, 1.03 * len(successes))  # baselines may go on; what they reach later is in the verdict
    axes.set(xlabel="evaluations", ylabel="value", title=_title(run))
    axes.legend(fontsize="small")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot draw into {path}: {error}") from error
    finally:
        pyplot.close(figure)


def _references(axes: Any, run: RunRecord) -> None:
    for style, reference in zip(cycle(("--", ":", "-.")), run.spec.references, strict=False):
        axes.axhline(reference.value, linestyle=style, color="#666666", linewidth=1, label=reference.name)


def _title(run: RunRecord) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in run.spec.config["set"].items())
    return f"{run.spec.problem} ({settings})" if settings else run.spec.problem

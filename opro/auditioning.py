"""Will a model do as an optimizer? Small linear regressions in both styles, with true scores and with reversed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from opro.build import build_problem
from opro.config import RunConfig, run_config
from opro.errors import InvalidSolutionError
from opro.protocols import Problem
from opro.reader import Reader
from opro.records import RunRecord, Status
from opro.report import summarize
from opro.types import Style

TARGETS = ((15, 14), (17, 17), (3, 5))
"""Three of the seven lines of OPRO's Table 2: two near the start, and one far from it."""

STEPS = 12
SECONDS = 60.0
"""After which a run begins no further step: a small model's free replies are long, and few of them can be read."""

STYLES = (Style.CONTINUATION, Style.CHAT)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a model wrote: texts, those in which a solution could be read, and those which were known already."""

    samples: int
    parsed: int
    repeats: int

    def __add__(self, other: "Counted") -> "Counted":
        """Return the sum, field by field."""
        return Counted(self.samples + other.samples, self.parsed + other.parsed, self.repeats + other.repeats)


@dataclass(frozen=True, slots=True)
class Audition:
    """How a model did in one style.

    Attributes:
        runs: the runs with true scores, then those with reversed ones.
        steps: in which each target was found, None where it was not.
        reversed_steps: the same with reversed scores, where a target was found with true ones: a model that follows
            them must not find it.
        cut: runs with true scores that ended for time or a budget, before their last step and without the target.
    """

    style: Style
    runs: tuple[str, ...]
    counted: Counted
    steps: tuple[int | None, ...]
    reversed_steps: tuple[int | None, ...]
    cut: int = 0

    @property
    def solved(self) -> int:
        """How many targets were found."""
        return _found(self.steps)

    @property
    def follows(self) -> bool | None:
        """Whether true scores led to more targets than reversed ones; None where those were not all tried."""
        return self.solved > _found(self.reversed_steps) if len(self.reversed_steps) == len(TARGETS) else None

    @property
    def rank(self) -> tuple[float, ...]:
        """What is better comes first: more targets, fewer steps, fewer texts that cannot be read."""
        spent = sum(STEPS if steps is None else steps for steps in self.steps)
        return (-self.solved, spent, self.counted.samples - self.counted.parsed)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self) | {"solved": self.solved, "follows": self.follows}


def audition_configs(model: str, style: Style, control: str, run: Mapping[str, Any]) -> list[RunConfig]:
    """Return the runs of an audition in one style, with true scores or reversed ones."""
    fixed = {"problem": "linear-regression", "model": model, "steps": STEPS, "seconds": SECONDS, "baselines": "never"}
    options = {"style": style.value, "control": control, "rounds": 1}
    return [run_config({**run, **fixed, "set": {"w": w, "b": b}, "options": options}) for w, b in TARGETS]


def auditioned(reader: Reader, style: Style, runs: Sequence[str]) -> Audition:
    """Return what the stored runs of an audition show."""
    records = [reader.run(run) for run in runs]
    true = [record for record in records if record.spec.config["options"]["control"] == "none"]
    counted = sum((_counted(reader, record) for record in true), Counted(0, 0, 0))
    steps = {record.id: _steps(reader, record) for record in records}
    false = [record for record in records if record not in true and record.status is Status.DONE]
    cut = [record for record in true if steps[record.id] is None and _is_cut(record)]
    return Audition(
        style,
        tuple(runs),
        counted,
        tuple(steps[record.id] for record in true),
        tuple(steps[record.id] for record in false),
        len(cut),
    )


def _is_cut(run: RunRecord) -> bool:
    return run.status is not Status.DONE or "seconds were used" in run.reason


def _steps(reader: Reader, run: RunRecord) -> int | None:
    summary = summarize(reader, run)
    return summary.steps if summary.found else None


def _counted(reader: Reader, run: RunRecord) -> Counted:
    """Count the texts of a run."""
    problem = build_problem(run_config(run.spec.config))
    trials = reader.trials(run.id)
    total = Counted(0, 0, 0)
    for generation in reader.generations(run.id):
        known = {trial.text for trial in trials if trial.step < generation.step}
        solutions = [_solution(problem, generation.lead + text) for text in generation.samples]
        read = [solution for solution in solutions if solution is not None]
        total += Counted(len(solutions), len(read), sum(solution in known for solution in read))
    return total


def _solution(problem: Problem, text: str) -> str | None:
    try:
        return problem.parse(text)
    except InvalidSolutionError:
        return None


def advice(model: str, heard: Sequence[Audition]) -> list[str]:
    """Return what the auditions say to a user, in plain words."""
    best = min(heard, key=lambda one: one.rank)
    count = len(TARGETS)
    if not any(one.counted.samples for one in heard):
        return ["Nothing was asked within the budget, so nothing can be said."]
    cut = [
        f"In the {one.style.value} style {one.cut} of {count} were cut for time or budget." for one in heard if one.cut
    ]
    if not best.solved:
        return [f"{model} found none of {count} small targets in either style: take another model.", *cut]
    return [
        f"Take --option style={best.style.value}: it found {best.solved} of {count} small targets.",
        *_following(best),
        *cut,
    ]


def _following(best: Audition) -> list[str]:
    if best.follows is None:
        return []
    found = f"With reversed scores it found {_found(best.reversed_steps)}"
    if best.follows:
        return [f"{found}: it follows the scores."]
    return [f"{found}: it does not follow the scores, and may as well be drawn from blindly."]


def _found(steps: Sequence[int | None]) -> int:
    return sum(step is not None for step in steps)

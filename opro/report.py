"""From the stored trials of a run to what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from opro.errors import ConfigError
from opro.judging import Outcome, Verdict, judge
from opro.loop import Progress, is_reached
from opro.reader import Reader
from opro.records import RunRecord, RunSpec, Spending, Status
from opro.surveying import NOTHING_SPENT, Tally
from opro.trajectory import Trajectory
from opro.types import Direction, Reference, Trial

BLIND = "opro (blind)"
"""What the run is called in which the optimizer model is shown none of the solutions."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run did and reached.

    Attributes:
        steps: proposing steps, the start not counted.
        trials: candidates in all, the starting solutions counted.
        unique: different solutions that were evaluated.
        invalid: candidates that failed.
        samples: texts that the model wrote, repeats and rejected ones counted.
        start_value: that of the best starting solution.
        best: the text of the best solution that was scored in full, empty while there is none.
        best_value: its value. What a race dropped has only an estimate, and is never the best.
        gap: (best - optimum) / |optimum|, 0 for the optimum; None where no optimum is known, or it is zero.
        found: whether the optimum was reached; None where none is known.
        seconds: of asking and scoring.
        tokens: prompt and completion tokens; `prompt_tokens` counts a prompt once for all its samples.
        usd: what that cost, None where a price is not known; 0 for models of one's own.
        lost_tokens: what tries without a usable answer may have been charged at most; not in `tokens`, nor is
            `lost_usd` in `usd`.
        faults: failed tries.
        remarks: what is odd in the data.
    """

    run: str
    problem: str
    proposer: str
    model: str
    seed: int
    status: Status
    reason: str
    steps: int
    trials: int
    unique: int
    invalid: int
    samples: int
    start_value: float | None
    best: str
    best_value: float | None
    optimum: float | None
    gap: float | None
    found: bool | None
    seconds: float
    tokens: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    usd: float | None
    faults: int
    lost_tokens: int
    lost_usd: float | None
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the fields, for JSON."""
        return asdict(self)


def optimum_of(references: Sequence[Reference]) -> Reference | None:
    """Return the proved optimum among references."""
    return next((reference for reference in references if reference.optimum), None)


def gap(value: float, optimum: float, direction: Direction) -> float | None:
    """Return by what share of |optimum| a value is worse than the optimum; None for an optimum of zero."""
    worse = direction.cost(value) - direction.cost(optimum)
    return worse / abs(optimum) if optimum else None if worse else 0.0


def by_step(trials: Sequence[Trial], steps: int) -> list[list[Trial]]:
    """Return the trials of each of the steps 0 to `steps`-1."""
    groups: list[list[Trial]] = [[] for _ in range(steps)]
    for trial in trials:
        if 0 <= trial.step < steps:  # a step that is recorded meanwhile is for the next reading
            groups[trial.step].append(trial)
    return groups


def replay(reader: Reader, run: RunRecord) -> Progress:
    """Return where a stored run stands."""
    progress = Progress(run.spec.direction)
    steps = reader.steps(run.id)
    for step, trials in zip(steps, by_step(reader.trials(run.id), len(steps)), strict=True):
        progress.add(trials, step.asking + step.scoring)
    return progress


def summarize(reader: Reader, run: RunRecord) -> Summary:
    """Return the summary of a stored run."""
    progress = replay(reader, run)
    trajectory = progress.trajectory
    best = trajectory.found
    value = best.value if best else None
    optimum = optimum_of(run.spec.references)
    start = full_best([trial for trial in reader.trials(run.id) if trial.step == 0], run.spec.direction)
    return Summary(
        run=run.id,
        problem=run.spec.problem,
        proposer=run.spec.proposer,
        model=run.spec.model,
        seed=run.spec.seed,
        status=run.status,
        reason=run.reason,
        steps=max(progress.steps, 0),
        trials=trajectory.length,
        unique=trajectory.unique,
        invalid=trajectory.invalid,
        samples=reader.samples(run.id),
        start_value=start.value if start else None,
        best=best.text if best else "",
        best_value=value,
        optimum=optimum.value if optimum else None,
        gap=gap(value, optimum.value, run.spec.direction) if optimum and value is not None else None,
        found=is_reached(value, optimum.value, run.spec.direction) if optimum else None,
        seconds=progress.seconds,
        remarks=reader.remarks(run.id),
        **_costs(sum(reader.spending(run.id), NOTHING_SPENT)),
    )


def summaries(reader: Reader) -> list[Summary]:
    """Return what `summarize` returns of every run of a store but the baselines, read at once, the oldest first."""
    found = reader.tallies()
    return [_summary(run, found.get(run.id, Tally())) for run in reader.runs()]


def _summary(run: RunRecord, tally: Tally) -> Summary:
    direction = run.spec.direction
    start, best = tally.start.best(direction), tally.all.best(direction)
    value = best[0] if best else None
    optimum = optimum_of(run.spec.references)
    return Summary(
        run=run.id,
        problem=run.spec.problem,
        proposer=run.spec.proposer,
        model=run.spec.model,
        seed=run.spec.seed,
        status=run.status,
        reason=run.reason,
        steps=max(tally.steps - 1, 0),
        trials=tally.trials,
        unique=tally.unique,
        invalid=tally.invalid,
        samples=tally.samples,
        start_value=start[0] if start else None,
        best=best[1] if best else "",
        best_value=value,
        optimum=optimum.value if optimum else None,
        gap=gap(value, optimum.value, direction) if optimum and value is not None else None,
        found=is_reached(value, optimum.value, direction) if optimum else None,
        seconds=tally.seconds,
        remarks=tally.remarks,
        **_costs(tally.spent),
    )


def _costs(spent: Spending) -> dict[str, Any]:
    return {
        "tokens": spent.tokens,
        "prompt_tokens": spent.usage.prompt,
        "cached_tokens": spent.usage.cached,
        "completion_tokens": spent.usage.completion,
        "usd": spent.usd,
        "faults": spent.faults,
        "lost_tokens": spent.lost_tokens,
        "lost_usd": spent.lost_usd,
    }


def by_role(spent: Sequence[Spending]) -> list[Spending]:
    """Return what each role cost in all steps together."""
    roles = sorted({part.role for part in spent})
    zero = {role: replace(NOTHING_SPENT, role=role) for role in roles}
    return [sum((part for part in spent if part.role == role), zero[role]) for role in roles]


def contestant(spec: RunSpec) -> str:
    """Return what a verdict calls a run: its proposer, and the control where it is one, such as the model `uniform`."""
    return name_of(spec.proposer, spec.model, spec.config.get("options", {}))


def name_of(proposer: str, model: str, options: Mapping[str, Any]) -> str:
    """Return what a verdict calls the runs of a proposer with these settings."""
    control = options.get("control", "none")
    if control == "none" and model == "uniform":
        control = model
    return proposer if control == "none" else f"{proposer} ({control})"


def finalist(reader: Reader, run: RunRecord) -> Trial:
    """Return the best trial of a run among those that were scored in full.

    Raises:
        ConfigError: there is none.
    """
    trials = reader.trials(run.id)
    best = full_best(trials, run.spec.direction)
    if best is None:
        failed = bool(trials) and all(trial.value is None for trial in trials)
        why = f"all {len(trials)} failed, first with: {trials[0].evaluation.reason}" if failed else "none is scored yet"
        raise ConfigError(f"{run.id} has no solution that was scored in full: {why}")
    return best


def full_best(trials: Sequence[Trial], direction: Direction) -> Trial | None:
    """Return the best of the trials that were scored in full, None where there is none."""
    return Trajectory(direction, trials).found


def verdict(reader: Reader, runs: Sequence[RunRecord]) -> Verdict:
    """Return what may be said of runs that differ in their seeds only, beside their baselines."""
    if mute := _mute(reader, runs):
        return Verdict((mute,))
    baselines: dict[str, list[Outcome]] = {}
    for run in runs:
        for baseline in reader.baselines_of(run.id):
            baselines.setdefault(contestant(baseline.spec), []).append(outcome(reader, baseline))
    outcomes = [outcome(reader, run) for run in runs]
    said = judge(contestant(runs[0].spec), outcomes, baselines, runs[0].spec.direction)
    failures = [sentence for run in runs if (sentence := _failures(reader, run.id))]
    return replace(said, sentences=(*said.sentences, *failures))


def _mute(reader: Reader, runs: Sequence[RunRecord]) -> str:
    """Say that no reply of a scorer could be read, empty where some could or none was asked for."""
    counts = [reader.unread_answers(run.id, 1)[:2] for run in runs]
    if not all(asked and unread == asked for unread, asked in counts):
        return ""
    asked = sum(asked for _, asked in counts)
    return f"None of the scorer's {asked:,} replies could be read, so nothing is compared."


def _failures(reader: Reader, run: str) -> str:
    """Tell of the examples whose scoring failed, empty where there are none."""
    failed, answers, reason = reader.failed_answers(run)
    return f"The scoring failed on {failed:,} of {answers:,} examples, first with: {reason}." if failed else ""


def outcome(reader: Reader, run: RunRecord) -> Outcome:
    """Return what the verdict looks at in a stored run."""
    summary = summarize(reader, run)
    return Outcome(
        seed=run.spec.seed,
        start=summary.start_value,
        best=summary.best_value,
        evaluations=summary.unique,
        steps=summary.steps,
        found=summary.found,
        references=run.spec.references,
    )

"""What `--dry-run` prints: what a command would cost. Nothing is asked, and nothing recorded."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from opro.budget import Budget
from opro.build import build_problem
from opro.config import RunConfig, seeded
from opro.consent import agree_to
from opro.console import announce, enough, estimate_table
from opro.estimate import Estimate, estimate, suffices
from opro.opening import Outlines, check_searchable, outlined_models
from opro.probing import whole
from opro.protocols import Foreseeable, Presuming, Problem
from opro.reader import Reader
from opro.reopening import reopened
from opro.screen import screen
from opro.verdict_cost import planned_verdict, verdict_estimates

FREE = "No model is asked, so nothing is paid for."
THERE = "The verdict is there already: nothing is asked."
RACES = "Races ask about a seventh of the examples to all, the fewer the more candidates differ: 2/3 are foreseen."

Parts = Mapping[str, Sequence[Estimate]]
"""What is estimated, by what a budget is for."""


async def rehearse(config: RunConfig, count: int, *, judged: bool = False, as_json: bool) -> None:
    """Print what `count` runs of a config will cost, and with `judged` their verdicts."""
    agree_to(config)
    problem = build_problem(seeded(config, count)[0])
    announce(screen(stderr=as_json), problem)
    check_searchable(config, problem)
    models = outlined_models(config, problem)
    estimates = await estimate(config, problem, models.optimizer, models.scorer)
    if judged:
        estimates += await planned_verdict(config, problem, models, estimates)
    length = " to the last step" if config.steps else ""
    runs = f"{count} run{'s' if count > 1 else ''}{' with verdict' if judged else ''}"
    title = f"estimate for {runs}{length}; failed tries not foreseen"
    _print(title, {"one run": estimates}, config.caps, count=count, as_json=as_json)
    if not as_json:
        _say(_remarks(config, problem, models))


async def rehearse_probes(configs: Sequence[RunConfig], *, as_json: bool) -> None:
    """Print what probes will cost, which share their budget."""
    estimates: list[Estimate] = []
    for config in configs:
        agree_to(config)
        problem = build_problem(config)
        scorer = outlined_models(config, problem).scorer
        made = await estimate(whole(config, problem), problem, None, scorer)
        estimates += [replace(one, role=f"{one.role}, {config.set['task']}") for one in made]
    title = "estimate for all settings; failed tries not foreseen"
    _print(title, {"all of it": estimates}, configs[0].caps, as_json=as_json)


async def rehearse_verdict(
    reader: Reader,
    name: str,
    budget: Sequence[str],
    places: Mapping[str, Any],
    *,
    best_of_n: bool = True,
    as_json: bool = False,
) -> None:
    """Print what the verdict on a run will cost, of which what is there already is left out."""
    run = reader.run(name)
    parts = await verdict_estimates(reader, run, reopened(run, {"set": places})[1], best_of_n=best_of_n)
    title = f"estimate for the verdict on {run.id}; failed tries not foreseen"
    named = {f"the {part}": estimates for part, estimates in parts.items()}
    nothing = THERE if run.spec.scorer else FREE
    _print(title, named, Budget.parse(budget), nothing=nothing, as_json=as_json)


def _print(
    title: str, parts: Parts, caps: Budget, *, count: int = 1, nothing: str = FREE, as_json: bool = False
) -> None:
    """Print estimates as a table, or a JSON line each, and whether the budget of each part suffices."""
    if as_json:
        for estimates in parts.values():
            told = {"budget_suffices": suffices(estimates, caps)} if caps != Budget() else {}
            sys.stdout.writelines(json.dumps({"runs": count, **asdict(one), **told}) + "\n" for one in estimates)
        return
    everything = [one for estimates in parts.values() for one in estimates]
    if not everything:
        _say([nothing])
        return
    screen().print(estimate_table(everything, title, count))
    if caps != Budget():
        _say(enough(estimates, caps, what) for what, estimates in parts.items())


def _remarks(config: RunConfig, problem: Problem, models: Outlines) -> list[str]:
    """Return what the user should know of how the estimate was made."""
    style = config.options.get("style", "auto")
    guessed = [models.optimizer.remark] if models.optimizer and models.optimizer.remark and style == "auto" else []
    races = isinstance(problem, Foreseeable) and problem.share < 1 and config.steps > 0
    presumed = [problem.presumption] if isinstance(problem, Presuming) and problem.presumption else []
    return [*guessed, *presumed, *([RACES] if races else [])]


def _say(sentences: Iterable[str]) -> None:
    console = screen()
    for sentence in sentences:
        console.print(sentence, markup=False, highlight=False)

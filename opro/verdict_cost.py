"""What a verdict on a run will cost: told by what its search took, less what is scored already. No model is asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from opro.build import problem_fingerprint
from opro.config import RunConfig, run_config
from opro.demand import Demand, Foreseen
from opro.errors import ConfigError
from opro.estimate import Estimate, estimate, priced
from opro.examination import blind_limits, blind_options, entrants
from opro.opening import Outlines, check_examinable, examinable, outlined_models
from opro.outline import Outline
from opro.prices import read_prices
from opro.protocols import Examinable, Examination, Foreseeable, Problem, Remembering
from opro.reader import EXAMINER, Reader
from opro.records import RunRecord, Spending, Status
from opro.reopening import alike
from opro.report import BLIND, NOTHING_SPENT, by_role, contestant, name_of, summarize
from opro.types import Question

DRAWING = "best of N"
EXAMINATION = "verdict"
"""The parts of a verdict, each with a budget of its own."""


@dataclass(frozen=True, slots=True)
class _Left:
    """What a verdict has still to ask: a share of the drawing, and these requests of the examination."""

    drawing: float
    requests: int
    questions: Sequence[Question]


def verdict_requests(reader: Reader, run: RunRecord, problem: Problem, *, best_of_n: bool = True) -> int:
    """Return about how many requests `opro verdict` would make for a run now; 0 where no verdict can be had.

    It is quick: the record is read, and no model is built.
    """
    try:
        left = _left(reader, run, examinable(run, problem), best_of_n=best_of_n)
    except ConfigError:
        return 0
    searched = sum(part.requests for part in reader.spending(run.id))
    return math.ceil(left.drawing * searched) + left.requests


async def verdict_estimates(
    reader: Reader, run: RunRecord, problem: Problem, *, best_of_n: bool = True
) -> Mapping[str, Sequence[Estimate]]:
    """Return what the parts of a verdict will take, by what they are called; those that are complete are left out.

    Raises:
        ConfigError: no verdict can be had (see `Workbench.examine`).
    """
    left = _left(reader, run, examinable(run, problem), best_of_n=best_of_n)
    models = outlined_models(run_config(run.spec.config), problem)
    parts: dict[str, Sequence[Estimate]] = {}
    if left.drawing:
        parts[DRAWING] = await _drawing(reader, run, problem, models, left.drawing)
    if left.requests and models.scorer:
        parts[EXAMINATION] = [_examination(reader, run, models.scorer, left)]
    return parts


def _draws(config: RunConfig) -> bool:
    """Say whether candidates are drawn blindly for the verdict on a run of this config."""
    return name_of(config.proposer, config.model, config.options) == "opro"


async def planned_verdict(
    config: RunConfig, problem: Problem, models: Outlines, search: Sequence[Estimate]
) -> list[Estimate]:
    """Return what the verdict on a run that is not made yet will take, told by what its `search` will.

    Raises:
        ConfigError: the problem keeps nothing for a verdict.
    """
    kept = check_examinable(problem, config.problem)
    drawing = [replace(one, role=f"{one.role}, {DRAWING}") for one in search if _draws(config)]
    texts = [one.text for one in problem.start(config.seed)[:1]]
    texts += [*kept.rivals.values(), *(_unknown(kept, seed) for seed in range(2 if drawing else 1))]
    exam = kept.examination(list(dict.fromkeys(texts)))
    asked = config.model_copy(update={"proposer": EXAMINER, "options": {}, "steps": 0, "trials": None})
    examination = await estimate(asked, exam, None, models.scorer)
    return [*drawing, *(replace(one, role=f"{one.role}, {EXAMINATION}") for one in examination)]


def _left(reader: Reader, run: RunRecord, kept: Examinable, *, best_of_n: bool) -> _Left:
    """Return what is not there yet.

    Raises:
        ConfigError: the run found nothing.
    """
    drawing = _drawing_left(reader, run) if best_of_n and contestant(run.spec) == "opro" else 0.0
    texts = list(entrants(reader, run, kept.rivals, best_of_n=best_of_n).values())
    if drawing and BLIND not in map(contestant, (made.spec for made in reader.baselines_of(run.id))):
        texts.append(_unknown(kept))
    exam = kept.examination(texts)
    made = _made(reader, run, exam)
    if made and made.status is Status.DONE:
        return _Left(drawing, 0, ())
    before = _spent(reader, made.id, "scorer").requests if made else 0
    if not isinstance(exam, Foreseeable):
        each = _spent(reader, run.id, "scorer").requests / max(summarize(reader, run).unique, 1)
        return _Left(drawing, max(math.ceil(each * len(texts)) - before, 0), ())
    if isinstance(exam, Remembering):
        exam.recall([trial for one in _alike(reader, run, exam) for trial in reader.whole_trials(one.id, split="test")])
    questions = [question for text in texts for question in exam.questions(text)]
    return _Left(drawing, max(len(questions) - before, 0), questions)


def _drawing_left(reader: Reader, run: RunRecord) -> float:
    """Return the share of the blind drawing that is still to be done."""
    needed = summarize(reader, run).unique
    made = next((one for one in reader.made_for(run.id) if contestant(one.spec) == BLIND), None)
    if made is None or not needed:
        return float(bool(needed))
    if made.status is Status.DONE and made.spec.config["trials"] >= needed:
        return 0.0
    return max(needed - summarize(reader, made).trials, 0) / needed


def _unknown(kept: Examinable, seed: int = 0) -> str:
    """Return a text in the place of the best of those that are still to be found or drawn."""
    return kept.imagine(Random(seed)) if isinstance(kept, Foreseeable) else f"the best of N, {seed}"


def _made(reader: Reader, run: RunRecord, exam: Examination) -> RunRecord | None:
    """Return the examination of a run that asks just this, complete or not."""
    settings = exam.config.model_dump(mode="json", exclude_unset=True)
    earlier = reader.examinations_of(run.id)
    return next((one for one in earlier if alike(exam, one.spec.config["set"], settings)), None)


def _alike(reader: Reader, run: RunRecord, exam: Examination) -> list[RunRecord]:
    """Return the examinations of a run by the same scorer on the same examples."""
    same = (problem_fingerprint(exam), run.spec.scorer_fingerprint)
    made = reader.examinations_of(run.id)
    return [one for one in made if (one.spec.problem_fingerprint, one.spec.scorer_fingerprint) == same]


def _spent(reader: Reader, run: str, role: str) -> Spending:
    """Return what a role has cost in a run."""
    return next((part for part in by_role(reader.spending(run)) if part.role == role), NOTHING_SPENT)


async def _drawing(
    reader: Reader, run: RunRecord, problem: Problem, models: Outlines, share: float
) -> Sequence[Estimate]:
    """Return what drawing blindly takes: likely what the search took, for it scores as many candidates.

    A search may have taken more than drawing can: its prompts grow, and a server's tokens may be shorter than ours.
    """
    limits = blind_limits(run, summarize(reader, run).unique)
    config = run_config({**run.spec.config, **limits, "options": blind_options(run)})
    prices = read_prices(config.prices)
    estimates: list[Estimate] = []
    for one in await estimate(config, problem, models.optimizer, models.scorer):
        spent = _spent(reader, run.id, one.role)
        likely = Demand(spent.requests, spent.usage.prompt, spent.usage.completion)
        most = Demand(one.most_requests, one.most.prompt, one.most.completion)
        model = models.optimizer if one.role == "optimizer" else models.scorer
        price = priced(model, prices) if model else None
        amount = Foreseen(likely.within(most), most) * share
        estimates.append(Estimate.of(f"{one.role}, {DRAWING}", one.model, amount, price))
    return estimates


def _examination(reader: Reader, run: RunRecord, scorer: Outline, left: _Left) -> Estimate:
    """Return what the examination takes: replies are likely to be as long as those of the search."""
    config = run_config(run.spec.config)
    spent = _spent(reader, run.id, "scorer")
    asked = max(spent.requests, 1)
    each = Demand(1, spent.usage.prompt / asked, spent.usage.completion / asked)
    longest = max((question.request.max_tokens for question in left.questions), default=each.written)
    most = replace(each, written=longest)
    amount = Foreseen(each.within(most), most) * left.requests
    name = config.scorer or config.model
    return Estimate.of(f"scorer, {EXAMINATION}", name, amount, priced(scorer, read_prices(config.prices)))

"""Runs from start to verdict: builds the parts, drives the loop, gives the baselines their turn."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from opro.budget import Budget
from opro.build import build_problem, build_proposer, problem_fingerprint, resolve_options, settled
from opro.config import RunConfig, run_config
from opro.consent import agree_to
from opro.equipment import Equipment, check_costs, noted, open_ledger
from opro.errors import BudgetError, ConfigError, OproError, StopRun
from opro.examination import Report, blind_limits, blind_options, entrants, report
from opro.journal import Journal
from opro.ledger import Ledger
from opro.loop import Limits, Loop, Progress, Watcher, no_watch, tell_again
from opro.opening import (
    Models,
    check_same,
    check_same_models,
    check_same_problem,
    check_searchable,
    examinable,
    opened_models,
)
from opro.protocols import (
    LanguageModel,
    Mutable,
    Numeric,
    Problem,
    Referenced,
    Remarked,
    Remembering,
    Sampled,
    Scored,
)
from opro.reader import EXAMINER, Reader
from opro.records import Event, EventKind, RunRecord, RunSpec, Status
from opro.reopening import alike, reopened
from opro.report import BLIND, Summary, by_step, contestant, full_best, optimum_of, summarize, verdict
from opro.results import Result
from opro.store import Store, default_store
from opro.types import Reference, Trial

_LOG = logging.getLogger("opro")

UNMOVED: Mapping[str, Any] = MappingProxyType({})
"""The places of data that lie where they lay."""

FREE_SECONDS = 0.01
"""A trial that is scored in less counts as free: the baselines then run without being asked for."""


class Workbench:
    """A store with the runs in it, and the means to make more. Own problems and models may be handed in, made."""

    def __init__(self, store: str | Path | None = None) -> None:
        """Open `store`, a path or database URL; the default store if None."""
        self._name = str(store or default_store())
        self._store = Store(self._name)
        self.reader = Reader(self._name)

    async def run(
        self,
        config: RunConfig,
        *,
        problem: Problem | None = None,
        model: LanguageModel | None = None,
        scorer: LanguageModel | None = None,
        study: str = "",
        watch: Watcher = no_watch,
    ) -> str:
        """Make a new run and see it to its end, or to that of its budget; return its id.

        Whoever gives the config agrees to what it does: see `opro.trust`.
        """
        agree_to(config)
        problem = problem or build_problem(config)
        if not study:
            _warn(problem)
        return await self._start(config, problem, Models(model, scorer), study=study, watch=watch)

    async def _start(
        self,
        config: RunConfig,
        problem: Problem,
        given: Models,
        *,
        study: str = "",
        baseline_of: RunRecord | None = None,
        watch: Watcher = no_watch,
    ) -> str:
        async with opened_models(config, problem, given) as opened:
            return await self._begin(config, problem, opened, study, baseline_of, watch)

    async def _begin(
        self,
        config: RunConfig,
        problem: Problem,
        opened: Models,
        study: str,
        baseline_of: RunRecord | None,
        watch: Watcher,
    ) -> str:
        check_searchable(config, problem)
        if baseline_of:
            check_same_models(baseline_of, opened)
        check_costs(config, (opened.optimizer, opened.scorer))
        config = settled(config, problem)
        config = config.model_copy(update={"options": resolve_options(config, opened.optimizer)})
        spec = RunSpec(
            problem=config.problem,
            direction=problem.direction,
            proposer=config.proposer,
            model=config.model if opened.optimizer else "",
            seed=config.seed,
            config=config.model_dump(mode="json"),
            references=baseline_of.spec.references if baseline_of else await asyncio.to_thread(references_of, problem),
            fingerprint=opened.optimizer.fingerprint if opened.optimizer else "",
            scorer=(config.scorer or config.model) if opened.scorer else "",
            scorer_fingerprint=opened.scorer.fingerprint if opened.scorer else "",
            problem_fingerprint=problem_fingerprint(problem),
            study=baseline_of.spec.study if baseline_of else study,
            parent=baseline_of.id if baseline_of else None,
        )
        journal = self._store.new_run(spec)
        await self._drive(journal, config, problem, opened, watch)
        return journal.run

    async def resume(
        self,
        name: str,
        changes: Mapping[str, Any] | None = None,
        *,
        problem: Problem | None = None,
        model: LanguageModel | None = None,
        scorer: LanguageModel | None = None,
        watch: Watcher = no_watch,
    ) -> str:
        """Go on with a stored run, perhaps with other limits (`changes`), and return its id.

        A `set` among the changes says where its data lie, if they were moved since.

        Raises:
            ConfigError: it is a baseline, or its problem or model is not what it was.
        """
        run = self.reader.run(name)
        if run.spec.parent and run.spec.proposer == EXAMINER:
            raise ConfigError(f"{run.id} examines {run.spec.parent}: `opro verdict {run.spec.parent}` goes on with it")
        if run.spec.parent:
            raise ConfigError(f"{run.id} is a baseline of {run.spec.parent}: resume that one, and it follows")
        return await self._continue(run, changes or {}, problem, Models(model, scorer), watch)

    async def _continue(
        self,
        run: RunRecord,
        changes: Mapping[str, Any],
        problem: Problem | None,
        given: Models,
        watch: Watcher = no_watch,
    ) -> str:
        if problem is None:
            config, problem = reopened(run, changes)
        else:
            config = run_config({**run.spec.config, **changes})
        if "budget" in changes:
            config = config.model_copy(update={"budget": Budget.merged(run.spec.config["budget"], config.budget)})
        async with opened_models(config, problem, given) as opened:
            check_same(run, problem, opened)
            check_searchable(config, problem)
            check_costs(config, (opened.optimizer, opened.scorer))
            open_ledger(self.reader, run.id, config.caps)
            journal = self._store.continue_run(run.id, config.model_dump(mode="json"))
            await self._drive(journal, config, problem, opened, watch)
        return run.id

    async def _drive(
        self, journal: Journal, config: RunConfig, problem: Problem, opened: Models, watch: Watcher
    ) -> None:
        """See a run to its end, and record how it ended."""
        status, reason = Status.FAILED, "an unforeseen error"
        try:
            with noted(journal):
                reason = await self._go(journal, config, problem, opened, watch)
            status = Status.DONE
        except BudgetError as error:
            status, reason = Status.STOPPED, str(error)
        except StopRun as error:
            status, reason = Status.STOPPED, f"stopped by the caller{f': {error}' if str(error) else ''}"
        except (asyncio.CancelledError, KeyboardInterrupt):
            status, reason = Status.STOPPED, "interrupted"
            raise
        except OproError as error:
            reason = str(error)
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            journal.finish(status, reason)

    async def _go(self, journal: Journal, config: RunConfig, problem: Problem, opened: Models, watch: Watcher) -> str:
        """Tell a fresh proposer the record, go on from there, and return why the run ended."""
        ledger = open_ledger(self.reader, journal.run, config.caps)
        equipment = Equipment(journal, config, ledger)
        stopped = True
        try:
            if isinstance(problem, Scored) and opened.scorer:
                problem = problem.scored_by(equipment.equip(opened.scorer, "scorer"))
            model = equipment.equip(opened.optimizer, "optimizer") if opened.optimizer else None
            proposer = build_proposer(config, problem, model)
            progress = Progress(problem.direction)
            steps, stored = self.reader.steps(journal.run), self.reader.whole_trials(journal.run)
            if isinstance(problem, Remembering):
                problem.recall([*self._examined_before(journal.run), *stored])
            if isinstance(problem, Remarked) and not steps:
                _record_data(journal, problem)
            for step, trials in zip(steps, by_step(stored, len(steps)), strict=True):
                proposer.tell(trials)
                progress.add(trials, step.asking + step.scoring)
                tell_again(watch, step.step, trials)
            journal.step = progress.steps + 1
            limits = _limits(config, self.reader.run(journal.run).spec.references)
            loop = Loop(problem, proposer, journal, limits, config.seed, watch)
            reason = await _in_time(loop.run(progress), ledger)
            stopped = False
            return reason
        except (OproError, StopRun):
            stopped = False
            raise
        finally:
            await equipment.end(stopped=stopped)

    def _examined_before(self, name: str) -> list[Trial]:
        """Return what other examinations of the same search found with the same examples and the same scorer."""
        run = self.reader.run(name)
        if run.spec.proposer != EXAMINER or run.spec.parent is None:
            return []
        same = (run.spec.problem_fingerprint, run.spec.scorer_fingerprint)
        return [
            trial
            for other in self.reader.examinations_of(run.spec.parent)
            if other.id != run.id and (other.spec.problem_fingerprint, other.spec.scorer_fingerprint) == same
            for trial in self.reader.whole_trials(other.id, split="test")
        ]

    async def give_baselines(self, name: str, *, problem: Problem | None = None) -> None:
        """Let the classical searches that fit the problem spend as many evaluations as the run was given.

        A run that ended early because it had found the optimum does not shorten them: they go on until they have found
        it as well, or have spent all that the run could have spent. Else a lucky seed would always win.
        """
        run = self.reader.run(name)
        config = run_config(run.spec.config)
        if run.spec.parent or config.baselines == "never" or run.status not in (Status.DONE, Status.STOPPED):
            return
        summary = summarize(self.reader, run)
        if config.baselines == "auto" and not self._is_free(run, summary):
            return
        problem = problem or build_problem(config)
        budget = _allowance(config, summary, len(problem.start(config.seed)))
        limits = {"trials": budget, "steps": budget, "patience": None, "seconds": None}
        made = {baseline.spec.proposer: baseline for baseline in self.reader.baselines_of(run.id)}
        for proposer in fitting_baselines(problem):
            if proposer in made and made[proposer].spec.config["trials"] < budget:
                await self._continue(made[proposer], limits, problem, Models())
            elif proposer not in {*made, config.proposer} and budget:
                search = run_config({**run.spec.config, **limits, "proposer": proposer, "options": {}})
                await self._start(search, problem, Models(), baseline_of=run)

    def _is_free(self, run: RunRecord, summary: Summary) -> bool:
        scoring = sum(step.scoring for step in self.reader.steps(run.id))
        return scoring < FREE_SECONDS * max(summary.trials, 1)

    async def examine(  # noqa: PLR0913 - independent parts
        self,
        name: str,
        *,
        budget: Sequence[str] = (),
        best_of_n: bool = True,
        problem: Problem | None = None,
        models: Models | None = None,
        places: Mapping[str, Any] = UNMOVED,
        watch: Watcher = no_watch,
    ) -> Report:
        """Score what a run found, its start and the known rivals on the examples that the run has not seen.

        One rival is the best of N: as many candidates as the run scored, which the optimizer model draws without being
        shown any of them, scored on the training examples like the run's own. So what the loop adds to the drawing is
        seen, at about the cost of the run once more; `best_of_n` leaves it out. What was scored before is not asked for
        again. The budget is that of the examination, and of the drawing, each for itself. `places` are the settings
        that say where the data lie, if they were moved.

        Raises:
            ConfigError: the problem keeps no such examples, the run has seen them, it found nothing, or its data or a
                model is not what it was.
            BudgetError: the budget did not suffice.
        """
        run = self.reader.run(name)
        if problem is None:
            search, problem = reopened(run, {"set": places})
        else:
            search = run_config(run.spec.config)
            check_same_problem(run, problem)
        kept = examinable(run, problem)
        _warn(problem)
        given = models or Models()
        if best_of_n and contestant(run.spec) == "opro":
            await self._draw_blindly(run, search, problem, tuple(budget), given, watch)
        texts = entrants(self.reader, run, kept.rivals, best_of_n=best_of_n)
        exam = kept.examination(list(texts.values()))
        settings = exam.config.model_dump(mode="json", exclude_unset=True)
        changes: dict[str, Any] = {"proposer": EXAMINER, "options": {}, "steps": 0, "set": settings}
        config = search.model_copy(update={**changes, "budget": tuple(budget), "baselines": "never"})
        earlier = self.reader.examinations_of(run.id)
        made = next((one for one in earlier if alike(exam, one.spec.config["set"], settings)), None)
        if made is None:
            made = self.reader.run(await self._start(config, exam, given, baseline_of=run, watch=watch))
        elif made.status is not Status.DONE:
            made = self.reader.run(await self._continue(made, {"budget": tuple(budget)}, exam, given, watch))
        if made.status is not Status.DONE:
            raise BudgetError(f"the examination is not complete: {made.reason}")
        return report(self.reader, made, kept.rivals)

    async def _draw_blindly(
        self,
        run: RunRecord,
        search: RunConfig,
        problem: Problem,
        budget: tuple[str, ...],
        given: Models,
        watch: Watcher,
    ) -> None:
        """Draw as many candidates as a run scored, from its optimizer model, without showing it what became of any."""
        needed = summarize(self.reader, run).unique
        limits = {**blind_limits(run, needed), "budget": budget}
        made = next((one for one in self.reader.made_for(run.id) if contestant(one.spec) == BLIND), None)
        if made is None:
            config = search.model_copy(update={**limits, "options": blind_options(run)})
            made = self.reader.run(await self._start(config, problem, given, baseline_of=run, watch=watch))
        elif made.status is not Status.DONE or made.spec.config["trials"] < needed:
            made = self.reader.run(await self._continue(made, limits, problem, given, watch))
        if made.status is not Status.DONE:
            raise BudgetError(f"the best of N is not complete: {made.reason}")

    def result(self, name: str) -> Result:
        """Return a stored run as a result."""
        run = self.reader.run(name)
        trials = self.reader.trials(run.id)
        summary = summarize(self.reader, run)
        best = full_best(trials, run.spec.direction)
        said = verdict(self.reader, [run])
        return Result(run.id, best, tuple(trials), said, summary, best and best.text, self._name)

    def close(self) -> None:
        """Close the store."""
        self.reader.close()
        self._store.close()


def _warn(problem: Problem) -> None:
    """Tell the user what is odd in the data."""
    if isinstance(problem, Remarked):
        for remark in problem.remarks:
            _LOG.warning("%s", remark)


def _record_data(journal: Journal, problem: Remarked) -> None:
    """Enter in a run's record where its data come from, and what is odd in them."""
    journal.record_event(Event(0, "", EventKind.NOTE, f"data: {problem.source}", {}))
    for remark in problem.remarks:
        journal.record_event(Event(0, "", EventKind.REMARK, remark, {}))


async def _in_time(work: Coroutine[Any, Any, str], ledger: Ledger) -> str:
    """Return what the work returns, within the time that the budget leaves."""
    limit = asyncio.timeout(ledger.time_left())
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise BudgetError(f"the budget of {ledger.budget} is used up: the time is over") from None


def fitting_baselines(problem: Problem) -> list[str]:
    """Return the classical proposers whose needs a problem meets."""
    needs = {"random": Sampled, "evolution": Mutable, "surrogate": Numeric}
    return [name for name, ability in needs.items() if isinstance(problem, ability)]


def _allowance(config: RunConfig, summary: Summary, starts: int) -> int:
    """Return how many evaluations a run was given: those it made, or might have made had the optimum not ended it."""
    if not (summary.found and config.stop_at_optimum):
        return summary.unique
    most = starts + config.steps * config.per_step
    return most if config.trials is None else min(most, config.trials)


def references_of(problem: Problem) -> tuple[Reference, ...]:
    """Return what a problem's values are compared with; for some, this takes a minute the first time."""
    return tuple(problem.references()) if isinstance(problem, Referenced) else ()


def _limits(config: RunConfig, references: Sequence[Reference]) -> Limits:
    optimum = optimum_of(references) if config.stop_at_optimum else None
    return Limits(
        steps=config.steps,
        per_step=config.per_step,
        trials=config.trials,
        patience=config.patience,
        seconds=config.seconds,
        silence=config.silence,
        target=optimum.value if optimum else None,
    )

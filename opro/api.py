"""The Python interface to runs: `opro.optimize` and `opro.resume`, with a twin for asyncio each."""

import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from opro.build import problem_of
from opro.config import run_config
from opro.diagnosis import diagnose
from opro.handed import Handed, Model
from opro.loop import Watcher, no_watch
from opro.protocols import Problem
from opro.reader import Reader
from opro.results import Result
from opro.running import run_here
from opro.store import existing_store
from opro.watching import shown
from opro.workbench import Workbench

_LOG = logging.getLogger("opro")


def optimize(  # noqa: PLR0913 - independent parts of a run
    problem: str | Problem,
    *,
    data: object = None,
    metric: object = None,
    store: str | Path | None = None,
    model: Model = "local",
    scorer: Model = "",
    watch: Watcher = no_watch,
    progress: bool | None = None,
    **settings: Any,
) -> Result:
    """Optimize `problem` and return the best solution, the trajectory, the verdict and the cost.

    Args:
        problem: a problem's name, or a problem of your own.
        data: for "instructions": a file's name; a pandas DataFrame, a `datasets.Dataset`, a list of dicts or of
            (question, answer) pairs; or {"train": one of these, "test": another}. What is recorded of data in memory
            is a digest: to go on with such a run, hand them in again.
        metric: for "instructions": a function that is called as metric(reply, example) and returns a bool or a float
            in 0..1. The reply is text. The example is a mapping of its row's columns, which are attributes as well,
            with `question`, `gold` and `options` as they were read.
        store: path or URL of the store; $OPRO_STORE or a file in the user's data directory if None.
        model: the optimizer model: KIND:NAME, a model of your own, or a function from a prompt to a reply (str ->
            str, synchronous or not; see `opro.FunctionModel`).
        scorer: the model with which candidates are scored, for problems that need one; default: the optimizer model.
        watch: called after each step with its number and its trials. If it returns False or raises `opro.StopRun`,
            the run ends as one that was stopped, and can be resumed.
        progress: whether to show how far the run is, on standard error; None: in a terminal and in a notebook.
        **settings: fields of `opro.RunConfig` (steps, per_step, seed, proposer, options, ...); every other name is a
            setting of the problem, such as `n` of "tsp", or `start`, `question` and `train` of "instructions".

    Returns:
        The run, ended. `result.prompt` is the text that won; `opro.verdict(result)` says what it is worth on examples
        that the run has not seen.

    Raises:
        ConfigError: a name or value is wrong.
        StoreError: the store cannot be used.
        ModelError: the model cannot be loaded or does not answer.
        OproError: an event loop is running here: `optimize_async` is for it. (In a notebook this works all the same.)
    """
    handed = Handed(problem, data, metric, model, scorer)
    return run_here(_optimized(handed, store, watch, progress, settings), "opro.optimize_async")


async def optimize_async(  # noqa: PLR0913 - as above
    problem: str | Problem,
    *,
    data: object = None,
    metric: object = None,
    store: str | Path | None = None,
    model: Model = "local",
    scorer: Model = "",
    watch: Watcher = no_watch,
    progress: bool | None = False,
    **settings: Any,
) -> Result:
    """See `optimize`; for use where an event loop is running. Progress is shown only if `progress` is True."""
    return await _optimized(Handed(problem, data, metric, model, scorer), store, watch, progress, settings)


def resume(  # noqa: PLR0913 - as above
    run: str | Result,
    *,
    store: str | Path | None = None,
    problem: Problem | None = None,
    data: object = None,
    metric: object = None,
    model: Model | None = None,
    scorer: Model | None = None,
    watch: Watcher = no_watch,
    progress: bool | None = None,
    **changes: Any,
) -> Result:
    """Go on with a run that was stopped, died, or shall go further; nothing is asked or paid for twice.

    Args:
        run: a run's id, its beginning or its end; or a result, with which all that was handed in is at hand.
        store: path or URL of the store; the result's, $OPRO_STORE or a file in the user's data directory if None.
        problem: the problem that was handed in when the run began.
        data: the data that were handed in when the run began, with the same content.
        metric: the metric that was handed in when the run began.
        model: the optimizer model that was handed in when the run began.
        scorer: the scorer that was handed in when the run began.
        watch: as in `optimize`. It is told the recorded steps first; what it returns then ends nothing.
        progress: as in `optimize`.
        **changes: other limits: `steps`, `trials`, `seconds`, `patience`, `budget`, ...

    Returns:
        The whole run, ended.

    Raises:
        ConfigError: there is no such run, a value is wrong, or what is handed in is not what the run began with.
        StoreError: there is no such store, or another process is working on the run.
        ModelError: a model cannot be loaded or does not answer.
    """
    work = _resumed(run, Handed(problem, data, metric, model, scorer), store, watch, progress, changes)
    return run_here(work, "opro.resume_async")


async def resume_async(  # noqa: PLR0913 - as above
    run: str | Result,
    *,
    store: str | Path | None = None,
    problem: Problem | None = None,
    data: object = None,
    metric: object = None,
    model: Model | None = None,
    scorer: Model | None = None,
    watch: Watcher = no_watch,
    progress: bool | None = False,
    **changes: Any,
) -> Result:
    """See `resume`; for use where an event loop is running. Progress is shown only if `progress` is True."""
    return await _resumed(run, Handed(problem, data, metric, model, scorer), store, watch, progress, changes)


async def _optimized(
    handed: Handed,
    store: str | Path | None,
    watch: Watcher,
    progress: bool | None,  # noqa: FBT001 - handed on
    settings: dict[str, Any],
) -> Result:
    config, problem = handed.begin(settings)
    with closing(Workbench(store)) as workbench:
        async with handed.models(config.concurrency) as models:
            with shown(progress, config, problem.direction, watch) as watcher:
                run = await workbench.run(
                    config, problem=problem, model=models.optimizer, scorer=models.scorer, watch=watcher
                )
            await workbench.give_baselines(run, problem=problem)
        return _ended(workbench, run, handed, problem)


async def _resumed(
    run: str | Result,
    handed: Handed,
    store: str | Path | None,
    watch: Watcher,
    progress: bool | None,  # noqa: FBT001 - handed on
    changes: dict[str, Any],
) -> Result:
    handed, name, store = handed.after(run), run.run if isinstance(run, Result) else run, store_of(run, store)
    with closing(Workbench(existing_store(store))) as workbench:
        record = workbench.reader.run(name)
        config = run_config({**record.spec.config, **changes})
        problem = handed.again(config)
        async with handed.models(config.concurrency) as models:
            with shown(progress, config, record.spec.direction, watch) as watcher:
                made = await workbench.resume(
                    record.id, changes, problem=problem, model=models.optimizer, scorer=models.scorer, watch=watcher
                )
            await workbench.give_baselines(made, problem=problem)
        return _ended(workbench, made, handed, problem)


def _ended(workbench: Workbench, run: str, handed: Handed, problem: Problem | None) -> Result:
    """Return a run that has ended, with what was handed in for it."""
    findings = tuple(warnings_of(workbench.reader, run, problem or problem_of(workbench.reader.run(run))))
    return replace(workbench.result(run), given=handed.given(problem), findings=findings)


def warnings_of(reader: Reader, run: str, problem: Problem | None) -> list[str]:
    """Return what was wrong with the replies in a run, and tell it in the log, for nobody may look at the result."""
    findings = [one.sentence for one in diagnose(reader, reader.run(run), problem)]
    for sentence in findings:
        _LOG.warning("%s", sentence)
    return findings


def store_of(run: str | Result, store: str | Path | None) -> str | Path | None:
    """Return the store that a run is in: the one that is named, else that of the result."""
    return store or (run.store if isinstance(run, Result) else None)

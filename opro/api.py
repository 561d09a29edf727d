"""The Python interface: `opro.optimize` from anywhere, `opro.optimize_async` from asyncio."""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from opro.build import build_problem
from opro.config import RunConfig, run_config
from opro.consent import agree_to
from opro.errors import ConfigError, OproError
from opro.loop import Watcher, no_watch
from opro.probing import ProbeReport, probe_config, probe_report, whole
from opro.protocols import LanguageModel, Problem
from opro.workbench import Result, Workbench


def optimize(
    problem: str | Problem,
    *,
    store: str | None = None,
    model: str | LanguageModel = "local",
    scorer: str | LanguageModel = "",
    watch: Watcher = no_watch,
    **settings: Any,
) -> Result:
    """Optimize `problem` and return the best solution, the trajectory, the verdict and the cost.

    Args:
        problem: a problem's name, or a problem of your own.
        store: path or URL of the store; $OPRO_STORE or a file in the user's data directory if None.
        model: the optimizer model, KIND:NAME, or one of your own.
        scorer: the model with which candidates are scored, for problems that need one; default: the optimizer model.
        watch: called after each step with its number and its trials.
        **settings: fields of `opro.RunConfig` (steps, per_step, seed, proposer, options, ...); every other name is a
            setting of the problem, such as `n` of "tsp".

    Raises:
        ConfigError: a name or value is wrong.
        StoreError: the store cannot be used.
        ModelError: the model cannot be loaded or does not answer.
    """
    _no_loop("opro.optimize_async")
    return asyncio.run(optimize_async(problem, store=store, model=model, scorer=scorer, watch=watch, **settings))


async def optimize_async(
    problem: str | Problem,
    *,
    store: str | None = None,
    model: str | LanguageModel = "local",
    scorer: str | LanguageModel = "",
    watch: Watcher = no_watch,
    **settings: Any,
) -> Result:
    """See `optimize`; for use where an event loop is running."""
    config = _config(problem, {"model": model, "scorer": scorer}, settings)
    own_problem = None if isinstance(problem, str) else problem
    own_model = None if isinstance(model, str) else model
    own_scorer = None if isinstance(scorer, str) else scorer
    workbench = Workbench(store)
    try:
        run = await workbench.run(config, problem=own_problem, model=own_model, scorer=own_scorer, watch=watch)
        await workbench.give_baselines(run, problem=own_problem)
        return workbench.result(run)
    finally:
        workbench.close()


def probe(
    task: str,
    *,
    store: str | None = None,
    model: str | LanguageModel = "local",
    settings: Sequence[str] = (),
    watch: Watcher = no_watch,
    **values: Any,
) -> ProbeReport:
    """Find out what a model makes of exemplars with right, flipped and meaningless labels.

    Args:
        task: "sst2", "subj", "trec", ..., "linear", a file, a folder or a hub id.
        store: path or URL of the store; $OPRO_STORE or a file in the user's data directory if None.
        model: the model, KIND:NAME, or one of your own.
        settings: such as "regular", "flipped 50%", "unrelated foo/bar", "linear N=8"; the paper's if empty.
        watch: called after each setting with its number and its trial.
        **values: fields of `opro.RunConfig`, such as `budget`; every other name is a setting of the problem `icl`,
            such as `k`, `items` or `data`.

    Raises:
        ConfigError: a name or value is wrong.
        StoreError: the store cannot be used.
        ModelError: the model cannot be loaded or does not answer.
    """
    _no_loop("opro.probe_async")
    return asyncio.run(probe_async(task, store=store, model=model, settings=settings, watch=watch, **values))


async def probe_async(
    task: str,
    *,
    store: str | None = None,
    model: str | LanguageModel = "local",
    settings: Sequence[str] = (),
    watch: Watcher = no_watch,
    **values: Any,
) -> ProbeReport:
    """See `probe`; for use where an event loop is running."""
    run = {name: value for name, value in values.items() if name in RunConfig.model_fields}
    rest = {name: value for name, value in values.items() if name not in run}
    own = None if isinstance(model, str) else model
    config = probe_config(task, model if isinstance(model, str) else _name(model), rest, settings, **run)
    agree_to(config)
    problem = build_problem(config)
    workbench = Workbench(store)
    try:
        made = await workbench.run(whole(config, problem), problem=problem, scorer=own, watch=watch)
        return probe_report(workbench.reader, workbench.reader.run(made))
    finally:
        workbench.close()


def _no_loop(instead: str) -> None:
    """Raise an OproError where an event loop is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise OproError(f"an event loop is running here: write `await {instead}(...)` instead")


def _config(
    problem: str | Problem, models: Mapping[str, str | LanguageModel], settings: Mapping[str, Any]
) -> RunConfig:
    ours = {name: value for name, value in settings.items() if name in RunConfig.model_fields}
    theirs = {name: value for name, value in settings.items() if name not in ours}
    values = {
        **ours,
        "problem": problem if isinstance(problem, str) else _name(problem),
        **{role: model if isinstance(model, str) else _name(model) for role, model in models.items()},
        "set": {**ours.get("set", {}), **theirs},
    }
    if not isinstance(problem, str):
        if theirs:
            raise ConfigError(
                f"unknown settings {', '.join(theirs)}: a problem that is handed in is already configured"
            )
        made_of = getattr(problem, "config", None)
        values["set"] = made_of.model_dump(mode="json") if isinstance(made_of, BaseModel) else {}
    return run_config(values)


def _name(thing: object) -> str:
    """Return `module:Class` (or `file.py:Class` for a script), from which the command can make the thing again."""
    kind = type(thing)
    module = kind.__module__ if kind.__module__ != "__main__" else inspect.getsourcefile(kind) or "__main__"
    return f"{module}:{kind.__qualname__}"

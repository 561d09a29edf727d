"""The Python interface to probes of in-context learning: `opro.probe`, with its twin for asyncio."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from opro.build import build_problem
from opro.callables import spec_of
from opro.config import RunConfig
from opro.handed import Handed, Model
from opro.loop import Watcher, no_watch
from opro.probing import ProbeReport, probe_config, probe_report, whole
from opro.running import run_here
from opro.workbench import Workbench


def probe(
    task: str,
    *,
    store: str | Path | None = None,
    model: Model = "local",
    settings: Sequence[str] = (),
    watch: Watcher = no_watch,
    **values: Any,
) -> ProbeReport:
    """Find out what a model makes of exemplars with right, flipped and meaningless labels.

    Args:
        task: "sst2", "subj", "trec", ..., "linear", a file, a folder or a hub id.
        store: path or URL of the store; $OPRO_STORE or a file in the user's data directory if None.
        model: the model: KIND:NAME, one of your own, or a function from a prompt to a reply.
        settings: such as "regular", "flipped 50%", "unrelated foo/bar", "linear N=8"; the paper's if empty.
        watch: called after each setting with its number and its trial.
        **values: fields of `opro.RunConfig`, such as `budget`; every other name is a setting of the problem `icl`,
            such as `k`, `items` or `data`.

    Raises:
        ConfigError: a name or value is wrong.
        StoreError: the store cannot be used.
        ModelError: the model cannot be loaded or does not answer.
    """
    work = probe_async(task, store=store, model=model, settings=settings, watch=watch, **values)
    return run_here(work, "opro.probe_async")


async def probe_async(
    task: str,
    *,
    store: str | Path | None = None,
    model: Model = "local",
    settings: Sequence[str] = (),
    watch: Watcher = no_watch,
    **values: Any,
) -> ProbeReport:
    """See `probe`; for use where an event loop is running."""
    run = {name: value for name, value in values.items() if name in RunConfig.model_fields}
    rest = {name: value for name, value in values.items() if name not in run}
    config = probe_config(task, model if isinstance(model, str) else spec_of(model), rest, settings, **run)
    problem = build_problem(config)
    with closing(Workbench(store)) as workbench:
        async with Handed(scorer=model).models(config.concurrency) as models:
            made = await workbench.run(whole(config, problem), problem=problem, scorer=models.scorer, watch=watch)
        return probe_report(workbench.reader, workbench.reader.run(made))

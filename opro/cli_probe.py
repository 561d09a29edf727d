"""The command `opro probe`: does a model follow its context, and will it do as an optimizer?"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from opro.cli_options import (
    BudgetOption,
    ConcurrencyOption,
    DryRunOption,
    JsonOption,
    PricesOption,
    StoreOption,
    VerboseOption,
    interruptible,
    pairs,
)
from opro.errors import ConfigError

OPTIMIZER = "optimizer"


def probe(  # noqa: PLR0913 - its parameters are the options of the command
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK...|optimizer",
            help="sst2, subj, trec, rte, qqp, financial-phrasebank, ethos, linear, a file, a folder, a hub id; or "
            "`optimizer`: will the model do as one?",
        ),
    ],
    model: Annotated[str, typer.Option(help="The model, KIND:NAME; default: local.")] = "local",
    model_settings: Annotated[
        list[str] | None, typer.Option("--model-set", help="NAME=VALUE of the model; repeatable.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Files of known tasks, instead of the hub.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="regular, flipped 50%, unrelated foo/bar, remapped 50%, linear N=8; repeatable."),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Exemplars of each class; default: 16.")] = None,
    items: Annotated[int | None, typer.Option(min=2, help="Items asked about in each setting; default: 100.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of `icl`; repeatable.")] = None,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    concurrency: ConcurrencyOption = None,
    store: StoreOption = None,
    *,
    dry_run: DryRunOption = False,
    _verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a model exemplars with right, flipped and meaningless labels, and see what it makes of them.

    `opro probe optimizer` lets it optimize a small problem in both styles, and says which suits it.
    """
    run: dict[str, Any] = {"budget": budget, "prices": prices, "concurrency": concurrency}
    run = {name: value for name, value in run.items() if value is not None}
    run["model_set"] = pairs(model_settings, "--model-set")
    if OPTIMIZER in tasks:
        if len(tasks) > 1 or data or setting or k or items or settings:
            raise ConfigError(f"`opro probe {OPTIMIZER}` stands alone: tasks, --data, --setting, ... are for a probe")
        if dry_run:
            raise ConfigError(
                f"how long `opro probe {OPTIMIZER}` takes is not foreseen: cap it, with --budget 1e5tok, say"
            )
        from opro.probe_sessions import audition

        interruptible(audition(model, run, store, as_json=as_json), store)
        return
    from opro.probing import probe_config

    values = {"k": k, "items": items, "data": None if data is None else str(data)}
    values = {name: value for name, value in values.items() if value is not None} | pairs(settings, "--set")
    configs = [probe_config(task, model, _fitting(task, values), setting or (), **run) for task in tasks]
    if dry_run:
        from opro.dry_runs import rehearse_probes

        asyncio.run(rehearse_probes(configs, as_json=as_json))
        return
    from opro.probe_sessions import probe_tasks

    interruptible(probe_tasks(configs, store, as_json=as_json), store)


def _fitting(task: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without the place of the data, for linear classification has none."""
    return {name: value for name, value in values.items() if name != "data" or task != "linear"}

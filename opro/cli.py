"""The command `opro`. It parses, calls and prints; what it does is done elsewhere.

Imports of what takes long stand inside the commands, so that `opro --help` is quick and loads no torch.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opro import cli_probe
from opro.cli_options import (
    BudgetOption,
    ConcurrencyOption,
    DeadlineOption,
    DryRunOption,
    JsonOption,
    PricesOption,
    StoreOption,
    TimeoutOption,
    existing,
    interruptible,
    opened,
    pairs,
)
from opro.errors import ConfigError, OproError

if TYPE_CHECKING:
    from opro.config import RunConfig

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="A workbench in which a language model is the optimizer.",
)
app.command("probe")(cli_probe.probe)


@app.command()
def run(  # noqa: PLR0913 - its parameters are the options of the command
    what: Annotated[str, typer.Argument(metavar="PROBLEM|FILE.toml", help="A problem, or a file with a config.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of the problem; repeatable.")] = None,
    proposer: Annotated[
        str | None, typer.Option(help="opro, random, evolution, ...; `opro proposers` lists them.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="NAME=VALUE of the proposer; repeatable.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The optimizer model, KIND:NAME; default: local.")] = None,
    model_settings: Annotated[
        list[str] | None, typer.Option("--model-set", help="NAME=VALUE of the optimizer model; repeatable.")
    ] = None,
    scorer: Annotated[str | None, typer.Option(help="The scorer model, if the problem needs one.")] = None,
    scorer_settings: Annotated[
        list[str] | None, typer.Option("--scorer-set", help="NAME=VALUE of the scorer model; repeatable.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Steps at most; default: 50.")] = None,
    per_step: Annotated[int | None, typer.Option(min=1, help="Candidates in a step; default: 8.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials at most, the start counted.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="End after so many steps without a better best.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.001, help="End after so many seconds.")] = None,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    concurrency: ConcurrencyOption = None,
    timeout: TimeoutOption = None,
    deadline: DeadlineOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed, or the first of --seeds; default: 0.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Make so many runs, with seeds from --seed on.")] = None,
    control: Annotated[str | None, typer.Option(help="flipped-scores: show the model reversed scores.")] = None,
    baselines: Annotated[str | None, typer.Option(help="auto, always or never; default: auto.")] = None,
    store: StoreOption = None,
    *,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Optimize a problem, then say what was gained, beside baselines with the same allowance of evaluations."""
    given = {
        "proposer": proposer,
        "model": model,
        "steps": steps,
        "per_step": per_step,
        "trials": trials,
        "patience": patience,
        "seconds": seconds,
        "budget": budget,
        "prices": prices,
        "concurrency": concurrency,
        "timeout": timeout,
        "deadline": deadline,
        "scorer": scorer,
        "seed": seed,
        "baselines": baselines,
    }
    tables = {
        "set": pairs(settings, "--set"),
        "options": pairs(options, "--option"),
        "model_set": pairs(model_settings, "--model-set"),
        "scorer_set": pairs(scorer_settings, "--scorer-set"),
    }
    config, count = _run_config(what, given, tables)
    if control is not None:
        config = config.model_copy(update={"options": {**config.options, "control": control}})
    if dry_run:
        from opro.dry_runs import rehearse

        asyncio.run(rehearse(config, seeds or count or 1, as_json=as_json))
        return
    from opro.sessions import study

    interruptible(study(config, seeds or count or 1, store, as_json=as_json), store)


def _run_config(
    what: str, given: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]
) -> "tuple[RunConfig, int | None]":
    from opro.config import read_toml, run_config

    changes = {name: value for name, value in given.items() if value is not None}
    if not what.endswith(".toml"):
        return run_config({**changes, "problem": what, **tables}), None
    config, count = read_toml(Path(what))
    base = config.model_dump()
    merged = {name: {**base[name], **table} for name, table in tables.items()}
    return run_config({**base, **changes, **merged}), count


@app.command()
def resume(  # noqa: PLR0913 - as above
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning or end.")],
    steps: Annotated[int | None, typer.Option(min=0, help="Another limit of steps.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Another limit of trials.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.001, help="Another limit of seconds.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Another patience.")] = None,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    concurrency: ConcurrencyOption = None,
    timeout: TimeoutOption = None,
    deadline: DeadlineOption = None,
    store: StoreOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run that was stopped, died, or shall go further; nothing is paid for twice."""
    changes = {
        "steps": steps,
        "trials": trials,
        "seconds": seconds,
        "patience": patience,
        "budget": budget,
        "prices": prices,
        "concurrency": concurrency,
        "timeout": timeout,
        "deadline": deadline,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    from opro.sessions import go_on

    existing(store)  # a store that does not exist shall not be made by resuming from it
    interruptible(go_on(name, given, store, as_json=as_json), store)


@app.command("eval")
def evaluate(  # noqa: PLR0913 - as above
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task: gsm8k, bbh/NAME, a file, a hub id, ...")],
    instructions: Annotated[list[str] | None, typer.Option("--instruction", help="Repeatable; may be empty.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text file with an instruction a line.")] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    scorer: Annotated[str | None, typer.Option(help="The scorer model, KIND:NAME; default: local.")] = None,
    scorer_settings: Annotated[list[str] | None, typer.Option("--scorer-set", help="NAME=VALUE of the scorer.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of `instructions`.")] = None,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    concurrency: ConcurrencyOption = None,
    store: StoreOption = None,
    *,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score given instructions, and hold the first against each of the others, example by example."""
    texts = [*(instructions or ()), *(_lines(file) if file else ())]
    if not texts:
        raise ConfigError("which instructions? Give --instruction TEXT, or --file with one a line")
    given = {"scorer": scorer, "model": scorer, "budget": budget, "prices": prices, "concurrency": concurrency}
    fixed = {"task": task, "start": texts, "split": split, "racing": False}
    tables = {
        "set": {**pairs(settings, "--set"), **fixed},
        "scorer_set": pairs(scorer_settings, "--scorer-set"),
    }
    changes = {"proposer": "none", "steps": 0, "baselines": "never"}
    config, _ = _run_config("instructions", {**given, **changes}, tables)
    if dry_run:
        from opro.dry_runs import rehearse

        asyncio.run(rehearse(config, 1, as_json=as_json))
        return
    from opro.sessions import score

    interruptible(score(config, store, as_json=as_json), store)


def _lines(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            return [line.rstrip("\n") for line in lines]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the instructions in {file}: {error}") from error


@app.command()
def verdict(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning or end.")],
    budget: BudgetOption = None,
    store: StoreOption = None,
    *,
    best_of_n: Annotated[
        bool, typer.Option("--best-of-n/--no-best-of-n", help="Hold it against candidates drawn blindly, too.")
    ] = True,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score what a run found on examples that it has not seen, beside its start, no instruction and the known ones.

    Another rival is the best of as many candidates as the run scored, drawn without showing the model any of them. That
    costs about as much as the run; what was scored before is not paid for again.
    """
    if dry_run:
        from opro.dry_runs import rehearse_verdict

        asyncio.run(rehearse_verdict(opened(store), name, budget or (), best_of_n=best_of_n, as_json=as_json))
        return
    from opro.sessions import examine

    existing(store)
    interruptible(examine(name, budget or (), store, best_of_n=best_of_n, as_json=as_json), store)


@app.command("list")
def list_runs(store: StoreOption = None, *, as_json: JsonOption = False) -> None:
    """List the runs of a store, the newest last."""
    from rich.console import Console

    from opro.report import summarize
    from opro.views import run_table

    reader = opened(store)
    if as_json:
        sys.stdout.writelines(json.dumps(summarize(reader, record).as_dict()) + "\n" for record in reader.runs())
    else:
        Console().print(run_table(reader))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning or end.")],
    step: Annotated[int | None, typer.Option(min=0, help="Show this step: meta-prompts and raw replies.")] = None,
    *,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Show the replies of which two ways of reading the answer disagree.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw a picture into this file (.html, .png, .svg, .pdf).")
    ] = None,
    picture: Annotated[str | None, typer.Option(help="Which picture; default: Trajectory.")] = None,
    store: StoreOption = None,
) -> None:
    """Show a run, or one of its steps with the exact meta-prompts, the raw replies and what became of them."""
    from rich.console import Console

    from opro import views

    reader = opened(store)
    record = reader.run(name)
    if picture is not None and figure is None:
        raise ConfigError(f"into which file shall {picture!r} be drawn? Give --figure FILE")
    if figure is not None:
        from opro import gallery
        from opro.pictures import write

        write(gallery.picture(gallery.pictures_of(reader, record), picture).draw(), figure)
        sys.stdout.write(f"{figure}\n")
    elif flagged:
        views.show_flagged(Console(), reader, record)
    elif step is not None:
        views.show_step(Console(), reader, record, step)
    else:
        views.show_run(Console(), reader, record)


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or the first run of a study.")],
    store: StoreOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: those that differ in their seeds only count as one contestant, pairs have the same seed."""
    from rich.console import Console

    from opro import views

    views.compare_runs(Console(), opened(store), names, as_json=as_json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning or end.")],
    what: Annotated[str, typer.Option(help="trials, or answers: the scorer's, example by example.")] = "trials",
    form: Annotated[
        str, typer.Option("--format", help="csv, jsonl or parquet; or toml: the config, to run it again.")
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    store: StoreOption = None,
) -> None:
    """Write the trials of a run, or what its scorer answered, as a table."""
    from opro.export import write

    reader = opened(store)
    write(reader, reader.run(name), what, form, out)


@app.command()
def delete(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs' ids, or their beginnings or ends.")],
    store: StoreOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete runs with all that is recorded under them, their baselines and verdicts; there is no way back."""
    from opro.store import Store

    reader = opened(store)
    runs = list(dict.fromkeys(reader.run(name).id for name in names))
    if not yes:
        typer.confirm(f"Delete {', '.join(runs)}?", abort=True)
    writer = Store(existing(store))
    writer.delete(runs)
    writer.close()
    sys.stdout.write("".join(f"deleted {run}\n" for run in runs))


@app.command()
def ui(
    store: StoreOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the page is served.")] = 8501,
    host: Annotated[str, typer.Option(help="The address to bind; other machines can reach the page elsewhere.")] = (
        "127.0.0.1"
    ),
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Open the page: start runs, watch them, understand and compare them. Ctrl-C closes it; runs go on."""
    from opro.ui.serving import serve

    serve(store, host, port, browser=browser)


@app.command()
def problems() -> None:
    """List the problems and their settings."""
    from evaluators import PROBLEMS
    from opro.views import show_table

    show_table("problem", PROBLEMS, "--set")


@app.command()
def proposers() -> None:
    """List the proposers and their settings."""
    from opro.proposers import PROPOSERS
    from opro.views import show_table

    show_table("proposer", PROPOSERS, "--option")


@app.command()
def models() -> None:
    """List the kinds of models, and the weights that can be had or are in the cache."""
    from opro.views import show_models

    show_models()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def main() -> None:
    """Run the command; an error of the workbench is one line, not a traceback."""
    try:
        app()
    except OproError as error:
        sys.stderr.write(f"error: {_printable(str(error))}\n")
        sys.exit(2 if isinstance(error, ConfigError) else 1)

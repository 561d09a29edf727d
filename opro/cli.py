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
from typer.main import get_command

from opro import cli_about, cli_best, cli_catalog, cli_probe, cli_prompts, completing
from opro.cli_options import (
    BudgetOption,
    Commands,
    ConcurrencyOption,
    DeadlineOption,
    DryRunOption,
    JsonOption,
    ModelOption,
    MovedOption,
    PricesOption,
    RunArgument,
    RunsArgument,
    ScorerOption,
    StoreOption,
    TimeoutOption,
    VerboseOption,
    existing,
    interruptible,
    opened,
    pairs,
)
from opro.cli_trust import TrustOption, YesOption, settle
from opro.errors import ConfigError
from opro.faults import ended_well

if TYPE_CHECKING:
    from opro.config import RunConfig

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="$OPRO_CACHE names the folder of locks, fetched models and what you agreed to; $OPRO_STORE the store.",
)
app.callback()(cli_about.root)
app.command("probe")(cli_probe.probe)
app.command("best")(cli_best.best)
app.command("example")(cli_about.example)
app.command()(cli_catalog.problems)
app.command()(cli_catalog.proposers)
app.command()(cli_catalog.models)


@app.command()
def run(  # noqa: PLR0913 - its parameters are the options of the command
    what: Annotated[
        str,
        typer.Argument(
            metavar="PROBLEM|FILE.toml", help="A problem, or a file with a config.", autocompletion=completing.problem
        ),
    ],
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of the problem; repeatable.")] = None,
    proposer: Annotated[
        str | None,
        typer.Option(
            help="opro, random, evolution, ...; `opro proposers` lists them.", autocompletion=completing.proposer
        ),
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="NAME=VALUE of the proposer; repeatable.")
    ] = None,
    model: ModelOption = None,
    model_settings: Annotated[
        list[str] | None, typer.Option("--model-set", help="NAME=VALUE of the optimizer model; repeatable.")
    ] = None,
    scorer: ScorerOption = None,
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
    prompt_file: cli_prompts.PromptFileOption = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Make so many runs, with seeds from --seed on.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="flipped-scores: show the model reversed scores.")] = None,
    baselines: Annotated[str | None, typer.Option(help="auto, always or never; default: auto.")] = None,
    store: StoreOption = None,
    *,
    dry_run: DryRunOption = False,
    judged: Annotated[
        bool, typer.Option("--verdict", help="Then do what `opro verdict` does, with what is left of --budget.")
    ] = False,
    _verbose: VerboseOption = False,
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
        "set": cli_prompts.with_prompts(pairs(settings, "--set"), prompt_file),
        "options": pairs(options, "--option"),
        "model_set": pairs(model_settings, "--model-set"),
        "scorer_set": pairs(scorer_settings, "--scorer-set"),
    }
    config, count = _run_config(what, given, tables)
    if control is not None:
        config = config.model_copy(update={"options": {**config.options, "control": control}})
    if dry_run:
        from opro.dry_runs import rehearse

        asyncio.run(rehearse(config, seeds or count or 1, judged=judged, as_json=as_json))
        return
    from opro.sessions import study

    interruptible(study(config, seeds or count or 1, store, as_json=as_json, judged=judged), store)


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
    name: RunArgument,
    steps: Annotated[int | None, typer.Option(min=0, help="Another limit of steps.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Another limit of trials.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.001, help="Another limit of seconds.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Another patience.")] = None,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    concurrency: ConcurrencyOption = None,
    timeout: TimeoutOption = None,
    deadline: DeadlineOption = None,
    moved: MovedOption = None,
    store: StoreOption = None,
    *,
    yes: YesOption = False,
    _verbose: VerboseOption = False,
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
        "set": pairs(moved, "--set") or None,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    from opro.sessions import go_on

    settle(store, name, pairs(moved, "--set"), yes=yes)
    interruptible(go_on(name, given, store, as_json=as_json), store)


@app.command("eval")
def evaluate(  # noqa: PLR0913 - as above
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task: gsm8k, bbh/NAME, a file, a hub id, ...")],
    instructions: Annotated[list[str] | None, typer.Option("--instruction", help="Repeatable; may be empty.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text file with an instruction a line.")] = None,
    prompt_file: cli_prompts.PromptFileOption = None,
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
    _verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score given instructions, and hold the first against each of the others, example by example."""
    lines = cli_prompts.lines_of(file) if file else []
    texts = [*(instructions or ()), *cli_prompts.prompt_files(prompt_file), *lines]
    if not texts:
        raise ConfigError("which instructions? Give --instruction TEXT, --prompt-file, or --file with one a line")
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


@app.command()
def verdict(  # noqa: PLR0913 - as above
    name: RunArgument,
    budget: BudgetOption = None,
    moved: MovedOption = None,
    store: StoreOption = None,
    *,
    best_of_n: Annotated[
        bool, typer.Option("--best-of-n/--no-best-of-n", help="Hold it against candidates drawn blindly, too.")
    ] = True,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    _verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score what a run found on examples that it has not seen, beside its start, no instruction and the known ones.

    Another rival is the best of as many candidates as the run scored, drawn without showing the model any of them. That
    costs about as much as the run; what was scored before is not paid for again.
    """
    places = pairs(moved, "--set")
    if dry_run:
        from opro.dry_runs import rehearse_verdict

        estimates = rehearse_verdict(opened(store), name, budget or (), places, best_of_n=best_of_n, as_json=as_json)
        asyncio.run(estimates)
        return
    from opro.sessions import examine

    settle(store, name, places, yes=yes)
    interruptible(examine(name, budget or (), store, places=places, best_of_n=best_of_n, as_json=as_json), store)


@app.command("list")
def list_runs(store: StoreOption = None, *, as_json: JsonOption = False) -> None:
    """List the runs of a store, the newest last.

    Ids are as short as other commands take them; in a pipe they are whole. `last` names the newest run, `last~1` the
    one before it.
    """
    from opro.report import summaries
    from opro.screen import paged, screen
    from opro.views import run_table

    reader = opened(store)
    if as_json:
        sys.stdout.writelines(json.dumps(summary.as_dict()) + "\n" for summary in summaries(reader))
        return
    console = screen()
    with paged(console):
        console.print(run_table(reader, whole=not console.is_terminal))


@app.command()
def show(  # noqa: PLR0913 - as above
    name: RunArgument,
    step: Annotated[int | None, typer.Option(min=0, help="Show this step: meta-prompts and raw replies.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show every prompt of the scorer in that step.")] = False,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Show the replies of which two ways of reading the answer disagree.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw a picture into this file (.html, .png, .svg, .pdf).")
    ] = None,
    picture: Annotated[str | None, typer.Option(help="Which picture; default: Trajectory.")] = None,
    trust: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run, or one of its steps with the exact meta-prompts, the raw replies and what became of them.

    What is longer than the terminal opens in your pager ($PAGER; PAGER=cat prints it).
    """
    from opro import build, showing

    allowed = build.everything if trust else build.nothing
    if picture is not None and figure is None:
        raise ConfigError(f"into which file shall {picture!r} be drawn? Give --figure FILE")
    if everything and step is None:
        raise ConfigError("--all belongs to a step: give --step K, too")
    reader = opened(store)
    record = reader.run(name)
    if figure is not None:
        showing.draw(reader, record, picture, figure, allowed)
    elif as_json:
        showing.write_json(reader, record, step, allowed)
    else:
        showing.show(reader, record, showing.Wish(step, whole=everything, flagged=flagged), allowed)


@app.command()
def compare(
    names: RunsArgument,
    store: StoreOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: those that differ in their seeds only count as one contestant, pairs have the same seed."""
    from opro import views
    from opro.screen import screen

    views.compare_runs(screen(), opened(store), names, as_json=as_json)


@app.command()
def export(
    name: RunArgument,
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
    names: RunsArgument,
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
    allowed: Annotated[
        list[Path] | None,
        typer.Option("--allow", metavar="FILE.py", help="Let the page run this file of yours; repeatable."),
    ] = None,
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Open the page: start runs, watch them, understand and compare them. Ctrl-C closes it; runs go on.

    At an address that other machines can reach it asks for a token, which is printed with the link.
    """
    from opro.ui.serving import serve

    missing = [file for file in allowed or () if not file.is_file()]
    if missing:
        raise ConfigError(f"--allow {missing[0]}: there is no such file")
    serve(store, host, port, allowed or (), browser=browser)


def main() -> None:
    """Run the command; what goes wrong is a line, not a traceback."""
    ended_well(get_command(app))

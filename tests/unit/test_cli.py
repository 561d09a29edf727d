"""The command, as a user types it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from pyarrow import parquet

from opro.locks import lock_of
from opro.reader import Reader
from tests.unit.conftest import Command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(opro: Command) -> str:
    """A finished run by evolution."""
    code, out, _ = opro("run", "linear-regression", "--proposer", "evolution", "--steps", "5", "--json")
    assert code == 0
    return json.loads(out)["run"]


@pytest.fixture
def asked(opro: Command, tmp_path: Path) -> str:
    """A finished run by a scripted model."""
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13\nsorry\n11, b=12\n12, b=[bold]12\n")
    code, out, _ = opro("run", "linear-regression", "--model", f"scripted:{script}", "--steps", "2", "--json")
    assert code == 0
    return json.loads(out)["run"]


def test_a_run_prints_its_best_and_the_verdict(opro: Command) -> None:
    code, out, _ = opro(
        "run", "linear-regression", "--proposer", "surrogate", "--steps", "5", "--set", "w=3", "--set", "b=5"
    )
    assert code == 0
    assert "w=3, b=5" in out
    assert "surrogate reached the optimum in 1 of 1 run" in out
    assert "surrogate against random: better in 1 of 1" in out
    assert "1 seed is too few for a test" in out


def test_json_is_one_line_per_run_with_the_promised_fields(opro: Command) -> None:
    code, out, _ = opro("run", "tsp", "--set", "n=5", "--proposer", "random", "--seeds", "2", "--seed", "3", "--json")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    promised = "run seed steps trials unique invalid best best_value optimum gap found seconds tokens"
    assert all(set(promised.split()) <= set(line) for line in lines)
    assert [line["seed"] for line in lines] == [3, 4]
    assert [line["found"] for line in lines] == [True, True]


def test_a_toml_file_says_what_to_run_and_options_overrule_it(opro: Command, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('problem = "tsp"\nproposer = "random"\nsteps = 3\nseeds = 2\n[set]\nn = 6\n')
    code, out, _ = opro("run", str(file), "--set", "n=7", "--json")
    assert code == 0
    runs = [json.loads(line) for line in out.splitlines()]
    assert len(runs) == 2
    assert all(len(run["best"].split()) == 7 for run in runs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "tps"], "unknown problem 'tps': did you mean 'tsp'?"),
        (["run", "tsp", "--proposer", "evolutoin"], "did you mean 'evolution'?"),
        (["run", "tsp", "--set", "m=3"], "unknown tsp setting 'm'"),
        (["run", "tsp", "--set", "n=0"], "n = 0"),
        (["run", "tsp", "--set", "n"], "NAME=VALUE is needed"),
        (["run", "tsp", "--option", "temprature=2"], "did you mean 'temperature'?"),
        (["run", "tsp", "--model", "lokal"], "unknown model 'lokal': did you mean 'local'?"),
        (["run", "tsp", "--proposer", "surrogate"], "needs a numeric problem"),
        (["run", "tsp", "--set", "instance=-1"], "instance = -1"),
        (["run", "tsp", "--option", "goals=[nan]"], "goals"),
        (["run", "examples/parabola.py:re"], "is no problem: it has no direction, start, brief, parse, evaluate"),
        (["run", "instructions", "--set", "task="], "a task is needed: --set task=FILE"),
        (["run", "icl", "--set", "task="], "a task is needed: --set task=FILE"),
        (["run", "tsp", "--model", "openai:x@http://h:99999/v1", "--dry-run"], "'http://h:99999/v1' is no address"),
        (["run", "tsp", "--model", "openai:x@http://h:port/v1", "--dry-run"], "'http://h:port/v1' is no address"),
        (["run", "tsp", "--model", "openai:x@http://[::1/v1"], "'http://[::1/v1' is no address"),
        (["run", "nowhere.toml"], "cannot read nowhere.toml"),
        (["run", "mine.py:Problem"], "cannot import the problem 'mine.py:Problem'"),
    ],
)
def test_what_is_wrong_is_named_in_one_line_with_exit_code_2(opro: Command, arguments: list[str], message: str) -> None:
    code, _, error = opro(*arguments)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "content", ["problem = ", "steps = 3", 'problem = "tsp"\nstepz = 3', 'problem = "tsp"\nseeds = 0']
)
def test_a_toml_file_that_is_wrong_is_an_error(opro: Command, tmp_path: Path, content: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(content)
    code, _, error = opro("run", str(file))
    assert code == 2
    assert error.startswith("error: ")


def test_an_unknown_option_is_an_error_with_the_nearest(opro: Command) -> None:
    code, _, error = opro("run", "tsp", "--stepz", "3")
    assert code == 2
    assert "--steps" in error


def test_a_store_that_does_not_exist_is_not_made_by_looking(opro: Command, store: str) -> None:
    for arguments in (["list"], ["show", "x"], ["resume", "x"], ["compare", "x"], ["export", "x"]):
        code, _, error = opro(*arguments)
        assert code == 1
        assert "there is no store" in error
    assert not Path(store).exists()


def test_an_unknown_run_is_named(opro: Command, made: str) -> None:
    code, _, error = opro("show", made[:-1] + "x")
    assert code == 2
    assert f"did you mean {made!r}?" in error


def test_list_shows_the_runs_but_not_their_baselines(opro: Command, made: str) -> None:
    _, out, _ = opro("list")
    assert made in out
    _, out, _ = opro("list", "--json")
    assert [json.loads(line)["run"] for line in out.splitlines()] == [made]


def test_show_prints_the_best_solutions_and_references(opro: Command, made: str) -> None:
    code, out, _ = opro("show", made)
    assert code == 0
    assert "best solutions" in out
    assert "reference optimum (proved)" in out


def test_a_step_is_shown_with_its_prompt_and_what_became_of_each_reply(opro: Command, asked: str) -> None:
    _, out, _ = opro("show", asked, "--step", "1")
    assert "w=15, b=13" in out
    assert "trial 5, value" in out
    assert "repeat of trial" in out
    assert "failed: " in out or "rejected: " in out
    assert "[bold]" in out  # a model's text is never markup
    code, _, error = opro("show", asked, "--step", "9")
    assert (code, "has no step 9; its last is 2" in error) == (2, True)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_figure_is_drawn(opro: Command, made: str, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"trajectory.{ending}"
    code, out, _ = opro("show", made, "--figure", str(path))
    assert code == 0
    assert str(path) in out
    assert path.stat().st_size > 5000


def test_a_figure_of_an_unknown_format_is_an_error(opro: Command, made: str, tmp_path: Path) -> None:
    code, _, error = opro("show", made, "--figure", str(tmp_path / "x.nope"))
    assert code == 2
    assert "cannot draw" in error


def test_exports_hold_every_trial(opro: Command, asked: str, store: str, tmp_path: Path) -> None:
    trials = Reader(store).trials(asked)
    _, out, _ = opro("export", asked)
    assert [row["text"] for row in csv.DictReader(out.splitlines())] == [trial.text for trial in trials]
    _, out, _ = opro("export", asked, "--format", "jsonl")
    assert [json.loads(line)["value"] for line in out.splitlines()] == [trial.value for trial in trials]
    path = tmp_path / "trials.parquet"
    assert opro("export", asked, "--format", "parquet", "--out", str(path))[0] == 0
    assert parquet.read_table(path).column("number").to_pylist() == [trial.number for trial in trials]
    assert opro("export", asked, "--format", "xml")[0] == 2
    assert opro("export", asked, "--format", "parquet")[0] == 2


def test_compare_pairs_contestants_by_seed(opro: Command) -> None:
    runs = []
    for proposer in ("surrogate", "random"):
        arguments = ["--proposer", proposer, "--seeds", "7", "--steps", "3", "--baselines", "never", "--json"]
        _, out, _ = opro("run", "linear-regression", *arguments)
        runs.append(json.loads(out.splitlines()[0])["run"])
    code, out, _ = opro("compare", *runs)
    assert code == 0
    assert "better in 7 of 7" in out
    assert "a gain is shown" in out


def test_compare_tells_contestants_by_what_differs_and_refuses_what_cannot_be_paired(opro: Command) -> None:
    def make(*arguments: str) -> str:
        _, out, _ = opro("run", *arguments, "--baselines", "never", "--json")
        return json.loads(out.splitlines()[0])["run"]

    small = make("linear-regression", "--proposer", "evolution", "--option", "population=5", "--steps", "1")
    large = make("linear-regression", "--proposer", "evolution", "--steps", "5")
    other = make("linear-regression", "--proposer", "evolution", "--set", "w=3")
    _, out, _ = opro("compare", small, large, small)
    assert "evolution steps=1 population=5 against evolution steps=5 population=100" in out
    assert "1 seed is too few" in out
    assert "unequal numbers of evaluations" in out
    code, _, error = opro("compare", small, other)
    assert (code, "cannot be compared" in error) == (2, True)
    twin = make("linear-regression", "--proposer", "evolution", "--steps", "5")
    code, _, error = opro("compare", large, twin)
    assert (code, "second run with seed 0" in error) == (2, True)


def test_a_city_file_that_changed_is_noticed_on_resume(opro: Command, tmp_path: Path) -> None:
    file = tmp_path / "four.tsp"
    head = "NAME: four\nTYPE: TSP\nDIMENSION: 5\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n"
    cities = head + "1 0 0\n2 0 9\n3 9 9\n4 9 0\n"
    file.write_text(cities + "5 4 2\nEOF\n")
    _, out, _ = opro("run", "tsp", "--set", f"file={file}", "--proposer", "random", "--steps", "0", "--json")
    file.write_text(cities + "5 4 7\nEOF\n")
    code, _, error = opro("resume", json.loads(out)["run"], "--steps", "2")
    assert (code, "is not what it was" in error) == (2, True)


def test_a_prompt_with_terminal_codes_is_shown_without_them(opro: Command, tmp_path: Path) -> None:
    template = tmp_path / "t.toml"
    template.write_text('item = "$solution"\nprompt = "\\u001b]0;owned\\u0007${items}$lead"\n')
    script = tmp_path / "replies.txt"
    script.write_text("1, b=1\n")
    options = ["--option", f"template={template}", "--model", f"scripted:{script}", "--steps", "1", "--json"]
    _, out, _ = opro("run", "linear-regression", *options)
    _, out, _ = opro("show", json.loads(out)["run"], "--step", "1")
    assert "owned" in out
    assert "\x1b" not in out


def test_a_control_is_named_in_its_verdict(opro: Command, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("1, b=1\n")
    arguments = ["--model", f"scripted:{script}", "--steps", "1", "--control", "flipped-scores"]
    _, out, _ = opro("run", "linear-regression", *arguments)
    assert "opro (flipped-scores) did not reach" in out


def test_resume_goes_on_with_a_larger_limit(opro: Command, store: str) -> None:
    arguments = ["--proposer", "random", "--steps", "2", "--json", "--baselines", "never"]
    _, out, _ = opro("run", "linear-regression", *arguments)
    run = json.loads(out)["run"]
    before = Reader(store).trials(run)
    code, out, _ = opro("resume", run, "--steps", "4", "--json")
    assert code == 0
    assert json.loads(out)["steps"] == 4
    assert Reader(store).trials(run)[: len(before)] == before


def test_tables_of_problems_proposers_and_models(opro: Command) -> None:
    for command, word in (("problems", "tsp"), ("proposers", "surrogate"), ("models", "SmolLM2")):
        code, out, _ = opro(command)
        assert code == 0
        assert word in out


def test_help_loads_nothing_large() -> None:
    code = "import sys, opro.cli; sys.exit(bool({'torch', 'transformers', 'sqlalchemy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ctrl_c_while_the_command_is_loaded_ends_it_without_a_word() -> None:
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["opro"]
    assert entry == "opro.__main__:main"
    code = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from opro.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_ctrl_c_during_an_estimate_is_one_line(opro: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("opro.dry_runs.build_problem", interrupted)
    assert opro("run", "tsp", "--dry-run") == (130, "", "\nStopped.\n")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_everything_and_says_how_to_go_on(tmp_path: Path, stop: signal.Signals) -> None:
    ignored = signal.SIG_IGN if stop is signal.SIGTERM else signal.SIG_DFL  # as a shell does in the background
    store = str(tmp_path / "store.db")
    arguments = ["run", "tsp", "--set", "n=30", "--proposer", "random", "--steps", "100000"]
    command = [sys.executable, "-m", "opro", *arguments, "--store", store]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, ignored),
    )
    while not Path(store).exists() or not _trials(store):
        time.sleep(0.02)
    process.send_signal(stop)
    try:
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    (run,) = Reader(store).runs()
    assert process.returncode == 130
    assert f"opro resume {run.id} --store {store}" in error
    assert (run.status, run.reason) == ("stopped", "interrupted")


def _trials(store: str) -> int:
    try:
        reader = Reader(store)
        return sum(len(reader.trials(run.id)) for run in reader.runs())
    except Exception:  # noqa: BLE001 - the store is being made
        return 0


@pytest.mark.model
def test_the_problem_of_the_readme_runs(tmp_path: Path) -> None:
    """The example needs the default model: it is the whole way from a class to a verdict."""
    environment = {**os.environ, "OPRO_STORE": str(tmp_path / "store.db")}
    command = [sys.executable, "examples/parabola.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "opro bettered the best starting solution in 1 of 1 run" in done.stdout


def test_a_dry_run_estimates_and_makes_no_store(opro: Command, store: str, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13\n")
    code, out, _ = opro("run", "tsp", "--model", f"scripted:{script}", "--steps", "7", "--seeds", "2", "--dry-run")
    assert code == 0
    assert "estimate for 2 runs" in out
    assert "optimizer" in out
    assert not Path(store).exists()


def test_a_run_that_its_budget_stops_says_how_to_go_on_and_does(opro: Command, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13\n11, b=12\n12, b=12\n9, b=3\n")
    arguments = ("linear-regression", "--model", f"scripted:{script}", "--steps", "4", "--baselines", "never")
    code, out, _ = opro("run", *arguments, "--budget", "1400tok", "--budget", "1h")
    assert code == 0
    assert "the budget of 1,400 tokens, 3,600 seconds is used up" in " ".join(out.split())
    run = next(word for word in out.split() if word.startswith("linear-regression-"))
    code, out, _ = opro("resume", run, "--budget", "1e6tok", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "done"


def test_a_budget_without_a_unit_is_refused(opro: Command) -> None:
    code, _, error = opro("run", "linear-regression", "--budget", "5")
    assert code == 2
    assert "2.50usd, 1e6tok or 30min" in error


def test_what_it_cost_is_shown(opro: Command, asked: str) -> None:
    code, out, _ = opro("show", asked)
    assert code == 0
    assert "what it cost" in out
    assert "optimizer" in out


def test_runs_are_deleted_with_their_baselines_and_only_when_nobody_works_on_them(
    opro: Command, made: str, store: str
) -> None:
    assert len(Reader(store).runs(baselines=True)) > 1
    held = lock_of(made)
    with held:
        code, _, err = opro("delete", made, "--yes")
    assert code == 1
    assert "another process" in err
    code, out, _ = opro("delete", made, made, "--yes")
    assert code == 0
    assert out == f"deleted {made}\n"
    assert Reader(store).runs(baselines=True) == []


def test_an_exported_config_makes_the_same_run_again(opro: Command, asked: str, store: str, tmp_path: Path) -> None:
    file = tmp_path / "again.toml"
    code, _, _ = opro("export", asked, "--format", "toml", "--out", str(file))
    assert code == 0
    code, out, _ = opro("run", str(file), "--json")
    assert code == 0
    again = json.loads(out)["run"]
    trials = [[(trial.text, trial.value) for trial in Reader(store).trials(run)] for run in (asked, again)]
    assert trials[0] == trials[1]

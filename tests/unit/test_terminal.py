"""The command in a terminal and in a pipe: names, widths, progress, completion, odd streams, odd values, Ctrl-C."""

import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from opro import completing
from opro.catalog import summary
from opro.errors import ConfigError
from opro.journal import Arrived
from opro.naming import called, short_ids
from opro.reader import Reader
from opro.records import Event, EventKind, RunSpec, Status, request_json, request_key
from opro.report import summaries, summarize
from opro.screen import Sheet, clipped
from opro.store import Store
from opro.types import Candidate, Direction, Evaluation, Generation, Reference, Request, Sample, Trial, Usage
from opro.views import run_table
from scorer_models import MODELS, open_model
from tests.unit.conftest import Command

ROOT = Path(__file__).parents[2]
FREE = ("--proposer", "random", "--baselines", "never", "--steps", "2")


def command(*arguments: str, **look: str) -> "subprocess.CompletedProcess[bytes]":
    """Run `opro ...` as a process of its own."""
    line = [sys.executable, "-m", "opro", *arguments]
    return subprocess.run(line, capture_output=True, check=False, cwd=ROOT, env={**os.environ, **look})


# Names


IDS = {"tsp-aaaa1111": None, "tsp-bbbb2222": None, "tsp-cc112222": "tsp-aaaa1111", "tsp-dd112222": "tsp-aaaa1111"}


def test_last_is_the_newest_run_made_for_its_own_sake() -> None:
    assert called("last", IDS, "s") == "tsp-bbbb2222"
    assert called("last~1", IDS, "s") == "tsp-aaaa1111"
    with pytest.raises(ConfigError, match="there is no last~2: the store holds 2 runs"):
        called("last~2", IDS, "s")


def test_an_end_that_fits_one_run_and_several_baselines_means_the_run() -> None:
    assert called("2222", IDS, "s") == "tsp-bbbb2222"
    assert called("tsp-cc", IDS, "s") == "tsp-cc112222"
    with pytest.raises(ConfigError, match=r"'112222' fits 2 runs \(tsp-dd112222, tsp-cc112222\)"):
        called("112222", IDS, "s")


def test_a_name_that_fits_many_runs_is_told_with_a_few_of_them() -> None:
    with pytest.raises(ConfigError, match=r"fits 90 runs \(tsp-99, tsp-98, tsp-97 and 87 more\): give more of the id"):
        called("tsp", {f"tsp-{number}": None for number in range(10, 100)}, "s")


def test_a_name_that_fits_none_and_an_empty_one_are_errors() -> None:
    with pytest.raises(ConfigError, match="no run 'tsp-aaaa1112' in s: did you mean 'tsp-aaaa1111'"):
        called("tsp-aaaa1112", IDS, "s")
    with pytest.raises(ConfigError, match="which run"):
        called("", IDS, "s")


def test_short_ids_mean_the_runs_that_they_stand_for() -> None:
    ids = ["tsp-00abcdef", "tsp-11abcdef", "face-12345678", "tsp-0000face"]
    short = short_ids(ids)
    assert short == {ids[0]: "0abcdef", ids[1]: "1abcdef", ids[2]: "5678", ids[3]: "0face"}
    assert [called(one, dict.fromkeys(ids), "s") for one in short.values()] == ids


def test_every_command_that_takes_a_run_takes_last(opro: Command) -> None:
    for _ in range(2):
        assert opro("run", "linear-regression", *FREE)[0] == 0
    for arguments in (["show"], ["export"], ["compare"], ["resume"]):
        assert opro(*arguments, "last")[0] == 0, arguments
    code, _, error = opro("verdict", "last")
    assert (code, "keeps no examples" in error) == (2, True)
    code, out, _ = opro("delete", "last~1", "--yes")
    assert (code, out.startswith("deleted linear-regression-")) == (0, True)


# Widths


@pytest.mark.parametrize("width", [80, 60, 30])
def test_no_id_and_no_number_is_cut_however_narrow_the_terminal(opro: Command, store: str, width: int) -> None:
    opro("run", "linear-regression", *FREE)
    reader = Reader(store)
    (record,) = reader.runs()
    out = drawn(run_table(reader), width)
    assert record.id[-4:] in re.split(r"\W+", out)
    assert re.search(r"\d+(,\d+)* %", out)
    assert all(len(line.rstrip()) <= width for line in out.splitlines())
    assert opro("show", record.id[-4:])[0] == 0


@pytest.mark.parametrize("width", [60, 24, 8])
def test_a_sheet_gives_up_its_lines_and_then_its_columns_before_a_number(width: int) -> None:
    table = Sheet("trial", "best value", "tokens read", clipped("solution"))
    table.add_row("7", "12,345,678", "1,000,000,000", "[bold]" + "x" * 100)
    out = drawn(table, width)
    words = out.replace("│", " ").split()
    assert "12,345,678" in words if width > 8 else "12,345,6" in out
    assert "[bold" in out.replace("\n", "") if width > 8 else True


def drawn(table: Sheet, width: int) -> str:
    """Return a table as text."""
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_read_by_a_program_is_whole(store: str) -> None:
    line = ("run", "tsp", "--set", "n=40", *FREE, "--store", store)
    plain = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    for arguments in (line, ("list", "--store", store), ("show", "last", "--store", store)):
        process = [sys.executable, "-m", "opro", *arguments]
        done = subprocess.run(process, capture_output=True, text=True, check=True, cwd=ROOT, env=plain)
        assert "…" not in done.stdout
    (run,) = Reader(store).runs()
    assert run.id in done.stdout or run.spec.problem in done.stdout


# Wording


def test_the_model_that_knows_nothing_is_named_as_the_control_that_it_is(opro: Command) -> None:
    arguments = ["--model", "uniform", "--set", "n=6", "--steps", "1", "--baselines", "never"]
    _, out, _ = opro("run", "tsp", *arguments)
    assert "opro (uniform)" in out
    assert "opro (uniform)" in opro("show", "last")[1]


# The survey


def test_the_summaries_of_all_runs_at_once_are_those_of_each(opro: Command, store: str, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13\nsorry\n11, b=12\n12, b=12\n")
    opro("run", "linear-regression", "--model", f"scripted:{script}", "--steps", "3")
    opro("run", "linear-regression", "--proposer", "evolution", "--seeds", "2", "--steps", "3")
    opro("run", "tsp", "--set", "n=6", *FREE)
    reader = Reader(store)
    each = [summarize(reader, run).as_dict() for run in reader.runs()]
    at_once = [one.as_dict() for one in summaries(reader)]
    assert len(each) == 4
    for one, other in zip(each, at_once, strict=True):
        assert_same(one, other)
    _, out, _ = opro("list", "--json")
    assert [json.loads(line)["run"] for line in out.splitlines()] == [one["run"] for one in each]


@pytest.mark.parametrize("direction", list(Direction))
def test_the_survey_counts_a_text_by_its_first_trial_and_knows_what_was_lost(store: str, direction: Direction) -> None:
    writer = Store(store)
    spec = RunSpec("hill", direction, "random", "", 0, {}, (Reference("optimum", 9.0, optimum=True),))
    journal, empty = writer.new_run(spec), writer.new_run(spec)
    steps = [[("a", 5.0), ("b", None), ("c", 7.0)], [("b", 99.0), ("b", -99.0), ("a", 8.0), ("d", 9.0)], []]
    numbers = itertools.count()
    for step, made in enumerate(steps):
        journal.step = step
        values = [(text, Evaluation.failed("no") if value is None else Evaluation(value)) for text, value in made]
        trials = [Trial(next(numbers), step, Candidate(text), evaluation) for text, evaluation in values]
        journal.record_step(trials, asking=0.1, scoring=0.2)
    journal.record_event(Event(1, "optimizer", EventKind.FAULT, "503", {}, 70, None))
    journal.step = 0
    journal.record_event(Event(0, "", EventKind.REMARK, "odd", {}))
    request = request_json(Request(prompt="p", n=2))
    answer = Generation((Sample("x"), Sample("y")), Usage(10, 4, 3), 0.1, None)
    journal.record_generations([Arrived("optimizer", request_key(request), request, answer)])
    for one in (journal, empty):
        one.finish(Status.DONE, "")
    writer.close()
    reader = Reader(store)
    each, at_once = [summarize(reader, run) for run in reader.runs()], summaries(reader)
    assert (each[0].unique, each[0].usd, each[0].lost_usd, each[0].remarks) == (3, None, None, ("odd",))
    for one, other in zip(each, at_once, strict=True):
        assert_same(one.as_dict(), other.as_dict())


def assert_same(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert other[key] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), key


# A step with many answers


@pytest.fixture
def scored(opro: Command, tmp_path: Path) -> str:
    """A run that scored two instructions on 30 examples."""
    data, script = tmp_path / "sums.jsonl", tmp_path / "replies.txt"
    data.write_text("".join(json.dumps({"question": f"{i} plus {i}?", "answer": str(2 * i)}) + "\n" for i in range(60)))
    script.write_text("The answer is 12.\nThe answer is 14.\nI do not know.\n")
    settings = ["--set", f"task={data}", "--set", "kind=number", "--set", "train=30", "--set", "test=20"]
    arguments = [*settings, "--model", f"scripted:{script}", "--steps", "0", "--json"]
    code, out, error = opro("run", "instructions", *arguments)
    assert code == 0, error
    return json.loads(out)["run"]


def test_a_step_shows_how_answers_were_counted_and_a_few_of_them(opro: Command, scored: str, store: str) -> None:
    code, out, _ = opro("show", scored, "--step", "0")
    asked = len(Reader(store).generations(scored, step=0, role="scorer"))
    assert code == 0
    assert f"{asked} requests to the scorer: --all shows every prompt and reply" in out
    assert out.count("the right answer is") == 3
    _, whole, _ = opro("show", scored, "--step", "0", "--all")
    assert whole.count("plus") > out.count("plus") + 20


def test_a_step_as_json_holds_everything(opro: Command, scored: str, store: str) -> None:
    code, out, _ = opro("show", scored, "--step", "0", "--json")
    told = json.loads(out)
    assert code == 0
    assert len(told["generations"]) == len(Reader(store).generations(scored, step=0))
    assert [trial["number"] for trial in told["trials"]] == [trial.number for trial in Reader(store).trials(scored)]
    assert json.loads(opro("show", scored, "--json")[1])["run"] == scored


# Progress and log


def test_progress_is_told_in_plain_lines_where_nobody_watches(opro: Command, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13\n11, b=12\n")
    arguments = ["--model", f"scripted:{script}", "--steps", "2", "--baselines", "never", "--json"]
    code, out, error = opro("run", "linear-regression", *arguments)
    assert code == 0
    assert len(out.splitlines()) == 1
    assert re.search(r"^step 2 of 2: best \S+ \(\d scored, \d invalid\), \d+ s, [\d,]+ tokens$", error, re.MULTILINE)


def test_verbose_logs_every_request_on_standard_error(opro: Command, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13\n11, b=12\n")
    arguments = ["--model", f"scripted:{script}", "--steps", "2", "--baselines", "never", "--json"]
    _, _, quiet = opro("run", "linear-regression", *arguments)
    _, out, error = opro("run", "linear-regression", *arguments, "-v")
    assert "optimizer, step 1: samples" not in quiet
    assert "optimizer, step 1: samples" in error
    assert len(out.splitlines()) == 1


# Lists and completion


def test_the_lists_import_none_of_what_they_list() -> None:
    code = (
        "import sys; from opro import catalog; catalog.show_all('problems'); catalog.show_all('proposers');"
        "sys.exit(bool({'torch', 'transformers', 'evaluators.tsp', 'opro.proposers.controller'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "update-rule" in done.stdout) == (0, True), done.stderr


def test_the_line_of_a_thing_is_the_first_of_its_docstring() -> None:
    from evaluators.tsp import TourLength

    assert summary("evaluators.tsp:TourLength") == (TourLength.__doc__ or "").partition("\n")[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["problems", "tsp"], ["--set NAME=", "instance", "opro run tsp --set n=10"]),
        (["proposers", "evolution"], ["--option NAME=", "population", "opro run tsp --proposer evolution"]),
        (["models", "openai"], ["--model-set NAME=", "OPENAI_API_KEY"]),
        (["models", "uniform"], ["It has no settings"]),
    ],
)
def test_one_thing_is_shown_with_its_settings_and_a_command(
    opro: Command, arguments: list[str], words: list[str]
) -> None:
    code, out, _ = opro(*arguments)
    assert code == 0
    assert all(word in out for word in words)


def test_a_mistyped_thing_is_answered_with_the_nearest(opro: Command) -> None:
    assert "did you mean 'tsp'?" in opro("problems", "tps")[2]
    assert "did you mean 'surrogate'?" in opro("proposers", "surogate")[2]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("opro run ts", "tsp"),
        ("opro run tsp --proposer ev", "evolution"),
        ("opro show la", "last"),
        ("opro show --store {named} la", "last"),
    ],
)
def test_the_shell_completes_names(opro: Command, store: str, tmp_path: Path, words: str, offered: str) -> None:
    opro("run", "linear-regression", *FREE)
    if "{named}" in words:
        words, store = words.format(named=store), str(tmp_path / "none.db")
    count = str(len(words.split()) - 1)
    line = [sys.executable, "-c", "from opro.cli import main; import sys; sys.argv[0] = 'opro'; main()"]
    asked = {"_OPRO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count, "OPRO_STORE": store}
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, **asked})
    assert offered in done.stdout.split()


# Odd values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "99999999999999999999999"], "steps = 99999999999999999999...: the number is too large"),
        (["--seed", "99999999999999999999999"], "seed = 9"),
        (["--trials", "-99999999999999999999999"], "Invalid value for '--trials'"),
        (["--per-step", "9999999999"], "per_step = 9999999999"),
        (["--seed", "2147483647", "--seeds", "2"], "at most 2147483647 is possible"),
        (["--seeds", "99999999999"], "Invalid value for '--seeds'"),
        (["--seconds", "inf"], "seconds = inf: a finite number is needed"),
        (["--timeout", "nan"], "Invalid value for '--timeout'"),
        (["--budget", "1e999usd"], "1e999usd"),
        (["--budget", "1e308ktok"], "1e308ktok"),
        (["--set", "w=1e400"], "set.w = inf: a finite number is needed"),
        (["--set", "w=99999999999999999999999"], "set.w = 99999999999999999999...: the number is too large"),
        (["--set", "w=true"], "w = True: a number is needed, not true or false"),
        (["--model", "gpt-4"], "did you mean 'openai:gpt-4'?"),
        (["--set", "w=\udcff"], "not UTF-8"),
    ],
)
def test_odd_values_are_named_in_a_line(opro: Command, arguments: list[str], message: str) -> None:
    code, _, error = opro("run", "linear-regression", *arguments)
    assert (code, "Traceback" in error) == (2, False)
    assert message in error


def test_a_truth_is_no_number_in_a_toml_file(opro: Command, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    for line in ("seeds = true", "steps = true", "seconds = false", "seeds = 99999999999"):
        file.write_text(f'problem = "tsp"\nproposer = "random"\n{line}\n')
        code, _, error = opro("run", str(file))
        assert (code, line.partition(" ")[0] in error) == (2, True), line


@pytest.mark.parametrize("names", [["show", "\udcff"], ["show", "a\x00"], ["show", ""], ["compare", "x", "y"]])
def test_names_of_no_run_are_an_error_in_a_line(opro: Command, names: list[str]) -> None:
    opro("run", "linear-regression", *FREE)
    code, _, error = opro(*names)
    assert (code, error.count("\n")) == (2, 1)


def test_a_store_whose_name_is_not_utf_8_is_an_error_in_a_line(opro: Command) -> None:
    code, _, error = opro("run", "linear-regression", *FREE, "--store", "\udcff.db")
    assert (code, "not UTF-8" in error) == (1, True)


def test_one_contestant_alone_is_compared_with_nothing(opro: Command) -> None:
    opro("run", "linear-regression", *FREE)
    code, out, _ = opro("compare", "last", "last")
    assert (code, "nothing to compare" in out) == (0, True)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("gpt-4.1-mini", "'openai:gpt-4.1-mini'"),
        ("openai/gpt-4.1", "'openai:gpt-4.1'"),
        ("claude-sonnet-4-5", "api.anthropic.com"),
        ("gemini-2.5-flash", "GEMINI_API_KEY"),
        ("Qwen/Qwen2.5-7B-Instruct", "'vllm:Qwen/Qwen2.5-7B-Instruct'"),
        ("llama3.2:3b", "'openai:llama3.2:3b@URL'"),
        ("openia:gpt-4", "did you mean 'openai'?"),
        ("openai:", "names no model"),
        ("scripted", "names no model"),
        (" ", "which model?"),
    ],
)
def test_a_model_without_its_kind_or_name_is_answered_with_what_was_meant(spec: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_model(spec)
    assert hint in str(caught.value)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_kind_is_offered_with_a_colon_where_it_needs_a_name(kind: str) -> None:
    (offered,) = completing.model(kind)
    if offered.endswith(":"):
        with pytest.raises(ConfigError, match="names no model"):
            open_model(kind)
    else:
        assert "(built in)" in summary(MODELS[kind]) or kind == "uniform"


# Odd streams and ends


def test_a_full_disk_behind_standard_output_is_one_line(opro: Command, store: str) -> None:
    opro("run", "linear-regression", *FREE)
    for arguments in (("list",), ("list", "--json"), ("export", "last")):
        with Path("/dev/full").open("w") as full:
            line = [sys.executable, "-m", "opro", *arguments, "--store", store]
            done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
        assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_reader_that_goes_away_ends_the_command_quietly(opro: Command, store: str) -> None:
    opro("run", "linear-regression", "--seeds", "9", *FREE)
    for arguments in ("list", "list --json", "export last"):
        line = f"{sys.executable} -m opro {arguments} --store {store} | head -c 1"
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, cwd=ROOT)
        assert (len(done.stdout), done.stderr) == (1, "")


def test_an_ascii_terminal_gets_everything_in_its_letters(store: str, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("15, b=13 • gewiß\n")
    arguments = ("run", "linear-regression", "--model", f"scripted:{script}", "--steps", "1", "--store", store)
    look = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = command(*arguments, **look)
    shown = command("show", "last", "--step", "1", "--store", store, **look)
    assert (done.returncode, shown.returncode) == (0, 0), done.stderr + shown.stderr
    assert (done.stdout + shown.stdout).isascii()
    assert b"* opro" in done.stdout


MINE = """
import time, asyncio, opro


class Mine:
    direction = opro.Direction.MAXIMIZE

    def start(self, seed):
        return [opro.Candidate("1")]

    def brief(self):
        return opro.Brief(task="numbers")

    def parse(self, text):
        return text

    def draw(self, random):
        return str(random.randrange(10**9))

    async def evaluate(self, candidates):
        {work}
        return [opro.Evaluation(1.0) for _ in candidates]
"""


def test_what_nobody_foresaw_is_a_line_and_the_traceback_is_to_be_had(tmp_path: Path, store: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE.replace("{work}", "raise ValueError('boom')"))
    arguments = ("run", f"{file}:Mine", *FREE, "--store", store)
    done = command(*arguments)
    assert done.returncode == 1
    assert b"error: ValueError: boom (mine.py, line 21, in evaluate)" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Traceback" in command(*arguments, OPRO_DEBUG="1").stderr


def test_a_second_ctrl_c_ends_at_once_and_the_store_is_whole(tmp_path: Path, store: str) -> None:
    file = tmp_path / "mine.py"
    work = "await asyncio.to_thread(time.sleep, 0 if candidates[0].text == '1' else 120)"
    file.write_text(MINE.replace("{work}", work))
    line = [sys.executable, "-m", "opro", "run", f"{file}:Mine", *FREE, "--store", store]
    process = subprocess.Popen(
        line,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    try:
        wait_for(lambda: Path(store).exists() and _trials(store) == 1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        wait_for(lambda: [run.status for run in Reader(store).runs()] == ["stopped"])
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "Ended at once" in error
    (run,) = Reader(store).runs()
    assert len(Reader(store).trials(run.id)) == 1
    assert [event.kind for event in Reader(store).events(run.id) if event.kind is EventKind.FAULT] == []


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something is so, two minutes at most."""
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def _trials(store: str) -> int:
    try:
        return sum(len(Reader(store).trials(run.id)) for run in Reader(store).runs())
    except Exception:  # noqa: BLE001 - the store is being made
        return 0

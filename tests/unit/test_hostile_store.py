"""A stranger's store, opened by every command: nothing of it runs, is sent, written elsewhere, or obeyed by a terminal.

And what the user agrees to is asked for once.
"""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import opro
from opro import trust
from opro.build import build_model, build_problem, build_proposer
from opro.config import run_config
from opro.errors import ConfigError, OproError
from opro.folders import cache_folder
from opro.locks import lock_of
from opro.reader import Reader
from opro.workbench import Workbench
from tests.hostile_store import IDS, Trap, hostile_store
from tests.unit.conftest import Command
from tests.unit.openai_server import Server

ROOT = Path(__file__).parents[2]
opened: list[str] | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and opened is not None:
        opened.append(str(arguments[0]))


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was agreed to before."""
    monkeypatch.setenv("OPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_AGREED", set[str]())
    monkeypatch.setenv("TRAP_KEY", "sk-trap")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-usual")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    folder = tmp_path / "trap"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))  # so that its modules could be imported by name
    with hostile_store(folder) as made:
        monkeypatch.setenv("OPRO_STORE", str(made.store))
        yield made


@pytest.fixture
def here(trap: Trap, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `opro ...` on the hostile store."""
    from opro import cli

    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody to ask

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["opro", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        return code, *capfd.readouterr()

    return run


def looks(run: str, out: Path) -> list[list[str]]:
    """Return every command that looks at a run."""
    pictures = [["--picture", title] for title in ("Map", "Loss and proposals", "Training curves", "Flipped labels")]
    return [
        ["show", run],
        *(["show", run, "--step", step] for step in ("0", "1", "7")),
        ["show", run, "--flagged"],
        *(["show", run, "--figure", str(out / "f.html"), *chosen] for chosen in ([], *pictures)),
        ["compare", run],
        ["compare", run, "--json"],
        *(["export", run, "--format", form, "--out", str(out / f"t.{form}")] for form in ("csv", "jsonl", "toml")),
        ["export", run, "--what", "answers", "--format", "parquet", "--out", str(out / "a.parquet")],
    ]


def is_plain(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_looking_runs_nothing_sends_nothing_and_writes_nothing_elsewhere(
    trap: Trap, here: Command, tmp_path: Path
) -> None:
    global opened
    out = tmp_path / "out"
    out.mkdir()
    before, parent = files(tmp_path), set(tmp_path.parent.iterdir())
    commands = [["list"], ["list", "--json"], *(one for run in trap.runs.values() for one in looks(run, out))]
    opened = []
    try:
        for arguments in commands:
            code, said, error = here(*arguments)
            assert is_plain(said), (arguments, said)
            assert is_plain(error), (arguments, error)
            assert "Traceback" not in error, (arguments, error)
            assert (code == 0) or error.startswith(("error: ", str(trap.store))), (arguments, error)
            assert not trap.was_sprung, (arguments, trap.was_sprung)
        assert str(trap.secret) not in opened
    finally:
        opened = None
    new = files(tmp_path) - before
    assert {name for name in new if not name.startswith(("out", "trap/hostile.db-"))} == set()
    assert set(tmp_path.parent.iterdir()) == parent


@pytest.mark.parametrize("name", ["problem", "module", "proposer", "kind", "system", "key", "usual-key", "prices"])
@pytest.mark.parametrize("command", [["resume"], ["verdict"], ["verdict", "--dry-run"]])
def test_going_on_asks_first_and_without_anybody_to_ask_refuses(
    trap: Trap, here: Command, name: str, command: list[str]
) -> None:
    code, said, error = here(*command, trap.runs[name])
    assert (code, error.count("\n")) == (2, 1), error
    assert "--yes" in error or "--dry-run" in command
    assert is_plain(said + error)
    assert not trap.was_sprung


@pytest.mark.parametrize("go_on", [opro.resume, opro.verdict])
@pytest.mark.parametrize("name", ["problem", "module", "proposer", "kind"])
def test_going_on_from_python_runs_nothing_to_which_nobody_has_agreed(trap: Trap, name: str, go_on: Any) -> None:
    with pytest.raises(ConfigError, match="nobody has agreed"):
        go_on(trap.runs[name], store=trap.store)
    assert not trap.was_sprung


def test_a_run_that_may_not_go_on_by_the_command_may_not_in_python_either(trap: Trap) -> None:
    workbench = Workbench(str(trap.store))
    try:
        for name in ("problem", "module", "proposer", "kind", "system"):
            config = run_config(workbench.reader.run(trap.runs[name]).spec.config)
            with pytest.raises(ConfigError, match="nobody has agreed"):
                build_proposer(config, build_problem(config), None)
        with pytest.raises(ConfigError, match=r"send requests with the key in \$TRAP_KEY to http://127.0.0.1"):
            build_model(f"openai:tiny@http://127.0.0.1:{trap.port}/v1", {"key": "TRAP_KEY"})
    finally:
        workbench.close()
    assert not trap.was_sprung


def test_what_is_no_run_is_left_out_and_told(trap: Trap, here: Command, caplog: pytest.LogCaptureFixture) -> None:
    _, said, _ = here("list", "--json")
    listed = {json.loads(line)["run"] for line in said.splitlines()}
    assert set(trap.runs.values()) <= listed
    assert not set(IDS) & listed
    assert "'../../escaped' is left out: its id is none" in caplog.text
    for identity in IDS:
        for arguments in (["show", "--", identity], ["resume", "--", identity], ["delete", "--yes", "--", identity]):
            code, _, error = here(*arguments)
            assert code != 0, arguments
            assert is_plain(error)
        with pytest.raises(OproError, match="no run's id"):
            lock_of(identity)
    assert {path.stem for path in cache_folder().rglob("*.lock")} <= set(trap.runs.values())  # as of killed runs


def test_a_hostile_run_is_deleted(trap: Trap, here: Command) -> None:
    for run in trap.runs.values():
        assert here("delete", run, "--yes")[0] == 0
    assert not set(trap.runs.values()) & {run.id for run in Reader(str(trap.store)).runs()}
    assert not trap.was_sprung


def test_a_table_that_goes_to_a_terminal_is_cleaned_too(trap: Trap) -> None:
    """To a file or a pipe it goes as it is, for it is data."""
    command = [sys.executable, "-m", "opro", "export", trap.runs["texts"]]
    piped = subprocess.run(command, capture_output=True, cwd=ROOT, check=True).stdout
    assert b"\x1b]0;owned" in piped
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT) as process:
        os.close(theirs)
        said = b""
        while part := _read(ours):
            said += part
        assert process.wait() == 0
    os.close(ours)
    assert b"owned" in said
    assert b"\x1b" not in said


def _read(place: int) -> bytes:
    try:
        return os.read(place, 65536)
    except OSError:  # the other end is closed
        return b""


def test_pictures_of_ones_own_problem_say_what_they_need_and_are_drawn_with_trust(
    opro: Command, tmp_path: Path
) -> None:
    text = (ROOT / "examples" / "parabola.py").read_text()
    text = text.replace("class Parabola:", "__import__('pathlib').Path(MARKER).write_text('x')\n\n\nclass Parabola:")
    code, marker = tmp_path / "mine.py", tmp_path / "marker"
    drawing = """
    def pictures(self, trials, references):
        from opro.pictures import Picture, blank
        return [Picture("Mine", "Mine.", lambda: blank("x", "y"))]

    def start(self"""
    code.write_text(f"MARKER = {str(marker)!r}\n{text.replace('    def start(self', drawing, 1)}")
    script = tmp_path / "replies.txt"
    script.write_text("1\n2\n")
    arguments = ("--model", f"scripted:{script}", "--steps", "1", "--per-step", "2", "--json")
    status, said, error = opro("run", f"{code}:Parabola", *arguments)
    assert status == 0, error
    run = json.loads(said)["run"]
    marker.unlink()
    figure = str(tmp_path / "f.html")
    status, _, error = opro("show", run, "--figure", figure, "--picture", "Mine")
    assert (status, f"run {code}" in error, "--trust" in error) == (2, True, True)
    assert "--trust" in opro("show", run, "--step", "1")[1]
    assert not marker.exists()
    assert opro("show", run, "--figure", figure, "--picture", "Mine", "--trust")[0] == 0
    assert marker.exists()
    assert opro("resume", run, "--steps", "2", "--json")[0] == 0  # whoever typed its name has agreed
    code.write_text(code.read_text() + "\n# changed\n")
    status, _, error = opro("resume", run, "--steps", "3")
    assert (status, "sha256" in error, "--yes" in error) == (2, True, True)
    assert opro("resume", run, "--steps", "3", "--yes")[0] == 0
    assert opro("resume", run, "--steps", "4")[0] == 0  # once for each content


def test_somebody_at_a_terminal_is_asked_and_may_refuse(
    trap: Trap, here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, _, error = here("resume", trap.runs["problem"])
    assert code == 1
    assert f"  - run {trap.code} (sha256 " in error
    assert "Go on? [y/N]" in error
    assert not trap.was_sprung


def test_a_key_goes_where_its_owner_said_and_is_asked_for_elsewhere(
    opro: Command, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    arguments = ["linear-regression", "--steps", "1", "--per-step", "1", "--json", "--baselines", "never"]
    model = ["--model", f"openai:tiny@{server.url}", "--model-set", "key=OTHER_KEY"]
    code, said, error = opro("run", *arguments, *model)
    assert code == 0, error
    run = json.loads(said)["run"]
    assert opro("resume", run, "--steps", "2")[0] == 0
    monkeypatch.setenv("OPRO_CACHE", str(tmp_path / "another machine"))
    monkeypatch.setattr(trust, "_AGREED", set[str]())
    asked = len(server.keys)
    code, _, error = opro("resume", run, "--steps", "3")
    assert (code, f"$OTHER_KEY to {server.url.removesuffix('/v1')}" in error) == (2, True)
    assert len(server.keys) == asked
    assert opro("resume", run, "--steps", "3", "--yes")[0] == 0
    assert opro("resume", run, "--steps", "4")[0] == 0


@pytest.mark.parametrize(
    ("variable", "url", "asked"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1", False),
        ("OPENAI_API_KEY", "http://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1", True),
        ("AWS_SECRET_ACCESS_KEY", "https://api.openai.com/v1", True),
    ],
)
def test_only_a_keys_own_host_needs_no_question(variable: str, url: str, asked: object) -> None:
    assert (trust.sending(variable, url) is not None) is asked


@pytest.mark.parametrize(
    "spec", ["os:system", "json.decoder:x", "nowhere:x", ".a:b", "x\0.py:A", ":", "a..b:c", "~/x.py:A"]
)
def test_any_name_of_code_is_weighed_without_importing_it(spec: str, tmp_path: Path) -> None:
    deed = trust.running(spec)
    assert deed is None or not trust.is_agreed(deed)


def test_a_package_is_not_imported_to_find_a_module_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "evil_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "inner.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    deed = trust.running("evil_package.inner:x")
    assert deed
    assert str(package / "inner.py") in deed.told


def test_where_the_cache_cannot_be_written_a_run_goes_on_and_says_so(
    opro: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OPRO_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "spare"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "spare").mkdir()
    code, _, error = opro("run", "linear-regression", "--proposer", "random", "--steps", "1")
    assert code == 0, error
    assert f"{tmp_path / 'file' / 'locks'} cannot be written" in caplog.text
    assert "$OPRO_CACHE" in caplog.text


def test_a_lock_is_gone_when_its_run_has_ended(opro: Command) -> None:
    assert opro("run", "linear-regression", "--proposer", "random", "--steps", "1")[0] == 0
    assert list(cache_folder().rglob("*.lock")) == []


def make_each(spec: Callable[[str], list[str]]) -> list[list[str]]:
    return [spec(f"openai:tiny@http://me:hunter2@127.0.0.1:1/v1{end}") for end in ("", "?x=1")]


@pytest.mark.parametrize(
    "arguments",
    [
        *make_each(lambda model: ["run", "linear-regression", "--model", model]),
        *make_each(lambda model: ["run", "instructions", "--set", "task=x.csv", "--scorer", model]),
        *make_each(lambda model: ["eval", "gsm8k", "--instruction", "x", "--scorer", model]),
        *make_each(lambda model: ["probe", "linear", "--model", model]),
        *make_each(lambda model: ["probe", "optimizer", "--model", model]),
        ["run", "linear-regression", "--model", "openai:tiny@http://127.0.0.1:1/v1?api_key=hunter2"],
        ["run", "linear-regression", "--model", "openai:tiny@me:hunter2@127.0.0.1:1/v1"],
        ["run", "linear-regression", "--store", "nonsense://me:hunter2@127.0.0.1/x"],
        ["list", "--store", "postgresql://me:hunter2@127.0.0.1:1/x"],
        ["list", "--store", "postgresql://me:hunter2@[::1/x"],
    ],
)
def test_a_password_in_an_address_is_neither_recorded_nor_shown(
    opro: Command, store: str, arguments: list[str]
) -> None:
    code, said, error = opro(*arguments)
    assert code in (1, 2)
    assert error.count("\n") == 1, error
    assert "hunter2" not in said + error
    path = Path(store)
    assert not path.exists() or b"hunter2" not in path.read_bytes()

"""What is not installed is one line that says what to type, wherever it is needed."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from opro.constraints import Regex
from opro.errors import MissingExtraError
from opro.extras import EXTRAS, optional, require
from scorer_models.gbnf import gbnf
from tests.unit.conftest import Command

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ABSENT = {"vllm": "vllm"}  # what no environment of these tests has, and the package that brings it


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> "Lacking":
    return Lacking(monkeypatch)


class Lacking:
    """Makes modules look as if they were not installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, *modules: str) -> None:
        for module in modules:
            self._monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(
    ("lacks", "extra", "names", "arguments"),
    [
        ("torch", "local", "'local' needs PyTorch", ["run", "linear-regression", "--steps", "1"]),
        ("xgrammar", "local", "'local' needs xgrammar", ["run", "tsp", "--scorer", "local", "--model", "local:x"]),
        ("vllm", "vllm", "'vllm' needs vLLM", ["run", "tsp", "--model", "vllm:NAME"]),
        ("torch", "equations", "'update-rule' needs PyTorch", ["run", "update-rule", "--proposer", "random"]),
        ("torch", "equations", "'backward-rule' needs PyTorch", ["run", "backward-rule", "--dry-run"]),
        ("torch", "equations", "'controller' needs PyTorch", ["run", "linear-regression", "--proposer", "controller"]),
        ("sklearn", "probe", "needs scikit-learn", ["probe", "linear", "--model", "uniform", "--items", "2"]),
        ("pyarrow", "data", "Parquet file needs pyarrow", ["eval", "x.parquet", "--instruction", "a"]),
        ("datasets", "data", "the library datasets", ["eval", "gsm8k", "--instruction", "a", "--scorer", "uniform"]),
        ("streamlit", "ui", "the page needs streamlit", ["ui", "--no-browser"]),
    ],
)
def test_a_missing_extra_is_one_line_with_what_to_type(
    opro: Command,
    lacking: Lacking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lacks: str,
    extra: str,
    names: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    lacking(lacks)
    code, _, err = opro(*arguments)
    assert code == 2
    line = err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert names in line
    assert f"pip install 'opro-workbench[{extra}]'" in line
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("lacks", "extra", "arguments"),
    [
        ("plotly", "figures", ["show", "--figure", "x.html"]),
        ("kaleido", "figures", ["show", "--figure", "x.png"]),
        ("pyarrow", "data", ["export", "--format", "parquet", "--out", "x.parquet"]),
    ],
)
def test_a_run_is_shown_without_extras_and_what_needs_one_says_so(
    opro: Command,
    lacking: Lacking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lacks: str,
    extra: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lacking("torch", "plotly", "kaleido", "streamlit", "pyarrow", "datasets", "sklearn", "xgrammar")
    code, out, _ = opro("run", "linear-regression", "--proposer", "random", "--steps", "2")
    assert code == 0
    run = re.findall(r"opro show (\S+)", out)[-1]
    assert opro("show", run)[0] == 0
    assert opro("show", run, "--step", "1")[0] == 0
    if lacks == "kaleido":
        monkeypatch.delitem(sys.modules, "plotly")
    command, *rest = arguments
    code, _, err = opro(command, run, *rest)
    assert code == 2
    assert f"pip install 'opro-workbench[{extra}]'" in err
    assert not (tmp_path / rest[-1]).exists()


def test_lists_say_which_extra_an_entry_needs(opro: Command, lacking: Lacking) -> None:
    lacking("torch")
    for command, entry, extra in [
        ("problems", "update-rule", "equations"),
        ("proposers", "controller", "equations"),
        ("models", "local", "local"),
    ]:
        code, out, _ = opro(command)
        assert code == 0
        assert re.search(rf" {entry} .*pip install 'opro-workbench\[{extra}\]' brings it", " ".join(out.split()))
        assert len(out.splitlines()) > 5


def test_what_a_user_s_own_file_lacks_is_not_taken_for_an_extra(
    opro: Command, lacking: Lacking, tmp_path: Path
) -> None:
    lacking("torch")
    file = tmp_path / "mine.py"
    file.write_text("import torch\n")
    code, _, err = opro("run", f"{file}:Mine")
    assert code == 2
    assert "cannot import the problem" in err
    assert "opro-workbench[" not in err


def test_a_library_that_is_there_and_broken_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brokenlibrary.py").write_text("raise ImportError('no symbol x')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="no symbol x"):
        optional("brokenlibrary", "data", "a table")
    with pytest.raises(MissingExtraError, match="a table needs nolibrary: "):
        optional("nolibrary.part", "data", "a table")


def test_a_pattern_at_a_llama_cpp_server_is_left_to_the_parser_without_xgrammar(lacking: Lacking) -> None:
    lacking("xgrammar")
    with pytest.raises(ValueError, match=r"opro-workbench\[local\]"):
        gbnf(Regex(r"\d+"))


def test_every_extra_is_one_of_the_package_and_brings_its_modules() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(EXTRAS) | {"all", "dev"} == set(extras)
    packages = packages_distributions() | {module: [package] for module, package in ABSENT.items()}
    for extra, modules in EXTRAS.items():
        brought = {re.split(r"[<>=]", requirement)[0] for requirement in extras[extra]}
        assert {packages[module][0].lower().replace("_", "-") for module in modules} == brought
    named = re.search(r"\[(.*)\]", extras["all"][0])
    assert named is not None
    assert set(named[1].split(",")) == set(EXTRAS) - {"vllm"}


def test_the_command_to_type_names_the_environment_unless_it_is_active(
    lacking: Lacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking("pyarrow")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingExtraError, match=re.escape(f"{sys.executable} -m pip install 'opro-workbench[data]'")):
        require("data", "this")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(MissingExtraError, match=r": pip install 'opro-workbench\[data\]'$"):
        require("data", "this")
    lacking("pip")
    with pytest.raises(MissingExtraError, match=r": uv pip install 'opro-workbench\[data\]'$"):
        require("data", "this")


def test_the_core_is_imported_without_anything_optional() -> None:
    code = (
        "import sys, opro.cli, opro.api, opro.views, opro.sessions, opro.gallery, opro.export\n"
        f"print([module for module in {sorted({m for ms in EXTRAS.values() for m in ms})} if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The core alone, as `pip install` of the wheel leaves it: no torch, no page, no data libraries."""

import json
import os
import subprocess
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from opro.extras import EXTRAS
from tests.conftest import KEY
from tests.unit.openai_server import Server, choices

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.install

Environment = Mapping[str, str]


class Core:
    """An environment in which the wheel is installed without any extra."""

    def __init__(self, place: Path) -> None:
        self.bin = place / "bin"
        self.variables: Environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(place),
            "COLUMNS": "300",
            "OPRO_STORE": str(place / "store.db"),
            "OPENAI_API_KEY": KEY,
        }
        venv.create(place, with_pip=True)
        pip = [self.bin / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", place, ROOT], check=True)
        wheel = next(place.glob("opro_workbench-*.whl"))
        subprocess.run([*pip, "install", "--constraint", ROOT / "constraints.txt", wheel], check=True)

    def opro(self, *arguments: str) -> tuple[int, str, str]:
        """Run `opro ...` elsewhere than in the checkout; return exit code, standard output and standard error."""
        done = subprocess.run(
            [self.bin / "opro", *arguments], cwd=self.bin.parent, env=self.variables, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    def python(self, code: str) -> str:
        """Run Python code; return what it printed."""
        command: Sequence[str | Path] = [self.bin / "python", "-c", code]
        return subprocess.run(
            command, cwd=self.bin.parent, env=self.variables, capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    return Core(tmp_path_factory.mktemp("core"))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_nothing_that_an_extra_brings_is_in_the_core(core: Core) -> None:
    modules = sorted({module for part in EXTRAS.values() for module in part})
    found = core.python(f"from importlib.util import find_spec; print([m for m in {modules} if find_spec(m)])")
    assert found.strip() == "[]"


@pytest.mark.parametrize("command", ["--help", "--version", "problems", "proposers", "models", "example"])
def test_what_only_tells_works_in_the_core(core: Core, command: str) -> None:
    code, out, err = core.opro(command)
    assert (code, err) == (0, "")
    assert out


def test_a_hosted_model_optimizes_in_the_core(core: Core, server: Server) -> None:
    code, out, err = core.opro(
        "run", "linear-regression", "--model", f"openai:tiny@{server.url}", "--steps", "2", "--json"
    )
    assert code == 0, err
    run = json.loads(out)
    assert run["trials"] > 0
    assert server.bodies
    assert core.opro("show", run["run"])[0] == 0
    assert core.opro("show", run["run"], "--step", "1")[0] == 0
    assert core.opro("list")[0] == 0


@pytest.mark.parametrize("problem", [("linear-regression",), ("tsp", "--set", "n=9")])
def test_baselines_and_proved_optima_need_only_the_core(core: Core, problem: tuple[str, ...]) -> None:
    code, out, err = core.opro("run", *problem, "--proposer", "evolution", "--steps", "3")
    assert code == 0, err
    assert "optimum" in out


def test_the_default_model_is_asked_for_in_one_line(core: Core) -> None:
    code, out, err = core.opro("run", "linear-regression")
    assert (code, out) == (2, "")
    assert err.startswith("error: the model 'local' needs PyTorch")
    assert ": pip install 'opro-workbench[local]'" in err
    assert err.count("\n") == 1


def test_an_example_out_of_the_wheel_runs(core: Core, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "parabola.py"
    assert core.opro("example", "parabola.py", "--out", str(file))[0] == 0
    server.reply = lambda path, body: choices(path, body, ["x=2"] * body.get("n", 1))
    code, _, err = core.opro("run", f"{file}:Parabola", "--model", f"openai:tiny@{server.url}", "--steps", "1")
    assert code == 0, err


def test_what_is_typed_installs_the_extra_into_a_wheel_that_no_index_has(core: Core) -> None:
    answer = subprocess.run(
        [core.bin / "python", "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", "opro-workbench[probe]"],
        env={**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")},
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = [item["metadata"]["name"] for item in json.loads(answer.stdout)["install"]]
    assert "scikit-learn" in wanted
    assert "opro-workbench" not in wanted

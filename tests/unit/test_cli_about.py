"""What the command tells of itself."""

from pathlib import Path

import pytest

from opro.cli_about import examples
from tests.unit.conftest import Command

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_package_s(opro: Command) -> None:
    code, out, _ = opro("--version")
    assert code == 0
    assert f'version = "{out.split()[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_examples_are_listed_each_with_what_it_is(opro: Command) -> None:
    code, out, _ = opro("example")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(lines) == {file.name for file in (ROOT / "examples").iterdir() if file.is_file()}
    assert "A problem of your own" in lines["parabola.py"]


@pytest.mark.parametrize("name", ["tsp.toml", "tsp"])
def test_an_example_is_printed_as_it_is(opro: Command, name: str) -> None:
    assert opro("example", name) == (0, (ROOT / "examples" / "tsp.toml").read_text(), "")


def test_an_example_is_written_where_nothing_is(opro: Command, tmp_path: Path) -> None:
    out = tmp_path / "mine.py"
    assert opro("example", "parabola", "--out", str(out))[0] == 0
    assert out.read_text() == examples()["parabola.py"].read_text()
    out.write_text("precious")
    code, _, err = opro("example", "parabola", "--out", str(out))
    assert code == 2
    assert "File exists" in err
    assert out.read_text() == "precious"


def test_an_unknown_example_is_told_with_the_known_ones(opro: Command) -> None:
    code, _, err = opro("example", "parabel.py")
    assert code == 2
    assert "did you mean 'parabola.py'" in err

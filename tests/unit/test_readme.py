"""The README says what is so."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_problem_in_the_readme_is_the_example_that_is_run() -> None:
    example = (ROOT / "examples" / "parabola.py").read_text()
    code = example[example.index("import re") :].strip()
    assert code in (ROOT / "README.md").read_text()


def test_every_file_that_the_readme_names_is_there() -> None:
    for name in (
        "docs/page/instructions-pictures-light.png",
        "BENCHMARKS.md",
        "examples/tsp.toml",
        "opro/protocols.py",
        "LICENSE",
    ):
        assert (ROOT / name).exists(), name


SMALL = {"run": ["--set", "train=6", "--set", "test=6"], "eval": ["--set", "train=6", "--set", "test=6"]}
"""What keeps the README's commands small: fewer examples than it asks."""


def _blocks(section: str, language: str) -> list[str]:
    """Return the blocks of code in a section of the README."""
    text = (ROOT / "README.md").read_text()
    part = text[text.index(f"## {section}\n") :].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "OPRO_STORE": str(folder / "store.db"), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


@pytest.mark.slow
@pytest.mark.model
def test_the_main_job_goes_from_two_tables_and_a_prompt_to_a_verdict_in_the_terminal(tmp_path: Path) -> None:
    lines = [line for line in _blocks("A better prompt for your own task", "")[0].splitlines() if line]
    said: dict[str, str] = {}
    for command in (part for line in lines for part in re.sub(r" {2,}#.*", "", line).split(";")):
        arguments = shlex.split(command)[1:]
        arguments += SMALL.get(arguments[0], [])
        made = subprocess.run(
            [sys.executable, "-m", "opro", *arguments],
            cwd=tmp_path,
            env=_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert made.returncode == 0, f"{command}: {made.stderr}"
        said[" ".join(arguments[:3])] = made.stdout
    assert "{message}" in said["best last"]
    assert "on the test examples" in said["verdict last"]
    assert "no instruction" in said["eval till.csv --instruction"]


@pytest.mark.model
def test_the_main_job_goes_the_same_way_in_python(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text((ROOT / "examples" / "tickets.csv").read_text())
    (tmp_path / "job.py").write_text(_blocks("A better prompt for your own task", "python")[0])
    made = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "job.py"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert "on the test examples" in made.stdout

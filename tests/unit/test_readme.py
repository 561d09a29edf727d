"""The README says what is so."""

from pathlib import Path

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

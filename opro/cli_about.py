"""What the command tells of itself: `opro --version` and `opro example`."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from opro.errors import ConfigError, unknown
from opro.extras import DISTRIBUTION

_PLACES = (Path(__file__).with_name("examples"), Path(__file__).parents[1] / "examples")  # of the wheel; of a checkout


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - typer hands over the option's value
    if wanted:
        sys.stdout.write(f"{DISTRIBUTION} {version(DISTRIBUTION)}\n")
        raise typer.Exit


def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    """A workbench in which a language model is the optimizer."""
    del version


def example(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="An example; without it, all are listed.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write it into; default: standard output.")] = None,
) -> None:
    """Print an example of a problem, a config or data, to be changed into your own."""
    files = examples()
    if name is None:
        if out is not None:
            raise ConfigError(f"which example shall be written into {out}? Known are {', '.join(sorted(files))}")
        width = max(map(len, files), default=0)
        sys.stdout.writelines(f"{known:{width}}  {_about(file)}\n" for known, file in sorted(files.items()))
        return
    text = _chosen(name, files).read_text(encoding="utf-8")
    if out is None:
        sys.stdout.write(text)
        return
    try:
        with out.open("x", encoding="utf-8", newline="") as file:  # nothing of the user's is overwritten
            file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from error
    sys.stdout.write(f"{out}\n")


def examples() -> dict[str, Path]:
    """Return the examples by the names of their files."""
    place = next(place for place in _PLACES if place.is_dir())
    return {file.name: file for file in place.iterdir() if file.is_file() and not file.name.startswith(".")}


def _chosen(name: str, files: dict[str, Path]) -> Path:
    """Return the example of that name; the ending may be left out where one example alone has the name."""
    near = [file for known, file in files.items() if known == name] or [
        file for file in files.values() if file.stem == name
    ]
    if len(near) != 1:
        raise unknown("example", name, files)
    return near[0]


def _about(file: Path) -> str:
    """Return the first line of an example that is for people: of its docstring, or a comment."""
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.strip('"# ') if first.startswith(('"""', "#")) else ""

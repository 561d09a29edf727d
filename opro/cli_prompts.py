"""Prompts of the user's own, from files: a whole file each, or one a line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from opro.errors import ConfigError

PromptFileOption = Annotated[
    list[Path] | None,
    typer.Option("--prompt-file", help="A file with one prompt, which is taken whole; repeatable."),
]


def prompt_files(files: Sequence[Path] | None) -> list[str]:
    """Return the text of each file, letter by letter, but for blanks and line breaks at its end.

    Raises:
        ConfigError: a file cannot be read, is not UTF-8, or has nothing in it.
    """
    texts = [_read(file).rstrip() for file in files or ()]
    for file, text in zip(files or (), texts, strict=True):
        if not text:
            raise ConfigError(f"there is no prompt in {file}: the file is empty")
    return texts


def lines_of(file: Path) -> list[str]:
    """Return the lines of a file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    return _read(file).removesuffix("\n").split("\n")


def with_prompts(settings: Mapping[str, Any], files: Sequence[Path] | None) -> dict[str, Any]:
    """Return a problem's settings with prompts from files as its start.

    Raises:
        ConfigError: a file cannot be read, or the settings name a start as well.
    """
    texts = prompt_files(files)
    if texts and "start" in settings:
        raise ConfigError("--prompt-file and --set start=... both say where to begin: give one of them")
    return {**settings, "start": texts} if texts else dict(settings)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 at byte {error.start}"
        raise ConfigError(f"cannot read the prompt in {file}: {reason}") from error

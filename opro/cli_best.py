"""The command `opro best`: the solution that a run found, and nothing else, so that it can be piped."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from opro.cli_options import StoreOption, opened
from opro.errors import ConfigError


def best(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning or end.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    store: StoreOption = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line: text, value, n, interval, split, step, run, ...")
    ] = False,
) -> None:
    """Print the best solution of a run, whole: `opro best RUN > prompt.txt`."""
    from opro.texts import printable
    from opro.winning import best_of

    reader = opened(store)
    found = best_of(reader, reader.run(name))
    text = f"{json.dumps(found.as_dict()) if as_json else found.text}\n"
    if out is not None:
        _write(text, out)
    elif sys.stdout.isatty():
        sys.stdout.write(printable(text.expandtabs()))  # a terminal obeys control codes, a file does not
    else:
        sys.stdout.write(text)


def _write(text: str, out: Path) -> None:
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from error

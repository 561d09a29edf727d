"""How runs are called by those who type: an id, its beginning or end, or `last`."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from opro.errors import ConfigError
from opro.texts import counted

SHORTEST = 4
"""Characters of an id that are shown at least."""

FEW = 3
"""Runs that an error names."""

_LAST = re.compile(r"last(?:~(?P<back>[0-9]{1,9}))?")
_SEARCHED = 200  # the newest ids, among which a mistyped one is looked for


def called(name: str, parents: Mapping[str, str | None], store: str) -> str:
    """Return the id of the run that `name` means; `parents` holds each id's parent, the oldest first.

    `last` is the newest run that was made for its own sake, `last~1` the one before it. A beginning or end that fits
    one such run and some that were made on its behalf, or on others', means that one.

    Raises:
        ConfigError: there is none, or more than one.
    """
    if name in parents:
        return name
    own = [run for run, parent in parents.items() if parent is None]
    if found := _LAST.fullmatch(name):
        return _newest(name, int(found["back"] or 0), own)
    if not name:
        raise ConfigError("which run? Give its id, the beginning or end of one, or `last`; `opro list` shows them")
    for runs in (own, list(parents)):
        fitting = [run for run in runs if run.startswith(name) or run.endswith(name)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise ConfigError(f"{name!r} fits {len(fitting)} runs ({_few(fitting)}): give more of the id")
    near = get_close_matches(name, list(parents)[-_SEARCHED:], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"there is no run {name!r} in {store}: {hint}`opro list` shows the runs")


def _newest(name: str, back: int, own: Sequence[str]) -> str:
    if back >= len(own):
        raise ConfigError(f"there is no {name}: the store holds {counted(len(own), 'run')}")
    return own[-1 - back]


def _few(runs: Sequence[str]) -> str:
    """Name the newest few of several runs."""
    rest = len(runs) - FEW
    return ", ".join(runs[: -FEW - 1 : -1]) + (f" and {rest} more" if rest > 0 else "")


def short_ids(ids: Collection[str]) -> dict[str, str]:
    """Return for each id the shortest end of it that `called` takes for this one, of SHORTEST characters or more."""
    short: dict[str, str] = {}
    for length in range(SHORTEST, max(map(len, ids), default=0) + 1):
        fitting = Counter(part for run in ids for part in {run[:length], run[-length:]})
        short.update({run: run[-length:] for run in ids if run not in short and fitting[run[-length:]] == 1})
    return {run: short.get(run, run) for run in ids}

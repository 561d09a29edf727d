"""What a run does on the word of its config, and whether the user has agreed to it.

A store may come from a stranger. Its configs name code, keys with the addresses that they are sent to, and files. What
a user typed is agreed to; the rest is asked for once, and the answer kept in the folder of `opro.folders`.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path

from opro.addresses import parts_of
from opro.errors import ConfigError
from opro.folders import cache_folder, unwritable

_LOG = logging.getLogger("opro")
_AGREED: set[str] = set()
"""What was agreed to in this process."""

_OFFICIAL = {"OPENAI_API_KEY": "api.openai.com"}
"""Hosts to which the key of a variable belongs."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that is done on the word of a config.

    Attributes:
        key: what is remembered, exactly enough to ask again when it changes.
        told: what the user reads, an infinitive.
        place: the file or module whose code is run; empty where none is.
    """

    key: str
    told: str
    place: str = ""

    @property
    def reads(self) -> bool:
        """Whether it only reads what lies on this machine."""
        return self.key.startswith("read ")


def is_own(kind: str, name: str) -> bool:
    """Say whether a name stands for code that no table and no installed package's entry point names."""
    return ":" in name and name not in {plugin.name for plugin in entry_points(group=f"opro.{kind}s")}


def running(spec: str) -> Deed | None:
    """Return the deed of importing `file.py:Name` or `module:Name`; None for a file that is not there."""
    module, _, _ = spec.rpartition(":")
    if module.endswith(".py"):
        path = _absolute(module)
        digest = _digest(path)
        if digest is None:
            return None
        return Deed(f"run {path} sha256:{digest}", f"run {path} (sha256 {digest[:16]})", str(path))
    origin = _origin(module)
    digest = _digest(origin) if origin else None
    shown = f" ({origin}, sha256 {digest[:16]})" if digest else ""
    return Deed(f"run {spec} in {origin} sha256:{digest}", f"run {spec}{shown}", module)


def sending(variable: str, url: str) -> Deed | None:
    """Return the deed of sending the key in an environment variable to a server; None for the key's own host.

    Raises:
        ConfigError: there can be no server at the URL.
    """
    parts = parts_of(url)
    if parts.scheme == "https" and _OFFICIAL.get(variable) == parts.hostname:
        return None
    server = f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS.get(parts.scheme)}"
    return Deed(f"send {variable} to {server}", f"send requests with the key in ${variable} to {server}")


def reading(name: str) -> Deed:
    """Return the deed of reading a file or folder, or of fetching what is none from the hub."""
    path = _absolute(name)
    if path.exists() or Path(name).is_absolute():
        return Deed(f"read {path}", f"read {path}")
    return Deed(f"fetch {name}", f"fetch {name} from the hub")


def agree(deeds: Iterable[Deed]) -> None:
    """Remember that the user has agreed; where it cannot be kept, for this process only."""
    new = [deed for deed in deeds if not is_agreed(deed)]
    _AGREED.update(deed.key for deed in new)
    folder = _folder()
    try:
        for deed in new:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _note(deed).write_text(f"{deed.key}\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        _LOG.warning("%s; what you agree to will be asked again", unwritable(folder, error))


def is_agreed(deed: Deed) -> bool:
    """Say whether the user has agreed, now or earlier."""
    return deed.key in _AGREED or _note(deed).is_file()


def pending(deeds: Iterable[Deed]) -> list[Deed]:
    """Return those to which the user has not agreed, each once."""
    return [deed for deed in dict.fromkeys(deeds) if not is_agreed(deed)]


def check(deeds: Iterable[Deed]) -> None:
    """Raise a ConfigError unless the user has agreed."""
    if left := pending(deeds):
        raise ConfigError(
            f"this would {in_words(left)}, to which nobody has agreed: `opro resume RUN` and `opro verdict RUN` ask "
            "for it; --yes agrees"
        )


def in_words(deeds: Sequence[Deed]) -> str:
    """Return deeds as one clause."""
    return " and ".join(deed.told for deed in deeds)


def _folder() -> Path:
    return cache_folder() / "agreed"


def _note(deed: Deed) -> Path:
    """Return the file that says that a deed was agreed to."""
    return _folder() / hashlib.sha256(deed.key.encode(errors="backslashreplace")).hexdigest()


def _absolute(name: str) -> Path:
    """Return a path as it is read from here; what no file can be called stays as it is."""
    try:
        return Path(name).resolve()
    except (ValueError, OSError):
        return Path(name)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except (OSError, ValueError):
        return None


def _origin(module: str) -> Path | None:
    """Return the file of a module without importing it, nor the packages that it is in; None where it is not found."""
    places: Sequence[str] | None = None
    origin = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, places) if part else None
        if spec is None:
            return None
        places, origin = spec.submodule_search_locations, spec.origin
    return Path(origin) if origin else None

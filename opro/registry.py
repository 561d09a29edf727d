"""From a name to the thing: tables, entry points of installed packages, and `module:Name` or `file.py:Name`."""

import importlib
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from opro.errors import ConfigError, unknown
from opro.extras import require

M = TypeVar("M", bound=BaseModel)

LARGEST = 2**63 - 1
"""The largest whole number that a database holds."""


def find(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """Return what `name` stands for among the table's and the installed packages' entries, imported only now.

    An entry is written as an entry point is, `module:Name` or `module:Name [extra]`; in the table, the extra is one of
    the workbench's own.

    Raises:
        ConfigError: nothing has this name, or it cannot be imported.
        MissingExtraError: the extra that it needs is not installed.
    """
    known = entries(kind, table)
    if name not in known and ":" not in name:
        raise unknown(kind, name, known)
    place, _, extra = known[name].partition(" [") if name in known else (name, "", "")
    if extra and name in table:
        require(extra.removesuffix("]"), f"the {kind} {name!r}")
    module, _, attribute = place.rpartition(":")
    try:
        imported = _import(module)
    except Exception as error:
        raise ConfigError(f"cannot import the {kind} {name!r}: {type(error).__name__}: {error}") from error
    try:
        return getattr(imported, attribute)
    except AttributeError as error:
        raise ConfigError(f"cannot find the {kind} {name!r}: {error}") from error


def _import(module: str) -> Any:
    if not module.endswith(".py"):
        return importlib.import_module(module)
    path = Path(module).resolve()
    name = f"opro_file_{path.stem}"  # so that a file called random.py does not take the place of the library's
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    loaded = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def name_of(thing: object) -> str:
    """Return the name by which `find` finds a function or class, or the class of anything else, if it can be imported.

    It is `module:name`, or `file.py:name` for what a script defines.
    """
    function: Any = getattr(thing, "func", thing)  # what a functools.partial calls
    known: Any = function if hasattr(function, "__qualname__") else cast(Any, type(function))
    module = known.__module__ or "unknown"
    if module == "__main__":
        module = getattr(sys.modules["__main__"], "__file__", None) or module
    return f"{module}:{known.__qualname__}"


def entries(kind: str, table: Mapping[str, str]) -> dict[str, str]:
    """Return what `find` takes by name: the table's entries and those of installed packages, as `module:Name`."""
    plugins = {plugin.name: plugin.value for plugin in entry_points(group=f"opro.{kind}s")}
    return {**plugins, **table}


def known_names(kind: str, table: Mapping[str, str]) -> list[str]:
    """Return all names that `find` takes, sorted."""
    return sorted(entries(kind, table))


def configure(model: type[M], values: Mapping[str, Any], what: str) -> M:
    """Return `model` filled with `values`.

    Raises:
        ConfigError: a key is unknown (the nearest known one is named), or a value is wrong.
    """
    for key in values:
        if key not in model.model_fields:
            raise unknown(f"{what} setting", key, model.model_fields)
    _check_numbers(values, what)
    try:
        made = model(**values)
    except ValidationError as error:
        raise ConfigError(f"{what}: {describe(error)}") from error
    for key, value in values.items():
        if not _same_truth(value, getattr(made, key)):
            raise ConfigError(f"{what}: {key} = {value}: a number is needed, not true or false")
    return made


def _check_numbers(value: Any, what: str, name: str = "") -> None:
    """Raise a ConfigError for a number that is none, or that no store can hold."""
    parts: Iterable[tuple[object, Any]] = ()
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, Any]", value).items()
    elif isinstance(value, list | tuple):
        parts = enumerate(cast("Sequence[Any]", value))
    for key, part in parts:
        _check_numbers(part, what, f"{name}.{key}" if name else str(key))
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{what}: {name} = {value}: a finite number is needed")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ConfigError(f"{what}: {name} = {str(value)[:20]}...: the number is too large")


def _same_truth(given: Any, made: Any) -> bool:
    """Say whether what was given as true or false has stayed so; Python takes them for 1 and 0."""
    if isinstance(given, bool):
        return isinstance(made, bool)
    if isinstance(given, list | tuple) and isinstance(made, list | tuple):
        pairs = zip(cast("Sequence[Any]", given), cast("Sequence[Any]", made), strict=False)
        return all(_same_truth(one, other) for one, other in pairs)
    return True


def describe(error: ValidationError) -> str:
    """Return what is wrong, a clause for each value."""
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the whole'} = {problem['input']!r}: {problem['msg']}"
        for problem in error.errors()
    )

"""Where the files lie that settings name: a path that was typed relative to a folder is kept whole."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Place:
    """Marks a setting that may name a file or a folder, or something else: one of the `known` names, a hub's id.

    `FILE:NAME`, as for a function in a file, is one as well. The content of what `moves` is a part of the problem's
    identity: only such a thing may be taken from somewhere else when a run goes on.
    """

    known: Collection[str] = ()
    moves: bool = True


def placed(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the paths in them made absolute: those that are there, and of `Path` fields all."""
    fields = place_fields(model)
    return {name: _absolute(fields[name], value) if name in fields else value for name, value in values.items()}


def place_fields(model: type[BaseModel]) -> dict[str, Place | None]:
    """Return the settings of a model that say where something lies; None for those that are always paths."""
    marked = {name: _place(field) for name, field in model.model_fields.items()}
    paths = {name: None for name, field in model.model_fields.items() if _is_path(field)}
    return {**{name: place for name, place in marked.items() if place is not None}, **paths}


def movable(model: type[BaseModel]) -> list[str]:
    """Return the settings that say where data lie which may be moved while a run is stopped."""
    return [name for name, place in place_fields(model).items() if place is None or place.moves]


def whole_path(text: str) -> str:
    """Return FILE, or FILE:NAME, as an absolute path where there is such a file or folder; else the text as it is."""
    file, colon, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    path = Path(file).expanduser()
    return f"{path.absolute()}{colon}{name}" if file and path.exists() else text


def _absolute(place: Place | None, value: Any) -> Any:
    if place is None:
        return None if value is None else str(Path(value).expanduser().absolute())
    return whole_path(value) if isinstance(value, str) and value not in place.known else value


def _place(field: FieldInfo) -> Place | None:
    return next((one for one in field.metadata if isinstance(one, Place)), None)


def _is_path(field: FieldInfo) -> bool:
    return field.annotation is Path or Path in get_args(field.annotation)

"""Widgets for the settings of a config model: labels, help, limits and messages come from the model itself."""

import tomllib
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from opro.errors import ConfigError
from opro.ui import parts

NEEDED = "this is needed"

FEW = 6
"""Fields that are shown at once; the others are folded away."""


def settings(model: type[BaseModel], key: str, given: Mapping[str, Any], first: Sequence[str] = ()) -> dict[str, Any]:
    """Draw widgets for a model's fields, filled with `given`, and return those values that are not the defaults.

    The fields in `first` come first, then those without a default, then the others in their order. A value that the
    model refuses has the reason under its widget.
    """
    fields = model.model_fields
    order = sorted(fields, key=lambda name: (name not in first, not fields[name].is_required()))
    shown, folded = order[:FEW], order[FEW:]
    places: dict[str, Any] = {}
    values = {name: _field(name, fields[name], f"{key}-{name}", given, places) for name in shown}
    if folded:
        changed = [name for name in folded if name in given and given[name] != _default(fields[name])]
        with st.expander(f"More settings ({len(folded)})", expanded=bool(changed)):
            values |= {name: _field(name, fields[name], f"{key}-{name}", given, places) for name in folded}
    told = {name: value for name, value in values.items() if value != _default(fields[name])}
    for name, message in refusals(model, told).items():
        st.session_state["refused"] = True
        place = places.get(name, st)
        if message == NEEDED:
            place.caption(f":red[{NEEDED}]")
        else:
            place.error(parts.literal(message), icon=":material/error:")
    return told


def refusals(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with values, by field."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        found: dict[str, str] = {}
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else ""
            missing = problem["type"] == "missing"
            said = NEEDED if missing else f"{problem['input']!r}: {problem['msg']}"
            found.setdefault(name, said)
        return found
    except ConfigError as error:  # a value that is not to be shown
        return {"": str(error)}
    return {}


def _default(field: FieldInfo) -> Any:
    default: Any = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
    if default is PydanticUndefined:
        return ""
    return list(cast("tuple[Any, ...]", default)) if isinstance(default, tuple) else default


def _field(name: str, field: FieldInfo, key: str, given: Mapping[str, Any], places: dict[str, Any]) -> Any:
    """Draw the widget of a field and return its value; below it is the place for a message."""
    value = given.get(name, _default(field))
    label, text = name.replace("_", " "), parts.literal(field.description or "")
    kinds = [kind for kind in _kinds(field.annotation) if kind is not NoneType]
    optional = len(kinds) < len(_kinds(field.annotation))
    made = _widget(kinds, optional, (label, text, key), value, field)
    places[name] = st.empty()
    return made


def _kinds(annotation: Any) -> list[Any]:
    return list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _widget(kinds: Sequence[Any], optional: bool, names: tuple[str, str, str], value: Any, field: FieldInfo) -> Any:  # noqa: FBT001 - of the type
    label, text, key = names
    kind = kinds[0] if len(kinds) == 1 else None
    if kind is bool:
        return st.toggle(label, value=bool(value), help=text, key=key)
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        return st.selectbox(label, options, index=options.index(value) if value in options else 0, help=text, key=key)
    if kind in (int, float):
        return _number(kind, optional, names, value, field)
    if get_origin(kind) is tuple:
        lines = [str(line).replace("\n", r"\n") for line in value or ()]
        help_text = rf"{text} \(one a line; \\n is a line break in it\)"
        entered = st.text_area(label, "\n".join(lines), help=help_text, key=key, height=68)
        texts = kind == tuple[str, ...]
        return [
            line.replace(r"\n", "\n") if texts else _read(line)
            for line in entered.splitlines()
            if texts or line.strip()
        ]
    entered = st.text_input(label, "" if value is None else str(value), help=text, key=key)
    return entered or (None if optional else "")


def _number(kind: type, optional: bool, names: tuple[str, str, str], value: Any, field: FieldInfo) -> Any:  # noqa: FBT001
    label, text, key = names
    low = next((kind(rule.ge) for rule in field.metadata if getattr(rule, "ge", None) is not None), None)
    high = next((kind(rule.le) for rule in field.metadata if getattr(rule, "le", None) is not None), None)
    if kind is int and not (high is not None and high > 2**31):
        start = None if value in (None, "") else int(value)
        return st.number_input(label, low, high, start, step=1, help=text, key=key, placeholder="not set")
    entered = st.text_input(label, "" if value is None else str(value), help=text, key=key)
    return _read(entered) if entered else None if optional else ""


def _read(entered: str) -> Any:
    """Return a number where a number is written, else the text."""
    try:
        read = tomllib.loads(f"value = {entered}")["value"]
    except tomllib.TOMLDecodeError:
        return entered
    return read if isinstance(read, int | float) else entered

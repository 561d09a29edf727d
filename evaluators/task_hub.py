"""Rows of datasets on the Hugging Face hub, through the library `datasets`, which keeps what it fetched."""

from collections.abc import Mapping
from typing import Any

from evaluators.task_files import Row, Rows
from opro.errors import ConfigError
from opro.extras import optional


def hub_rows(name: str, subset: str = "", revision: str = "") -> Mapping[str, Rows]:
    """Return the rows of a dataset by the name of its split; labels come as their names.

    Args:
        name: the dataset's id on the hub, "owner/name", or a local folder laid out as one.
        subset: its configuration, where it has several.
        revision: the commit to take; the newest one without it. What was taken stands in the rows' source.

    Raises:
        MissingExtraError: the library is missing.
        ConfigError: the hub cannot be reached, or there is no such dataset.
    """
    library = optional("datasets", "data", f"the data set {name!r} of the hub")
    try:
        builder = library.load_dataset_builder(name, subset or None, revision=revision or None)
        builder.download_and_prepare()
        splits = builder.as_dataset()
    except (OSError, ValueError, library.exceptions.DatasetsError) as error:
        part = f" ({subset})" if subset else ""
        raise ConfigError(
            f"cannot load {name}{part} from the hub: {error}; `data` = a local file or folder needs no hub"
        ) from error
    source = " ".join(word for word in (f"hub:{name}", subset, f"revision:{builder.hash}") if word)
    return {str(split): Rows(labelled(data), f"{source} split:{split}") for split, data in splits.items()}


def labelled(data: Any) -> list[Row]:
    """Return the rows of a `datasets.Dataset` with labels by name; a label of -1 means that there is none."""
    names = {column: feature.names for column, feature in data.features.items() if hasattr(feature, "names")}
    rows: list[Row] = data.to_list()
    if not names:
        return rows
    return [{column: _label(names.get(column), value) for column, value in row.items()} for row in rows]


def _label(names: list[str] | None, value: object) -> object:
    if names is None or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None

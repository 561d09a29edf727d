"""The one folder of what the workbench keeps outside of stores: locks, fetched models, and what was agreed to."""

import os
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "OPRO_CACHE"
"""The environment variable that moves the folder."""


def cache_folder() -> Path:
    """Return the folder: $OPRO_CACHE, or one in the user's cache directory. It need not exist yet."""
    own = os.environ.get(VARIABLE)
    return Path(own).expanduser().absolute() if own else user_cache_path("opro-workbench", appauthor=False)


def spare_folder() -> Path:
    """Return the user's own folder among the temporary files, for locks where the cache folder cannot be written."""
    return Path(tempfile.gettempdir()) / f"opro-{getattr(os, 'getuid', lambda: 'user')()}"


def unwritable(folder: Path, error: OSError) -> str:
    """Say that a folder cannot be written, and what to do."""
    return f"{folder} cannot be written ({error.strerror or error}): set ${VARIABLE} to a folder that can"

"""Which process works on which run: a locked file for each, which the system frees when the process dies."""

import contextlib
import logging
import os
import re
import stat
from pathlib import Path

from filelock import FileLock, Timeout

from opro.errors import StoreError
from opro.folders import cache_folder, spare_folder, unwritable

_LOG = logging.getLogger("opro")
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_PATIENCE = 0.5
"""Seconds that a lock is waited for: whoever asks whether a run is alive holds it for a moment."""


def is_run_id(text: object) -> bool:
    """Say whether a text may be a run's id: letters, digits, dots, hyphens and underscores of ASCII, 64 at most.

    Names of files are made from ids, and commands that are shown have them as arguments; so an id begins with neither a
    dot nor a hyphen.
    """
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def as_run_id(text: str) -> str:
    """Return a text with what an id may not have in it replaced, short enough to be the beginning of one."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:48].lstrip(".-") or "run"


def lock_of(run: str) -> FileLock:
    """Return the lock that the process working on a run holds.

    Raises:
        StoreError: `run` is no id, or there is no folder for locks.
    """
    return FileLock(_file(_folder(), run), thread_local=False)


def hold(run: str) -> FileLock:
    """Return the lock of a run, acquired.

    Raises:
        StoreError: another process holds it, or it cannot be made.
    """
    lock = lock_of(run)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        raise StoreError(f"another process is working on {run}: wait for it, or stop it first") from None
    except OSError as error:
        raise StoreError(unwritable(Path(lock.lock_file), error)) from error
    return lock


def let_go(lock: FileLock) -> None:
    """Release a lock, and remove its file; while it is held, so that nobody else has begun to use it."""
    if lock.is_locked:
        with contextlib.suppress(OSError):  # on Windows an open file stays
            Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def is_held(run: str) -> bool:
    """Say whether a process holds the lock of a run; looking makes no file."""
    files = [_file(folder, run) for folder in (_place(cache_folder()), spare_folder())]
    return any(_is_locked(file) for file in files)


def _is_locked(file: Path) -> bool:
    """Say whether a file is locked; one that may not be opened is somebody else's, who is taken to hold it."""
    if not file.is_file():
        return False
    lock = FileLock(file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return file.exists()
    let_go(lock)
    return False


def _file(folder: Path, run: str) -> Path:
    if not is_run_id(run):
        raise StoreError(f"{run!r} is no run's id: it has other characters than letters, digits and . _ -")
    return folder / f"{run}.lock"


def _place(cache: Path) -> Path:
    return cache / "locks"


def _folder() -> Path:
    """Return the folder of locks; where the user's cache cannot be written, one among the temporary files."""
    folder = _place(cache_folder())
    try:
        _made(folder)
    except OSError as error:
        spare = spare_folder()
        _LOG.warning("%s; until then locks are kept in %s", unwritable(folder, error), spare)
        try:
            _made(spare)
        except OSError as second:
            raise StoreError(unwritable(spare, second)) from second
        return spare
    return folder


def _made(folder: Path) -> None:
    """Make a folder that only its owner may write, or raise an OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = folder.lstat()
    if not stat.S_ISDIR(told.st_mode) or (hasattr(os, "getuid") and told.st_uid != os.getuid()):
        raise PermissionError(f"{folder} is not yours")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied")

"""Running asynchronous work from plain Python: in a script, and in a notebook, whose event loop is at work already."""

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from opro.errors import OproError

T = TypeVar("T")

_RUNNERS: dict[int, asyncio.Runner] = {}


def in_notebook() -> bool:
    """Say whether this is a kernel of Jupyter's, whose event loop waits for each cell."""
    return "ipykernel" in sys.modules


def run_here(work: Coroutine[Any, Any, T], instead: str) -> T:
    """Do asynchronous work and return its result; `instead` names the function to await where that is not possible.

    Raises:
        OproError: an event loop is running, which must not be kept waiting.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _runner().run(work) if threading.current_thread() is threading.main_thread() else asyncio.run(work)
    if in_notebook():
        return _run_beside(work)
    work.close()
    raise OproError(f"an event loop is running here: write `await {instead}(...)` instead")


def _runner() -> asyncio.Runner:
    """Return what runs the work of this process: one event loop for all calls, to which a user's client may be bound.

    A client that an asynchronous function keeps (of HTTP, say) would find its loop closed at the second call else.
    """
    if os.getpid() not in _RUNNERS:
        runner = _RUNNERS[os.getpid()] = asyncio.Runner()
        atexit.register(runner.get_loop().close)
    return _RUNNERS[os.getpid()]


def _run_beside(work: Coroutine[Any, Any, T]) -> T:
    """Do the work in a thread with an event loop of its own; what interrupts the wait for it cancels the work."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def main() -> T:
        begun.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    with ThreadPoolExecutor(1, thread_name_prefix="opro") as thread:
        ended = thread.submit(lambda: asyncio.run(main()))
        try:
            return ended.result()
        except KeyboardInterrupt:
            loop, task = begun.result()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
            raise

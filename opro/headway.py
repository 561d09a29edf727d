"""How far the scoring of candidates has come: told by problems that take long, shown by whoever listens."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int], None]
"""Is told how many answers are there, and how many it will be at most."""

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(done: int, most: int) -> None:
    """Tell whoever listens how many answers are there, of how many at most."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(done, most)


@contextmanager
def heard(listener: Listener) -> Generator[None]:
    """Let `listener` hear what is told meanwhile, also by tasks that begin meanwhile."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)

"""How far the work has come, and what it takes: told by those who do it, shown by whoever listens."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int], None]
"""Is told how many answers are there, and how many it will be at most."""

Counter = Callable[[int], None]
"""Is told how many tokens a request took."""


def _unheard(_tokens: int) -> None:
    """Count nothing."""


_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)
_COUNTER: ContextVar[Counter] = ContextVar("counter", default=_unheard)


def tell(done: int, most: int) -> None:
    """Tell whoever listens how many answers are there, of how many at most."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(done, most)


def spend(tokens: int) -> None:
    """Tell whoever counts how many tokens a request took."""
    _COUNTER.get()(tokens)


@contextmanager
def heard(listener: Listener, counter: Counter = _unheard) -> Generator[None]:
    """Let `listener` and `counter` hear what is told meanwhile, also by tasks that begin meanwhile."""
    listening, counting = _LISTENER.set(listener), _COUNTER.set(counter)
    try:
        yield
    finally:
        _LISTENER.reset(listening)
        _COUNTER.reset(counting)

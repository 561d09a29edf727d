"""What all tests share: a store of their own, and no network but loopback."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opro.types import Candidate, Evaluation, Trial


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The path of a store that does not exist yet."""
    return str(tmp_path / "store.db")


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection to anything but this machine fail; fetching the default model is another process."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test reached out to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def trial() -> Callable[..., Trial]:
    """Make a trial from its number, text and value."""

    def make(number: int, text: str, value: float | None, step: int = 0) -> Trial:
        evaluation = Evaluation(value) if value is not None else Evaluation.failed("no good")
        return Trial(number, step, Candidate(text), evaluation)

    return make

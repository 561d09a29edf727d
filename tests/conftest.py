"""What all tests share: a store of their own, no network but loopback, and no key in anything that stays."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opro.errors import OproError
from opro.folders import cache_folder
from opro.types import Candidate, Evaluation, Trial

KEY = "sk-test-1234567890-secret"
"""What stands in OPENAI_API_KEY wherever a test needs a key."""


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The path of a store that does not exist yet."""
    return str(tmp_path / "store.db")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep locks, and what is agreed to, apart from the user's; fetched models are shared, for they take minutes."""
    folder, shared = tmp_path_factory.mktemp("cache"), cache_folder() / "models"
    shared.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPRO_CACHE", str(folder))
        yield


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection to anything but this machine fail; fetching the default model is another process."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test reached out to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_key_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Let a test fail whose errors, logs, stores or other files hold the key of the tests."""
    shown: list[str] = []

    def noted(self: OproError, *arguments: object) -> None:
        shown.append(repr(arguments))
        Exception.__init__(self, *arguments)

    monkeypatch.setattr(OproError, "__init__", noted)
    yield
    assert KEY not in "".join(shown) + caplog.text
    assert [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


@pytest.fixture
def trial() -> Callable[..., Trial]:
    """Make a trial from its number, text and value."""

    def make(number: int, text: str, value: float | None, step: int = 0) -> Trial:
        evaluation = Evaluation(value) if value is not None else Evaluation.failed("no good")
        return Trial(number, step, Candidate(text), evaluation)

    return make

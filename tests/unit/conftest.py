"""What several unit tests share."""

from collections.abc import Iterator

import pytest

from tests.conftest import KEY
from tests.unit.openai_server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that speaks OpenAI's protocol, and a key for it in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    server = Server()
    yield server
    server.close()

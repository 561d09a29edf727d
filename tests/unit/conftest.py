"""What several unit tests share."""

import sys
from collections.abc import Callable, Iterator

import pytest

from opro import cli
from tests.conftest import KEY
from tests.unit.openai_server import Server

Command = Callable[..., tuple[int, str, str]]
"""Takes the arguments of `opro`; returns exit code, standard output and standard error."""


@pytest.fixture
def opro(store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `opro ...` in this process; return exit code, standard output and standard error."""
    monkeypatch.setenv("OPRO_STORE", store)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["opro", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that speaks OpenAI's protocol, and a key for it in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    server = Server()
    yield server
    server.close()

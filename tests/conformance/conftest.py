"""What the conformance suites share: servers that run for the whole session."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorer_models.weights import DEFAULT, cache, ensure

SCRIPT = Path(__file__).parents[1] / "llama_server.py"


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that run vLLM, which other tests share."""
    config.pluginmanager.import_plugin("tests.vllm.fixtures")


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of llama.cpp's own server, which serves the default model's GGUF under the name `default-135M`."""
    ensure(DEFAULT)  # leaves the GGUF in the cache
    log = tmp_path_factory.mktemp("llama") / "server.log"
    command = [sys.executable, str(SCRIPT), str(cache() / DEFAULT.file)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout
        try:
            address = process.stdout.readline().strip()  # comes when the model is loaded
            assert address, log.read_text(errors="replace")[-2000:]
            yield f"{address}/v1"
        finally:
            process.kill()  # the exit of the with statement waits for its end

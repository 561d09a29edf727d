"""vLLM for a whole test session: in this process, and as a server. Registered by the conftests that need it.

Where vLLM is missing these fail, and do not skip: the tests with the mark `vllm` are only run where it must be there.
"""

import asyncio
import importlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scorer_models.vllm import Config, VllmModel
from scorer_models.weights import ensure

NAME = "default-135M"
WINDOW = 2048
BLOCK = 32  # tokens of a block of the prompt's cache
PATIENCE = 300.0  # seconds for a server to be ready, on a busy machine


def pytest_configure(config: pytest.Config) -> None:
    """Leave the warnings of vLLM and its libraries to them; those of the workbench stay errors."""
    for theirs in ("::(torch|vllm|importlib|multiprocessing)\\b", "Unclosed context:ResourceWarning"):
        config.addinivalue_line("filterwarnings", f"ignore:{theirs}")


def small_machine() -> Mapping[str, str]:
    """Return the environment in which vLLM runs on all cores of a small machine, with little memory."""
    cores = sorted(os.sched_getaffinity(0))
    return {
        "OMP_NUM_THREADS": str(len(cores)),
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)),
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    }


@pytest.fixture(scope="session")
def vllm_model() -> Iterator[VllmModel]:
    """The default model in vLLM, run from this process, in float32; vLLM counts what it does, as its server does."""
    os.environ.update(small_machine())
    with pytest.MonkeyPatch.context() as patch:
        engines = importlib.import_module("vllm.v1.engine.async_llm")
        made = engines.AsyncLLM.from_vllm_config
        patch.setattr(engines.AsyncLLM, "from_vllm_config", lambda config, **_: made(config))
        model = VllmModel.load("", Config(dtype="float32", max_model_len=WINDOW, enforce_eager=True))
        yield model
        asyncio.run(model.close())


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of vLLM's own server, which serves the default model under the name `default-135M`.

    In float32, for in bfloat16 what else is in the batch changes texts, and the same seed may not give the same one.
    """
    port = _free_port()
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(ensure())]
    command += ["--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port), "--enforce-eager"]
    command += ["--max-model-len", str(WINDOW), "--block-size", str(BLOCK), "--dtype", "float32"]
    command += ["--no-enable-chunked-prefill"]  # without a GPU vLLM dies of seeded prompts that it reads in parts
    environment = os.environ | small_machine() | {"VLLM_NO_USAGE_STATS": "1"}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment) as process,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()  # it ends the processes that it started


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the server did not come up: {log.read_text(errors='replace')[-3000:]}")

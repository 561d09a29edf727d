"""The command, with vLLM in its process and with vLLM as a server."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

import opro
from scorer_models.vllm import VllmModel
from scorer_models.weights import ensure
from tests.vllm.fixtures import WINDOW, small_machine

pytestmark = pytest.mark.vllm
MARK = "OPRO_TEST_OF"
PROBLEMS = {"linear-regression": (), "tsp": ("--set", "n=6")}
SMALL = ("--model-set", "enforce_eager=true", "--model-set", f"max_model_len={WINDOW}")


def command(store: str, model: Sequence[str], problem: str, mark: str = "") -> dict[str, Any]:
    """Run `opro run` for a few steps; return what it says of the run."""
    words = [sys.executable, "-m", "opro", "run", problem, *PROBLEMS[problem], "--model", *model]
    words += ["--steps", "3", "--store", store, "--baselines", "never", "--json"]
    environment = os.environ | small_machine() | {MARK: mark}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = done.stdout.splitlines()  # vLLM's own words are elsewhere
    return json.loads(line)


def marked(mark: str) -> list[str]:
    """Return the commands of the processes that have the mark in their environment."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_a_run_with_vllm_in_its_process_ends_well_and_leaves_no_process_behind(store: str) -> None:
    mark = uuid.uuid4().hex
    told = command(store, [f"vllm:{ensure()}", *SMALL], "linear-regression", mark)
    assert told["status"] == "done"
    assert told["completion_tokens"] > 0
    assert told["invalid"] == 0  # the pattern is kept while decoding
    assert marked(mark) == []


async def test_tours_from_vllm_in_this_process_are_all_tours(vllm_model: VllmModel, store: str) -> None:
    """The command is not needed for this, and every start of vLLM takes half a minute."""
    result = await opro.optimize_async("tsp", n=6, model=vllm_model, store=store, steps=3, baselines="never")
    assert result.best is not None
    assert [trial.evaluation.reason for trial in result.trajectory if trial.value is None] == []


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_run_with_a_served_vllm_ends_well(vllm_server: str, store: str, problem: str) -> None:
    told = command(store, [f"openai:default-135M@{vllm_server}"], problem)
    assert told["status"] == "done"
    assert told["completion_tokens"] > 0


def test_a_share_of_the_memory_that_is_not_free_is_an_error_that_says_what_to_lower(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "opro", "run", "linear-regression", "--model", "vllm", *SMALL]
    words += ["--model-set", "gpu_memory_utilization=1.0", "--steps", "1", "--store", str(tmp_path / "store.db")]
    environment = {**os.environ, **small_machine()}
    del environment["VLLM_CPU_KVCACHE_SPACE"]  # which would take the place of the share
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode > 0
    assert "lower gpu_memory_utilization" in " ".join(done.stderr.split())
    assert "Traceback (most recent call last)" not in done.stderr.split("vLLM could not start")[-1]

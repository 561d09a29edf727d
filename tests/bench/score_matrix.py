"""Score real instructions in full, for bench_racing to replay: a matrix of instructions x training examples.

    python -m tests.bench.score_matrix --from STORE... --model SPEC --data FOLDER --out matrix.npz [--task bbh/NAME]

The instructions are those that the runs in the stores proposed, in the order of their steps, each once. Examples are
taken in chunks, all instructions on each; the matrix is written after every chunk, and a second start goes on from it.
"""

import argparse
import asyncio
import time
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.prompting import Layout
from evaluators.questioning import Quiz
from evaluators.tasks import TaskConfig, load_task
from opro.headway import heard
from opro.pacing import Limits, Pace, PacedModel
from opro.reader import Reader
from scorer_models import open_model
from tests.bench.machine import machine

CHUNK = 25


def instructions(stores: list[str]) -> list[str]:
    """Return what was proposed in stores, by step, then by store and run."""
    readers = map(Reader, stores)
    runs = [
        (reader, run.id)
        for reader in readers
        for run in reader.runs(baselines=True)
        if run.spec.problem == "instructions"
    ]
    trials = [(trial.step, trial.text) for reader, run in runs for trial in reader.trials(run)]
    return list(dict.fromkeys(text for _, text in sorted(trials, key=lambda trial: trial[0])))


def stored(path: Path, texts: list[str]) -> NDArray[np.float64]:
    """Return the matrix that an earlier start has written, shape (texts, examples so far)."""
    if not path.exists():
        return np.empty((len(texts), 0))
    with np.load(path) as arrays:
        if arrays["texts"].tolist() != texts:
            raise SystemExit(f"{path} holds other instructions: name another file")
        return arrays["scores"]


def report(matrix: NDArray[np.float64], seconds: float) -> None:
    """Print how many scores there are, and what they are like."""
    means = matrix.mean(axis=1)
    print(f"{matrix.shape[0]} instructions x {matrix.shape[1]} examples after {seconds:.0f} s: ", end="")
    print(
        f"accuracy {means.mean():.3f} on average, {means.min():.3f} to {means.max():.3f}, spread {means.std():.3f}",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="stores", nargs="+", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="bbh/boolean_expressions")
    parser.add_argument("--train", type=int, default=50)
    parser.add_argument("--reply-tokens", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    task = load_task(TaskConfig(task=given.task, data=given.data, train=given.train))
    texts = instructions(given.stores)
    model = open_model(given.model)
    paced = PacedModel(model, Pace(Limits(128, None, None, 900.0)))
    print(machine())
    quiz = Quiz(task.kind, Layout("Q_end"), paced, given.reply_tokens, "", "train")
    matrix = stored(given.out, texts)
    began = time.perf_counter()
    with heard(lambda done, most: print(f"{done}/{most}", flush=True) if done % 1000 == 0 else None):
        for first in range(matrix.shape[1], len(task.train), CHUNK):
            chunk = task.train[first : first + CHUNK]
            answers = await quiz.answers(list(product(texts, chunk)))
            scores = [[answers[text, example.id].score for example in chunk] for text in texts]
            matrix = np.hstack([matrix, np.array(scores, dtype=np.float64)])
            np.savez(given.out, scores=matrix, texts=np.array(texts))
            report(matrix, time.perf_counter() - began)
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())

"""Time a few steps of OPRO on a served model against a plain loop over the same work, and count what the cache serves.

    python -m tests.bench.bench_loop --model openai:NAME@URL --data FOLDER [--task bbh/date_understanding]

The plain loop does what google-deepmind/opro does: it sends the meta-prompt once for each new instruction, then each
question under each instruction, one request after another. It gets the instructions that our run found, so both score
the same ones; ours drops some of them early. It comes second, so the server's cache favours it.

Of the orders in which questions can be sent, the share of prompt tokens that the server took from its cache is printed
for ours and for a shuffled one, on other questions each: all instructions on all of them, without racing.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluators.prompting import Layout
from evaluators.questioning import Pair, Quiz
from evaluators.task_types import Example
from evaluators.tasks import TaskConfig, load_task
from opro.config import run_config
from opro.pacing import Limits, Pace, PacedModel
from opro.protocols import LanguageModel
from opro.reader import Reader
from opro.types import Message, Request
from opro.workbench import Workbench
from scorer_models import open_model
from tests.bench.machine import machine

FIRST = 8  # instructions of a step
WORDS = ("Answer with the letter only.", "Think first.", "Be brief.", "Choose one option.", "Take care with dates.")


async def ours(config: Mapping[str, Any], store: str) -> tuple[str, float]:
    """Make a run; return its id and the seconds that it took, opening its store and its model included."""
    began = time.perf_counter()
    workbench = Workbench(store)
    run = await workbench.run(run_config(config))
    workbench.close()
    return run, time.perf_counter() - began


async def plain(model: LanguageModel, reader: Reader, run: str, quiz: Quiz, examples: Sequence[Example]) -> float:
    """Do the work of a run request by request; return the seconds."""
    began = time.perf_counter()
    trials = reader.trials(run)
    for text in [trial.text for trial in trials if trial.step == 0]:
        for example in examples:
            await quiz.answer(text, example)
    for step in range(1, max(trial.step for trial in trials) + 1):
        asked = reader.generations(run, step=step, role="optimizer")[0].request
        turns = tuple(Message(turn["role"], turn["content"]) for turn in asked["prompt"])
        for seed in range(FIRST):
            await model.generate(Request(prompt=turns, max_tokens=asked["max_tokens"], seed=seed))
        for text in [trial.text for trial in trials if trial.step == step]:
            for example in examples:
                await quiz.answer(text, example)
    return time.perf_counter() - began


class Counting:
    """A model that counts what its server read, and what of it came from the cache."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.read = self.cached = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def generate(self, request: Request) -> Any:
        made = await self._model.generate(request)
        self.read += made.usage.prompt
        self.cached += made.usage.cached
        return made


class Shuffled(Quiz):
    """A quiz that sends its questions in a random order."""

    def in_order(self, pairs: Any) -> list[Pair]:
        found = list(pairs)
        random.Random(0).shuffle(found)
        return found


async def cached_share(model: LanguageModel, kind: type[Quiz], quiz: Quiz, examples: Sequence[Example]) -> float:
    """Return the share of prompt tokens that the server took from its cache."""
    counting = Counting(PacedModel(model, Pace(Limits(64, None, None, 900.0))))
    asking = kind(quiz.kind, quiz.layout, counting, 1, quiz.final, quiz.split)
    texts = [f"{first} {second}" for first in WORDS for second in WORDS if first != second][:FIRST]
    await asking.answers([(text, example) for text in texts for example in examples])
    return counting.cached / counting.read


async def orders(model: LanguageModel, quiz: Quiz, examples: Sequence[Example]) -> None:
    """Print the cached shares of both orders, for instructions behind the question and before it."""
    print("| instruction stands | our order | shuffled |\n|---|---|---|")
    half = len(examples) // 4
    for place, position in enumerate(("Q_end", "Q_begin")):
        asked = replace(quiz, layout=replace(quiz.layout, position=position))
        parts = [examples[(2 * place + number) * half :][:half] for number in range(2)]
        shares = [
            await cached_share(model, kind, asked, part) for kind, part in zip((Quiz, Shuffled), parts, strict=True)
        ]
        print(f"| {position} | {shares[0]:.1%} | {shares[1]:.1%} |", flush=True)


async def race(given: argparse.Namespace, model: LanguageModel, quiz: Quiz, examples: Sequence[Example]) -> None:
    """Time a run, and the plain loop over what it found; print both."""
    settings = {"task": given.task, "data": str(given.data), "train": given.train, "position": "Q_end"}
    settings |= {"reply_tokens": given.reply_tokens, "digits": "allowed", "form": given.form}
    config = {"problem": "instructions", "set": settings, "model": given.model, "steps": given.steps}
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/loop.db"
        run, seconds = await ours({**config, "per_step": FIRST, "options": {"style": "chat"}}, store)
        reader = Reader(store)
        scored = sum(len(part) for part in reader.answers(run).values())
        print(
            f"{given.steps} steps of {FIRST} on {given.train} examples: {seconds:.1f} s for {scored} answers",
            flush=True,
        )
        for step in reader.steps(run):
            print(f"  step {step.step}: {step.asking:.0f} s of proposing, {step.scoring:.0f} s of scoring")
        alone = await plain(model, reader, run, quiz, examples)
        every = len(reader.trials(run)) * len(examples)
        print(f"plain loop: {alone:.1f} s for {every} answers, {alone / seconds:.1f} times as long")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", default="bbh/date_understanding")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--train", type=int, default=50)
    parser.add_argument("--reply-tokens", type=int, default=16)
    parser.add_argument("--form", choices=("chat", "plain"), default="chat", help="how the scorer is asked")
    parser.add_argument("--only", choices=("orders", "loop"), help="leave out the other part")
    given = parser.parse_args()
    print(machine())
    task = load_task(TaskConfig(task=given.task, data=given.data, train=given.train))
    model = open_model(given.model)
    layout = Layout("Q_end", chat=given.form == "chat")
    quiz = Quiz(task.kind, layout, model, given.reply_tokens, "", "train")
    if given.only != "loop":
        await orders(model, quiz, task.test)
    if given.only != "orders":
        await race(given, model, quiz, task.train)
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())

"""Time the weighing of labels beside one generation after another, and the classical methods of linear classification.

    python -m tests.bench.bench_icl --data FOLDER [--items 100] [--model local] [--linear 300]

FOLDER holds SST-2 in its published format (stsa.binary.train, stsa.binary.dev). Both ways are asked about the same
items; `generated` is what a plain script does: one request after the other, up to the end of the line.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from evaluators.icl_data import Wanted, load_texts
from evaluators.icl_linear import linear_problem, rivals
from evaluators.icl_prompts import Item, Items, Pool
from evaluators.icl_scoring import Examiner, Way
from evaluators.icl_settings import Kind, Setting
from opro.paired import accuracy
from opro.protocols import LanguageModel
from opro.types import Answer
from scorer_models import open_model
from tests.bench.machine import machine

SHOWN = (0, 1, 4, 16)
"""Exemplars of each class; without any, only the input stands there."""

PUBLISHED = {
    1: (0.937, 0.883, 0.943),
    2: (0.963, 0.893, 0.900),
    4: (0.933, 0.903, 0.837),
    8: (0.900, 0.863, 0.787),
    16: (0.837, 0.787, 0.667),
    32: (0.827, 0.797, 0.630),
    64: (0.760, 0.657, 0.607),
}
"""By number of dimensions: polynomial SVM, logistic regression and 5-NN in an earlier measurement of 300 problems."""


async def one_by_one(examiner: Examiner, items: Sequence[Item]) -> list[Answer]:
    return [await examiner.answer(item) for item in items]


async def timed(model: LanguageModel, items: Sequence[Item], way: Way, *, together: bool) -> tuple[float, list[Answer]]:
    examiner = Examiner(model, way)
    await examiner.answer(items[0])  # loads the model
    began = time.perf_counter()
    answers = await (examiner.answers(items) if together else one_by_one(examiner, items))
    return time.perf_counter() - began, answers


async def scoring(data: Path, spec: str, count: int) -> None:
    pool = Pool(load_texts(Wanted("sst2", data)))
    model = open_model(spec, {})
    print("| k | exemplars | s, weighed together | singly | s, generated singly | times faster | same label |")
    print("|---|---|---|---|---|---|---|")
    for k in SHOWN:
        for alike in (False, True) if k else (False,):
            made = Items(count, 0, alike=alike).texts(Setting(Kind.REGULAR), max(k, 1), pool)
            items = made if k else [_bare(item) for item in made]
            fast, weighed = await timed(model, items, "likelihood", together=True)
            single, _ = await timed(model, items, "likelihood", together=False)
            slow, generated = await timed(model, items, "generated", together=False)
            pairs = [(a.extracted, b.extracted) for a, b in zip(weighed, generated, strict=True) if b.extracted]
            same = sum(one == other for one, other in pairs)
            kind = "alike" if alike else "fresh"
            print(
                f"| {k} | {kind} | {fast:.2f} | {single:.2f} | {slow:.2f} | {slow / fast:.1f} | "
                f"{same} of {len(pairs)} |",
                flush=True,
            )
    await model.close()


def _bare(item: Item) -> Item:
    """Return the item without its exemplars."""
    return Item(item.id, item.prompt.rpartition("\n\n")[2], item.bare, item.options, item.gold, item.shown)


def linear(count: int) -> None:
    print("\n| N | SVM | logistic | 5-NN | earlier: SVM | logistic | 5-NN |\n|---|---|---|---|---|---|---|")
    for n, earlier in PUBLISHED.items():
        found = rivals([linear_problem(n, 16, Random(f"{n}:{number}")) for number in range(count)])
        rights = [round(share * count) for share in found.values()]
        ranges = [accuracy([1.0] * right + [0.0] * (count - right)) for right in rights]
        told = " | ".join(f"{100 * one.mean:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})" for one in ranges)
        print(f"| {n} | {told} | {' | '.join(f'{100 * share:.1f}' for share in earlier)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--model", default="local")
    parser.add_argument("--linear", type=int, default=300)
    given = parser.parse_args()
    print(machine(), flush=True)
    asyncio.run(scoring(given.data, given.model, given.items))
    linear(given.linear)


if __name__ == "__main__":
    main()

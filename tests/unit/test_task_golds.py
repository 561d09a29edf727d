"""Every gold answer of the real benchmarks is read back as right, from a sentence and from the benchmark's own text.

The benchmarks lie in the folder that OPRO_TEST_DATA names, ../shared/data beside the repository without it.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from evaluators.answers import extract, is_right
from evaluators.task_subjects import BBH, SUBJECTS
from evaluators.tasks import Example, Task, TaskConfig, load_task

DATA = Path(os.environ.get("OPRO_TEST_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
THERE = DATA.is_dir()
TASKS = [
    *("gsm8k", "aqua", "multiarith"),
    *(f"bbh/{name}" for name in BBH if not THERE or (DATA / "bbh" / f"{name}.json").is_file()),
    *(f"mmlu/{name}" for name in SUBJECTS if not THERE or (DATA / "mmlu" / f"{name}_test.csv").is_file()),
]
SENTENCES = (
    "{gold}",
    "The first of 3 steps is to look at (A), the second at 12.5. Yes? No. So the final answer is {gold}.",
    "Is it valid or invalid, true or false? After 2 minutes:\n\n**Answer:** {gold}\n\nQ: And 7 more? A: (B)",
)

pytestmark = pytest.mark.skipif(not THERE, reason=f"the benchmarks are not at {DATA} (OPRO_TEST_DATA)")


def unread(task: Task, examples: Iterable[Example], sentences: Iterable[str]) -> list[tuple[str, str, str | None]]:
    """Return the sentence, gold answer and value of each gold answer that is not read back as right."""
    wrong: list[tuple[str, str, str | None]] = []
    for example in examples:
        for sentence in sentences:
            found = extract(sentence.format(gold=example.gold), task.kind, example)
            if not is_right(found, example):
                wrong.append((sentence, example.gold, found.value))
    return wrong


@pytest.mark.parametrize("name", TASKS)
def test_every_gold_answer_of_a_benchmark_is_read_back_as_right(name: str) -> None:
    task = load_task(TaskConfig(task=name, data=DATA, train=0 if name != "gsm8k" else None))
    assert unread(task, (*task.train, *task.test), SENTENCES) == []


def test_all_1319_of_gsm8ks_worked_solutions_are_read_back_as_right() -> None:
    task = load_task(TaskConfig(task="gsm8k", data=DATA))
    lines = (DATA / "gsm8k" / "test.jsonl").read_text(encoding="utf8").splitlines()
    solutions = [json.loads(line)["answer"] for line in lines]
    pairs = list(zip(task.test, solutions, strict=True))
    assert len(pairs) == 1319
    assert [e.gold for e, said in pairs if not is_right(extract(said, task.kind, e), e)] == []


@pytest.mark.parametrize("name", [task for task in TASKS if task.startswith("bbh/")])
def test_another_examples_gold_answer_is_not_right(name: str) -> None:
    task = load_task(TaskConfig(task=name, data=DATA, train=0))
    pairs = zip(task.test, (*task.test[1:], task.test[0]), strict=True)
    wrong = [
        (mine.gold, other.gold)
        for mine, other in pairs
        if mine.gold.casefold() != other.gold.casefold()
        and is_right(extract(f"The answer is {other.gold}.", task.kind, mine), mine)
    ]
    assert wrong == []

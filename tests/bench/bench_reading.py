"""Hold what the workbench reads in real replies against labels that were set by hand.

    python -m tests.bench.bench_reading --data FOLDER [--replies FILE...] [--failures]

Each line of a file is a reply of a scorer model to a question of a benchmark, whether it came to its end, and the
answer that was taken from it by hand before the workbench had read it: null where the reply commits to none. The
readers were mended on the first file; the second came after. FOLDER holds `gsm8k/`, `bbh/` and `multiarith/` as
published, for the questions. Where math-verify is installed, its reading of the numbers stands beside ours.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from evaluators.answer_functions import FunctionKind
from evaluators.answer_numbers import canonical
from evaluators.answers import AnswerKind, extract
from evaluators.task_types import Example
from evaluators.tasks import Task, TaskConfig, load_task
from opro.paired import accuracy

LABELLED = [Path(__file__).with_name("replies") / name for name in ("first.jsonl", "second.jsonl")]


@dataclass(frozen=True)
class Labelled:
    """A reply of a scorer model, and the answer that was read in it by hand."""

    task: str
    example: str
    complete: bool
    reply: str
    answer: str | None


def labelled(file: Path) -> list[Labelled]:
    """Return the replies of a file."""
    return [Labelled(**json.loads(line)) for line in file.read_text(encoding="utf8").splitlines()]


def agrees(read: str | None, one: Labelled, kind: AnswerKind, example: Example) -> bool:
    """Say whether what was read is the label, in the spelling of the kind."""
    assert not isinstance(kind, FunctionKind)
    return read == (None if one.answer is None else kind.gold(replace(example, gold=one.answer)))


def math_verify() -> Callable[[str], str | None] | None:
    """Return math-verify's reading of a number in a reply, if it is installed."""
    try:
        from math_verify import parse  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
    except ImportError:
        return None

    def read(reply: str) -> str | None:
        found: list[Any] = parse(reply)
        try:
            return canonical(Fraction(str(found[0]))) if found else None
        except ValueError:
            return str(found[0])

    return read


@dataclass(frozen=True)
class Readings:
    """The replies of a task, and whether each was read as it is labelled; by math-verify, too, if it can."""

    replies: Sequence[Labelled]
    values: Sequence[str | None]
    alike: Sequence[bool]
    theirs: Sequence[bool] | None

    def line(self, name: str) -> str:
        """Return the task's line of the table."""
        cut, none = sum(not one.complete for one in self.replies), sum(one.answer is None for one in self.replies)
        complete = sum(good for one, good in zip(self.replies, self.alike, strict=True) if one.complete)
        theirs = "" if self.theirs is None else sum(self.theirs)
        return f"| {name} | {len(self.replies)} | {cut} | {none} | {sum(self.alike)} | {complete} | {theirs} |"

    def failures(self) -> Iterator[str]:
        """Give the replies that were read otherwise."""
        for one, value, good in zip(self.replies, self.values, self.alike, strict=True):
            if not good:
                yield f"--- {one.example}: {one.answer} by hand, {value} here\n{one.reply}\n"


def readings(task: Task, replies: Sequence[Labelled]) -> Readings:
    """Read the replies to a task's examples."""
    examples = {example.id: example for example in (*task.train, *task.test)}
    kind, other = task.kind, math_verify() if task.kind.name == "number" else None
    values = [extract(one.reply, kind, examples[one.example], complete=one.complete).value for one in replies]
    alike = [agrees(value, one, kind, examples[one.example]) for value, one in zip(values, replies, strict=True)]
    theirs = other and [agrees(other(one.reply), one, kind, examples[one.example]) for one in replies]
    return Readings(replies, values, alike, theirs)


def share(name: str, right: Sequence[bool]) -> str:
    """Return a sentence on how many are right."""
    found = accuracy([float(good) for good in right])
    return f"{found.mean:.1%} of {len(right)} {name} are read alike (95 % interval {found.low:.1%} to {found.high:.1%})"


def show(file: Path, data: Path, *, failures: bool) -> None:
    """Print the table of a file, and the replies that are read otherwise."""
    by_task: dict[str, list[Labelled]] = defaultdict(list)
    for one in labelled(file):
        by_task[one.task].append(one)
    print(f"## {file.name}\n")
    print("| task | replies | cut | without an answer | read alike | of those not cut | by math-verify |")
    print("|---|---|---|---|---|---|---|")
    done: list[Readings] = []
    for name, replies in by_task.items():
        task = load_task(TaskConfig(task=name, data=data / name.partition("/")[0]))
        done.append(readings(task, replies))
        print(done[-1].line(name))
    pairs = [pair for one in done for pair in zip(one.replies, one.alike, strict=True)]
    print("\n" + share("replies", [good for _, good in pairs]))
    print(share("that were not cut", [good for one, good in pairs if one.complete]) + "\n")
    if failures:
        print(*(text for one in done for text in one.failures()), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--replies", type=Path, nargs="+", default=LABELLED)
    parser.add_argument("--failures", action="store_true", help="print the replies that are read otherwise")
    given = parser.parse_args()
    for file in given.replies:
        show(file, given.data, failures=given.failures)


if __name__ == "__main__":
    main()

"""What is foreseen is compared with what the same command then takes from a server on the loopback interface."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import tomli_w

from evaluators.instructions import Instructions
from opro.build import build_problem
from opro.config import run_config
from opro.consent import agree_to
from opro.reader import Reader
from opro.report import by_role
from tests.unit.conftest import Command
from tests.unit.openai_server import Answer, Body, Server, choices

DATA = Path(__file__).parent / "task_data"
WORDS = ("read think check count compare weigh solve explain list sort name consider each every " * 2).split()
JUDGE = "def judge(reply, gold):\n    return gold.split()[-1] in reply\n"
PROSE = "First we look at what is given, then we work it out, one thing after the other. "

FACTOR = 1.5
Write = Callable[[Random, str], str]


@dataclass(frozen=True)
class Role:
    """What a role was foreseen to take, or took."""

    requests: int
    read: int
    written: int


def count(text: str) -> int:
    """Return the tokens of a text as a simple tokenizer would: words, digits, marks, line ends."""
    return len(re.findall(r"[^\W\d]+|\d|[^\w\s]|\n+", text))


def silent(_random: Random, _prompt: str) -> str:
    return "I do not know."


def prompt_of(body: Body) -> str:
    messages = [turn["content"] for turn in body.get("messages", ())]
    return "\n".join(messages) if messages else body["prompt"]


class Scholar:
    """What a server replies: new solutions, and answers that are as often right as an instruction is good.

    Some questions are hard under all instructions. These differ by ten points: where they differ more, races drop more,
    and less is asked than was foreseen.
    """

    def __init__(self, problem: object = None, write: Write = silent, words: int = 170) -> None:
        self._longest = problem.config.longest if isinstance(problem, Instructions) else 500
        task = problem.task if isinstance(problem, Instructions) else None
        self._golds = {one.question: one.gold for one in (*task.train, *task.test)} if task else {}
        self._write = write
        self._prose = " ".join((PROSE * 20).split()[:words])

    def __call__(self, path: str, body: Body) -> Answer:
        prompt = prompt_of(body)
        texts = [self._reply(prompt, Random(f"{body.get('seed')}:{i}")) for i in range(body.get("n", 1))]
        read, written = count(prompt) + 12, sum(count(text) + 1 for text in texts)
        return choices(path, body, list(texts), usage={"prompt_tokens": read, "completion_tokens": written})

    def _reply(self, prompt: str, random: Random) -> str:
        if "Write a new instruction" in prompt:
            return f"Here is one: <INS>{' '.join(random.choices(WORDS, k=14))[: self._longest].strip()}</INS>"
        question = next((question for question in self._golds if question in prompt), None)
        if question is None:
            return self._write(random, prompt)
        skill = Random(prompt.partition("\n")[0]).uniform(0.5, 0.6)
        right = 0.7 * Random(question).random() + 0.3 * Random(prompt).random() < skill
        if "final answer" in prompt:
            return f"The answer is {self._golds[question] if right else 'unknown'}."
        return f"{self._prose} The answer is {self._golds[question] if right else 'unknown'}."


@pytest.fixture
def sums(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {i} plus {i % 7}, and why is it so?", "answer": str(i + i % 7)} for i in range(120)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def foreseen(out: str) -> dict[str, Role]:
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {one["role"]: Role(one["requests"], one["likely"]["prompt"], one["likely"]["completion"]) for one in lines}


def taken(store: str, run: str = "") -> dict[str, Role]:
    """Return what each role took in a run, the last one by default."""
    reader = Reader(store)
    record = reader.run(run) if run else reader.runs()[-1]
    spent = by_role(reader.spending(record.id))
    reader.close()
    return {one.role: Role(one.requests, one.usage.prompt, one.usage.completion) for one in spent}


def near(one: Role, other: Role) -> bool:
    """Say whether nothing was foreseen that is more than half too low, or too high."""
    pairs = zip((one.requests, one.read, one.written), (other.requests, other.read, other.written), strict=True)
    return all(before / FACTOR <= after <= before * FACTOR for before, after in pairs)


def told(settings: dict[str, Any]) -> list[str]:
    return [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]


KINDS: dict[str, dict[str, Any]] = {
    "number": {"task": "gsm8k", "train": 24},
    "number, without a race": {"task": "gsm8k", "train": 12, "racing": False},
    "number, a longer race": {"task": "SUMS", "kind": "number", "train": 60},
    "number, a second prompt": {"task": "gsm8k", "train": 12, "final": "So the final answer is"},
    "number, several starts": {"task": "gsm8k", "train": 12, "humans": True, "start": ["Solve it.", "Calculate."]},
    "choice": {"task": "bbh/date_understanding"},
    "boolean": {"task": "bbh/navigate"},
    "text": {"task": "bbh/word_sorting", "position": "Q_end"},
    "regex": {"task": "SUMS", "kind": r"regex:answer is (\d+)", "train": 16},
    "function": {"task": "SUMS", "kind": "JUDGE:judge", "train": 16},
    "number, digits allowed": {"task": "gsm8k", "train": 12, "digits": "allowed"},
    "number, short ones": {"task": "gsm8k", "train": 12, "longest": 40},
    "number, digits refused, a plain scorer": {"task": "gsm8k", "train": 12, "form": "plain", "reply_tokens": 160},
}


def filled(settings: dict[str, Any], sums: str, judge: Path) -> dict[str, Any]:
    """Put the places of files into settings."""
    judge.write_text(JUDGE)
    made = {
        name: value.replace("SUMS", sums).replace("JUDGE", str(judge)) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    return made if made["task"] == sums else {"data": str(DATA), **made}


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_for_instructions_takes_what_was_foreseen(
    kind: str, opro: Command, server: Server, store: str, sums: str, tmp_path: Path
) -> None:
    settings = filled(KINDS[kind], sums, tmp_path / "judge.py")
    config = run_config({"problem": "instructions", "set": settings})
    agree_to(config)
    server.reply = Scholar(build_problem(config))
    command = ["run", "instructions", *told(settings), "--model", f"openai:tiny@{server.url}", "--steps", "4"]
    command += ["--per-step", "4"]
    code, out, err = opro(*command, "--dry-run", "--json")
    assert code == 0, err
    assert server.asked == []
    assert not Path(store).exists()
    code, _, err = opro(*command, "--baselines", "never")
    assert code == 0, err
    compare(foreseen(out), taken(store))


def compare(before: Mapping[str, Role], after: Mapping[str, Role]) -> None:
    """Let a test fail if a role took what was not foreseen."""
    assert before.keys() == after.keys()
    far = {role: (before[role], after[role]) for role in before if not near(before[role], after[role])}
    assert not far


def test_a_race_that_drops_nobody_takes_no_more_than_half_as_much_again(
    opro: Command, server: Server, store: str, sums: str
) -> None:
    """Under a scorer that is never right all candidates are alike, and asked to the end."""
    server.reply = Scholar()
    settings = {"task": sums, "kind": "number", "train": 40}
    command = ["run", "instructions", *told(settings), "--model", f"openai:tiny@{server.url}", "--steps", "5"]
    _, out, _ = opro(*command, "--dry-run", "--json")
    assert opro(*command, "--baselines", "never")[0] == 0
    before, after = foreseen(out)["scorer"].requests, taken(store)["scorer"].requests
    assert after == 41 * 40
    assert before <= after <= FACTOR * before


def pair(random: Random, _prompt: str) -> str:
    return f"A new pair: [{random.randrange(-50, 50)}, {random.randrange(-50, 50)}]"


def row(random: Random, _prompt: str) -> str:
    return f"{random.randrange(30)}, b={random.randrange(30)}"


def tour(random: Random, _prompt: str) -> str:
    return f"<trace>{','.join(random.sample('ABCDEFGH', 8))}</trace>"


def way(random: Random, prompt: str) -> str:
    """Go on with the tour that the last line begins."""
    begun = prompt.splitlines()[-1].partition(":")[2].split()
    left = [city for city in "ABCDEFGH" if city not in begun]
    return "".join(f" {city}" for city in random.sample(left, len(left)))


def rule(random: Random, _prompt: str) -> str:
    return f"<rule> {random.choice(('g', 'm'))} * {random.randrange(1, 999) / 100} + sign(m) </rule>"


SMALL = {"data": "wine", "epochs": 1, "hidden": [4], "rates": [0.1], "seeds": 1}
SERVED: dict[str, tuple[str, Write, str, dict[str, Any]]] = {
    "linear regression": ("linear-regression", pair, "chat", {}),
    "linear regression, continued": ("linear-regression", row, "continuation", {}),
    "tour": ("tsp", tour, "chat", {"n": 8}),
    "tour, continued": ("tsp", way, "continuation", {"n": 8}),
    "update rule": ("update-rule", rule, "chat", SMALL),
}


@pytest.mark.parametrize("kind", SERVED)
def test_a_search_without_a_scorer_takes_what_was_foreseen(
    kind: str, opro: Command, server: Server, store: str, tmp_path: Path
) -> None:
    problem, write, style, settings = SERVED[kind]
    server.reply = Scholar(write=write)
    config = {"problem": problem, "model": f"openai:tiny@{server.url}", "steps": 8, "per_step": 4, "set": settings}
    config |= {"stop_at_optimum": False, "baselines": "never", "options": {"style": style}, "silence": 99}
    file = tmp_path / "run.toml"
    file.write_text(tomli_w.dumps(config))
    _, out, _ = opro("run", str(file), "--dry-run", "--json")
    assert server.asked == []
    code, _, err = opro("run", str(file))
    assert code == 0, err
    compare(foreseen(out), taken(store))


@pytest.fixture
def reviews(tmp_path: Path) -> str:
    for name, number in (("reviews.train", 60), ("reviews.test", 20)):
        lines = [f"{i % 2} a {('bad', 'good')[i % 2]} film, number {i} of {name}" for i in range(number)]
        (tmp_path / name).write_text("\n".join(lines))
    return str(tmp_path)


def test_probes_take_what_was_foreseen(opro: Command, server: Server, store: str, reviews: str) -> None:
    server.reply = Scholar(write=lambda random, prompt: " negative")
    command = ["probe", reviews, "-k", "4", "--items", "12", "--set", "scoring=generated"]
    command += ["--model", f"openai:tiny@{server.url}"]
    code, out, err = opro(*command, "--dry-run", "--json")
    assert code == 0, err
    assert server.asked == []
    assert opro(*command)[0] == 0
    before, after = foreseen(out)[f"scorer, {reviews}"], taken(store)["scorer"]
    assert before.requests == after.requests == 6 * 12
    assert near(Role(1, before.read, 1), Role(1, after.read, 1))
    assert after.written <= before.written


def test_weighed_probes_take_what_was_foreseen(opro: Command, store: str, reviews: str) -> None:
    command = ["run", "icl-flipped", "--set", f"task={reviews}", "--set", "k=4"]
    command += ["--set", "items=6", "--proposer", "random", "--steps", "2", "--per-step", "2"]
    code, out, err = opro(*command, "--dry-run", "--json")
    assert code == 0, err
    assert foreseen(out)["scorer"].requests == (2 + 2 * 2) * 6


def test_an_evaluation_takes_what_was_foreseen(opro: Command, server: Server, store: str, sums: str) -> None:
    problem = build_problem(run_config({"problem": "instructions", "set": {"task": sums, "kind": "number"}}))
    server.reply = Scholar(problem)
    command = ["eval", sums, "--set", "kind=number", "--set", "test=20", "--instruction", "", "--instruction", "Think."]
    command += ["--scorer", f"openai:tiny@{server.url}"]
    code, out, err = opro(*command, "--dry-run", "--json")
    assert code == 0, err
    assert server.asked == []
    assert opro(*command)[0] == 0
    assert foreseen(out)["scorer"].requests == 2 * 20
    compare(foreseen(out), taken(store))

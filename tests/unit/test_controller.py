from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from opro.errors import InvalidSolutionError
from opro.proposers.controller import Controller, Rewards
from opro.proposers.controller_network import Writer
from opro.types import Candidate, Direction, Evaluation, Trial
from tests.problems import Hill


class Letters(Hill):
    """Words of three letters, of which those with many a are good."""

    @property
    def tokens(self) -> Sequence[str]:
        return ("a", "b", "c", "d")

    def follow(self, written: Sequence[str]) -> Sequence[str]:
        return self.tokens if len(written) < 3 else ()

    def written(self, tokens: Sequence[str]) -> str:
        return "".join(tokens)

    def parse(self, text: str) -> str:
        if "d" in text:
            raise InvalidSolutionError("holds a d")
        return text

    def spelling(self, text: str) -> Sequence[str]:
        return list(text)


def told(texts: Sequence[str], first: int = 0) -> list[Trial]:
    return [Trial(first + i, 0, Candidate(text), Evaluation(text.count("a"))) for i, text in enumerate(texts)]


def controller(**config) -> Controller:
    return Controller(Letters(), Controller.Config(**{"units": 20, "rate": 0.02, **config}), 0)


def words(random: Random, count: int) -> list[str]:
    return ["".join(random.choices("abcd", k=3)) for _ in range(count)]


def test_it_learns_to_write_what_was_rewarded():
    taught = controller()
    before = Counter("".join(map("".join, taught._writer.write(200, 1))))
    taught.tell(told(words(Random(0), 300)))
    after = Counter("".join(map("".join, taught._writer.write(200, 1))))
    assert after["a"] > 1.5 * before["a"]


async def test_being_told_one_by_one_is_being_told_at_once():
    trials = told(words(Random(1), 23))
    once, often = controller(), controller()
    once.tell(trials)
    for trial in trials:
        often.tell([trial])
    assert once._writer.write(50, 3) == often._writer.write(50, 3)


async def test_what_the_problem_refuses_is_not_proposed():
    proposed = [one.text for step in range(5) for one in await controller().ask(step, 8)]
    assert proposed
    assert not any("d" in text or not text for text in proposed)


def test_only_what_the_grammar_allows_is_written():
    class Odd(Letters):
        def follow(self, written: Sequence[str]) -> Sequence[str]:
            return ("b", "d") if len(written) < 2 + (written[:1] == ["b"]) else ()

    for tokens in Writer(Odd(), 8, 0.01, 0).write(50, 0):
        assert len(tokens) == (3 if tokens[0] == "b" else 2)
        assert set(tokens) <= {"b", "d"}


@pytest.mark.parametrize("direction", Direction)
def test_failures_count_as_the_worst_and_the_direction_is_minded(direction: Direction):
    problem = Letters()
    problem.direction = direction  # type: ignore[misc]
    taught = Controller(problem, Controller.Config(units=20, rate=0.02), 0)
    for number in range(100):
        text = words(Random(number), 1)[0]
        value = float(text.count("a")) if "b" not in text else None
        evaluation = Evaluation.failed("no") if value is None else Evaluation(value)
        taught.tell([Trial(number, 0, Candidate(text), evaluation)])
    wrote = Counter("".join(map("".join, taught._writer.write(200, 1))))
    assert wrote["b"] < min(wrote["c"], wrote["d"])
    assert (wrote["a"] > wrote["c"]) == (direction is Direction.MAXIMIZE)


def test_rewards_are_measured_in_their_own_spread():
    small, large = Rewards(0.9), Rewards(0.9)
    values = [1.0, 3.0, 2.0, 5.0, 4.0]
    ours = [small.advantage(value) for value in values]
    assert ours == pytest.approx([large.advantage(1000 * value + 7) for value in values])
    assert Rewards(0.9).advantage(None) == 0
    assert small.advantage(None) < 0

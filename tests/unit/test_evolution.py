from random import Random

import pytest

from opro.errors import ConfigError
from opro.proposers.evolution import Evolution
from opro.types import Candidate, Evaluation, Trial
from tests.problems import Hill


class Pairs(Hill):
    """Two numbers; a child of two has the first one's first and the other's second."""

    def draw(self, random: Random) -> str:
        return f"{random.randrange(100)} {random.randrange(100)}"

    def mutate(self, text: str, random: Random) -> str:
        return f"{text} mutated"

    def cross(self, text: str, other: str, random: Random) -> str:
        return f"{text.split()[0]} {other.split()[1]}"


def told(count: int) -> list[Trial]:
    return [Trial(i, 0, Candidate(f"{i} {i}"), Evaluation(float(i))) for i in range(count)]


@pytest.mark.parametrize(("crossover", "crossed"), [(0.0, 0), (1.0, 10)])
async def test_a_share_of_the_children_has_two_parents(crossover: float, crossed: int):
    proposer = Evolution(Pairs(), Evolution.Config(crossover=crossover, tournament=2), 0)
    proposer.tell(told(50))
    children = [child.text for child in await proposer.ask(1, 10)]
    assert sum("mutated" not in child for child in children) == crossed


def test_crossing_needs_a_problem_that_can():
    with pytest.raises(ConfigError, match="cross"):
        Evolution(Hill(), Evolution.Config(crossover=0.5), 0)


async def test_parents_come_from_the_youngest_and_the_best_of_a_tournament_wins():
    proposer = Evolution(Pairs(), Evolution.Config(population=5, tournament=5), 0)
    proposer.tell(told(50)[::-1])  # the youngest are the worst
    assert {child.text for child in await proposer.ask(1, 3)} == {"4 4 mutated"}

"""Small problems for tests."""

from collections.abc import Sequence
from random import Random

from opro.errors import InvalidSolutionError
from opro.types import Brief, Candidate, Direction, Evaluation, Reference


class Hill:
    """Find the whole number x in 0..99 with the highest 100 - |x - 42|."""

    direction = Direction.MAXIMIZE

    def __init__(self) -> None:
        self.evaluated: list[str] = []

    def start(self, seed: int) -> Sequence[Candidate]:
        return [Candidate(self.draw(Random(seed)))]

    def brief(self) -> Brief:
        return Brief(task="A number x and how good it is.", lead="x=", ideal=100.0)

    def parse(self, text: str) -> str:
        number = text.strip().removeprefix("x=")
        if not number.isascii() or not number.isdigit() or not 0 <= int(number) <= 99:
            raise InvalidSolutionError(f"not a number from 0 to 99: {text[:20]!r}")
        return f"x={int(number)}"

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        return [self._value(candidate.text) for candidate in candidates]

    def _value(self, text: str) -> Evaluation:
        self.evaluated.append(text)
        try:
            return Evaluation(100.0 - abs(int(self.parse(text)[2:]) - 42))
        except InvalidSolutionError as error:
            return Evaluation.failed(str(error))

    def draw(self, random: Random) -> str:
        return f"x={random.randrange(100)}"

    def mutate(self, text: str, random: Random) -> str:
        return f"x={max(0, min(99, int(text[2:]) + random.choice((-2, -1, 1, 2))))}"

    def references(self) -> Sequence[Reference]:
        return [Reference("optimum", 100.0, optimum=True, solution="x=42")]

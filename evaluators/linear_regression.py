"""Linear regression over integer pairs (w, b), as in OPRO (arXiv 2309.03409, section 3.1).

The model sees pairs and losses only. The analytic form is never shown: a model that knows it could solve it by algebra.
"""

import math
import re
from collections.abc import Sequence
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from evaluators import linear_regression_pictures
from opro.constraints import Regex
from opro.errors import InvalidSolutionError
from opro.pictures import Picture
from opro.types import Brief, Candidate, Direction, Evaluation, Reference, Trial

LIMIT = 10**6  # beyond it a value is junk, not a guess

STARTS = 5
START_BOX = (10, 20)

# 41 x 51 = 2,091 pairs: the smallest box with round corners that holds the seven targets of OPRO's Table 2.
GRID_W = (0, 40)
GRID_B = (-10, 40)

_WRITTEN_W = tuple(f"w={w}" for w in range(GRID_W[0], GRID_W[1] + 1))
_WRITTEN_B = tuple(f"b={b}" for b in range(GRID_B[0], GRID_B[1] + 1))

# The patterns below hold no nested or adjacent repetitions of one character, so that they are linear on any text.
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_VALUE = r"([^\s,;\[\](){}<>*`]{1,500})"
_ASSIGNED = re.compile(
    rf"\bw\s{{0,3}}[=:]\s{{0,3}}{_VALUE}\s{{0,3}}(?:,|;|\band\b)?\s{{0,3}}\bb\s{{0,3}}[=:]\s{{0,3}}{_VALUE}"
)
_NAME = re.compile(r"[A-Za-z_ ]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


class LinearRegression:
    """Find the integers w and b that minimize the sum of squared residuals of a noisy line."""

    class Config(BaseModel):
        """The planted line, and the points drawn from it."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        w: int = Field(15, ge=-99, le=99, description="slope of the planted line")
        b: int = Field(14, ge=-99, le=99, description="intercept of the planted line")
        points: int = Field(50, ge=2, le=100_000, description="number of points, at x = 1, 2, ...")
        noise: float = Field(
            1.0, ge=0, le=1000, allow_inf_nan=False, description="standard deviation of the noise on y"
        )

    direction = Direction.MINIMIZE

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self._x = np.arange(1, config.points + 1, dtype=np.float64)
        noise = np.random.default_rng(seed).normal(size=config.points)
        self._y = config.w * self._x + config.b + config.noise * noise

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return five different pairs, each value uniform in [10, 20]."""
        random = Random(f"start:{seed}")
        pairs: dict[str, None] = {}
        while len(pairs) < STARTS:
            pairs[_text(random.randint(*START_BOX), random.randint(*START_BOX))] = None
        return [Candidate(text) for text in pairs]

    def brief(self) -> Brief:
        """Describe the function by its two variables alone."""
        return Brief(
            task="A function of two whole numbers, w and b, is to be made as small as possible. What the function "
            "computes is not known; only its value at some (w, b) pairs is.",
            noun="pair",
            score="value",
            answer="Write no code. End with the pair in square brackets, [w, b], where w and b are whole numbers.",
            lead="w=",
            constraint=Regex("-?[0-9]{1,2}, b=-?[0-9]{1,2}"),
            ideal=0.0,
            max_tokens=16,
        )

    def parse(self, text: str) -> str:
        """Return the last pair in `text` as `w=15, b=14`, its values rounded to integers.

        A pair is `[w, b]` or `w=.., b=..`; brackets that hold only names, such as `[w, b]` itself, are passed over.

        Raises:
            InvalidSolutionError: there is no pair, or its values are not two finite numbers of a sane size.
        """
        return _text(*_pair(text))

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return the sum of squared residuals of each pair."""
        pairs: list[tuple[int, int]] = []
        reasons: list[str] = []
        for candidate in candidates:
            try:
                pairs.append(_pair(candidate.text))
                reasons.append("")
            except InvalidSolutionError as error:
                reasons.append(str(error))
        losses = iter(self._losses(pairs).tolist())
        return [Evaluation.failed(reason) if reason else Evaluation(next(losses)) for reason in reasons]

    def references(self) -> Sequence[Reference]:
        """Return the best integer pair, and the planted one where the noise has made another pair better."""
        best, planted = self._best_pair, (self.config.w, self.config.b)
        references = [Reference("optimum", float(self._losses([best])[0]), optimum=True, solution=_text(*best))]
        if best != planted:
            references.append(Reference("planted pair", float(self._losses([planted])[0]), solution=_text(*planted)))
        return references

    def draw(self, random: Random) -> str:
        """Return a pair uniform on the grid of 2,091 that holds all targets of OPRO's Table 2.

        A target outside w in [0, 40], b in [-10, 40] is out of its reach.
        """
        return _text(random.randint(*GRID_W), random.randint(*GRID_B))

    def mutate(self, text: str, random: Random) -> str:
        """Return the pair moved by rounded Gaussian noise of a random scale; at least one value changes."""
        w, b = _pair(text)
        scale = random.choice((1.0, 3.0, 9.0))  # far steps from a bad start, short ones near the optimum
        while True:
            moved = _clip(w + random.gauss(0, scale)), _clip(b + random.gauss(0, scale))
            if moved != (w, b):
                return _text(*moved)

    @property
    def tokens(self) -> Sequence[str]:
        """The values of w and b on the grid of `draw`."""
        return (*_WRITTEN_W, *_WRITTEN_B)

    def follow(self, written: Sequence[str]) -> Sequence[str]:
        """Return the values of w, then those of b."""
        return (_WRITTEN_W, _WRITTEN_B, ())[len(written)]

    def written(self, tokens: Sequence[str]) -> str:
        """Return the pair of two tokens."""
        return ", ".join(tokens)

    def spelling(self, text: str) -> Sequence[str]:
        """Return the two tokens of a pair.

        Raises:
            InvalidSolutionError: it is not on the grid.
        """
        parts = text.split(", ")
        if not set(parts) <= set(self.tokens):
            raise InvalidSolutionError(f"is not on the grid: {_short(text)}")
        return parts

    def point(self, text: str) -> NDArray[np.float64]:
        """Return (w, b), shape (2,)."""
        return np.array(_pair(text), dtype=np.float64)

    def text(self, point: NDArray[np.float64]) -> str:
        """Return the integer pair nearest to `point`, shape (2,), within the bounds."""
        w, b = point.tolist()
        return _text(_clip(w), _clip(b))

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Pictured."""
        del references
        planted = float(self.config.w), float(self.config.b)
        best = float(self._best_pair[0]), float(self._best_pair[1])
        points = linear_regression_pictures.Points(self._x, self._y, planted, best)
        pairs = [_pair(trial.text) if trial.value is not None else None for trial in trials]
        return linear_regression_pictures.pictures(points, trials, pairs)

    def _losses(self, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """Return the loss of each of the k pairs, shape (k,)."""
        lines = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        residuals = self._y - lines[:, :1] * self._x - lines[:, 1:]
        return np.square(residuals).sum(axis=1)

    @cached_property
    def _best_pair(self) -> tuple[int, int]:
        """The integer pair of least loss.

        With W the real least-squares slope and S the spread of x, the best loss at slope w exceeds the real minimum by
        S (w-W)^2 + n d^2, where d <= 1/2 is what rounding the intercept costs. So no slope can be best that is further
        from W than sqrt(1/4 + n/(4 S)); the slopes nearer than that are few, and all are tried.
        """
        centre = float(self._x.mean())
        spread = float(np.square(self._x - centre).sum())
        slope = float(((self._x - centre) * self._y).sum()) / spread
        reach = math.sqrt(0.25 + len(self._x) / (4 * spread)) + 1e-6
        slopes = range(math.ceil(slope - reach), math.floor(slope + reach) + 1)
        pairs = [(w, round(float(np.mean(self._y - w * self._x)))) for w in slopes]
        return pairs[int(np.argmin(self._losses(pairs)))]


def _text(w: int, b: int) -> str:
    return f"w={w}, b={b}"


def _clip(value: float) -> int:
    return round(min(max(value, -LIMIT), LIMIT))


def _pair(text: str) -> tuple[int, int]:
    """Return the last pair in a reply, rounded."""
    if not text.strip():
        raise InvalidSolutionError("the reply is empty")
    found = [(match.end(), match.group(1).split(",")) for match in _BRACKETS.finditer(text)]
    found = [(end, parts) for end, parts in found if not all(_is_name(part) for part in parts)]
    found += [(match.end(), list(match.groups())) for match in _ASSIGNED.finditer(text)]
    if not found:
        raise InvalidSolutionError(f"holds no pair [w, b] or w=.., b=..: {_short(text)}")
    parts = max(found)[1]
    if len(parts) != 2:
        raise InvalidSolutionError(f"a pair holds 2 values, not {len(parts)}: {_short(', '.join(parts[:20]))}")
    return _integer("w", parts[0]), _integer("b", parts[1])


def _is_name(part: str) -> bool:
    return bool(part) and _NAME.fullmatch(part) is not None and _NOT_FINITE.fullmatch(part.strip()) is None


def _integer(name: str, part: str) -> int:
    """Return the value written in `part`, perhaps as `name=value`, rounded to an integer."""
    written = part.strip().removeprefix(name).lstrip(" =:").rstrip(".!?").replace("\N{MINUS SIGN}", "-")
    if _NOT_FINITE.fullmatch(written):
        raise InvalidSolutionError(f"{name} is not finite: {written}")
    if len(written) > 400 or not _NUMBER.fullmatch(written):
        raise InvalidSolutionError(f"{name} is not a number in the digits 0-9: {_short(written)}")
    value = float(written)
    if not abs(value) <= LIMIT:
        problem = f"is beyond {LIMIT:,}" if math.isfinite(value) else "is too large to be finite"
        raise InvalidSolutionError(f"{name} {problem}: {_short(written)}")
    return round(value)


def _short(text: str) -> str:
    """Quote the end of a text, where the answer should have been."""
    text = text.strip()
    return repr(text if len(text) <= 60 else "..." + text[-57:])

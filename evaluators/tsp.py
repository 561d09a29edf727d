"""The travelling salesman, as in OPRO (arXiv 2309.03409, section 3.2), or from a TSPLIB file.

Cities are named so that a small model spends one token on each: A to Z, then a to z; with more than 52 cities, numbers.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from evaluators import tours, tsp_pictures, tsplib
from opro.constraints import Permutation
from opro.errors import ConfigError, InvalidSolutionError
from opro.pictures import Picture
from opro.types import Brief, Candidate, Direction, Evaluation, Reference, Trial

STARTS = 5
MOST_CITIES = 500  # beyond it a tour does not fit into a prompt, and the references take minutes
SHOWN_NEIGHBOURS = 5
LETTERS = string.ascii_uppercase + string.ascii_lowercase

_TRACE = re.compile(r"<trace>([^<]*)", re.IGNORECASE)
_WORD_OR_GAP = re.compile(r"\w+|\W+")
_GAP = re.compile(r"[\s,;|>\-=\N{EN DASH}\N{EM DASH}\N{RIGHTWARDS ARROW}]+")
_CITY_LIKE = re.compile(r"[A-Za-z]|[0-9]{1,9}")


class TourLength:
    """Find the shortest closed tour through the cities."""

    class Config(BaseModel):
        """Which cities, and what the model may know of them."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        n: int = Field(10, ge=1, le=MOST_CITIES, description="number of cities, where no file is given")
        instance: int | None = Field(None, ge=0, description="seed of the cities; without it, the run's own seed")
        file: Path | None = Field(None, description="TSPLIB file (EUC_2D) to take the cities from")
        facts: Literal["coordinates", "neighbours", "none"] = Field(
            "coordinates", description="what the model is told of where the cities are"
        )
        prove: int = Field(120, ge=0, description="largest number of cities of which the optimum is computed")

    direction = Direction.MINIMIZE

    def __init__(self, config: Config, seed: int) -> None:
        """Draw or read the cities.

        Raises:
            ConfigError: the file cannot be used.
        """
        self.config = config
        self.points = _read(config.file) if config.file else _drawn(config, seed)
        n = len(self.points)
        self.names = tuple(LETTERS[:n]) if n <= len(LETTERS) else tuple(map(str, range(n)))
        self.distances = tours.distance_matrix(self.points, rounded=config.file is not None)
        self._index = {str(i): i for i in range(n)} | {name: i for i, name in enumerate(self.names)}

    @staticmethod
    def reads(config: Config) -> Sequence[str]:
        """Return what is read from elsewhere: the file of the cities."""
        return [str(config.file)] if config.file else []

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return five different random tours, or all there are."""
        random = Random(f"start:{seed}")
        n = len(self.names)
        different = 1 if n < 4 else 3 if n == 4 else STARTS
        texts: dict[str, None] = {}
        while len(texts) < different:
            texts[self.draw(random)] = None
        return [Candidate(text) for text in texts]

    def brief(self) -> Brief:
        """Describe the cities, and how a tour is written."""
        first, others = self.names[0], self.names[1:]
        return Brief(
            task=f"A salesman starts at city {first}, visits each of the {len(self.names)} cities exactly once and "
            f"returns to {first}. The tour is to be made as short as possible.",
            noun="tour",
            score="length",
            answer=f"Write every city exactly once, starting with {first}, separated by commas, between <trace> and "
            "</trace>.",
            facts=self._facts(),
            lead=first,
            constraint=Permutation(others) if others else None,
            max_tokens=16 + len(self.names) * (2 if len(self.names) <= len(LETTERS) else 4),
        )

    def parse(self, text: str) -> str:
        """Return the last tour in `text`, such as `A C B D`, in the direction in which its second city comes first.

        A tour is written with names or numbers, between <trace> tags or as the last part of a line that looks like a
        tour; a return to the first city at its end is dropped. A tour is closed, so it may start anywhere (OPRO refuses
        those that do not start at the first city).

        Raises:
            InvalidSolutionError: there is no tour, or it leaves out, repeats or invents a city.
        """
        return self._text(self._tour(text))

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return the length of each tour."""
        found: list[list[int]] = []
        reasons: list[str] = []
        for candidate in candidates:
            try:
                found.append(self._tour(candidate.text))
                reasons.append("")
            except InvalidSolutionError as error:
                reasons.append(str(error))
        array = np.array(found, dtype=np.intp).reshape(-1, len(self.names))
        lengths = iter(tours.lengths(self.distances, array).tolist())
        return [Evaluation.failed(reason) if reason else Evaluation(next(lengths)) for reason in reasons]

    def references(self) -> Sequence[Reference]:
        """Return the proved optimum, nearest neighbour, farthest insertion, and 2-opt with or-opt from the latter.

        Computed once, in seconds up to 50 cities and a minute or so at 100. The optimum is left out where there are
        more than `prove` cities, or where it could not be proved within two minutes.
        """
        return self._references

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Pictured."""
        cities = tsp_pictures.Cities(self.points, self.names, self._tour, references)
        return tsp_pictures.pictures(cities, trials)

    def draw(self, random: Random) -> str:
        """Return a tour uniform among all."""
        others = list(range(1, len(self.names)))
        random.shuffle(others)
        return self._text(_directed([0, *others]))

    def rewrite(self, text: str, random: Random) -> str:
        """Return the tour from a random city on, in a random direction."""
        tour = self._tour(text)
        start = random.randrange(len(tour))
        turned = tour[start:] + tour[:start]
        return self._text(turned[::-1] if random.random() < 0.5 else turned)

    def mutate(self, text: str, random: Random) -> str:
        """Return the tour with a random segment reversed (2-opt), or moved elsewhere (or-opt, up to 3 cities)."""
        tour = self._tour(text)
        others = tour[1:]
        if len(others) < 3:
            return self._text(tour)  # there is only one tour
        while True:
            changed = _reversed_segment(others, random) if random.random() < 0.5 else _moved_segment(others, random)
            neighbour = _directed([0, *changed])
            if neighbour != tour:
                return self._text(neighbour)

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        from evaluators.optimal_tour import optimal_tour  # a second that `opro problems` need not pay

        optimum = optimal_tour(self.distances) if len(self.names) <= self.config.prove else None
        farthest = tours.farthest_insertion(self.distances)
        return (
            *([] if optimum is None else [self._reference("optimum", optimum, optimum=True)]),
            self._reference("nearest neighbour", tours.nearest_neighbour(self.distances)),
            self._reference("farthest insertion", farthest),
            self._reference("two-opt", tours.improved(self.distances, farthest)),
        )

    def _reference(self, name: str, tour: tours.Tour, *, optimum: bool = False) -> Reference:
        # Measured in the canonical direction, so that it equals to the last bit what evaluate() says of its text.
        cities = _directed(tour.tolist())
        return Reference(name, tours.length(self.distances, np.array(cities)), optimum, self._text(cities))

    def _facts(self) -> str:
        match self.config.facts:
            case "coordinates":
                pairs: list[list[float]] = self.points.tolist()
                cities = (f"{name}=({x:g},{y:g})" for name, (x, y) in zip(self.names, pairs, strict=True))
                return f"Cities: {' '.join(cities)}"
            case "neighbours":
                order = np.argsort(self.distances + np.diag(np.full(len(self.names), -1.0)), axis=1, kind="stable")
                near: list[list[int]] = order[:, 1 : SHOWN_NEIGHBOURS + 1].tolist()
                lines = zip(self.names, near, strict=True)
                rows = (f"{name}: {' '.join(self.names[i] for i in row)}" for name, row in lines)
                return "Each city and those nearest to it, the nearest first:\n" + "\n".join(rows)
            case "none":
                return ""

    def _text(self, tour: Sequence[int]) -> str:
        return " ".join(self.names[i] for i in tour)

    def _tour(self, text: str) -> list[int]:
        """Return the tour in a reply, in its canonical direction."""
        words = self._words(text)
        for word in words:
            if word not in self._index:
                raise InvalidSolutionError(f"unknown city {word[:20]}")
        tour = [self._index[word] for word in words]
        if len(tour) > 1 and tour[-1] == tour[0]:
            tour.pop()
        counts = Counter(tour)
        city, times = counts.most_common(1)[0]
        if times > 1:
            raise InvalidSolutionError(f"visits {self.names[city]} {'twice' if times == 2 else f'{times} times'}")
        if missing := [name for i, name in enumerate(self.names) if i not in counts]:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise InvalidSolutionError(f"never visits {', '.join(missing[:5])}{more}")
        first = tour.index(0)
        return _directed(tour[first:] + tour[:first])

    def _words(self, text: str) -> list[str]:
        """Return the words of a reply that stand for cities, known or not; at least one."""
        if not text.strip():
            raise InvalidSolutionError("the reply is empty")
        if traces := _TRACE.findall(text):
            if words := [word for word in _GAP.split(traces[-1]) if word]:
                return words
            raise InvalidSolutionError("the last <trace> is empty")
        enough = (len(self.names) + 1) // 2
        runs = [run for line in text.splitlines() for run in _runs(line)]
        if not any(len(run) >= enough for run in runs):
            runs += _runs(text)  # one city a line
        if long := [run for run in runs if len(run) >= enough]:
            return long[-1]
        if runs and len(longest := max(runs, key=len)) > 1:
            return longest
        raise InvalidSolutionError(f"holds no tour: {text.strip()[:60]!r}")


def _drawn(config: TourLength.Config, seed: int) -> tours.Floats:
    """Return points uniform in (-100, 100) in both coordinates, truncated to integers as in OPRO."""
    rng = np.random.default_rng(seed if config.instance is None else config.instance)
    return np.trunc(rng.uniform(-100, 100, size=(config.n, 2))) + 0.0  # + 0.0 makes -0.0 read 0


def _read(path: Path) -> NDArray[np.float64]:
    points = tsplib.read(path).points
    if not 1 <= len(points) <= MOST_CITIES:
        raise ConfigError(f"{path} has {len(points)} cities; 1 to {MOST_CITIES} can be used")
    return np.array(points)


def _runs(text: str) -> list[list[str]]:
    """Return the longest runs of words that may be cities with nothing but separators between them."""
    runs: list[list[str]] = [[]]
    for word in _WORD_OR_GAP.findall(text):
        if _CITY_LIKE.fullmatch(word):
            runs[-1].append(word)
        elif not _GAP.fullmatch(word):
            runs.append([])
    return [run for run in runs if run]


def _directed(tour: list[int]) -> list[int]:
    """Return the tour in its canonical direction: of the two neighbours of city 0, the lower one comes second."""
    return tour if len(tour) < 3 or tour[1] < tour[-1] else [tour[0], *tour[:0:-1]]


def _reversed_segment(cities: list[int], random: Random) -> list[int]:
    i, j = sorted(random.sample(range(len(cities) + 1), 2))
    return cities[:i] + cities[i:j][::-1] + cities[j:]


def _moved_segment(cities: list[int], random: Random) -> list[int]:
    size = random.randint(1, min(3, len(cities) - 1))
    i = random.randrange(len(cities) - size + 1)
    segment, rest = cities[i : i + size], cities[:i] + cities[i + size :]
    if random.random() < 0.5:
        segment.reverse()
    place = random.randrange(len(rest) + 1)
    return rest[:place] + segment + rest[place:]

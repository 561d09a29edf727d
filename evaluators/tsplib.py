"""Reader of TSPLIB files with planar cities (TYPE: TSP, EDGE_WEIGHT_TYPE: EUC_2D).

Our own, because tsplib95 is no longer kept (last release 2020, it requires networkx 2) and vrplib reads vehicle routing
instances without checking these. Format: G. Reinelt, TSPLIB 95, sections 1.1 and 1.2.4.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from opro.errors import ConfigError

LIMIT = 1e9  # coordinates beyond it lose the unit digit of their distances


@dataclass(frozen=True, slots=True)
class Instance:
    """The name of an instance and its points, in the order of the file."""

    name: str
    points: tuple[tuple[float, float], ...]


def read(path: Path) -> Instance:
    """Return the instance in a file.

    Raises:
        ConfigError: the file cannot be read, or is no EUC_2D instance; the message names the file and what is wrong.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the TSPLIB file {path}: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no TSPLIB file that can be used: {error}") from error


def parse(text: str) -> Instance:
    """Return the instance in the text of a file.

    Raises:
        ValueError: it is no EUC_2D instance; the message says what is wrong and in which line.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    names = [line for _, line in lines]
    if "NODE_COORD_SECTION" not in names:
        raise ValueError("NODE_COORD_SECTION is missing")
    section = names.index("NODE_COORD_SECTION")
    header = _header(lines[:section])
    points = _points(lines[section + 1 :])
    if str(len(points)) != header["DIMENSION"]:
        raise ValueError(f"DIMENSION is {header['DIMENSION']}, but there are {len(points)} coordinates")
    return Instance(header.get("NAME", ""), points)


def _header(lines: list[tuple[int, str]]) -> dict[str, str]:
    """Return the entries `KEY : value` before the coordinates, once they are known to be usable."""
    header: dict[str, str] = {}
    for number, line in lines:
        key, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"line {number} is not `KEY : value`: {line[:60]!r}")
        header[key.strip()] = value.strip()
    for key, known in (("TYPE", "TSP"), ("EDGE_WEIGHT_TYPE", "EUC_2D")):
        if header.get(key, known) != known:
            raise ValueError(f"{key} {header[key]!r} is not supported, only {known} is")
    for key in ("DIMENSION", "EDGE_WEIGHT_TYPE"):
        if key not in header:
            raise ValueError(f"{key} is missing")
    return header


def _points(lines: list[tuple[int, str]]) -> tuple[tuple[float, float], ...]:
    """Return the points of `number x y` lines, up to EOF or the next section."""
    points: dict[str, tuple[float, float]] = {}
    for number, line in lines:
        words = line.split()
        if words[0] == "EOF" or words[0].endswith("_SECTION"):
            break
        if len(words) != 3:
            raise ValueError(f"line {number} is not `city x y`: {line[:60]!r}")
        if words[0] in points:
            raise ValueError(f"line {number} gives city {words[0]} again")
        points[words[0]] = (_coordinate(words[1], number), _coordinate(words[2], number))
    return tuple(points.values())


def _coordinate(word: str, number: int) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not abs(value) <= LIMIT:
        raise ValueError(f"line {number} has a coordinate that is no number up to {LIMIT:g}: {word[:60]!r}")
    return value

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluators import tsplib
from evaluators.tsp import TourLength
from opro.errors import ConfigError, InvalidSolutionError
from opro.types import Candidate

FILE = """NAME : four
COMMENT : corners of a rectangle
TYPE : TSP
DIMENSION : 4
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 0 0
2 3.0e0 4.4
3 3 0
4 0 4
EOF
"""


def problem(n: int = 5, seed: int = 0, **config) -> TourLength:
    return TourLength(TourLength.Config(n=n, **config), seed)


@pytest.mark.parametrize(
    ("reply", "tour"),
    [
        ("A C B D E", "A C B D E"),
        ("<trace> 0,2,1,3,4 </trace>", "A C B D E"),
        ("<trace>A,C,B,D,E", "A C B D E"),
        ("<TRACE>A C B D E</TRACE>", "A C B D E"),
        ("<trace> 0,1,2,3,4 </trace> is worse than <trace> 0,2,1,3,4 </trace> I think", "A C B D E"),
        ("The best tour is A -> C -> B -> D -> E -> A (length 17).", "A C B D E"),
        ("I think that [0, 2, 1, 3, 4] is a good one", "A C B D E"),
        ("Tour: A\N{RIGHTWARDS ARROW}C\N{RIGHTWARDS ARROW}B\N{RIGHTWARDS ARROW}D\N{RIGHTWARDS ARROW}E", "A C B D E"),
        ("A B C D E\nA C B D E\nlength: 12", "A C B D E"),
        ("A\nC\nB\nD\nE\n", "A C B D E"),
        ("A-C-B-D-E", "A C B D E"),
    ],
)
def test_the_last_tour_of_a_reply_is_taken(reply: str, tour: str):
    assert problem().parse(reply) == tour


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "the reply is empty"),
        ("<trace> </trace>", "the last <trace> is empty"),
        ("no idea", "holds no tour"),
        ("I have one", "holds no tour"),
        ("A C B D D", "visits D twice"),
        ("A A A A A B", "visits A 5 times"),
        ("A C B", "never visits D, E"),
        ("A C", "never visits B, D, E"),
        ("A C B D Z", "unknown city Z"),
        ("<trace> 0,1,2,3,5 </trace>", "unknown city 5"),
        ("<trace> \uff10,\uff11,\uff12,\uff13,\uff14 </trace>", "unknown city \uff10"),
    ],
)
def test_a_reply_without_a_valid_tour_is_refused_with_the_reason(reply: str, reason: str):
    with pytest.raises(InvalidSolutionError) as raised:
        problem().parse(reply)
    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize("reply", ["B D A C E", "B D A C E B", "C A D B E", "E B D A C"])
def test_a_closed_tour_may_start_anywhere_and_run_either_way(reply: str):
    assert problem().parse(reply) == "A C E B D"


@given(seed=st.integers(0, 999), n=st.integers(1, 12))
@settings(deadline=None)
def test_a_rewritten_tour_is_the_same_tour(seed: int, n: int):
    random, tsp = Random(seed), problem(n)
    text = tsp.draw(random)
    assert tsp.parse(tsp.rewrite(text, random)) == text


def test_many_missing_cities_are_counted_and_not_listed():
    with pytest.raises(InvalidSolutionError, match=r"^never visits D, E, F, G, H and 12 more$"):
        problem(20).parse("A B C")


@settings(deadline=None)
@given(order=st.permutations(range(1, 12)), spelling=st.sampled_from(["names", "numbers"]))
def test_a_tour_and_its_reversal_have_one_canonical_text(order: list[int], spelling: str):
    tsp = problem(12)
    words = tsp.names if spelling == "names" else tuple(map(str, range(12)))
    there, back = (",".join(words[i] for i in [0, *cities]) for cities in (order, order[::-1]))
    assert tsp.parse(there) == tsp.parse(back)
    assert tsp.parse(there).split()[1] < tsp.parse(there).split()[-1]


async def test_the_length_is_that_of_the_closed_tour():
    tsp = problem(4)
    places = dict(zip(tsp.names, tsp.points, strict=True))
    legs = ["AC", "CB", "BD", "DA"]
    (evaluation,) = await tsp.evaluate([Candidate("A C B D")])
    assert evaluation.value == pytest.approx(sum(np.hypot(*(places[a] - places[b])) for a, b in legs))


def test_cities_are_whole_points_between_minus_100_and_100_and_follow_the_seed():
    points = problem(500, seed=3).points
    assert np.array_equal(points, np.trunc(points))
    assert -100 < points.min() < -90
    assert 90 < points.max() < 100
    assert not np.array_equal(points, problem(500, seed=4).points)
    assert np.array_equal(problem(500, seed=4, instance=3).points, points)


@pytest.mark.parametrize("n", [1, 2, 3])
async def test_with_up_to_three_cities_there_is_one_tour_and_it_is_optimal(n: int):
    tsp = problem(n)
    (start,) = tsp.start(0)
    assert start.text == "A B C"[: 2 * n - 1]
    assert tsp.mutate(start.text, Random(0)) == start.text == tsp.draw(Random(1))
    (evaluation,) = await tsp.evaluate([start])
    optimum = tsp.references()[0]
    assert optimum.optimum
    assert (optimum.value, optimum.solution) == (evaluation.value, start.text)
    assert (tsp.brief().constraint is None) == (n == 1)


def test_four_cities_have_three_tours_to_start_with():
    assert {c.text for c in problem(4).start(0)} == {"A B C D", "A C B D", "A B D C"}


@pytest.mark.parametrize("n", [0, -1, 501])
def test_too_few_or_too_many_cities_are_refused(n: int):
    with pytest.raises(ValidationError):
        problem(n)


def test_beyond_52_cities_names_are_numbers():
    assert problem(52).names[-1] == "z"
    assert problem(53).names[:2] == ("0", "1")
    assert problem(53).brief().lead == "0"
    assert problem(60).parse(" ".join(map(str, range(60)))).endswith("59")


@pytest.mark.parametrize("n", [1, 2, 12, 52, 60])
def test_the_brief_tells_as_much_geometry_as_is_wanted(n: int):
    first = problem(n).names[0]
    x, y = problem(n).points[0]
    assert problem(n).brief().facts.startswith(f"Cities: {first}=({x:g},{y:g})")
    assert len(problem(n, facts="neighbours").brief().facts.splitlines()) == n + 1
    assert problem(n, facts="none").brief().facts == ""


def test_neighbours_are_listed_from_the_nearest():
    tsp = problem(9, facts="neighbours")
    lines = tsp.brief().facts.splitlines()[1:]
    for line, row in zip(lines, tsp.distances, strict=True):
        name, near = line.split(": ")
        distances = [row[tsp.names.index(other)] for other in near.split()]
        assert name not in near.split()
        assert len(distances) == 5
        assert distances == sorted(distances)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_change_gives_another_tour(seed: int):
    tsp, random = problem(4 + seed % 9), Random(seed)
    tour = tsp.draw(random)
    changed = tsp.mutate(tour, random)
    assert tsp.parse(changed) == changed != tour


def test_the_optimum_is_left_out_above_the_number_of_cities_to_prove():
    assert [reference.name for reference in problem(10).references()] == [
        "optimum",
        "nearest neighbour",
        "farthest insertion",
        "two-opt",
    ]
    names = [reference.name for reference in problem(10, prove=9).references()]
    assert names == ["nearest neighbour", "farthest insertion", "two-opt"]


@pytest.mark.parametrize("points", ["0 0", "7 7"])
async def test_equal_cities_have_tours_of_length_zero(points: str, tmp_path: Path):
    rows = "\n".join(f"{i} {points}" for i in range(1, 12))
    path = tmp_path / "equal.tsp"
    path.write_text(f"DIMENSION: 11\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n{rows}\n")
    tsp = problem(file=path)
    assert [reference.value for reference in tsp.references()] == [0, 0, 0, 0]
    assert [e.value for e in await tsp.evaluate(tsp.start(0))] == [0] * 5


async def test_a_tsplib_file_gives_the_cities_and_rounded_distances(tmp_path: Path):
    path = tmp_path / "four.tsp"
    path.write_text(FILE)
    tsp = problem(file=path)
    assert tsp.points.tolist() == [[0, 0], [3, 4.4], [3, 0], [0, 4]]
    assert [e.value for e in await tsp.evaluate([Candidate("A B C D"), Candidate("A C B D")])] == [18, 14]
    assert tsp.references()[0].value == 14


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("DIMENSION : 4", "DIMENSION : 5", "DIMENSION is 5, but there are 4 coordinates"),
        ("DIMENSION : 4\n", "", "DIMENSION is missing"),
        ("EDGE_WEIGHT_TYPE : EUC_2D\n", "", "EDGE_WEIGHT_TYPE is missing"),
        ("EUC_2D", "GEO", "EDGE_WEIGHT_TYPE 'GEO' is not supported, only EUC_2D is"),
        ("TYPE : TSP", "TYPE : ATSP", "TYPE 'ATSP' is not supported, only TSP is"),
        ("NODE_COORD_SECTION", "EDGE_WEIGHT_SECTION", "NODE_COORD_SECTION is missing"),
        ("COMMENT : corners", "COMMENT corners", "line 2 is not `KEY : value`"),
        ("3 3 0", "3 3", "line 9 is not `city x y`: '3 3'"),
        ("3 3 0", "2 3 0", "line 9 gives city 2 again"),
        ("3 3 0", "3 x 0", "line 9 has a coordinate that is no number"),
        ("3 3 0", "3 nan 0", "line 9 has a coordinate that is no number"),
        ("3 3 0", "3 1e400 0", "line 9 has a coordinate that is no number"),
        ("3 3 0\n", "EOF\n", "DIMENSION is 4, but there are 2 coordinates"),
    ],
)
def test_a_wrong_tsplib_file_is_refused_with_the_place(old: str, new: str, reason: str, tmp_path: Path):
    path = tmp_path / "wrong.tsp"
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        problem(file=path)
    assert str(raised.value).startswith(f"{path} is no TSPLIB file that can be used: ")
    assert reason in str(raised.value)


def test_a_tsplib_file_that_cannot_be_read_is_a_config_error(tmp_path: Path):
    (tmp_path / "bytes.tsp").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.tsp", tmp_path, tmp_path / "bytes.tsp"):
        with pytest.raises(ConfigError, match="cannot read the TSPLIB file"):
            problem(file=path)


def test_a_tsplib_file_without_cities_or_with_too_many_is_a_config_error(tmp_path: Path):
    path = tmp_path / "many.tsp"
    for n in (0, 501):
        rows = "".join(f"{i} {i} {i}\n" for i in range(n))
        path.write_text(f"DIMENSION: {n}\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n{rows}")
        with pytest.raises(ConfigError, match=f"has {n} cities; 1 to 500"):
            problem(file=path)


@settings(deadline=None)
@given(text=st.text() | st.text(alphabet="NODECR_STI:EUW2GHP 019.e\n").map(lambda body: FILE[:120] + body))
def test_any_text_is_an_instance_or_a_value_error(text: str):
    try:
        instance = tsplib.parse(text)
    except ValueError as error:
        assert str(error)
    else:
        assert all(np.isfinite(instance.points).ravel())


@settings(deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), max_size=20),
    name=st.text("abc019", max_size=9),
)
def test_what_is_written_as_tsplib_is_read_again(points: list[tuple[float, float]], name: str):
    rows = "".join(f"{i} {x!r} {y!r}\n" for i, (x, y) in enumerate(points, 1))
    head = f"NAME: {name}\nTYPE: TSP\nDIMENSION: {len(points)}\nEDGE_WEIGHT_TYPE: EUC_2D\n"
    assert tsplib.parse(f"{head}NODE_COORD_SECTION\n{rows}EOF\n") == tsplib.Instance(name, tuple(points))

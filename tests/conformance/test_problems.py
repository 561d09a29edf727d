"""What every problem in the table PROBLEMS must do. A new problem is tested by being listed there."""

import copy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import PROBLEMS
from opro.errors import InvalidSolutionError
from opro.protocols import Mutable, Numeric, Referenced, Sampled
from opro.registry import find
from opro.types import Candidate, Direction

BAD_REPLIES = [
    "",
    " \n\t",
    "I am sorry, I cannot help with that.",
    "[1]",
    "[1, 2, 3, 4]",
    "[]",
    "[nan, 3]",
    "w=inf, b=2",
    "[1e400, 2]",
    "w=\uff11\uff15, b=\uff11\uff14",
    "[\uff11\uff15, 14]",
    "A B B C D E F G H I J",
    "<trace> 0,1,2,2 </trace>",
    "<trace></trace>",
    "<trace> \uff10,\uff11,\uff12 </trace>",
    "\0\ud800",
    "{}" * 10,
]
HUGE_REPLIES = {
    "letters": "x" * 100_000,
    "digits": "9" * 100_000,
    "spaces": "w=1" + " " * 100_000,
    "brackets": "[" * 100_000,
    "open pairs": "[1," * 33_000,
    "assignments": "w= " * 33_000,
    "cities": "A " * 50_000,
    "traces": "<trace>" * 14_000,
    "lines": "A\n" * 50_000,
    "arrows": "A" + "-" * 100_000 + ">",
}


def build(name: str, seed: int = 0) -> Any:
    problem = find("problem", name, PROBLEMS)
    return problem(problem.Config(), seed)


ASKING = {"instructions", "icl", "icl-flipped"}
"""They need data and a scorer: tests/unit/test_instructions.py and test_icl.py hold them to the same."""


@pytest.fixture(scope="module", params=[name for name in PROBLEMS if name not in ASKING])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def problem(name: str) -> Any:
    return build(name)


async def values(problem: Any, texts: list[str]) -> list[float | None]:
    return [evaluation.value for evaluation in await problem.evaluate([Candidate(text) for text in texts])]


async def test_evaluations_come_in_the_order_and_number_of_the_candidates(problem: Any):
    texts = [candidate.text for candidate in problem.start(3)]
    mixed = [texts[0], "junk", *texts[1:], "", texts[0]]
    together = await values(problem, mixed)
    alone = [(await values(problem, [text]))[0] for text in mixed]
    assert together == alone
    assert together[0] == together[-1] is not None
    assert together[1] is together[-2] is None


async def test_no_candidates_give_no_evaluations(problem: Any):
    assert list(await problem.evaluate([])) == []


@pytest.mark.parametrize("reply", BAD_REPLIES)
async def test_a_bad_reply_fails_with_its_reason(problem: Any, reply: str):
    (evaluation,) = await problem.evaluate([Candidate(reply)])
    assert evaluation.value is None
    assert 5 < len(evaluation.reason) < 200
    with pytest.raises(InvalidSolutionError) as raised:
        problem.parse(reply)
    assert str(raised.value) == evaluation.reason


@pytest.mark.parametrize("reply", HUGE_REPLIES.values(), ids=HUGE_REPLIES)
async def test_a_reply_of_100_kb_fails_with_a_short_reason(problem: Any, reply: str):
    # A pattern of quadratic cost would take minutes here, and the suite would be seen to hang.
    (evaluation,) = await problem.evaluate([Candidate(reply)])
    assert evaluation.value is None
    assert len(evaluation.reason) < 200


@settings(deadline=None)
@given(text=st.text() | st.text(alphabet="ABCJwb=,[]0123456789.-eE <>trace/\n"))
def test_parsing_gives_a_canonical_text_or_refuses_and_never_fails_otherwise(problem: Any, text: str):
    try:
        solution = problem.parse(text)
    except InvalidSolutionError as error:
        assert str(error)
    else:
        assert problem.parse(solution) == solution


async def test_candidates_are_left_as_they_were(problem: Any):
    candidates = [*problem.start(0), Candidate("junk")]
    before = copy.deepcopy(candidates)
    await problem.evaluate(candidates)
    assert candidates == before


async def test_the_starting_solutions_are_canonical_different_and_have_values(problem: Any):
    texts = [candidate.text for candidate in problem.start(0)]
    assert texts
    assert len(set(texts)) == len(texts)
    assert [problem.parse(text) for text in texts] == texts
    assert None not in await values(problem, texts)


async def test_the_same_seed_gives_the_same_problem_and_starts(name: str):
    one, other = build(name, 7), build(name, 7)
    assert one.start(3) == other.start(3)
    assert one.start(3) != one.start(4)
    texts = [candidate.text for candidate in one.start(3)]
    assert await values(one, texts) == await values(other, texts)
    assert await values(one, texts) != await values(build(name, 8), texts)


def test_the_brief_names_what_a_meta_prompt_needs(problem: Any):
    brief = problem.brief()
    assert brief.task
    assert brief.noun
    assert brief.score
    assert brief.answer
    assert brief.max_tokens > 0
    assert problem.direction in Direction


def test_a_canonical_solution_is_the_lead_followed_by_what_the_constraint_allows(problem: Any):
    brief = problem.brief()
    for candidate in problem.start(0):
        assert candidate.text.startswith(brief.lead)
        assert brief.constraint is None or brief.constraint.allows(candidate.text.removeprefix(brief.lead))


@pytest.mark.parametrize("seed", range(20))
def test_drawn_and_changed_solutions_are_canonical(problem: Any, seed: int):
    random = Random(seed)
    if isinstance(problem, Sampled):
        drawn = problem.draw(random)
        assert problem.parse(drawn) == drawn
        assert problem.draw(Random(seed)) == problem.draw(Random(seed))
    if isinstance(problem, Mutable):
        changed = problem.mutate(drawn, random)
        assert problem.parse(changed) == changed
        assert changed != drawn


def test_a_solution_is_the_text_of_its_point(problem: Any):
    if not isinstance(problem, Numeric):
        pytest.skip("its solutions are not points")
    for seed in range(20):
        drawn = problem.draw(Random(seed))
        point = problem.point(drawn)
        assert problem.text(point) == drawn
        assert problem.parse(problem.text(point + 1e300)) != drawn


async def test_references_have_the_values_of_their_solutions(problem: Any):
    if not isinstance(problem, Referenced):
        pytest.skip("it has no references")
    references = problem.references()
    assert sum(reference.optimum for reference in references) <= 1
    assert len({reference.name for reference in references}) == len(references)
    solved = [reference for reference in references if reference.solution]
    assert await values(problem, [reference.solution for reference in solved]) == [r.value for r in solved]
    assert [problem.parse(reference.solution) for reference in solved] == [r.solution for r in solved]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_no_solution_is_better_than_the_optimum(problem: Any, seed: int):
    if not isinstance(problem, Referenced) or not isinstance(problem, Mutable):
        pytest.skip("it has no references, or no solutions to try")
    best = next((reference for reference in problem.references() if reference.optimum), None)
    if best is None:
        pytest.skip("its optimum is not known")
    random = Random(seed)
    near = problem.mutate(best.solution, random)
    for value in await values(problem, [near, problem.draw(random), problem.mutate(near, random)]):
        assert value is not None
        assert not problem.direction.better(value, best.value) or value == pytest.approx(best.value, rel=1e-9)

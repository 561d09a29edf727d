"""Pictures: what is drawn of a run, by the workbench and by each problem."""

import copy
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators import PROBLEMS
from evaluators.instructions import Instructions
from evaluators.instructions_pictures import MOST_EXAMPLES, MOST_INSTRUCTIONS, Outcome, easiest_first
from evaluators.linear_regression import LinearRegression
from evaluators.tsp import TourLength
from evaluators.tsp_pictures import MOST_NAMED
from opro import cli, pictures
from opro.build import build_problem
from opro.config import run_config
from opro.errors import ConfigError
from opro.gallery import picture, pictures_of
from opro.pictures import Picture, hover, improvements, thinned, trajectory_picture
from opro.protocols import Pictured
from opro.reader import Reader
from opro.types import Answer, Candidate, Direction, Evaluation, Reference, Trial

NASTY = "<b>bold</b> <script>alert(1)</script> $x^2$ \u202e"
MakeTrial = Callable[..., Trial]

TASK = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(20)]


def answer(example: str, score: float | None, *, flagged: bool = False, extracted: str | None = "4") -> Answer:
    failure = "" if score is not None else f"it broke: {NASTY}"
    return Answer(example, score, extracted, f"5 {NASTY}", flagged, failure=failure)


def asked(number: int, scores: Sequence[float | None], *, dropped: bool = False, text: str = "") -> Trial:
    """A trial whose instruction was asked the first examples."""
    known = [score for score in scores if score is not None]
    value = sum(known) / len(known)
    metrics = {"n": float(len(known)), "low": max(value - 0.1, 0), "high": min(value + 0.1, 1)}
    metrics |= {"dropped": 1.0} if dropped else {}
    answers = tuple(answer(f"e{place}", score) for place, score in enumerate(scores))
    evaluation = Evaluation(value, feedback=NASTY if dropped else "", metrics=metrics, answers=answers)
    return Trial(number, number // 2, Candidate(text or f"{NASTY} {number}"), evaluation)


@pytest.fixture
def instructions(tmp_path: Path) -> Instructions:
    path = tmp_path / "task.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in TASK))
    return Instructions(Instructions.Config(task=str(path), kind="number"))


@pytest.fixture
def quizzed(trial: MakeTrial) -> list[Trial]:
    """A small run of instructions: two asked everything, one dropped, one failed."""
    return [
        asked(0, [1, 0, 0, None]),
        trial(1, NASTY, None),
        asked(2, [1, 1, 0, 0.5]),
        asked(3, [0, 0], dropped=True),
    ]


def drawn(
    problem: Pictured, trials: Sequence[Trial], references: Sequence[Reference] = ()
) -> dict[str, dict[str, Any]]:
    """Draw all pictures of a problem; return the figures as plain values, by title."""
    return {one.title: json.loads(one.draw().to_json()) for one in problem.pictures(trials, references)}


def texts_in(value: Any) -> list[str]:
    """Return all texts in a figure."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts_in(part)]


@pytest.mark.parametrize("text", ["<b>", "<script>alert(1)</script>", "$x$", "a<br>b", "&lt;"])
def test_hover_text_is_shown_letter_by_letter(text: str) -> None:
    shown = hover(text)
    assert "<" not in shown
    assert "$" not in shown
    assert "&lt;" not in text or "&amp;lt;" in shown


def test_a_long_hover_text_is_cut_and_tells_its_length() -> None:
    assert len(hover("word " * 1000)) < 700
    assert hover("word " * 1000).endswith("(5,000 characters)")


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    shown = hover(text).replace("<br>", "")
    assert not set("<>$\n") & set(shown)


def test_a_trajectory_is_drawn_with_failures_without_a_success_and_empty(trial: MakeTrial) -> None:
    some = [trial(0, "a", 3.0), trial(1, NASTY, None), trial(2, "c", 1.0)]
    for trials in (some, [trial(0, NASTY, None)], []):
        figure = trajectory_picture(trials, Direction.MINIMIZE, [Reference(NASTY, 1.0)], {"random": some}).draw()
        assert "<script>" not in figure.to_json()


def test_what_became_better_is_found(trial: MakeTrial) -> None:
    trials = [trial(n, str(n), value) for n, value in enumerate([None, 2.0, 3.0, 3.0, None, 1.0])]
    assert [one.number for one in improvements(trials, Direction.MINIMIZE)] == [1, 5]
    assert [one.number for one in improvements(trials, Direction.MAXIMIZE)] == [1, 2]


def test_thinning_keeps_every_best(trial: MakeTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_POINTS", 10)
    trials = [trial(n, str(n), 5.0 - n if n in (1, 33, 97) else 50.0) for n in range(100)]
    kept = thinned(trials, Direction.MINIMIZE)
    assert {1, 33, 97} <= {one.number for one in kept}
    assert len(kept) <= 14
    assert kept == sorted(kept, key=lambda one: one.number)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if not name.startswith("icl")])  # see test_icl.py
async def test_every_problem_draws_its_start_failures_and_nothing(
    name: str, instructions: Instructions, trial: MakeTrial
) -> None:
    problem = instructions if name == "instructions" else build_problem(run_config({"problem": name, "seed": 1}))
    assert isinstance(problem, Pictured)
    start = list(problem.start(0))
    scored = [Evaluation(1.0)] if name == "instructions" else await problem.evaluate(start)
    trials = [Trial(n, 0, *both) for n, both in enumerate(zip(start, scored, strict=True))]
    failed = trial(len(trials), NASTY, None)
    for some in ([*trials, failed], [failed], []):
        for figure in drawn(problem, some).values():
            assert not any("<script>" in text for text in texts_in(figure))


def test_titles_are_unique_and_captions_are_sentences(instructions: Instructions, quizzed: list[Trial]) -> None:
    made = [*instructions.pictures(quizzed, ()), *TourLength(TourLength.Config(n=5), 0).pictures([], ())]
    made += LinearRegression(LinearRegression.Config(), 0).pictures([], ())
    assert len({one.title for one in made}) == len(made)
    assert all(one.caption.endswith(".") for one in made)


def test_what_a_model_wrote_is_never_markup(instructions: Instructions, quizzed: list[Trial]) -> None:
    figures = drawn(instructions, quizzed)
    assert list(figures) == ["Which examples", "Best against start", "Race", "Flagged"]
    for text in texts_in(list(figures.values())):
        assert "<script" not in text
        assert "<b>bold" not in text
        assert "$x" not in text


def test_pictures_do_not_change_what_they_draw(instructions: Instructions, quizzed: list[Trial]) -> None:
    before = copy.deepcopy(quizzed)
    first, second = drawn(instructions, quizzed), drawn(instructions, quizzed)
    assert first == second
    assert quizzed == before


def test_no_figure_names_a_background_or_a_text_colour(instructions: Instructions, quizzed: list[Trial]) -> None:
    for one in (
        *instructions.pictures(quizzed, ()),
        *TourLength(TourLength.Config(n=5), 0).pictures([], ()),
        *LinearRegression(LinearRegression.Config(), 0).pictures([], ()),
    ):
        layout = one.draw().layout
        layout.template = None
        plain = layout.to_plotly_json()
        assert not {"paper_bgcolor", "plot_bgcolor", "font", "template"} & plain.keys(), one.title


def test_the_way_to_the_best_pair_is_drawn(trial: MakeTrial) -> None:
    problem = LinearRegression(LinearRegression.Config(w=3, b=5), 0)
    trials = [trial(0, "w=9, b=9", 90.0), trial(1, "nonsense", None), trial(2, "w=20, b=1", 99.0)]
    trials += [trial(3, "w=3, b=5", 5.0, 1), trial(4, "w=1000000, b=0", 1e12, 1)]
    figure = drawn(problem, trials)["Loss and proposals"]
    contour, path, proposals, star = figure["data"]
    assert contour["type"] == "contour"
    assert (path["x"], path["y"]) == ([9, 3], [9, 5])
    assert len(proposals["x"]) == 4
    assert proposals["marker"]["color"] == [0, 0, 1, 1]
    assert (star["x"], star["y"]) == ([3], [5])
    assert figure["layout"]["xaxis"]["range"][1] < 100  # the wild one does not squeeze the others


def test_the_contours_show_the_loss_that_is_scored() -> None:
    problem = LinearRegression(LinearRegression.Config(w=-4, b=7, noise=20), 3)
    pair = problem.point("w=2, b=-3")
    from evaluators.linear_regression_pictures import Points

    points = Points(problem._x, problem._y, (0, 0), (0, 0))
    assert points.losses(pair[:1], pair[1:])[0, 0] == pytest.approx(problem._losses([(2, -3)])[0])


@pytest.mark.parametrize("n", [1, 2, 3])
async def test_maps_of_very_few_cities_are_drawn(n: int) -> None:
    problem = TourLength(TourLength.Config(n=n), 0)
    (candidate,) = problem.start(0)
    (evaluation,) = await problem.evaluate([candidate])
    _, tour, _ = drawn(problem, [Trial(0, 0, candidate, evaluation)])["Map"]["data"]
    assert len(tour["x"]) == n + 1


async def test_a_map_has_the_optimum_and_a_frame_for_each_improvement() -> None:
    problem = TourLength(TourLength.Config(n=6), 0)
    best = problem.references()[0].solution
    candidates = [Candidate("A D B F C E"), Candidate("A B C D E F"), Candidate(best)]
    evaluations = await problem.evaluate(candidates)
    trials = [Trial(n, 0, *both) for n, both in enumerate(zip(candidates, evaluations, strict=True))]
    figure = drawn(problem, trials, problem.references())["Map"]
    better = improvements(trials, Direction.MINIMIZE)
    assert len(better) > 1
    assert [frame["name"] for frame in figure["frames"]] == [str(one.number) for one in better]
    assert len(figure["layout"]["sliders"][0]["steps"]) == len(better)
    optimum, tour, cities = figure["data"]
    assert "optimum" in optimum["name"]
    assert len(tour["x"]) == 7
    assert tour["x"][0] == tour["x"][-1]
    assert cities["text"] == list("ABCDEF")
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"


def test_a_map_takes_the_references_of_the_record() -> None:
    problem = TourLength(TourLength.Config(n=MOST_NAMED + 1), 0)
    reference = Reference("optimum", 12.5, optimum=True, solution=" ".join(problem.names))
    optimum, _, cities = drawn(problem, [], [reference])["Map"]["data"]
    assert optimum["name"] == "optimum, length 12.5"
    assert cities["mode"] == "markers"  # too many to be named
    assert drawn(problem, [])["Map"]["data"][0]["showlegend"] is False


def test_instructions_without_answers_have_no_pictures(instructions: Instructions, trial: MakeTrial) -> None:
    assert instructions.pictures([], ()) == []
    assert instructions.pictures([trial(0, "a", 0.5), trial(1, "b", None)], ()) == []


def test_the_grid_shows_every_outcome_best_on_top(instructions: Instructions, quizzed: list[Trial]) -> None:
    figure = drawn(instructions, quizzed)["Which examples"]
    grid = figure["data"][0]
    assert (grid["y"], figure["layout"]["yaxis"]["autorange"]) == (["#2", "#0", "#3"], "reversed")
    names = list(Outcome)
    shown = [[names[place] for place in row] for row in grid["z"]]
    assert easiest_first(quizzed) == ["e0", "e3", "e1", "e2"]
    assert shown == [
        ["right", "partly right", "right", "wrong"],
        ["right", "scoring failed", "wrong", "wrong"],
        ["wrong", "not asked", "wrong", "not asked"],
    ]
    assert "right answer: 5 &lt;b&gt;" in grid["customdata"][0][0]


def test_at_most_so_many_instructions_and_examples_are_drawn_and_the_caption_says_so(
    instructions: Instructions,
) -> None:
    many = [asked(n, [n % 2] * (MOST_EXAMPLES + 50)) for n in range(MOST_INSTRUCTIONS + 5)]
    made = {one.title: one for one in instructions.pictures(many, ())}
    grid: Any = made["Which examples"].draw().data[0]
    assert len(grid.z) == MOST_INSTRUCTIONS
    assert len(grid.z[0]) == MOST_EXAMPLES
    assert "the best 60 are drawn" in made["Race"].caption


def test_the_best_is_held_against_the_first_example_by_example(
    instructions: Instructions, quizzed: list[Trial]
) -> None:
    figure = drawn(instructions, quizzed)["Best against start"]
    counts = [bars["y"][0].split(": ")[1] for bars in figure["data"]]
    assert counts == ["<b>1</b>", "<b>0</b>", "<b>1</b>", "<b>2</b>"]
    assert figure["layout"]["xaxis"]["title"]["text"].endswith("+1")
    assert "Best against start" not in drawn(instructions, quizzed[:2])


def test_a_dropped_instruction_is_never_the_best_against_the_first(instructions: Instructions) -> None:
    trials = [asked(0, [1, 0, 0]), asked(1, [1], dropped=True), asked(2, [1, 1, 0])]
    assert any("#2" in text for text in texts_in(drawn(instructions, trials)["Best against start"]))
    assert "Best against start" not in drawn(instructions, trials[:2])


def test_the_race_tells_who_was_dropped_and_why(instructions: Instructions, quizzed: list[Trial]) -> None:
    figure = drawn(instructions, quizzed)["Race"]
    bars = {bar["name"]: bar for bar in figure["data"] if bar["type"] == "bar"}
    assert (bars["asked all examples"]["x"], bars["asked all examples"]["y"]) == (["#0", "#2"], [3, 4])
    assert (bars["dropped early"]["x"], bars["dropped early"]["y"]) == (["#3"], [2])
    assert "dropped after 2 examples: &lt;b&gt;" in bars["dropped early"]["customdata"][0]
    assert figure["layout"]["xaxis"]["categoryarray"] == ["#0", "#2", "#3"]


def test_odd_replies_are_counted_once_each(instructions: Instructions) -> None:
    answers = (
        answer("a", 1, flagged=True),
        answer("b", 0, extracted=None),
        answer("c", None, extracted=None),
        answer("d", 1),
    )
    trials = [Trial(0, 0, Candidate("x"), Evaluation(0.5, answers=answers))]
    bars = {bar["name"]: bar["y"] for bar in drawn(instructions, trials)["Flagged"]["data"]}
    assert bars == {"read in two ways (flagged): 1": [1], "no answer found in it: 1": [1], "scoring failed: 1": [1]}
    assert "Flagged" not in drawn(instructions, [asked(0, [1, 0])])


def test_a_picture_is_found_by_its_title() -> None:
    made = [Picture(title, "", lambda: pictures.blank("x", "y")) for title in ("Trajectory", "Map")]
    assert picture(made, None) is made[0]
    assert picture(made, "Map") is made[1]
    with pytest.raises(ConfigError, match=r"did you mean 'Map'.*known: Map, Trajectory"):
        picture(made, "Mapp")


@pytest.fixture
def opro(store: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    monkeypatch.setenv("OPRO_STORE", store)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["opro", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), *capfd.readouterr()
        return 0, *capfd.readouterr()

    return run


@pytest.fixture
def made(opro: Callable[..., Any]) -> str:
    """A finished run of tours, with its baselines."""
    code, out, _ = opro("run", "tsp", "--proposer", "evolution", "--steps", "2", "--baselines", "always", "--json")
    assert code == 0
    return json.loads(out.splitlines()[0])["run"]


def test_the_gallery_of_a_run_begins_with_its_trajectory_and_baselines(made: str, store: str) -> None:
    reader = Reader(store)
    first, second = pictures_of(reader, reader.run(made))
    assert (first.title, second.title) == ("Trajectory", "Map")
    lines = {trace.name for trace in first.draw().data}
    assert {"candidate", "best so far", "random"} <= lines


def test_a_run_whose_problem_is_gone_shows_its_trajectory(
    made: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(store)
    run = reader.run(made)
    monkeypatch.delitem(PROBLEMS, "tsp")  # pyright: ignore[reportArgumentType]
    assert [one.title for one in pictures_of(reader, run)] == ["Trajectory"]


@pytest.mark.parametrize("title", [None, "Map"])
def test_a_picture_is_written_as_a_page(opro: Callable[..., Any], made: str, tmp_path: Path, title: str | None) -> None:
    path = tmp_path / "picture.html"
    code, out, _ = opro("show", made, "--figure", str(path), *(["--picture", title] if title else []))
    assert (code, out) == (0, f"{path}\n")
    written = path.read_text()
    assert "Plotly.newPlot" in written
    assert ("sliders" in written.rpartition("Plotly.newPlot")[2]) is (title == "Map")


def test_a_wrong_title_or_format_or_no_file_is_an_error(opro: Callable[..., Any], made: str, tmp_path: Path) -> None:
    path = str(tmp_path / "x.html")
    code, _, error = opro("show", made, "--figure", path, "--picture", "Mop")
    assert (code, "known: Map, Trajectory" in error) == (2, True)
    code, _, error = opro("show", made, "--picture", "Map")
    assert (code, "--figure" in error) == (2, True)
    code, _, error = opro("show", made, "--figure", str(tmp_path / "x.nope"))
    assert (code, "html, png, svg, pdf" in error) == (2, True)
    assert list(tmp_path.glob("x.*")) == []


def test_a_picture_is_written_as_an_image(opro: Callable[..., Any], made: str, tmp_path: Path) -> None:
    path = tmp_path / "map.png"  # Chromium draws it: without it this test fails, as the feature would
    assert opro("show", made, "--figure", str(path), "--picture", "Map")[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000

"""In-context-learning probes, with planted models that follow their context, what they believe, or neither."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import opro
from evaluators.icl import InContext, usual_settings
from evaluators.icl_data import Wanted, load_texts
from evaluators.icl_flipped import FlippedLabels
from evaluators.icl_linear import linear_problem, rivals
from evaluators.icl_prompts import Frame, Items, Pool, flipped_of
from evaluators.icl_scoring import read_label, way_of
from evaluators.icl_settings import FORMATS, Kind, Setting, read_setting
from opro.constraints import Choice, Constraint
from opro.errors import ConfigError, ContextError, InvalidSolutionError
from opro.probe_sessions import within
from opro.probing import probe_config
from opro.types import Candidate, Generation, Request
from scorer_models.scripted import ScriptedModel

WORDS = ("bad", "good")
SETTINGS = ("regular", "flipped 25%", "flipped 75%", "flipped 100%", "unrelated foo/bar")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Texts whose label stands in them, as many of each: in the published format, a label's number first."""
    for name, count in (("reviews.train", 60), ("reviews.test", 20)):
        lines = [f"{i % 2} a {WORDS[i % 2]} film, number {i} of {name}" for i in range(count)]
        (tmp_path / name).write_text("\n".join(lines))
    return tmp_path


def asked(request: Request) -> tuple[list[tuple[str, str]], str, tuple[str, ...]]:
    """Return the exemplars with their labels, what is asked, and the options."""
    *exemplars, last = str(request.prompt).split("\n\n")
    pairs = [tuple(block.removeprefix("Input: ").split("\nOutput: ")) for block in exemplars if block[:6] == "Input:"]
    options = request.constraint.options if isinstance(request.constraint, Choice) else ()
    return [(text, label) for text, label in pairs], last, options


def follows_context(request: Request) -> Sequence[str]:
    """Say what most of the exemplars say that have the same word in them."""
    exemplars, last, _ = asked(request)
    word = next(word for word in WORDS if f" {word} " in last)
    return [" " + Counter(label for text, label in exemplars if f" {word} " in text).most_common(1)[0][0]]


def follows_priors(request: Request) -> Sequence[str]:
    """Say what the word means, whatever the exemplars say; the first label where no label has a meaning."""
    _, last, options = asked(request)
    number = next(i for i, word in enumerate(WORDS) if f" {word} " in last)
    return [options[number] if options == (" 0", " 1") else options[0]]


def guesses(request: Request) -> Sequence[str]:
    """Always say the first label."""
    return [asked(request)[2][0]]


CURVES = {
    follows_context: [1.0, 1.0, 0.0, 0.0, 1.0],
    follows_priors: [1.0, 1.0, 1.0, 1.0, 0.5],
    guesses: [0.5, 0.5, 0.5, 0.5, 0.5],
}


def planted(reply: Any, enforces: frozenset[type[Constraint]] = frozenset({Choice})) -> ScriptedModel:
    return ScriptedModel(reply, enforces=enforces)


@pytest.mark.parametrize("reply", CURVES, ids=lambda reply: reply.__name__)
def test_planted_models_give_exactly_their_curves(reviews: Path, store: str, reply: Any) -> None:
    report = opro.probe(str(reviews), model=planted(reply), settings=SETTINGS, k=4, items=20, store=store)
    assert [row.setting for row in report.rows] == list(SETTINGS)
    assert [row.accuracy and row.accuracy.mean for row in report.rows] == CURVES[reply]


def test_what_is_said_of_planted_models_is_what_was_planted(reviews: Path, store: str) -> None:
    said = {
        reply: " ".join(
            opro.probe(str(reviews), model=planted(reply), settings=SETTINGS, k=4, items=20, store=store).sentences
        )
        for reply in CURVES
    }
    assert "follows its context" in said[follows_context]
    assert "holds to what it believes" in said[follows_priors]
    assert "cannot do the task" in said[guesses]


async def test_the_same_item_has_the_same_exemplars_under_every_setting_and_nested_flips(reviews: Path) -> None:
    pool = Pool(load_texts(Wanted(str(reviews))))
    items = Items(5, seed=3)
    shown = {share: items.texts(Setting(Kind.FLIPPED, share=share), 4, pool) for share in (0, 25, 50, 100)}
    for number in range(5):
        labels = {share: _labels(made[number].prompt) for share, made in shown.items()}
        assert [text for text, _ in labels[0]] == [text for text, _ in labels[100]]
        changed = {
            share: {i for i, (one, other) in enumerate(zip(labels[0], labels[share], strict=True)) if one != other}
            for share in labels
        }
        assert [len(changed[share]) for share in (0, 25, 50, 100)] == [0, 2, 4, 8]
        assert changed[25] < changed[50] < changed[100]


def _labels(prompt: str) -> list[tuple[str, str]]:
    return [(block.split("\n")[0], block.split("\n")[1]) for block in prompt.split("\n\n")[:-1]]


async def test_each_item_has_its_own_exemplars_unless_they_shall_be_alike(reviews: Path) -> None:
    pool = Pool(load_texts(Wanted(str(reviews))))
    for alike, different in ((False, 5), (True, 1)):
        made = Items(5, seed=0, alike=alike).texts(Setting(Kind.REGULAR), 4, pool)
        assert len({item.prompt.rpartition("\n\n")[0] for item in made}) == different


def test_an_item_is_never_its_own_exemplar(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(f"{i % 2} text {i}" for i in range(12)))
    pool = Pool(load_texts(Wanted(str(tmp_path / "texts.txt"))))
    one = pool.texts.train[0]
    for seed in range(50):
        assert one.text not in [text.text for text, _ in pool.exemplars(one, 3, Random(seed))]


class Narrow(ScriptedModel):
    """A model whose window holds few exemplars."""

    async def generate(self, request: Request) -> Generation:
        if str(request.prompt).count("Output:") > 9:
            raise ContextError("too long", excess=1)
        return await super().generate(request)


def test_k_is_reduced_with_a_word_or_refused_where_the_window_is_too_small(reviews: Path, store: str) -> None:
    narrow = Narrow(follows_context, enforces=frozenset({Choice}))
    made = opro.probe(str(reviews), model=narrow, settings=["regular"], k=16, items=20, store=store)
    assert made.rows[0].told.startswith("4 exemplars of each class (16 do not fit")
    assert made.rows[0].accuracy and made.rows[0].accuracy.mean == 1.0
    refused = opro.probe(str(reviews), model=narrow, settings=["regular"], k=16, items=20, fit="refuse", store=store)
    assert refused.rows[0].accuracy is None
    assert "too long" in refused.rows[0].reason


def test_fewer_exemplars_than_k_and_one_class_only_are_told(tmp_path: Path, store: str) -> None:
    (tmp_path / "few.txt").write_text("\n".join(f"{'odd' if i % 2 else 'even'} text {i}" for i in range(20)))
    made = opro.probe(str(tmp_path / "few.txt"), model=planted(guesses), settings=["regular"], k=50, store=store)
    assert "too few: 'even'" in made.rows[0].reason
    (tmp_path / "one.txt").write_text("a text\na text 2")
    with pytest.raises(ConfigError, match="one label only, 'a'"):
        load_texts(Wanted(str(tmp_path / "one.txt")))


def test_labels_that_begin_alike_are_ended_by_a_line_break() -> None:
    assert Frame(FORMATS["input"], ("A", "AB")).options == (" A\n", " AB\n")
    assert Frame(FORMATS["input"], ("not so", "so")).options == (" not so", " so")


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        (" positive\nInput: x", 1),
        ("Positive.", 1),
        ("the film is clearly negative", 0),
        ("not positive, not negative", None),
        ("positively", None),
        ("", None),
    ],
)
def test_a_label_is_read_from_a_free_reply(reply: str, label: int | None) -> None:
    assert read_label(reply, ["negative", "positive"]) == label


def test_a_label_that_begins_with_another_is_read_whole() -> None:
    assert read_label(" not duplicate", ["not", "not duplicate"]) == 1


@pytest.mark.parametrize(
    "text", ["regular", "flipped 0%", "unrelated a/b, k=2", "remapped 50%, format qa", "linear N=64"]
)
def test_a_setting_is_written_as_it_is_read(text: str) -> None:
    assert str(read_setting(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "flipped", "flipped 101%", "flipped 5", "linear", "linear N=0", "linear N=65", "regular 5%", "unrelated x/y",
     "regular, k=0", "regular, format none", "remapped N=3"],
)  # fmt: skip
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(InvalidSolutionError):
        read_setting(text)


@given(text=st.text() | st.text(alphabet="regulaflipdnmN=0123456789%, kt/"))
def test_reading_a_setting_gives_one_form_or_refuses(text: str) -> None:
    try:
        setting = read_setting(text)
    except InvalidSolutionError:
        return
    assert read_setting(str(setting)) == setting


async def test_junk_fails_and_evaluations_keep_their_order(reviews: Path) -> None:
    config = InContext.Config(task=str(reviews), k=2, items=4)
    problem = InContext(config).scored_by(planted(follows_context))
    texts = ["regular", "junk", "flipped 100%", ""]
    made = await problem.evaluate([Candidate(text) for text in texts])
    assert [one.value is None for one in made] == [False, True, False, True]
    assert made[0].value == 1.0
    assert made[2].value == 0.0


def test_the_paper_flips_no_labels_of_trec(tmp_path: Path) -> None:
    (tmp_path / "six.txt").write_text("\n".join(f"{i % 6} text {i}" for i in range(60)))
    assert usual_settings(Pool(load_texts(Wanted(str(tmp_path / "six.txt"))))) == ["regular", "unrelated foo/bar"]
    assert usual_settings(None)[-1] == "linear N=64"


def test_remapped_words_are_permuted_the_same_way_everywhere(reviews: Path) -> None:
    pool = Pool(load_texts(Wanted(str(reviews))))
    words = pool.words(100, 0)
    assert sorted(words) == sorted(words.values())
    assert all(word != other for word, other in words.items())
    assert len(pool.words(50, 0)) == pytest.approx(len(words) / 2, abs=1)


def test_linear_problems_are_separable_and_balanced() -> None:
    golds: Counter[int] = Counter()
    for number in range(200):
        made = linear_problem(3, 4, Random(number))
        assert Counter(made.labels.tolist()) == {0: 4, 1: 4}
        assert made.points.min() >= 1
        assert made.points.max() <= 1000
        golds[made.gold] += 1
    assert 70 < golds[0] < 130


def test_classical_methods_are_far_above_chance_in_two_dimensions() -> None:
    found = rivals([linear_problem(2, 16, Random(number)) for number in range(60)])
    assert all(share > 0.8 for share in found.values())


def test_a_model_is_asked_in_the_most_exact_way_that_it_can_do() -> None:
    assert way_of("auto", planted(guesses)) == "constrained"
    assert way_of("auto", planted(guesses, frozenset())) == "generated"
    with pytest.raises(ConfigError, match="constrained or generated only"):
        way_of("likelihood", planted(guesses))


def test_free_replies_are_read_and_unread_ones_counted(reviews: Path, store: str) -> None:
    replies = ScriptedModel(lambda request: [*follows_context(request)] if " good " in asked(request)[1] else ["hm"])
    made = opro.probe(str(reviews), model=replies, settings=["regular"], k=2, items=20, store=store)
    assert made.rows[0].told.endswith("scored by generated")
    assert made.rows[0].unread == 10
    assert made.rows[0].accuracy and made.rows[0].accuracy.mean == 0.5


@pytest.mark.parametrize(("goal", "value"), [("follow", 1.0), ("resist", 0.0)])
async def test_following_and_resisting_flipped_labels_are_opposite(reviews: Path, goal: Any, value: float) -> None:
    config = FlippedLabels.Config(task=str(reviews), goal=goal, k=4, items=20)
    problem = FlippedLabels(config).scored_by(planted(follows_context))
    made = await problem.evaluate([Candidate("Do as the examples do."), Candidate("junk {input}")])
    assert made[0].value == value
    assert "no other braces" in made[1].reason


def test_a_format_is_a_solution_too_and_is_written_on_one_line(reviews: Path) -> None:
    problem = FlippedLabels(FlippedLabels.Config(task=str(reviews)))
    assert problem.parse("<INS>Q: {input}\nA: {label}</INS>") == "Q: {input}\\nA: {label}"
    for text in ("", "12", "{label} then {input}", "{input} {label} {input}", "x" * 400):
        with pytest.raises(InvalidSolutionError):
            problem.parse(text)
    assert all(problem.parse(problem.draw(Random(i))) == problem.draw(Random(i)) for i in range(20))


def test_a_probe_that_was_cut_goes_on_where_it_was(reviews: Path, store: str) -> None:
    def stop(step: int, _: object) -> None:
        if step == 1:
            raise KeyboardInterrupt

    model = planted(follows_context)
    with pytest.raises(KeyboardInterrupt):
        opro.probe(str(reviews), model=model, settings=SETTINGS, k=4, items=20, store=store, watch=stop)
    run = opro.Reader(store).runs()[-1].id
    before = len(model.requests)
    workbench = opro.Workbench(store)
    asyncio.run(workbench.resume(run, scorer=model))
    values = [trial.value for trial in workbench.reader.trials(run)]
    workbench.close()
    assert values == CURVES[follows_context]
    assert len(model.requests) - before == 3 * 20


def test_two_models_are_compared_setting_by_setting(
    reviews: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from opro.views import compare_runs

    script = reviews / "always.txt"
    script.write_text(" 0\n")
    runs = [opro.probe(str(reviews), model=f"scripted:{script}", settings=SETTINGS, k=2, items=20, store=store).run]
    runs.append(
        opro.probe(str(reviews), model=planted(follows_context), settings=SETTINGS, k=2, items=20, store=store).run
    )
    console = Console(width=300)
    compare_runs(console, opro.Reader(store), runs, as_json=False)
    said = capsys.readouterr().out
    assert "flipped 100%" in said
    assert "a gain is shown" in said or "a loss is shown" in said


def test_a_report_can_be_written_as_json(reviews: Path, store: str) -> None:
    made = opro.probe(str(reviews), model=planted(guesses), settings=["regular"], k=2, items=4, store=store)
    assert json.loads(json.dumps(made.as_dict()))["rows"][0]["accuracy"]["n"] == 4


def test_the_curves_of_two_models_stand_in_one_figure_and_names_are_no_markup(reviews: Path, store: str) -> None:
    settings = [*SETTINGS, "remapped 50%", "linear N=2, k=2"]
    config = InContext.Config(task=str(reviews), settings=tuple(settings), k=4, items=4)
    model = planted(lambda request: [asked(request)[2][0]])
    opro.probe(str(reviews), model=model, settings=settings, k=4, items=4, store=store)
    reader = opro.Reader(store)
    trials = reader.trials(reader.runs()[-1].id)
    problem = InContext(config)
    made = problem.contrasts({"<b>one</b>": trials, "other": trials}, problem.references())
    titles = ["Flipped labels", "Unrelated labels", "Remapped words", "Linear classification"]
    assert [picture.title for picture in made] == titles
    for picture in made:
        names = [curve.name or "" for curve in picture.draw().data]
        assert "&lt;b&gt;one&lt;/b&gt;" in " ".join(names)
        assert "<b>" not in " ".join(names)
    flipped = made[0].draw().data
    assert list(flipped[1].x) == [0, 25, 75, 100]
    assert problem.pictures([], ()) == []


def test_a_published_file_in_latin_1_is_read_line_by_line(tmp_path: Path) -> None:
    lines = [f"{i % 2} caf\xe9 number {i} \x85 and more" for i in range(20)]
    (tmp_path / "texts.all").write_bytes("\n".join(lines).encode("latin-1"))
    texts = load_texts(Wanted(str(tmp_path / "texts.all")))
    assert len(texts.train) + len(texts.test) == 20
    assert all("caf\xe9" in text.text for text in texts.test)


def test_unread_replies_are_no_evidence_for_following_the_context(reviews: Path, store: str) -> None:
    made = opro.probe(str(reviews), model=ScriptedModel(["hm"]), settings=["flipped 100%"], k=2, items=20, store=store)
    assert made.sentences == ["flipped 100%: 0.0 %: in 20 of 20 replies no label was found, so nothing can be said."]


def test_a_budget_holds_for_all_tasks_of_a_command_together(reviews: Path, store: str) -> None:
    opro.probe(str(reviews), model=planted(guesses), settings=["regular"], k=2, items=4, store=store)
    reader = opro.Reader(store)
    run = reader.runs()[-1].id
    spent = sum(part.tokens for part in reader.spending(run))
    config = probe_config(str(reviews), "scripted:x", {}, budget=[f"{spent + 100}tok"])
    assert within(config, reader, []).caps.tokens == spent + 100
    assert within(config, reader, [run]).caps.tokens == pytest.approx(100)
    assert within(config, reader, [run, run]).caps.tokens == pytest.approx(1e-9)


@pytest.mark.parametrize(
    ("share", "k", "flipped"), [(25, 1, 0), (50, 1, 1), (25, 2, 1), (50, 2, 1), (25, 6, 2), (100, 6, 6), (0, 3, 0)]
)
def test_a_share_of_few_exemplars_is_rounded_and_a_half_counts_as_one(share: int, k: int, flipped: int) -> None:
    assert flipped_of(share, k) == flipped


def test_the_share_that_was_really_flipped_is_told_and_drawn(reviews: Path, store: str) -> None:
    made = opro.probe(str(reviews), model=planted(guesses), settings=["flipped 25%"], k=2, items=4, store=store)
    assert "1 of them flipped" in made.rows[0].told
    reader = opro.Reader(store)
    trials = reader.trials(reader.runs()[-1].id)
    (picture,) = InContext(InContext.Config(task=str(reviews))).pictures(trials, ())
    assert list(picture.draw().data[0].x) == [50]


def test_files_of_one_split_are_put_together_and_odd_rows_are_left_out_or_refused(tmp_path: Path) -> None:
    for name in ("train-1.jsonl", "train-2.jsonl", "test.jsonl"):
        rows = [{"text": f"{name} {i}", "label": -1 if i % 2 else 1} for i in range(6)]
        (tmp_path / name).write_text("\n".join(map(json.dumps, [*rows, {"text": None, "label": 1}])))
    texts = load_texts(Wanted(str(tmp_path)))
    assert len(texts.train) == 12
    assert texts.labels == ("-1", "1")
    (tmp_path / "test.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b"}')
    with pytest.raises(ConfigError, match="'label' in row 2"):
        load_texts(Wanted(str(tmp_path)))
    (tmp_path / "cases.csv").write_text("text,label\na,Yes\nb,yes\nc,no\n")
    with pytest.raises(ConfigError, match="upper and lower case"):
        load_texts(Wanted(str(tmp_path / "cases.csv")))


async def test_calibration_without_likelihoods_is_refused(reviews: Path) -> None:
    problem = InContext(InContext.Config(task=str(reviews), k=2, items=4, calibrate=True)).scored_by(planted(guesses))
    with pytest.raises(ConfigError, match="constrained"):
        await problem.evaluate(problem.start(0))


def test_labels_of_ones_own_keep_their_names_though_a_known_task_uses_them(tmp_path: Path) -> None:
    rows = "".join(f"{'NUM' if i % 2 else 'LOC'} text {i}\n" for i in range(20))
    (tmp_path / "own.txt").write_text(rows)
    assert load_texts(Wanted(str(tmp_path / "own.txt"))).labels == ("LOC", "NUM")


def test_a_missing_column_is_told_with_those_that_there_are_and_what_to_type(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("message,kind\nlate again,delivery\ntoo dear,billing\n")
    with pytest.raises(ConfigError, match=r"'message', 'kind'; did you mean 'message'\? Say which: --set text=COLUMN"):
        load_texts(Wanted(str(file)))
    with pytest.raises(ConfigError, match=r"'message', 'kind': --set label=COLUMN says which"):
        load_texts(Wanted(str(file), text="message"))
    assert load_texts(Wanted(str(file), text="message", label="kind")).labels == ("billing", "delivery")

"""The user's own table as it is: what is guessed of it, what is said, and what it can show."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluators.instructions import Instructions
from evaluators.task_guesses import guessed_columns, guessed_kind, honest_sizes, training_rows
from evaluators.tasks import Task, TaskConfig, load_task
from opro.errors import ConfigError
from opro.registry import configure
from opro.types import Candidate, Request
from scorer_models.scripted import ScriptedModel
from tests.unit.conftest import Command

MOODS = ("negative", "neutral", "positive")

Write = Callable[..., str]


@pytest.fixture
def table(tmp_path: Path) -> Write:
    """Write rows as a CSV file, and return its path."""

    def write(rows: Sequence[dict[str, Any]], name: str = "own.csv") -> str:
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return str(path)

    return write


def reviews(n: int = 30, text: str = "review", label: str = "sentiment") -> list[dict[str, Any]]:
    return [{"id": i, text: f"review number {i}", label: MOODS[i % 3]} for i in range(n)]


def load(task: str, **settings: Any) -> Task:
    return load_task(configure(TaskConfig, {"task": task, **settings}, "task"))


@pytest.mark.parametrize(
    ("columns", "question", "answer"),
    [
        (["question", "answer"], "question", "answer"),
        (["id", "Text", "Label"], "Text", "Label"),
        (["label", "text"], "text", "label"),
        (["review", "product", "sentiment"], "review", "sentiment"),
        (["", "utterance", "intent"], "utterance", "intent"),
        (["Problem", "Result"], "Problem", "Result"),
        (["quoi", "label"], "quoi", "label"),
        (["text", "quelle"], "text", "quelle"),
    ],
)
def test_columns_are_guessed_by_their_names_or_as_the_only_ones_left(
    columns: list[str], question: str, answer: str
) -> None:
    assert guessed_columns(columns, "", "") == (question, answer)


def test_columns_that_cannot_be_guessed_are_listed_with_what_to_type(table: Write) -> None:
    with pytest.raises(ConfigError, match=r"--set question=COLUMN --set answer=COLUMN; the columns are 'a', 'b', 'c'"):
        load(table([{"a": 1, "b": 2, "c": 3}]))


def test_semicolons_between_columns_are_understood_and_said(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("question;answer\n" + "".join(f"q{n}, really;{n}\n" for n in range(10)))
    task = load(str(path))
    assert task.train[0].question.endswith(", really")
    assert any("divided by ';'" in note for note in task.notes)


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("question,answer,answer\nq,1,2\n")
    with pytest.raises(ConfigError, match="several columns called 'answer'"):
        load(str(path))


@pytest.mark.parametrize(
    ("setting", "near"), [({"answer": "sentimant"}, "sentiment"), ({"question": "revue"}, "review")]
)
def test_a_wrong_name_of_a_column_names_the_nearest_and_lists_all(
    table: Write, setting: dict[str, str], near: str
) -> None:
    with pytest.raises(ConfigError, match=rf"columns are 'id', 'review', 'sentiment'; did you mean '{near}'\?"):
        load(table(reviews()), **setting)


@pytest.mark.parametrize(
    ("golds", "column", "kind"),
    [
        (["1", "2.5", "-3", "1,200", "$4"], "answer", "number"),
        (["70%", "1/2", "12"], "answer", "number"),
        (["yes", "No", "yes"], "answer", "boolean"),
        (["True", "false"] * 4, "label", "boolean"),
        (["a", "b", "c"] * 4, "answer", "labels"),
        (["very positive", "positive"] * 4, "label", "labels"),
        (["1", "2", "3"] * 9, "label", "labels"),
        (["1", "2", "3"] * 9, "answer", "number"),
        (["Paris", "Rome", "Oslo", "Bern"], "answer", "text"),
        (["a long sentence that nobody would call a label"] * 9, "answer", "text"),
        ([f"intent {i % 77}" for i in range(770)], "label", "labels"),
        ([f"intent {i % 77}" for i in range(770)], "Labels", "labels"),
        ([f"intent {i % 77}" for i in range(770)], "answer", "text"),
        ([*"aabbccddefgh"], "category", "labels"),
        ([*"aabbccddefgh"], "answer", "text"),
        ([f"a {i}" for i in range(12)], "label", "text"),
    ],
)
def test_how_answers_are_read_is_guessed_from_them(golds: list[str], column: str, kind: str) -> None:
    assert guessed_kind(golds, column, options=False) == kind


def test_where_the_labels_of_a_column_are_taken_for_texts_it_is_said_why_and_what_to_set(table: Write) -> None:
    rows = [{"text": f"t {i}", "label": f"a {i}"} for i in range(30)]
    (note,) = load(table(rows)).notes
    assert "'label' was taken for texts" in note
    assert "30 in 30 rows" in note
    assert "--set kind=labels" in note
    assert load(table(rows), kind="text").notes == ()
    assert load(table(rows, "other.csv"), kind="labels").kind.name == "labels"


def test_a_single_label_is_told(table: Write) -> None:
    (note,) = load(table([{"text": f"t {i}", "label": "billing"} for i in range(30)])).notes
    assert "there is a single label: every right answer is 'billing'" in note


def test_options_in_columns_of_their_own_make_a_choice(table: Write) -> None:
    rows = [{"question": f"q{i}", "A": f"red {i}", "B": f"blue {i}", "answer": "AB"[i % 2]} for i in range(10)]
    task = load(table(rows))
    assert task.kind.name == "choice"
    assert task.train[0].options
    assert load(table(rows), kind="labels").train[0].options == {}


def test_a_column_that_is_called_options_is_none_where_the_answers_do_not_fit_to_it(table: Write) -> None:
    rows = [{"question": f"q{i}", "options": "fast|slow", "answer": 10 * i} for i in range(10)]
    assert load(table(rows)).kind.name == "number"


def test_a_table_of_labels_needs_no_setting(table: Write) -> None:
    task = load(table(reviews()))
    assert task.kind == load(table(reviews()), kind="labels").kind
    assert task.train[0].question.endswith("\nOptions:\n- negative\n- neutral\n- positive")
    assert task.settled == {
        "question": "review",
        "answer": "sentiment",
        "kind": "labels",
        "labels": list(MOODS),
        "train": 15,
    }


def test_what_is_set_is_not_guessed(table: Write) -> None:
    settings = {"question": "review", "answer": "sentiment", "labels": "neutral, positive", "train": 4}
    task = load(table(reviews()), **settings)
    assert task.settled == {"kind": "labels"}
    assert any("cannot be read as labels" in note for note in task.notes)
    with pytest.raises(ConfigError, match="for the kind `labels`, not 'text'"):
        load(table(reviews()), labels=MOODS, kind="text")


def test_the_scorer_is_told_the_labels_unless_it_is_not_to_be(table: Write) -> None:
    assert "Options:" not in load(table(reviews()), list_labels="never").train[0].question
    yes = [{"question": f"q{i}", "answer": ("yes", "no")[i % 2]} for i in range(10)]
    assert "Options:" not in load(table(yes)).train[0].question


@pytest.mark.parametrize(
    ("rows", "train"), [(2, 1), (10, 5), (60, 30), (100, 50), (200, 50), (250, 50), (300, 60), (5000, 1000)]
)
def test_small_tables_are_halved_and_of_large_ones_a_fifth_is_for_training(rows: int, train: int) -> None:
    assert training_rows(rows) == train


def test_what_few_examples_cannot_show_is_said() -> None:
    assert honest_sizes(50, 200) == []
    assert "5 test examples can show no difference" in honest_sizes(50, 5)[0]
    assert "about ±17 points" in honest_sizes(50, 30)[0]
    assert "in steps of 20 points" in honest_sizes(5, 200)[0]


def test_sizes_and_guesses_are_said_before_anything_is_spent(table: Write) -> None:
    problem = Instructions(configure(Instructions.Config, {"task": table(reviews())}, "instructions"))
    said = list(problem.announcements)
    assert "15 training examples for the search, 15 test examples kept for the verdict" in said[0]
    assert "±" in said[1]
    assert "question=review" in said[2]
    assert "kind=labels" in said[2]


def moods(wrong: int = 0) -> ScriptedModel:
    """A scorer that knows the moods, but for every so many-th review."""

    def reply(request: Request) -> list[str]:
        assert not isinstance(request.prompt, str)
        number = int(request.prompt[-1].content.partition("number ")[2].split()[0])
        return [MOODS[(number + (wrong and number % wrong == 0)) % 3].title() + "."]

    return ScriptedModel(reply)


async def test_macro_f1_stands_beside_the_accuracy_of_labels(table: Write) -> None:
    problem = Instructions(configure(Instructions.Config, {"task": table(reviews()), "racing": False}, "instructions"))
    (right,) = await problem.scored_by(moods()).evaluate([Candidate("Say it.")])
    (wrong,) = await problem.scored_by(moods(2)).evaluate([Candidate("Say it.")])
    assert right.metrics["macro_f1"] == 1.0
    assert 0 < wrong.metrics["macro_f1"] < 1
    numbers = [{"question": f"review number {i}", "answer": i} for i in range(30)]
    sums = Instructions(configure(Instructions.Config, {"task": table(numbers), "racing": False}, "instructions"))
    (none,) = await sums.scored_by(moods()).evaluate([Candidate("Say it.")])
    assert "macro_f1" not in none.metrics


def test_a_run_of_ones_own_labels_says_what_it_guessed_and_an_evaluation_shows_macro_f1(
    opro: Command, table: Write, tmp_path: Path
) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("positive\nneutral\nnegative\n")
    data = table(reviews())
    code, out, error = opro("eval", data, "--instruction", "Say it.", "--scorer", f"scripted:{script}")
    assert code == 0, error
    assert "15 training and 15 test examples" in out
    assert "guessed from the data: " in out
    assert "macro F1" in out
    code, out, _ = opro("eval", data, "--instruction", "Say it.", "--scorer", f"scripted:{script}", "--json")
    made = json.loads(out)
    assert 0 <= made["examined"][0]["macro_f1"] <= 1


def test_a_run_states_in_its_record_what_was_guessed(opro: Command, table: Write, tmp_path: Path) -> None:
    script = tmp_path / "replies.txt"
    script.write_text("positive\n")
    options = ["--proposer", "none", "--steps", "0", "--scorer", f"scripted:{script}", "--json"]
    code, out, error = opro("run", "instructions", "--set", f"task={table(reviews())}", *options)
    assert code == 0, error
    assert "kept for the verdict" in error
    _, out, _ = opro("export", json.loads(out)["run"], "--format", "toml")
    assert 'kind = "labels"' in out
    assert 'question = "review"' in out
    assert "train = 15" in out

"""Tasks: the benchmarks in their own formats, the user's own data, the split, and what is told of odd data."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from evaluators.answers import extract, is_right
from evaluators.task_subjects import BBH, GROUPS, SUBJECTS
from evaluators.tasks import KNOWN, Example, Task, TaskConfig, load_task
from opro.errors import ConfigError

DATA = Path(__file__).parent / "task_data"


def load(task: object, **settings: object) -> Task:
    return load_task(TaskConfig(task=str(task), **settings))  # pyright: ignore[reportArgumentType]


def own(folder: Path, text: str, name: str = "own.csv", **settings: object) -> Task:
    path = folder / name
    path.write_text(text, encoding="utf8")
    return load(path, **{"kind": "number", **settings})


ROWS = "question,answer\n" + "".join(f"how much is {n} and {n}?,{2 * n}\n" for n in range(20))


def test_all_of_the_papers_tasks_are_known() -> None:
    assert len(BBH) == 27
    assert len(SUBJECTS) == sum(map(len, GROUPS.values())) == 57
    assert len(KNOWN) == len(set(KNOWN)) == 4 + 27 + 4 + 57


@pytest.mark.parametrize("task", ["gsm8k", "aqua", "multiarith", "mmlu/virology", *(f"bbh/{name}" for name in BBH)])
def test_every_benchmark_is_read_from_a_folder_in_its_own_format(task: str) -> None:
    loaded = load(task, data=DATA)
    assert loaded.train
    assert "sha256:" in loaded.source
    assert loaded.notes == ()
    assert not {e.id for e in loaded.train} & {e.id for e in loaded.test}
    for example in (*loaded.train, *loaded.test):
        said = f"Let me see. The answer is {example.gold}."
        assert is_right(extract(said, loaded.kind, example), example)


def test_a_benchmark_is_read_from_a_single_file_too() -> None:
    assert load("bbh/snarks", data=DATA / "bbh" / "snarks.json") == load("bbh/snarks", data=DATA / "bbh")
    assert len(load("gsm8k", data=DATA / "gsm8k" / "train.jsonl").test) == 58


def test_gsm8k_trains_on_a_share_of_train_and_tests_on_the_whole_official_test_split() -> None:
    task = load("gsm8k", data=DATA)
    assert (len(task.train), len(task.test)) == (2, 4)  # 3.5 % of 60
    assert [example.gold for example in task.test] == ["12", "1,402", "84", "18"]
    assert all("Zoë" in example.question for example in task.train)


def test_a_multiple_choice_shows_its_options_and_knows_them_by_letter() -> None:
    example = load("mmlu/virology", data=DATA).test[0]
    assert example.options["D"] == "none {of} these"
    assert example.question.endswith("\n(D) none {of} these")
    assert load("aqua", data=DATA).test[0].options["B"].endswith("km/h")


def test_a_group_of_subjects_takes_a_share_of_each_and_names_those_that_are_not_there() -> None:
    task = load("mmlu", data=DATA)
    assert [sum(subject in e.question for e in task.train) for subject in ("astronomy", "virology")] == [8, 8]
    assert "55 of 57 subjects are not there" in task.notes[0]
    with pytest.raises(ConfigError, match=r"no SUBJECT_test\.csv"):
        load("mmlu/social_sciences", data=DATA)
    with pytest.raises(ConfigError, match="in a folder"):
        load("mmlu/stem", data=DATA / "mmlu" / "astronomy_test.csv")


def test_the_split_is_the_one_that_the_papers_code_draws() -> None:
    task = load("bbh/snarks", data=DATA)
    drawn = sorted(np.random.RandomState(0).choice(10, size=2, replace=False))
    assert [int(e.question.split()[3]) for e in task.train] == drawn
    assert len(task.test) == 8


def test_the_split_depends_on_its_seed_alone() -> None:
    first, again, other = (load("gsm8k", data=DATA, train=20, split_seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.train != other.train
    assert first.test == other.test


def test_the_test_split_can_be_reduced_and_a_larger_one_contains_the_smaller() -> None:
    small, large = (load("bbh/snarks", data=DATA, test=n) for n in (3, 6))
    assert {e.id for e in small.test} < {e.id for e in large.test}
    assert small.train == large.train


def test_an_id_is_a_hash_of_the_content_and_of_nothing_else(tmp_path: Path) -> None:
    one = own(tmp_path, ROWS, train=5, split_seed=1)
    two = own(tmp_path, ROWS.replace("question,", "q,"), name="renamed.csv", question="q", train=7, split_seed=2)
    assert {e.id for e in (*one.train, *one.test)} == {e.id for e in (*two.train, *two.test)}
    changed = [Example.of("q", "1"), Example.of("q", "2"), Example.of("r", "1"), Example.of("q", "1", {"A": "x"})]
    assert len({e.id for e in changed}) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": 21}, "only 20"),
        ({"train": 20}, "no example is left for test"),
        ({"train_share": 1.0}, "no example is left for test"),
        ({"train_share": 0.04}, "training split is empty"),
        ({"test": 17}, "only 10"),
        ({"answer": "reply"}, "no column 'reply' in row 1; its columns are 'question', 'answer'"),
        ({"template": "{question} {hint}"}, "no column 'hint'"),
        ({"template": "{question"}, "a brace that is meant is written twice"),
        ({"template": "{question!r}"}, "no more"),
        ({"kind": "boolean"}, "two words"),
        ({"choices": ("question",)}, "2 to 26 options"),
        ({"data": Path()}, "named by `task` itself"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_what_to_do(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        own(tmp_path, ROWS, **settings)


def test_an_unknown_setting_or_size_is_refused() -> None:
    for wrong in ({"taks": 1}, {"train": -1}, {"test": 0}, {"train_share": 1.5}):
        with pytest.raises(ValidationError):
            TaskConfig(task="gsm8k", **wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("task", "near"), [("gsm8", "gsm8k"), ("bbh/navigation", "bbh/navigate"), ("mmlu/virolog", "mmlu/virology")]
)
def test_an_unknown_task_names_the_nearest_known_one(task: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        load(task)


@pytest.mark.parametrize("task", ["bbh/nope", "mmlu/nope", "gsm8"])
def test_an_unknown_task_is_told_as_such_where_data_are_given_too(task: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown task '{task}'"):
        load(task, data=DATA)


def test_columns_of_your_own_data_are_not_for_a_known_benchmark() -> None:
    with pytest.raises(ConfigError, match="`template` is for your own data"):
        load("gsm8k", data=DATA, template="{question}")


def test_a_template_fills_columns_and_braces_in_the_data_are_only_braces(tmp_path: Path) -> None:
    text = "".join(f'{{"text": "if {{x}} {{{{0}}}} {n}", "from": "Ann", "label": "{n}"}}\n' for n in range(10))
    task = own(tmp_path, text, "own.jsonl", answer="label", template="{from} asks {{really}}: {text}")
    assert task.test[0].question == "Ann asks {really}: if {x} {{0}} 0"


@pytest.mark.parametrize(
    ("header", "row", "choices"),
    [
        ("question,answer,a,b", "q{n},{letter},red {n},blue {n}", ("a", "b")),
        ("question,answer,options", 'q{n},{letter},"[""red {n}"", ""blue {n}""]"', ("options",)),
        ("question,answer,options", "q{n},{color} {n},red {n}|blue {n}", ("options",)),
        ("question,answer,options", "q{n},{zero},red {n}|blue {n}", ("options",)),
        ("question,answer,options", "q{n},{one},red {n}|blue {n}", ("options",)),
    ],
)
def test_options_stand_in_one_column_or_several_and_gold_is_a_letter_a_text_or_a_place(
    tmp_path: Path, header: str, row: str, choices: tuple[str, ...]
) -> None:
    lines = [
        row.format(n=n, letter="AB"[n % 2], color=("red", "blue")[n % 2], zero=n % 2, one=n % 2 + 1) for n in range(10)
    ]
    task = own(tmp_path, "\n".join([header, *lines]), kind="", choices=choices)
    for example in task.test:
        n = int(example.question.partition("\n")[0][1:])
        assert example.options == {"A": f"red {n}", "B": f"blue {n}"}
        assert example.question == f"q{n}\nOptions:\n(A) red {n}\n(B) blue {n}"
        assert is_right(extract(f"({'AB'[n % 2]})", task.kind, example), example)
        assert not is_right(extract(f"({'BA'[n % 2]})", task.kind, example), example)


def test_the_options_stand_where_the_template_wants_them(tmp_path: Path) -> None:
    text = "question,answer,list\n" + "".join(f"q{n},A,x{n}|y\n" for n in range(10))
    task = own(tmp_path, text, kind="", choices=("list",), template="{options}\nSo, {question}?")
    assert task.test[0].question == "Options:\n(A) x0\n(B) y\nSo, q0?"


def test_files_of_their_own_for_training_and_test_are_used_whole(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"question": "a", "answer": 1}\n{"question": "b", "answer": 2.0}\n')
    (tmp_path / "test.csv").write_text("question,answer\nc,3\n")
    task = load(tmp_path, kind="number")
    assert [[e.gold for e in split] for split in (task.train, task.test)] == [["1", "2"], ["3"]]
    (tmp_path / "test.csv").unlink()
    with pytest.raises(ConfigError, match=r"train\.\* and test\.\* are needed; there are train"):
        load(tmp_path, kind="number")


def test_what_test_asks_is_dropped_from_training_and_test_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("question,answer\nsame  thing,1\nother,2\nother,2\nlast,5\n")
    (tmp_path / "test.csv").write_text("question,answer\nsame thing,1\nnew,3\nnew,4\n")
    task = load(tmp_path, kind="number")
    assert [e.question for e in task.train] == ["other", "last"]
    assert [e.question for e in task.test] == ["same thing", "new", "new"]
    told = " ".join(task.notes)
    assert "1 training example dropped, as test asks the same" in told
    assert "1 repeat dropped from training" in told
    assert "3 questions asked more than once" in told
    assert "1 question with different gold answers" in told


def test_a_training_split_that_test_contains_is_an_error(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("question,answer\nsame,1\n")
    with pytest.raises(ConfigError, match="nothing to learn from"):
        load(tmp_path, kind="number")


def test_repeats_within_test_have_ids_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("question,answer\nx,1\n")
    (tmp_path / "test.csv").write_text("question,answer\nnew,3\nnew,3\nnew,3\n")
    ids = [e.id for e in load(tmp_path, kind="number").test]
    assert ids == [ids[0], f"{ids[0]}.2", f"{ids[0]}.3"]


def test_gold_answers_that_cannot_be_read_are_listed_by_id(tmp_path: Path) -> None:
    task = own(tmp_path, ROWS + "how many stars?,countless\n", train=4)
    bad = next(e for e in (*task.train, *task.test) if e.gold == "countless")
    assert task.notes == (f"1 gold answer cannot be read as number: {bad.id}",)
    with pytest.raises(ConfigError, match="none of the gold answers can be read as number"):
        own(tmp_path, "question,answer\n" + "".join(f"q{n},many\n" for n in range(10)))


def test_a_gold_answer_beside_the_two_words_of_a_task_is_named_with_its_question(tmp_path: Path) -> None:
    rows = "question,answer\n" + "".join(f"q{n},{'yes' if n % 2 else 'no'}\n" for n in range(10)) + "q10,maybe\n"
    with pytest.raises(ConfigError, match="beside the two most frequent: 'maybe' to 'q10'"):
        own(tmp_path, rows, kind="boolean")


def test_rows_without_a_question_or_an_answer_are_left_out_and_named(tmp_path: Path) -> None:
    task = own(tmp_path, ROWS + "no answer,\n  ,5\n")
    assert task.notes == ("2 rows without a question or an answer left out: 21, 22",)
    assert len(task.train) + len(task.test) == 20


def test_an_evaluation_needs_no_training_examples_when_it_says_so(tmp_path: Path) -> None:
    task = own(tmp_path, ROWS, train=0)
    assert (len(task.train), len(task.test)) == (0, 20)


def test_a_benchmark_in_a_wrong_format_names_the_columns_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "snarks.json").write_text('[{"q": "x", "target": "(A)"}]')
    with pytest.raises(ConfigError, match=r"snarks\.json: there is no column 'input'; the columns are 'q', 'target'"):
        load("bbh/snarks", data=tmp_path)
    with pytest.raises(ConfigError, match=r"neither .*navigate\.json nor"):
        load("bbh/navigate", data=tmp_path)


def test_a_users_scoring_function_is_a_kind_of_answer(tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text("def same(response, gold): return response == gold\n")
    task = own(tmp_path, ROWS, kind=f"{tmp_path / 'judge.py'}:same")
    assert is_right(extract(task.test[0].gold, task.kind, task.test[0]), task.test[0])

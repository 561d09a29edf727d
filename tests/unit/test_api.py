"""The main job from Python: data, metrics and models that are handed in, and what follows a run."""

import asyncio
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import datasets
import pandas
import pytest
from pyarrow import Table

import opro
from opro.errors import ConfigError, ModelError, OproError, StoreError
from opro.reader import Reader
from opro.registry import name_of
from opro.types import Message, Request
from scorer_models.scripted import ScriptedModel
from tests.problems import Hill
from tests.unit.conftest import Command

ROWS = [{"question": f"What is {i} plus {i % 7}?", "answer": str(i + i % 7), "topic": "sums"} for i in range(40)]


def exact(reply: str, example: Any) -> bool:
    return re.findall(r"-?\d+", reply)[-1:] == [example["answer"]]


def ask(prompt: str) -> str:
    """A scorer that adds odd numbers, and all of them if it is told to be careful."""
    first, second = map(int, re.findall(r"What is (\d+) plus (\d+)", prompt)[0])
    return f"It is {first + second}" if "carefully" in prompt or first % 2 else "I do not know"


async def propose(messages: Sequence[Mapping[str, str]]) -> str:
    """An optimizer that has one idea."""
    assert messages[-1]["role"] == "user"
    return "<INS>Add\ncarefully.</INS>"


def search(store: Any, **changes: Any) -> opro.Result:
    given: dict[str, Any] = {"data": ROWS, "metric": exact, "model": propose, "scorer": ask, "train": 20}
    return opro.optimize("instructions", store=store, **{**given, "steps": 1, "per_step": 1, **changes})


def test_the_main_job_is_four_lines(tmp_path: Path) -> None:
    result = search(tmp_path / "store.db")
    assert result.prompt == "Add carefully."
    report = opro.verdict(result)
    assert report.examined[0].accuracy is not None
    assert (report.examined[0].accuracy.mean, report.examined[0].accuracy.n) == (1.0, 20)
    assert str(report).startswith("found: 100.0 %")
    assert str(opro.best(result)) == "Add carefully."
    assert opro.best(result).unseen == report.examined[0].accuracy


async def test_the_main_job_runs_in_asyncio(store: str) -> None:
    given: dict[str, Any] = {"metric": exact, "scorer": ask, "store": store, "train": 20}
    result = await opro.optimize_async("instructions", data=ROWS, model=propose, steps=1, per_step=1, **given)
    assert (await opro.verdict_async(result)).gained
    assert (await opro.resume_async(result, steps=2)).cost.steps == 2
    report = await opro.evaluate_async(ROWS, ["", "Go carefully."], **given)
    assert [one.accuracy and one.accuracy.n for one in report.examined] == [20, 20]
    assert opro.best(result).text == "Add carefully."
    with pytest.raises(OproError, match="verdict_async"):
        opro.verdict(result)


@dataclass
class Line:
    question: str
    answer: str
    topic: str


class Foreign:
    """An example of another library."""

    def __init__(self, row: Mapping[str, str]) -> None:
        self._row = row

    def toDict(self) -> dict[str, str]:  # noqa: N802 - so it is called there
        return dict(self._row)


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        (row for row in ROWS),
        pandas.DataFrame(ROWS),
        datasets.Dataset.from_list(ROWS),
        Table.from_pylist(ROWS),
        [Line(**row) for row in ROWS],
        [Foreign(row) for row in ROWS],
        [(row["question"], row["answer"]) for row in ROWS],
    ],
    ids=["list", "tuple", "generator", "pandas", "datasets", "arrow", "dataclasses", "toDict", "pairs"],
)
def test_data_may_be_any_table_of_rows(data: Any, store: str) -> None:
    result = search(store, data=data, scorer=lambda prompt: ask(prompt), steps=0)
    assert result.best is not None
    assert result.best.evaluation.metrics["n"] == 20


def test_splits_that_are_handed_in_apart_stay_apart(store: str) -> None:
    parts = {"train": datasets.Dataset.from_list(ROWS[:12]), "val": pandas.DataFrame(ROWS[12:])}
    result = search(store, data=parts, train=None, steps=0)
    assert result.best is not None
    assert result.best.evaluation.metrics["n"] == 12
    assert opro.verdict(result, best_of_n=False).examined[0].accuracy.n == 28  # type: ignore[union-attr]


def test_labels_of_a_dataset_and_empty_cells_of_a_frame_come_as_the_data_mean_them(store: str) -> None:
    seen: list[tuple[Any, Any]] = []

    def metric(reply: str, example: Any) -> float:
        seen.append((example["label"], example["note"]))
        return 0.5

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ham", "spam"])}
    )
    mails = datasets.Dataset.from_list([{"text": f"mail {i}", "label": i % 2} for i in range(8)], features=features)
    frame = mails.to_pandas().assign(label=["ham", "spam"] * 4, note=[None, float("nan")] * 4)
    names: dict[str, Any] = {"question": "text", "answer": "label", "train": 4, "steps": 0, "scorer": lambda _: "ham"}
    search(store, data=frame, metric=metric, **names)
    assert set(seen) == {("ham", None), ("spam", None)}
    search(store, data=mails.add_column("note", ["-"] * 8), metric=metric, **names)
    assert set(seen) >= {("ham", "-"), ("spam", "-")}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "rows are needed"),
        ([], "no rows in it"),
        (["text"], "row 1: columns with names are needed"),
        ({"question": ["a"], "answer": ["b"]}, "a mapping is of splits"),
    ],
)
def test_data_that_are_no_rows_are_refused(data: Any, message: str, store: str) -> None:
    with pytest.raises(ConfigError, match=message):
        search(store, data=data)


def test_a_metric_sees_the_columns_of_its_row_and_what_was_asked(store: str) -> None:
    def metric(reply: str, example: Any) -> float:
        assert example["topic"] == example.topic == "sums"
        assert example.question == example["question"]
        assert example.gold == example["answer"]
        assert dict(example).keys() == {"question", "answer", "topic"}
        return 0.25

    result = search(store, metric=metric, steps=0)
    assert result.best is not None
    assert result.best.value == 0.25


def test_a_metric_that_fails_says_why(store: str) -> None:
    result = search(store, metric=lambda reply, example: example.label == reply, steps=0)
    assert result.best is None
    assert "the example has no column 'label'; its columns are question, answer, topic" in (
        result.trajectory[0].evaluation.reason
    )


async def _slow(reply: str, example: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda example, prediction: True, "takes the example first"),
        (lambda reply: True, "cannot be called as metric"),
        (_slow, "is asynchronous"),
        (0.5, "a function .* is needed"),
    ],
)
def test_a_metric_that_cannot_be_called_is_refused_before_anything_is_asked(
    metric: Any, message: str, store: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        search(store, metric=metric)


def test_a_metric_may_be_handed_in_for_a_file_and_is_found_again_by_the_command(
    opro: Command, store: str, tmp_path: Path
) -> None:
    file = tmp_path / "sums.csv"
    pandas.DataFrame(ROWS).to_csv(file, index=False)
    (tmp_path / "replies.txt").write_text("It is 8.\n")
    models: dict[str, Any] = {"scorer": f"scripted:{tmp_path / 'replies.txt'}", "model": "scripted:none"}
    run = search(store, data=file, proposer="none", steps=0, **models).run
    code, out, err = opro("verdict", run)
    assert code == 0, err
    assert "test examples" in out


@pytest.mark.parametrize(
    ("name", "hint"),
    [("trainset", 'data={"train"'), ("task_lm", "`scorer` here"), ("seed_candidate", "`start` here")],
)
def test_what_other_libraries_call_it_is_answered_with_what_it_is_called_here(name: str, hint: str, store: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        search(store, **{name: ROWS})


def test_data_for_a_problem_that_takes_none_are_refused(store: str) -> None:
    with pytest.raises(ConfigError, match="tsp takes neither data nor a metric"):
        opro.optimize("tsp", data=ROWS, store=store)
    with pytest.raises(ConfigError, match="already configured"):
        opro.optimize(Hill(), metric=exact, store=store)


def test_a_run_with_data_in_memory_goes_on_with_the_same_data_only(store: str) -> None:
    run = search(store).run
    given: dict[str, Any] = {"model": propose, "scorer": ask, "store": store, "steps": 2}
    resumed = opro.resume(run, data=[dict(row) for row in ROWS], metric=exact, **given)
    assert resumed.cost.steps == 2
    with pytest.raises(ConfigError, match="not those with which the run began"):
        opro.resume(run, data=ROWS[1:], metric=exact, **given)
    with pytest.raises(ConfigError, match="handed in from Python"):
        opro.resume(run, **given)


def test_the_command_says_what_of_a_run_is_missing(opro: Command, store: str, tmp_path: Path) -> None:
    run = search(store).run
    code, _, err = opro("resume", run)
    assert code == 2
    assert "opro.resume(RUN, data=...)" in err
    assert opro("show", run)[0] == 0
    assert opro("best", run)[1] == "Add carefully.\n"
    file = tmp_path / "sums.csv"
    pandas.DataFrame(ROWS).to_csv(file, index=False)
    run = search(store, data=str(file), metric=lambda reply, example: exact(reply, example)).run
    assert "opro.resume(RUN, metric=...)" in opro("resume", run)[2]
    run = search(store, data=str(file), metric=None, kind="number").run
    assert "opro.resume(RUN, model=..., scorer=...)" in opro("resume", run)[2]


def test_nothing_is_asked_twice_when_a_function_that_failed_is_resumed(store: str) -> None:
    asked: list[str] = []

    def failing(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) == 10:
            raise TimeoutError("too slow")
        return ask(prompt)

    failing.__qualname__ = ask.__qualname__
    with pytest.raises(ModelError, match=r"ask raised TimeoutError: too slow"):
        search(store, scorer=failing, concurrency=1)
    run = Reader(store).runs()[0]
    assert run.status == "failed"
    opro.resume(run.id, store=store, data=ROWS, metric=exact, model=propose, scorer=failing)
    assert len(asked) == len(set(asked)) + 1


def test_functions_are_called_side_by_side_up_to_a_cap(store: str) -> None:
    at_once = most = 0
    lock = threading.Lock()

    def slow(prompt: str) -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return ask(prompt)

    search(store, scorer=slow, steps=0, concurrency=3)
    assert most == 3
    most = 0

    def slow_too(prompt: str) -> str:
        slow(f"What is 1 plus 1? {prompt}")
        return f"<INS>Add carefully.</INS> {most}"

    search(store, model=slow_too, per_step=4)
    assert most == 4


def test_an_asynchronous_function_finds_the_same_event_loop_at_every_call(store: str) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()

    async def bound(prompt: str) -> str:
        loops.add(asyncio.get_running_loop())
        return ask(prompt)

    opro.verdict(search(store, scorer=bound), best_of_n=False)
    assert len(loops) == 1


def test_a_model_of_another_library_is_told_from_one_with_other_weights() -> None:
    class Client:
        def __init__(self, model: str) -> None:
            self.model = model

        def __call__(self, prompt: str | None = None, messages: Any = None, **settings: Any) -> list[str]:
            return ["yes"]

    small, large = opro.FunctionModel(Client("small")), opro.FunctionModel(Client("large"))
    assert small.fingerprint != large.fingerprint
    assert small.fingerprint == opro.FunctionModel(Client("small")).fingerprint


async def test_a_function_is_told_what_it_names_and_makes_one_call_a_sample() -> None:
    told: list[dict[str, Any]] = []

    def function(prompt: str, *, temperature: float, seed: int) -> list[str]:
        told.append({"prompt": prompt, "temperature": temperature, "seed": seed})
        return ["a reply\nQ: and more"]

    model = opro.FunctionModel(function)
    chat = (Message("system", "Be brief."), Message("user", "Why?"))
    request = Request(prompt=chat, n=3, first=2, temperature=0.5, seed=10, stop=("\nQ:",))
    generation = await model.generate(request)
    await model.close()
    assert [sample.text for sample in generation.samples] == ["a reply"]
    assert told == [{"prompt": "Be brief.\n\nWhy?", "temperature": 0.5, "seed": 12}]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: "", "cannot be called as a model"),
        (3, "KIND:NAME, a function"),
        (lambda prompt: None, "returned None, where the reply as text is needed"),
    ],
)
def test_a_function_that_is_no_model_is_refused(function: Any, message: str, store: str) -> None:
    with pytest.raises(OproError, match=message):
        search(store, scorer=function)


def test_a_run_ends_where_its_watcher_returns_false_and_can_be_resumed(store: str) -> None:
    def watch(step: int, trials: Sequence[opro.Trial]) -> bool:
        return step < 2

    model = ScriptedModel(["1", "2", "3", "4", "5"])
    result = opro.optimize(Hill(), model=model, store=store, steps=4, per_step=1, watch=watch, baselines="never")
    assert (result.cost.status, result.cost.reason) == ("stopped", "stopped by the caller")
    assert result.cost.steps == 2
    assert opro.resume(result, watch=watch).cost.steps == 3
    assert opro.resume(result).cost.status == "done"


def test_a_watcher_may_say_why_it_stops_a_run(store: str) -> None:
    def watch(step: int, trials: Sequence[opro.Trial]) -> None:
        raise opro.StopRun("good enough")

    result = opro.optimize(Hill(), model=ScriptedModel(["1"]), store=store, watch=watch, baselines="never")
    assert result.cost.reason == "stopped by the caller: good enough"
    assert result.cost.steps == 0


def test_progress_is_shown_when_it_is_wanted_and_not_in_a_log_otherwise(
    store: str, capfd: pytest.CaptureFixture[str]
) -> None:
    search(store, progress=True)
    assert "step 1 of 1: best 1, 2 evaluated" in capfd.readouterr().err
    search(store)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("progress", [False, None])
def test_answers_are_counted_before_the_users_eyes_only_where_that_is_wanted(
    store: str, capfd: pytest.CaptureFixture[str], progress: Literal[False] | None
) -> None:
    result = search(store)
    opro.verdict(result, best_of_n=False, progress=progress)
    opro.evaluate(ROWS, "Go carefully.", metric=exact, scorer=ask, store=store, progress=progress)
    assert capfd.readouterr().err == ""
    opro.evaluate(ROWS, "Go slowly.", metric=exact, scorer=ask, store=store, progress=True)
    assert "answers of the scorer: " in capfd.readouterr().err


async def test_in_a_notebook_the_plain_functions_work(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert search(store).prompt == "Add carefully."


def test_a_result_is_short_in_a_line_and_whole_as_a_frame(store: str) -> None:
    result = search(store)
    assert repr(result) == f"Result(run='{result.run}', prompt='Add carefully.', value=1.0, trials=2)"
    frame = result.to_dataframe()
    assert list(frame["text"]) == ["Let's solve the problem.", "Add carefully."]
    assert list(frame["n"]) == [20, 20]
    assert list(frame["value"]) == [0.4, 1.0]


def test_without_pandas_a_frame_is_refused_with_what_to_install(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = search(store, steps=0)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match="pip install pandas"):
        result.to_dataframe()


def test_a_scorer_that_cannot_be_read_is_told_in_the_result_and_in_the_log(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = search(store, metric=None, kind="number", scorer=lambda prompt: "I like turtles.")
    assert len(result.findings) == 1
    assert "replies of the scorer could be read" in result.findings[0]
    assert "I like turtles." in str(result)
    assert result.findings[0] in caplog.text
    assert search(store).findings == ()


def test_prompts_are_evaluated_on_a_file_or_on_rows(store: str, tmp_path: Path) -> None:
    file = tmp_path / "sums.csv"
    pandas.DataFrame(ROWS).to_csv(file, index=False)
    settings: dict[str, Any] = {"scorer": ask, "store": store, "train": 20}
    report = opro.evaluate(file, "Go carefully.", kind="number", **settings)
    assert report.examined[0].accuracy is not None
    assert report.examined[0].accuracy.mean == 1.0
    report = opro.evaluate(ROWS, ["", "Go carefully."], metric=exact, split="train", **settings)
    assert (report.split, [one.name for one in report.examined]) == ("train", ["no instruction", "Go carefully."])


def test_what_follows_a_run_makes_no_store(tmp_path: Path) -> None:
    for function in (opro.best, opro.verdict, opro.resume):
        with pytest.raises(StoreError, match="there is no store"):
            function("run", store=tmp_path / "none.db")
    assert not list(tmp_path.iterdir())


def test_every_public_name_is_there_and_documented() -> None:
    for name in opro.__all__:
        assert getattr(opro, name).__doc__, name
    assert callable(opro.verdict)


def test_the_name_of_a_function_is_the_one_by_which_it_is_found() -> None:
    assert name_of(ask) == f"{__name__}:ask"
    assert name_of(Hill()) == "tests.problems:Hill"


@pytest.mark.model
def test_the_whole_main_job_runs_with_the_default_model(tmp_path: Path) -> None:
    words = ["lovely", "awful", "great", "boring", "delightful", "terrible", "superb", "dreadful"] * 2
    rows = [
        {"text": f"Film {i} was {word}.", "label": "negative" if i % 2 else "positive"} for i, word in enumerate(words)
    ]
    names: dict[str, Any] = {"question": "text", "answer": "label", "kind": "boolean", "train": 4, "test": 4}
    names |= {"reply_tokens": 6, "position": "Q_end", "store": tmp_path / "store.db"}
    start, once = ["Is it positive or negative?"], {"rounds": 1}
    result = opro.optimize(
        "instructions", data=rows, model="local", start=start, steps=1, per_step=1, options=once, **names
    )
    assert result.prompt
    assert result.cost.status == "done"
    report = opro.verdict(result, best_of_n=False)
    assert report.examined[0].text == result.prompt
    assert report.examined[0].accuracy is not None
    assert report.examined[0].accuracy.n == 4
    assert asyncio.run(opro.resume_async(result, steps=2)).cost.steps == 2
    report = opro.evaluate(rows, start, scorer="local", **names)
    assert report.examined[0].accuracy is not None

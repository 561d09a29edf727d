"""Datasets of the hub, tried on local folders that are laid out as a hub dataset is; nothing leaves this machine."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from evaluators import task_benchmarks
from evaluators.task_files import Rows
from evaluators.task_hub import hub_rows
from evaluators.tasks import TaskConfig, load_task
from opro.errors import ConfigError


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def folder(path: Path, **splits: list[dict[str, object]]) -> str:
    """Lay out a dataset with labels, as the hub has them, and return its folder."""
    labels = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ham", "spam"])})
    for split, rows in splits.items():
        (path / "data").mkdir(parents=True, exist_ok=True)
        table = datasets.Dataset.from_list(rows, features=labels)
        table.to_parquet(path / "data" / f"{split}-00000-of-00001.parquet")
    return str(path)


def test_a_dataset_is_read_split_by_split_with_labels_by_name(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "buy {now}", "label": 1}, {"text": "hello", "label": -1}]
    read = hub_rows(folder(tmp_path / "mail", train=rows, test=rows[:1]))
    assert {split: len(r.rows) for split, r in read.items()} == {"train": 2, "test": 1}
    assert list(read["train"].rows) == [{"text": "buy {now}", "label": "spam"}, {"text": "hello", "label": None}]
    assert "revision:" in read["test"].source


def test_files_of_a_generic_format_are_read_with_their_own_types(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.jsonl").write_text(json.dumps({"q": "x", "options": ["a", "b"], "n": 3}) + "\n")
    assert list(hub_rows(str(tmp_path))["test"].rows) == [{"q": "x", "options": ["a", "b"], "n": 3}]


def test_a_hub_dataset_of_ones_own_becomes_a_task_with_its_own_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails: list[dict[str, object]] = [{"text": f"mail {n}", "label": n % 2} for n in range(8)]
    local = folder(tmp_path / "mail", train=mails[:5], validation=mails[5:])
    monkeypatch.setattr("evaluators.tasks.hub_rows", lambda name, *rest: hub_rows(local, *rest))
    task = load_task(TaskConfig(task="me/mail", question="text", answer="label", kind="boolean"))
    assert [len(task.train), len(task.test)] == [5, 3]
    assert [e.gold for e in task.test] == ["spam", "ham", "spam"]


BENCHMARKS: dict[str, dict[str, object]] = {
    "gsm8k": {"question": "{n}?", "answer": "work\n#### {n}"},
    "bbh/snarks": {"input": "{n}?\nOptions:\n(A) yes\n(B) no", "target": "(A)"},
    "mmlu/virology": {"question": "{n}?", "choices": ["a", "b", "c", "d"], "subject": "virology", "answer": "D"},
    "aqua": {"question": "{n}?", "options": ["A)1", "B)2"], "rationale": "", "correct": "B"},
    "multiarith": {"question": " {n}? ", "final_ans": "{n}"},
}


@pytest.mark.parametrize("task", BENCHMARKS)
def test_the_benchmarks_rows_on_the_hub_become_examples(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(split: str) -> Rows:
        row = BENCHMARKS[task].items()
        filled = [{k: v.format(n=f"{len(split)}{n}") if isinstance(v, str) else v for k, v in row} for n in range(40)]
        return Rows(filled, f"hub:{task} split:{split}")

    asked: list[tuple[str, str, str]] = []

    def splits(name: str, subset: str, revision: str) -> dict[str, Rows]:
        asked.append((name, subset, revision))
        return {"train": rows("train"), "test": rows("a test")}

    monkeypatch.setattr(task_benchmarks, "hub_rows", splits)
    loaded = load_task(TaskConfig(task=task, train=3))
    assert [len(loaded.train), len(loaded.test)] == [3, {"gsm8k": 40, "multiarith": 77}.get(task, 37)]
    assert loaded.test[0].options.get("B") == {"aqua": "2", "mmlu/virology": "b", "bbh/snarks": "no"}.get(task)
    load_task(TaskConfig(task=task, train=3, revision="abc"))
    assert asked[1][2] == "abc"
    assert asked[0][2] != "abc"


def test_a_dataset_out_of_reach_is_an_error_that_names_the_way_round() -> None:
    with pytest.raises(ConfigError, match=r"cannot load openai/gsm8k \(main\) from the hub: .*`data` = a local file"):
        load_task(TaskConfig(task="gsm8k"))


def test_a_configuration_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    local = folder(tmp_path / "mail", train=[{"text": "x", "label": 0}])
    with pytest.raises(ConfigError, match="BuilderConfig 'nope' not found"):
        hub_rows(local, "nope")


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"pip install 'opro-workbench\[data\]'"):
        hub_rows("openai/gsm8k")


def test_a_local_task_does_not_need_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    local: Callable[[str], Path] = (Path(__file__).parent / "task_data").joinpath
    assert load_task(TaskConfig(task="aqua", data=local("aqua"))).train

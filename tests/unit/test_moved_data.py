"""Files that settings name: found again from any folder, and where they were moved to."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from evaluators.icl import InContext
from evaluators.instructions import Instructions
from evaluators.task_files import content_of, source_at
from evaluators.tsp import TourLength
from evaluators.update_rule import UpdateRule
from opro.build import build_problem
from opro.config import run_config
from opro.places import Place, placed, whole_path
from opro.records import RunSpec
from opro.store import Store
from tests.unit.conftest import Command

SUMS = "question,answer\n" + "".join(f"{n} + 1?,{n + 1}\n" for n in range(40))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and a scorer's replies, which is the current one."""
    place = tmp_path / "here"
    place.mkdir()
    (place / "sums.csv").write_text(SUMS)
    (place / "replies.txt").write_text("It is 3.\nIt is 9.\n")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(place)
    return place


def searched(opro: Command, *more: str) -> str:
    models = ["--model", "scripted:replies.txt", "--scorer", "scripted:replies.txt"]
    options = ["--set", "task=sums.csv", "--option", "style=chat", "--steps", "1", "--per-step", "1", *more, "--json"]
    code, out, error = opro("run", "instructions", *models, *options)
    assert code == 0, error
    return json.loads(out)["run"]


def test_a_run_is_resumed_and_judged_from_another_folder(
    opro: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched(opro)
    monkeypatch.chdir(folder.parent / "there")
    code, _, error = opro("resume", run, "--steps", "2", "--json")
    assert code == 0, error
    code, out, error = opro("verdict", run, "--json")
    assert code == 0, error
    assert json.loads(out)["split"] == "test"
    _, toml, _ = opro("export", run, "--format", "toml")
    for path in ("sums.csv", "replies.txt"):
        assert str(folder / path) in toml


def test_data_that_were_moved_are_named_anew_and_only_if_they_are_the_same(opro: Command, folder: Path) -> None:
    run = searched(opro)
    moved, changed = folder.parent / "there" / "moved.csv", folder / "changed.csv"
    changed.write_text(SUMS.replace("9 + 1?,10", "9 + 1?,11"))
    (folder / "sums.csv").rename(moved)
    code, _, error = opro("resume", run, "--steps", "2")
    assert (code, "sums.csv" in error) == (2, True)
    for command in (["resume", run], ["verdict", "last"], ["verdict", "last", "--dry-run"]):
        code, _, error = opro(*command)
        assert (code, error.endswith("; if it was moved: --set task=NEW_PLACE\n")) == (2, True), error
    code, _, error = opro("resume", run, "--steps", "2", "--set", f"task={changed}")
    assert (code, "is not what it was" in error) == (2, True)
    code, _, error = opro("resume", run, "--steps", "2", "--set", "reply_tokens=9")
    assert (code, "only where its data lie can be set here (task, data)" in error) == (2, True)
    code, _, error = opro("verdict", run, "--set", "task=../there/moved.csv", "--json")
    assert code == 0, error
    code, _, error = opro("resume", run, "--steps", "2", "--set", "task=../there/moved.csv", "--json")
    assert code == 0, error
    code, _, error = opro("resume", run, "--steps", "3", "--json")
    assert code == 0, error


def test_a_verdict_on_moved_data_asks_for_nothing_again(opro: Command, folder: Path) -> None:
    run = searched(opro)
    _, first, _ = opro("verdict", run, "--no-best-of-n", "--json")
    (folder / "sums.csv").rename(folder / "moved.csv")
    code, second, error = opro("verdict", run, "--no-best-of-n", "--set", "task=moved.csv", "--json")
    assert code == 0, error
    assert json.loads(first) == json.loads(second)


def test_a_run_that_was_recorded_before_paths_and_sizes_were_stated_goes_on(
    opro: Command, folder: Path, store: str
) -> None:
    old: dict[str, Any] = {"task": "sums.csv", "kind": "number", "racing": False, "start": ["Add."]}
    problem = build_problem(run_config({"problem": "instructions", "set": {**old, "train_share": 0.2}}))
    assert isinstance(problem, Instructions)
    brief, digest = problem.brief(), hashlib.sha256(SUMS.encode()).hexdigest()
    ids = [example.id for example in problem.task.train]
    assert len(ids) == 8
    told = (brief.task, brief.facts, brief.lead, brief.constraint, problem.direction)
    former = (*told, f"sums.csv sha256:{digest} {ids}")
    config = run_config(
        {"problem": "instructions", "set": old, "proposer": "none", "steps": 0, "scorer": "scripted:replies.txt"}
    )
    spec = RunSpec(
        problem="instructions",
        direction=problem.direction,
        proposer="none",
        model="",
        seed=0,
        config=config.model_dump(mode="json"),
        scorer="scripted:replies.txt",
        scorer_fingerprint=f"scripted sha256:{hashlib.sha256(b'It is 3.' + bytes(1) + b'It is 9.').hexdigest()}",
        problem_fingerprint=hashlib.sha256(repr(former).encode()).hexdigest(),
    )
    run = Store(store).new_run(spec).run
    code, out, error = opro("resume", run, "--yes", "--json")
    assert code == 0, error
    with sqlite3.connect(store) as database:
        ((count,),) = database.execute("select count(*) from generations")
    assert count == 8
    code, out, error = opro("verdict", run, "--json")
    assert code == 0, error
    assert json.loads(out)["examined"][0]["accuracy"]["n"] == 32
    code, again, _ = opro("verdict", run, "--json")
    assert json.loads(again)["run"] == json.loads(out)["run"]
    (folder / "sums.csv").rename(folder / "moved.csv")
    code, _, error = opro("resume", run, "--set", "task=moved.csv", "--json")
    assert code == 0, error


def test_names_that_are_no_paths_stay_as_they_are(folder: Path) -> None:
    (folder / "gsm8k").mkdir()
    (folder / "judge.py").write_text("")
    values = {"task": "gsm8k", "kind": "number", "data": "sums.csv", "train": 3}
    assert placed(Instructions.Config, values) == {**values, "data": str(folder / "sums.csv")}
    assert placed(Instructions.Config, {"task": "openai/gsm8k"}) == {"task": "openai/gsm8k"}
    assert placed(Instructions.Config, {"kind": "judge.py:f"}) == {"kind": f"{folder / 'judge.py'}:f"}
    assert placed(TourLength.Config, {"file": "x.tsp"}) == {"file": str(folder / "x.tsp")}
    assert placed(InContext.Config, {"task": "sst2", "data": "."}) == {"task": "sst2", "data": str(folder)}
    (folder / "digits").mkdir()
    assert placed(UpdateRule.Config, {"data": "digits"}) == {"data": "digits"}
    assert whole_path("sums.csv") == str(folder / "sums.csv")
    assert Place().known == ()


def test_a_source_is_known_by_its_content_and_as_it_was_called() -> None:
    one, two = "a" * 64, "b" * 64
    source = f"/new/train.csv sha256:{one}; /new/test.csv sha256:{two}"
    assert content_of(source) == f"sha256:{one}; sha256:{two}"
    assert content_of("hub:me/mail revision:1 split:train") == "hub:me/mail revision:1 split:train"
    assert (
        source_at(source, [("/new", "old"), (None, None)]) == f"old/train.csv sha256:{one}; old/test.csv sha256:{two}"
    )


def test_a_problem_in_a_file_is_found_from_another_folder(
    opro: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine.py").write_text((Path(__file__).parents[2] / "examples" / "parabola.py").read_text())
    code, out, error = opro("run", "mine.py:Parabola", "--proposer", "none", "--steps", "0", "--json")
    assert code == 0, error
    monkeypatch.chdir(folder.parent / "there")
    code, _, error = opro("resume", json.loads(out)["run"], "--json")
    assert code == 0, error


def test_cities_are_found_from_another_folder(opro: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = "NAME: five\nTYPE: TSP\nDIMENSION: 5\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n"
    (folder / "five.tsp").write_text(head + "1 0 0\n2 0 9\n3 9 9\n4 9 0\n5 4 2\nEOF\n")
    options = ["--proposer", "random", "--steps", "1", "--baselines", "never", "--json"]
    code, out, error = opro("run", "tsp", "--set", "file=five.tsp", *options)
    assert code == 0, error
    run = json.loads(out)["run"]
    monkeypatch.chdir(folder.parent / "there")
    (folder / "five.tsp").rename("six.tsp")
    code, _, error = opro("resume", run, "--steps", "2", "--set", "file=six.tsp", "--json")
    assert code == 0, error
    code, _, error = opro("resume", run, "--steps", "3", "--json")
    assert code == 0, error

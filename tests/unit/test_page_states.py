"""What the page shows of stores and runs in every state, without a browser."""

import itertools
import shlex
import sqlite3
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest  # noqa: TID251 - it draws nothing

from opro.config import run_config
from opro.records import RunSpec
from opro.store import Store
from opro.types import Brief, Candidate, Direction, Evaluation
from opro.ui import commands, serving
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shown(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draws the page of the store; with a run's id, the page of that run."""
    monkeypatch.setattr(sys, "argv", ["app.py", "--store", store])

    def draw(run: str = "", *, page: str = "run") -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.run()
        if run or page != "run":
            app.query_params["run"] = run
            app._page_hash = app.session_state["pages"][page]._script_hash
            app.run()
        return app

    return draw


def said(app: AppTest) -> str:
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(one.value).replace("\\", "") for kind in kinds for one in kind)


async def searched(store: str, **changes: Any) -> str:
    workbench = Workbench(store)
    config = {"problem": "linear-regression", "proposer": "evolution", "steps": 3, "baselines": "never", **changes}
    run = await workbench.run(run_config(config))
    workbench.close()
    return run


def test_a_store_that_is_not_there_yet_leads_to_a_new_run(shown: Any) -> None:
    app = shown()
    assert not app.exception
    assert "There is no store" in said(app)
    assert [link.proto.label for link in app.get("page_link")] == ["New run"]


def test_an_empty_store_says_how_to_begin(store: str, shown: Any) -> None:
    Store(store).close()
    assert "Nothing has run yet" in said(shown())


def test_a_store_of_a_newer_version_is_told_as_such(store: str, shown: Any) -> None:
    Store(store).close()
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    app = shown()
    assert not app.exception
    assert "newer" in said(app)


def test_a_store_of_an_older_version_can_be_brought_up_to_date(store: str, shown: Any) -> None:
    Store(store).close()
    with sqlite3.connect(store) as connection:
        connection.execute("ALTER TABLE answers DROP COLUMN failure")
        connection.execute("DROP INDEX values_of_run")
        connection.execute("DROP INDEX costs_of_run")
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    connection.close()
    app = shown()
    assert "older version" in said(app)
    app.button[0].click().run()
    assert "Nothing has run yet" in said(app)


def test_a_file_that_is_no_store_is_told_as_such(store: str, shown: Any) -> None:
    Path(store).write_text("no database, but long enough to be looked at " * 50)
    app = shown()
    assert not app.exception
    assert len(app.error) == 1


async def test_runs_are_listed_and_a_run_is_opened(store: str, shown: Any) -> None:
    run = await searched(store)
    app = shown()
    assert not app.exception
    assert list(app.dataframe[0].value["run"]) == [run]
    assert list(app.dataframe[0].value["status"]) == ["done"]
    app = shown(run)
    assert not app.exception
    labels = {metric.label: metric.value for metric in app.metric}
    assert labels["best value"] != "-"
    assert "reached the optimum" in said(app) or "did not reach" in said(app)


def spec() -> RunSpec:
    config = run_config({"problem": "linear-regression", "proposer": "random", "steps": 3}).model_dump(mode="json")
    return RunSpec("linear-regression", Direction.MINIMIZE, "random", "", 0, config)


def test_a_run_that_died_is_shown_as_dead_and_can_be_resumed(store: str, shown: Any) -> None:
    writer = Store(store)
    journal = writer.new_run(spec())
    journal._lock.release()  # as the system does when a process is killed
    writer.close()
    app = shown(journal.run)
    assert not app.exception
    assert "Its process is gone" in said(app)
    assert "Resume" in [button.label for button in app.button]


def test_a_run_that_is_written_is_shown_and_can_be_stopped(store: str, shown: Any) -> None:
    writer = Store(store)
    journal = writer.new_run(spec())
    try:
        app = shown(journal.run)
        assert not app.exception
        assert "Nothing is scored yet" in said(app)
        assert "Stop" in [button.label for button in app.button]
        assert "Resume" not in [button.label for button in app.button]
    finally:
        journal._lock.release()
        writer.close()


class Refusing:
    """A problem of which every candidate fails."""

    direction = Direction.MAXIMIZE

    def start(self, seed: int) -> list[Candidate]:
        return [Candidate("start")]

    def brief(self) -> Brief:
        return Brief(task="Nothing goes.")

    def parse(self, text: str) -> str:
        return text

    async def evaluate(self, candidates: Sequence[Candidate]) -> list[Evaluation]:
        return [Evaluation.failed("it is *refused* <b>") for _ in candidates]


async def test_a_run_without_any_success_says_why(store: str, shown: Any) -> None:
    workbench = Workbench(store)
    config = run_config({"problem": "refusing", "steps": 2, "per_step": 2, "options": {"style": "chat"}})
    replies = ScriptedModel(lambda request: [f"reply {request.seed} {place}" for place in range(request.n)])
    run = await workbench.run(config, problem=Refusing(), model=replies)
    workbench.close()
    app = shown(run)
    assert not app.exception
    assert "No candidate has succeeded yet" in said(app)
    assert "it is *refused* <b>" in app.code[0].value


async def test_an_evaluation_shows_its_result_and_offers_no_verdict_on_what_it_has_seen(
    store: str, shown: Any, tmp_path: Path
) -> None:
    data = tmp_path / "sums.csv"
    text = "question,answer\n" + "".join(f"{n} + {n}?,{2 * n}\n" for n in range(20))
    data.write_text(text)
    settings = {"task": str(data), "kind": "number", "split": "test", "start": ["Think.", "Guess."]}
    config = {"problem": "instructions", "set": settings, "proposer": "none", "steps": 0}
    workbench = Workbench(store)
    run = await workbench.run(run_config(config), scorer=ScriptedModel(["It is 4."]))
    workbench.close()
    app = shown(run)
    app.session_state["tab"] = "Verdict"
    app.run()
    assert not app.exception
    assert '"Think." against "Guess."' in said(app)
    assert "opro verdict" not in "".join(one.value for one in app.code)


def test_a_wrong_value_is_told_at_its_field(store: str, shown: Any) -> None:
    app = shown(page="new")
    app.text_input(key="set-linear-regression-noise").set_value("-1").run()
    assert not app.exception
    assert "greater than or equal to 0" in said(app)
    assert next(button for button in app.button if button.label == "Start").disabled


def test_the_form_stands_for_a_command(store: str, shown: Any) -> None:
    app = shown(page="new")
    app.number_input(key="set-linear-regression-w").set_value(36).run()
    line = shlex.split(app.code[0].value)
    assert line[:3] == ["opro", "run", "linear-regression"]
    assert line[line.index("--set") + 1] == "w=36"
    assert line[-2:] == ["--store", store]


def test_arguments_reach_the_command_as_a_list() -> None:
    nasty = "x; rm -rf ~ && $(touch /tmp/owned) `id` \"'"
    arguments = commands.run_arguments({"problem": "tsp", "set": {"file": nasty}, "budget": ["1e6tok"]})
    assert arguments[:3] == ["run", "tsp", "--set"]
    assert shlex.split(commands.command_line(arguments, "a b.db"))[1:-2] == arguments


def test_the_page_binds_to_loopback_unless_told_otherwise() -> None:
    told = serving.arguments("a.db", "127.0.0.1", 8501, browser=False)
    assert told[told.index("--server.address") + 1] == "127.0.0.1"
    assert told[-2:] == ["--store", "a.db"]


def test_streamlit_itself_is_told_what_the_command_tells_it() -> None:
    """`streamlit run app.py` listens to the whole network unless the file says otherwise."""
    told = serving.arguments("a.db", "127.0.0.1", 8501, browser=True)
    flags = dict(itertools.pairwise(told))
    table = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert table["server"]["address"] == flags["--server.address"]
    assert table["theme"]["dark"]["primaryColor"] == flags["--theme.dark.primaryColor"]
    assert str(table["browser"]["gatherUsageStats"]).lower() == flags["--browser.gatherUsageStats"]


def test_links_without_the_token_are_not_printed_where_a_token_is_needed() -> None:
    command = serving.arguments("some.db", "0.0.0.0", 8501, browser=False, links=False)
    known = serving._knows("logger.hideWelcomeMessage")
    assert ("--logger.hideWelcomeMessage" in command) is known
    assert "--logger.hideWelcomeMessage" not in serving.arguments("some.db", "127.0.0.1", 8501, browser=False)
    assert not serving._knows("logger.nothing")

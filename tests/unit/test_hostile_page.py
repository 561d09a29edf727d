"""The page of a stranger's store, and a page that strangers can reach, without a browser."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st  # noqa: TID251 - it draws nothing
from streamlit.testing.v1 import AppTest  # noqa: TID251 - it draws nothing

from opro import trust
from opro.ui import access, commands, serving
from opro.ui.run import TABS
from tests.hostile_store import Trap, hostile_store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    monkeypatch.setenv("OPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_AGREED", set[str]())
    folder = tmp_path / "trap"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    st.cache_data.clear()
    st.cache_resource.clear()
    with hostile_store(folder) as made:
        monkeypatch.setattr(sys, "argv", ["app.py", "--store", str(made.store)])
        yield made


@pytest.fixture
def shown(trap: Trap) -> Callable[..., AppTest]:
    def draw(page: str = "runs", *, run: str = "", tab: str = "") -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        app.run()
        if page != "runs":
            app.query_params["run"] = run
            app._page_hash = app.session_state["pages"][page]._script_hash
            if tab:
                app.session_state["tab"] = tab
            app.run()
        return app

    return draw


def said(app: AppTest) -> str:
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(one.value).replace("\\", "") for kind in (*kinds, app.code, app.text) for one in kind)


@pytest.mark.parametrize("name", ["problem", "kind", "hub", "probe", "texts"])
def test_looking_at_a_strangers_run_runs_and_sends_nothing(
    trap: Trap, shown: Callable[..., AppTest], name: str
) -> None:
    for tab in TABS:
        app = shown("run", run=trap.runs[name], tab=tab)
        assert not app.exception, (tab, app.exception[0].value)
        shown_texts = said(app).replace("\u2060", "")  # which `literal` puts into what looks like an address
        assert all(letter.isprintable() or letter == "\n" for letter in shown_texts), tab
        assert not trap.was_sprung, (tab, trap.was_sprung)
        if (name, tab) in {("problem", "Pictures"), ("hub", "Pictures")}:
            assert "are not drawn" in said(app)


def test_the_list_of_a_strangers_runs_leaves_out_what_is_none(trap: Trap, shown: Callable[..., AppTest]) -> None:
    app = shown()
    assert not app.exception
    assert "Left out" in said(app)
    assert set(trap.runs.values()) <= set(app.dataframe[0].value["run"])
    assert not trap.was_sprung


@pytest.mark.parametrize("name", ["problem", "kind", "key"])
def test_a_clone_of_a_strangers_run_starts_nothing(
    trap: Trap, shown: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(commands, "start", lambda *arguments: started.append(arguments))
    app = shown("run", run=trap.runs[name])
    (link,) = [link.proto for link in app.get("page_link") if link.proto.label == "Clone"]
    assert link.query_string == f"clone={trap.runs[name]}"
    app.query_params["clone"] = trap.runs[name]
    app._page_hash = app.session_state["pages"]["new"]._script_hash
    app.run()
    assert not app.exception
    assert next(button for button in app.button if button.label == "Start").disabled
    assert any(word in said(app) for word in ("opro ui --allow", "in a terminal"))
    assert not started
    assert not trap.was_sprung


def test_the_form_runs_only_files_that_the_page_was_started_with(
    trap: Trap, shown: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_allowed", list[str]())
    for place in (str(trap.code), trap.code.stem):
        app = entered(shown("new"), f"{place}:Evil")
        assert "opro ui --allow" in said(app)
        assert next(button for button in app.button if button.label == "Start").disabled
        assert not trap.marker.exists()
    access.allow([trap.code])
    entered(shown("new"), f"{trap.code}:Evil")
    assert trap.marker.exists()


def entered(app: AppTest, problem: str) -> AppTest:
    """Choose a problem that the form does not list."""
    app.session_state["clone"] = {"problem": problem}
    app.session_state["form"] = 1
    return app.run()


def test_the_form_runs_no_function_that_judges_answers_either(trap: Trap, shown: Callable[..., AppTest]) -> None:
    app = shown("new")
    app.session_state["problem"] = "instructions"
    app.run()
    app.text_input(key="set-instructions-task").set_value(str(trap.secret)).run()
    app.text_input(key="set-instructions-kind").set_value(f"{trap.code}:judge").run()
    assert "opro ui --allow" in said(app)
    assert next(button for button in app.button if button.label == "Start").disabled
    assert not trap.was_sprung


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve the page to other machines; return its token."""
    option = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: "0.0.0.0" if name == "server.address" else option(name))
    monkeypatch.setattr(access, "_made", list[str]())
    return access.token()


def test_other_machines_see_only_a_field_for_the_token(
    trap: Trap, reachable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for given in ("", "wrong", reachable[:-1], f"{reachable}x", "ü"):
        app.query_params["token"] = given
        app.run()
        assert [field.label for field in app.text_input] == ["Token"]
        assert said(app) == ""
        assert not app.button
    app.text_input(key="token-field").set_value(reachable).run()
    assert "Runs" in said(app)
    app.run()  # and stays so
    assert "Runs" in said(app)


def test_the_link_with_the_token_opens_the_page_and_the_token_leaves_the_address(trap: Trap, reachable: str) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["token"] = reachable
    app.run()
    assert "Runs" in said(app)
    assert "token" not in app.query_params


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *((host, True) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9")),
        *((host, False) for host in ("0.0.0.0", "", "::", "192.168.1.5", "me.example", "localhost.evil.example")),
    ],
)
def test_which_addresses_are_this_machines_alone(host: str, own: object) -> None:
    assert access.is_loopback(host) is own


def test_serving_to_others_warns_and_prints_the_link(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(access, "_made", list[str]())
    asked: list[list[str]] = []
    monkeypatch.setattr("streamlit.web.cli.main", asked.append)
    serving.serve("a.db", "127.0.0.1", 8501, (), browser=True)
    assert capsys.readouterr().err == ""
    serving.serve("a.db", "192.168.1.5", 8501, (), browser=True)
    told = capsys.readouterr().err
    assert "other machines" in told
    assert f"http://192.168.1.5:8501/?token={access.token()}" in told
    for arguments in asked:
        assert arguments[arguments.index("--server.enableCORS") + 1] == "true"
        assert arguments[arguments.index("--server.enableXsrfProtection") + 1] == "true"
        assert access.token() not in " ".join(arguments)


def test_a_stores_password_is_in_no_command_line() -> None:
    store = "postgresql://me:hunter2@127.0.0.1/x"
    assert "hunter2" not in commands.command_line(["list"], store)
    assert "hunter2" not in " ".join(commands._command(["list"], store))
    assert commands._environment(store)["OPRO_STORE"] == store

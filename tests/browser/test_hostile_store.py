"""A stranger's store, and a page that other machines can reach, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import served
from tests.hostile_store import hostile_store

pytestmark = pytest.mark.browser


def test_a_strangers_store_is_looked_at_without_harm(page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with hostile_store(tmp_path) as trap, served(trap.store, tmp_path / "page.log") as url:
        page.goto(url)
        expect(page.get_by_text("Left out, for what is stored is no run")).to_be_visible()
        for name in ("problem", "kind", "hub"):
            for tab in ("Trajectory", "Pictures", "Steps", "Answers", "Cost", "Verdict", "Export"):
                page.goto(f"{url}/run?run={trap.runs[name]}&tab={tab}")
                expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
                page.wait_for_timeout(500)
                assert page.get_by_text("Traceback").count() == 0
                assert not trap.was_sprung, (name, tab, trap.was_sprung)
        assert page.evaluate("() => window.hacked") is None
        assert not [one for one in asked if ":1/" in one]


def test_other_machines_need_the_token(page: Page, tmp_path: Path) -> None:
    log = tmp_path / "page.log"
    with served(tmp_path / "none.db", log, host="0.0.0.0") as url:
        page.goto(f"{url}/?token=wrong")
        expect(page.get_by_label("Token")).to_be_visible()
        assert page.get_by_text("Runs").count() == 0
        found = re.search(r"\?token=([\w-]+)", log.read_text())
        assert found
        page.get_by_label("Token").fill(found[1])
        page.keyboard.press("Enter")
        expect(page.get_by_text("There is no store")).to_be_visible()
        page.get_by_test_id("stMainBlockContainer").get_by_role("link", name="New run").click()
        expect(page.get_by_role("heading", name="New run")).to_be_visible()
        page.goto(f"{url}/?token={found[1]}")
        expect(page.get_by_text("There is no store")).to_be_visible()
        assert "token" not in page.url

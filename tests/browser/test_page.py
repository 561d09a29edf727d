"""What a user does with the page, in a real browser, with the default model."""

import asyncio
import csv
import io
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from opro.config import run_config
from opro.reader import Reader
from opro.records import Status
from opro.types import Brief, Candidate, Direction, Evaluation
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel
from tests.browser.conftest import ROOT, served
from tests.browser.hostile import TEXTS

pytestmark = pytest.mark.browser


class Anything:
    """A problem of which every text is a solution."""

    direction = Direction.MAXIMIZE

    def start(self, seed: int) -> list[Candidate]:
        return [Candidate("start")]

    def brief(self) -> Brief:
        return Brief(task="Anything goes.", max_tokens=10**6)

    def parse(self, text: str) -> str:
        return text

    async def evaluate(self, candidates: Any) -> list[Evaluation]:
        return [Evaluation(float(len(candidate.text))) for candidate in candidates]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two finished runs that differ in their seeds."""
    store = tmp_path_factory.mktemp("searched") / "opro.db"
    arguments = ["run", "linear-regression", "--proposer", "evolution", "--steps", "6", "--seeds", "2"]
    subprocess.run([sys.executable, "-m", "opro", *arguments, "--store", str(store)], check=True, cwd=ROOT)
    return store


@pytest.fixture(scope="module")
def address(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(searched, tmp_path_factory.mktemp("log") / "page.log") as url:
        yield url


def points(page: Page) -> int:
    """Return how many candidates the trajectory shows."""
    script = "() => (document.querySelector('.js-plotly-plot')?.data ?? [{x: []}])[0].x.length"
    return int(page.evaluate(script))


def wait_for_points(page: Page, more_than: int) -> int:
    page.wait_for_function(
        "least => (document.querySelector('.js-plotly-plot')?.data ?? [{x: []}])[0].x.length > least", arg=more_than
    )
    return points(page)


def begin(page: Page, steps: int) -> None:
    """Start a run of linear regression from the form, and open it."""
    page.get_by_label("w", exact=True).fill("36")
    page.get_by_label("b", exact=True).fill("-1")
    page.get_by_text("Limits and more").click()
    page.get_by_label("steps", exact=True).fill(str(steps))
    page.keyboard.press("Enter")
    expect(page.locator("code").filter(has_text=f"--steps {steps}")).to_contain_text("--set w=36")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("step 0 of").or_(page.get_by_text("candidates")).first).to_be_visible()
    page.get_by_test_id("stMainBlockContainer").get_by_role("link", name="Open").first.click()


def end(page: Page) -> None:
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop").click()  # the header may have one
    expect(page.get_by_text("stopped: interrupted")).to_be_visible()


@pytest.mark.model
def test_a_run_is_started_watched_stopped_and_resumed(page: Page, tmp_path: Path) -> None:
    store = tmp_path / "new.db"
    with served(store, tmp_path / "page.log") as url:
        page.goto(url)
        expect(page.get_by_text("There is no store")).to_be_visible()
        page.get_by_test_id("stMainBlockContainer").get_by_role("link", name="New run").click()
        begin(page, 400)
        seen = wait_for_points(page, 5)
        wait_for_points(page, seen)  # it goes on, and so does the picture
        end(page)
        (run,) = Reader(str(store)).runs()
        before = len(Reader(str(store)).trials(run.id))
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("dialog").get_by_label("Steps at most, in all").fill("401")
        page.get_by_role("dialog").get_by_role("button", name="Resume").click()
        wait_for_points(page, before)
        end(page)
        assert len(Reader(str(store)).trials(run.id)) > before
        page.get_by_role("tab", name="Steps").click()
        expect(page.get_by_text("Meta-prompt 1 of").first).to_be_visible()
        assert "w=" in page.locator("code").first.inner_text()
        expect(page.get_by_text(re.compile("^↳ (trial|repeat|new|rejected)")).first).to_be_visible()


@pytest.mark.model
def test_what_the_user_zoomed_into_stays_while_a_run_goes_on(page: Page, tmp_path: Path) -> None:
    store = tmp_path / "live.db"
    with served(store, tmp_path / "page.log") as url:
        page.goto(f"{url}/new")
        begin(page, 3000)
        wait_for_points(page, 20)
        plot = page.locator(".js-plotly-plot .nsewdrag").first
        box = plot.bounding_box()
        assert box
        page.mouse.move(box["x"] + 50, box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + 250, box["y"] + 130, steps=5)
        page.mouse.up()
        page.locator(".legendtoggle").nth(1).click()
        hidden = "document.querySelector('.js-plotly-plot')._fullData[1].visible === 'legendonly'"
        page.wait_for_function(f"() => {hidden}")
        script = "() => document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range"
        zoomed = page.evaluate(script)
        wait_for_points(page, points(page))
        assert page.evaluate(script) == pytest.approx(zoomed)
        assert page.evaluate(hidden)
        page.get_by_role("tab", name="Cost").click()
        expect(page.get_by_text("asking", exact=True).first).to_be_visible()
        page.get_by_role("tab", name="Trajectory").click()
        wait_for_points(page, 20)
        assert page.evaluate(script) == pytest.approx(zoomed)
        end(page)


def test_two_runs_are_compared(address: str, page: Page) -> None:
    page.goto(f"{address}/compare")
    names = "(document.querySelector('.js-plotly-plot')?.data ?? []).map(line => line.name)"
    for seed in (0, 1):
        page.get_by_label("Runs", exact=True).click()
        page.get_by_role("option").filter(has_text=f"seed {seed}").click()
        page.keyboard.press("Escape")
        page.wait_for_function(f"() => {names}.includes('evolution ({seed + 1})')")
    page.get_by_text("seconds", exact=True).click()
    expect(page.get_by_text("seconds of asking and scoring")).to_be_visible()


def test_models_are_probed_from_the_page_and_their_curves_stand_beside_each_other(page: Page, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(f"{'good' if i % 2 else 'bad'} film {i}" for i in range(60)))
    for label in ("good", "bad"):
        (tmp_path / f"{label}.txt").write_text(f" {label}\n")
    store = tmp_path / "probes.db"
    with served(store, tmp_path / "page.log") as url:
        for label in ("good", "bad"):
            page.goto(f"{url}/new")
            page.get_by_text("Probe a model").click()
            page.get_by_label("task", exact=True).fill(str(tmp_path / "texts.txt"))
            page.get_by_label("items", exact=True).fill("8")
            page.get_by_label("k", exact=True).fill("2")
            page.get_by_label("model", exact=True).fill(f"scripted:{tmp_path / label}.txt")
            page.keyboard.press("Enter")
            expect(page.locator("code").filter(has_text=f"{label}.txt")).to_contain_text("--set k=2")
            page.get_by_role("button", name="Start").click()
            page.wait_for_timeout(500)
        _wait_until_done(store, 2)
        first, second = Reader(str(store)).runs()
        page.goto(f"{url}/run?run={first.id}&tab=Pictures")
        expect(page.get_by_text("lets its context override")).to_be_visible()
        page.wait_for_selector(".js-plotly-plot")
        page.goto(f"{url}/compare")
        for run in (first, second):
            page.get_by_label("Runs", exact=True).click()
            page.get_by_role("option").filter(has_text=run.id[-4:]).click()
            page.keyboard.press("Escape")
        expect(page.get_by_role("heading", name="Flipped labels")).to_be_visible()
        names = "(document.querySelector('.js-plotly-plot')?.data ?? []).map(line => line.name ?? '')"
        page.wait_for_function(f"() => {names}.filter(name => name.includes('.txt')).length === 2")


def _wait_until_done(store: Path, count: int) -> None:
    for _ in range(240):
        if store.exists() and [run.status for run in Reader(str(store)).runs()] == [Status.DONE] * count:
            return
        time.sleep(0.5)
    raise AssertionError(f"not all of {count} probes have ended")


def test_data_settings_and_figures_are_exported(address: str, searched: Path, page: Page) -> None:
    run = Reader(str(searched)).runs()[0]
    page.goto(f"{address}/run?run={run.id}")
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="trials, CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(rows) == len(Reader(str(searched)).trials(run.id))
    with page.expect_download() as download:
        page.get_by_role("button", name="the run, TOML").click()
    assert tomllib.loads(Path(download.value.path()).read_text())["proposer"] == "evolution"
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").first.click()
    assert Path(download.value.path()).read_bytes()[:4] == b"<svg"
    with page.expect_download() as download:
        page.get_by_role("button", name="HTML").first.click()
    assert "plotly" in Path(download.value.path()).read_text()[:100_000].lower()


def test_pictures_of_the_problem_are_drawn(address: str, searched: Path, page: Page) -> None:
    page.goto(f"{address}/run?run={Reader(str(searched)).runs()[0].id}")
    page.get_by_role("tab", name="Pictures").click()
    expect(page.locator(".js-plotly-plot:visible")).to_be_visible()


def test_the_page_can_be_used_with_the_keyboard_alone(address: str, page: Page) -> None:
    page.goto(address)
    expect(page.get_by_test_id("stMainBlockContainer").get_by_role("link", name="New run")).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.innerText").strip().endswith("New run"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New run")).to_be_visible()


def replied(store: Path, texts: Sequence[str]) -> str:
    """Make a run in which a model has replied with these texts, and return its id."""

    async def work() -> str:
        workbench = Workbench(str(store))
        options = {"style": "chat", "rounds": 1}
        config = run_config({"problem": "anything", "steps": 1, "per_step": len(texts), "options": options})
        run = await workbench.run(config, problem=Anything(), model=ScriptedModel(lambda _: texts))
        workbench.close()
        return run

    with ThreadPoolExecutor(1) as apart:  # Playwright's own event loop runs in this thread
        return apart.submit(asyncio.run, work()).result()


def test_a_reply_of_two_megabytes_is_cut_and_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    long = "long " * 400_000
    run = replied(tmp_path / "long.db", [long])
    with served(tmp_path / "long.db", tmp_path / "page.log") as url:
        page.goto(f"{url}/run?run={run}&tab=Steps")
        expect(page.get_by_text("The first 20,000 of 2,000,000 characters.")).to_be_visible()
        assert len(page.locator("code").nth(1).inner_text()) <= 20_000
        with page.expect_download() as download:
            page.get_by_role("button", name="All of it").click()
        assert Path(download.value.path()).read_text() == long


def test_hostile_texts_are_shown_as_texts(page: Page, tmp_path: Path) -> None:
    store = tmp_path / "hostile.db"
    run = replied(store, TEXTS)
    expected = ["".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text) for text in TEXTS]
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with served(store, tmp_path / "page.log") as url:
        page.goto(f"{url}/run?run={run}")
        wait_for_points(page, 100)
        page.get_by_role("tab", name="Steps").click()
        shown: list[str] = []
        for number in range(1, 11):
            box = page.get_by_label("Replies, page 1 to 10")
            box.fill(str(number))
            box.press("Enter")
            first = expected[20 * (number - 1)].splitlines()[0]
            expect(page.locator("code").nth(1)).to_contain_text(first)
            page.wait_for_function("() => document.querySelectorAll('code').length === 21")
            expect(page.locator("code").nth(20)).to_contain_text(expected[20 * number - 1].splitlines()[0])
            shown += page.locator("code").evaluate_all("nodes => nodes.slice(1).map(node => node.textContent)")
        assert shown == expected
        for tab in ("Trajectory", "Answers", "Verdict", "Cost"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(500)
        injected = "img[src='x'], svg[onload], iframe[srcdoc], [onerror], [onfocus], object, embed, base"
        assert page.locator(injected).count() == 0
        assert page.evaluate("() => window.hacked") is None
        assert dialogs == []
        assert not [one for one in asked if ":1/" in one]

"""Take pictures of every page, light and dark, for the documentation.

    python scripts/screenshots.py STORE FOLDER

STORE holds at least one run of linear regression, tours and instructions each; the newest of each is shown.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from opro.reader import Reader
from tests.browser.conftest import chromium, served

SIZE = {"width": 1280, "height": 960}
NARROW = {"width": 420, "height": 900}


def addresses(store: str) -> dict[str, str]:
    """Return what is to be shown, by the name of its picture."""
    newest = {run.spec.problem: run.id for run in Reader(store).runs()}
    shown = {"runs": "", "new": "new", "compare": "compare"}
    for problem, tabs in {
        "linear-regression": ("Trajectory", "Pictures", "Steps", "Verdict"),
        "tsp": ("Trajectory", "Pictures"),
        "instructions": ("Trajectory", "Pictures", "Answers", "Cost", "Verdict", "Export"),
    }.items():
        for tab in tabs:
            end = "" if tab == "Trajectory" else f"&tab={tab}"
            shown[f"{problem}-{tab.lower()}"] = f"run?run={newest[problem]}{end}"
    return shown


def settle(page: Page) -> None:
    """Wait until everything is drawn."""
    page.wait_for_load_state("networkidle")
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    page.wait_for_timeout(1500)


def choose_seeds(page: Page) -> None:
    """Choose the first two runs that are offered for comparison."""
    for _ in range(2):
        page.get_by_label("Runs", exact=True).click()
        page.get_by_role("option").filter(has_text="linear-regression").first.click()
        page.keyboard.press("Escape")
        page.wait_for_timeout(1500)


def main() -> None:
    """Take the pictures."""
    store, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as logs,
        served(store, Path(logs) / "page.log", Path.cwd()) as url,
        sync_playwright() as made,
    ):
        browser = made.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            for name, address in addresses(store).items():
                page.goto(f"{url}/{address}")
                settle(page)
                if name == "compare":
                    choose_seeds(page)
                page.screenshot(path=folder / f"{name}-{scheme}.png")
            page.close()
        page = browser.new_page(viewport=NARROW, color_scheme="light")
        page.goto(f"{url}/{addresses(store)['linear-regression-trajectory']}")
        settle(page)
        page.screenshot(path=folder / "narrow-light.png")
        browser.close()


if __name__ == "__main__":
    main()

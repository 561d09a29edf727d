"""Time the page in headless Chromium with a large store: first paint, opening a run, switching tabs, following a run.

    python -m tests.bench.bench_page [--runs 200] [--trials 100000] [--rounds 5]

The store holds linear regression by made-up pairs; the first run has a tenth of all trials. Times are from the click,
or from the address being entered, until what is waited for can be seen; medians over the rounds, with least and most.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from opro.config import run_config
from opro.reader import Reader
from opro.records import RunSpec, Status
from opro.store import Store
from opro.types import Candidate, Direction, Evaluation, Trial
from opro.ui.data import Followed
from tests.bench.machine import machine
from tests.browser.conftest import chromium, served

STEP = 8  # trials of a step
TABS = {
    "Steps": lambda page: page.get_by_text("Candidates of this step"),
    "Pictures": lambda page: page.locator(".js-plotly-plot:visible"),
    "Cost": lambda page: page.get_by_text("asking", exact=True),
    "Export": lambda page: page.get_by_role("button", name="trials, CSV"),
    "Trajectory": lambda page: page.get_by_text("Best so far", exact=True),
}


def fill(path: Path, runs: int, trials: int) -> list[str]:
    """Make a store, and return the ids of its runs."""
    store, rng, made = Store(str(path)), random.Random(0), list[str]()
    sizes = [trials // 10, *[(trials - trials // 10) // (runs - 1)] * (runs - 1)]
    for seed, size in enumerate(sizes):
        config = run_config({"problem": "linear-regression", "proposer": "random", "seed": seed})
        spec = RunSpec("linear-regression", Direction.MINIMIZE, "random", "", seed, config.model_dump(mode="json"))
        journal = store.new_run(spec)
        for first in range(0, size, 10 * STEP):
            batch = [trial(first + place, rng) for place in range(min(10 * STEP, size - first))]
            for step in sorted({one.step for one in batch}):
                journal.step = step
                journal.record_step([one for one in batch if one.step == step], asking=0.1, scoring=0.1)
        journal.finish(Status.DONE, "all steps are made")
        made.append(journal.run)
    store.close()
    return made


def trial(number: int, rng: random.Random) -> Trial:
    """Return a trial by its number."""
    w, b = rng.randint(-50, 50), rng.randint(-50, 50)
    value = float((w - 15) ** 2 + (b - 14) ** 2 + 1)
    return Trial(number, number // STEP, Candidate(f"w={w}, b={b} ({number})"), Evaluation(value))


def timed(what: Callable[[], None]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def row(name: str, seconds: list[float]) -> str:
    """Return a line of the table."""
    return f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} to {max(seconds):.2f} |"


def browse(page: Page, url: str, runs: list[str], rounds: int) -> None:
    """Print a line for each thing that a user waits for."""
    times: dict[str, list[float]] = {}

    def note(name: str, what: Callable[[], None]) -> None:
        times.setdefault(name, []).append(timed(what))

    page.goto(url)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()  # the first session of all
    for number in range(rounds):

        def paint() -> None:
            page.goto(url)
            expect(page.get_by_test_id("stDataFrame")).to_be_visible()

        note("first paint of the runs, a new session", paint)

        def large() -> None:
            page.goto(f"{url}/run?run={runs[0]}")
            expect(page.locator(".js-plotly-plot:visible")).to_be_visible()

        note("the largest run, a new session", large)
        page.goto(f"{url}/run?run={runs[1 + number]}")
        expect(page.locator(".js-plotly-plot:visible")).to_be_visible()
        for tab, seen in TABS.items():

            def switch(tab: str = tab, seen: Callable[[Page], object] = seen) -> None:
                page.get_by_role("tab", name=tab).click()
                expect(seen(page).first).to_be_visible()

            note(f"tab {tab}", switch)
    print("| what | seconds, median | least to most |\n|---|---|---|")
    for name, seconds in times.items():
        print(row(name, seconds), flush=True)


def follow(path: Path, run: str) -> None:
    """Print how many trials are read when a run that is followed goes on."""
    reader, store = Reader(str(path)), Store(str(path))
    kept = Followed(reader.run(run))
    first = timed(lambda: kept.trials(reader))
    before = kept.read
    journal = store.continue_run(run, reader.run(run).spec.config)
    rng = random.Random(1)
    batch = [trial(before + place, rng) for place in range(STEP)]
    journal.step = 10**6
    journal.record_step([replace(one, step=10**6) for one in batch], asking=0.1, scoring=0.1)
    journal.finish(Status.DONE, "done")
    again = timed(lambda: kept.trials(reader))
    print(f"a run with {before:,} trials: {1000 * first:.0f} ms to read; then, after a step of {STEP}, ", end="")
    print(f"{kept.read - before} trials are read in {1000 * again:.1f} ms")
    standings = [timed(reader.standings) for _ in range(5)]
    print(f"survey of the store, without its texts: {1000 * statistics.median(standings):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.db"
        runs = fill(path, given.runs, given.trials)
        with served(path, Path(folder) / "page.log") as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            browse(browser.new_page(viewport={"width": 1280, "height": 900}), url, runs, given.rounds)
            browser.close()
        follow(path, runs[0])


if __name__ == "__main__":
    main()

"""The page in a real browser: its server as a user starts it, and headless Chromium."""

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds, on a busy machine
expect.set_options(timeout=1000 * PATIENCE)


@contextmanager
def served(store: Path | str, log: Path, folder: Path = ROOT, *, host: str = "") -> Iterator[str]:
    """Serve the page on loopback, or at `host`, from a folder, and give its address."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    command = [sys.executable, "-m", "opro", "ui", "--no-browser", "--store", str(store), "--port", str(port)]
    command += ["--host", host] if host else []
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the page was not served: {log.read_text(errors='replace')[-3000:]}")


LOST = re.compile(r"network|fetch|websocket|connection|abort|timeout|status code", re.IGNORECASE)


def chromium() -> str:
    """Return the browser; where none is installed the tests fail, for a page that nobody saw is not tested."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "Chromium is needed: on Debian, apt-get install chromium"
    return found


@pytest.fixture(scope="module")  # while Playwright runs, so does its event loop, and no other can
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield made
        made.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests failed, for the fixture that shows what they saw."""
    made = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or made.failed
    return made


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh tab; what the page's own scripts complain of fails the test, unless it is that the server has ended."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    made = context.new_page()
    made.set_default_timeout(1000 * PATIENCE)
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    if request.node.stash.get(FAILED, False):
        sys.stdout.write(f"{made.url} showed:\n{made.inner_text('body', timeout=5000)}\nerrors: {errors}\n")
    context.close()
    assert [error for error in errors if not LOST.search(error)] == []

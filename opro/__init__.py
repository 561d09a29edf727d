"""A workbench in which a language model is the optimizer.

>>> import opro
>>> result = opro.optimize("tsp", n=10, steps=20)  # doctest: +SKIP
>>> print(result.best.text, result.verdict)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opro.api import optimize, optimize_async, probe, probe_async
    from opro.config import RunConfig
    from opro.constraints import Choice, Permutation, Regex
    from opro.errors import ConfigError, InvalidSolutionError, ModelError, OproError, StoreError
    from opro.reader import Reader
    from opro.types import Brief, Candidate, Direction, Evaluation, Reference, Trial
    from opro.workbench import Result, Workbench

_HOMES = {
    "opro.api": ("optimize", "optimize_async", "probe", "probe_async"),
    "opro.config": ("RunConfig",),
    "opro.constraints": ("Choice", "Permutation", "Regex"),
    "opro.errors": ("ConfigError", "InvalidSolutionError", "ModelError", "OproError", "StoreError"),
    "opro.reader": ("Reader",),
    "opro.types": ("Brief", "Candidate", "Direction", "Evaluation", "Reference", "Trial"),
    "opro.workbench": ("Result", "Workbench"),
}

__all__ = [
    "Brief",
    "Candidate",
    "Choice",
    "ConfigError",
    "Direction",
    "Evaluation",
    "InvalidSolutionError",
    "ModelError",
    "OproError",
    "Permutation",
    "Reader",
    "Reference",
    "Regex",
    "Result",
    "RunConfig",
    "StoreError",
    "Trial",
    "Workbench",
    "optimize",
    "optimize_async",
    "probe",
    "probe_async",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `opro --help` need not."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'opro' has no attribute {name!r}")

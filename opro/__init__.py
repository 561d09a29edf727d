"""A workbench in which a language model is the optimizer.

>>> import opro
>>> result = opro.optimize("tsp", n=10, steps=20)  # doctest: +SKIP
>>> print(result.best.text, result.verdict)  # doctest: +SKIP

A better prompt for a task of your own:

>>> result = opro.optimize("instructions", data=rows, metric=metric, scorer=ask)  # doctest: +SKIP
>>> print(result.prompt)  # doctest: +SKIP
>>> print(opro.verdict(result))  # on examples that the search has not seen  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opro.api import optimize, optimize_async, resume, resume_async
    from opro.api_judging import best, evaluate, evaluate_async, verdict, verdict_async
    from opro.api_probing import probe, probe_async
    from opro.callables import FunctionModel
    from opro.config import RunConfig
    from opro.constraints import Choice, Permutation, Regex
    from opro.errors import BudgetError, ConfigError, InvalidSolutionError, ModelError, OproError, StopRun, StoreError
    from opro.examination import Report
    from opro.reader import Reader
    from opro.results import Result
    from opro.types import Brief, Candidate, Direction, Evaluation, Reference, Trial
    from opro.winning import Best
    from opro.workbench import Workbench

_HOMES = {
    "opro.api": ("optimize", "optimize_async", "resume", "resume_async"),
    "opro.api_judging": ("best", "evaluate", "evaluate_async", "verdict", "verdict_async"),
    "opro.api_probing": ("probe", "probe_async"),
    "opro.callables": ("FunctionModel",),
    "opro.config": ("RunConfig",),
    "opro.constraints": ("Choice", "Permutation", "Regex"),
    "opro.errors": (
        "BudgetError",
        "ConfigError",
        "InvalidSolutionError",
        "ModelError",
        "OproError",
        "StopRun",
        "StoreError",
    ),
    "opro.examination": ("Report",),
    "opro.reader": ("Reader",),
    "opro.results": ("Result",),
    "opro.types": ("Brief", "Candidate", "Direction", "Evaluation", "Reference", "Trial"),
    "opro.winning": ("Best",),
    "opro.workbench": ("Workbench",),
}

__all__ = [
    "Best",
    "Brief",
    "BudgetError",
    "Candidate",
    "Choice",
    "ConfigError",
    "Direction",
    "Evaluation",
    "FunctionModel",
    "InvalidSolutionError",
    "ModelError",
    "OproError",
    "Permutation",
    "Reader",
    "Reference",
    "Regex",
    "Report",
    "Result",
    "RunConfig",
    "StopRun",
    "StoreError",
    "Trial",
    "Workbench",
    "best",
    "evaluate",
    "evaluate_async",
    "optimize",
    "optimize_async",
    "probe",
    "probe_async",
    "resume",
    "resume_async",
    "verdict",
    "verdict_async",
]


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `opro --help` need not."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'opro' has no attribute {name!r}")

"""What is handed in from Python instead of being named (problems, data, metrics, models), and the config they make."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from evaluators import PROBLEMS
from opro.build import build_problem, supplied_problem
from opro.callables import FunctionModel, as_model, spec_of
from opro.config import RunConfig, run_config
from opro.consent import agree_to
from opro.errors import ConfigError
from opro.opening import Models
from opro.protocols import LanguageModel, Problem, Supplied
from opro.registry import find, name_of
from opro.results import Given, Result

Model = str | LanguageModel | Callable[..., Any]
"""A model by its name, KIND:NAME; or one of your own, or a function from a prompt to a reply (see FunctionModel)."""

_ELSEWHERE = {
    "trainset": 'data={"train": rows, "test": other_rows}',
    "valset": 'data={"train": rows, "test": other_rows}',
    "dataset": "data",
    "lm": "scorer",
    "task_lm": "scorer",
    "reflection_lm": "model",
    "prompt_model": "model",
    "task_model": "scorer",
    "seed_candidate": "start",
    "initial_prompt": "start",
    "prompt": "start",
    "max_metric_calls": "trials",
    "num_trials": "trials",
    "max_steps": "steps",
    "callback": "watch",
    "callbacks": "watch",
}
"""What other libraries call things, and what they are called here."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What a caller gives to begin or to go on with a run; None or "" for what the config names."""

    problem: str | Problem | None = None
    data: object = None
    metric: object = None
    model: Model | None = None
    scorer: Model | None = None

    def begin(self, settings: Mapping[str, Any]) -> tuple[RunConfig, Problem]:
        """Return the config of a new run and its problem.

        Raises:
            ConfigError: a name or value is wrong.
        """
        if self.problem is not None and not isinstance(self.problem, str):
            return self._own(self.problem, settings)
        name = self.problem or ""
        ours, theirs = _told_apart(settings)
        data = self.data
        if isinstance(data, str | Path) and not isinstance(find("problem", name, PROBLEMS), Supplied):
            theirs, data = {**theirs, "data": data}, None
        set_ = {key: str(value) if isinstance(value, Path) else value for key, value in theirs.items()}
        config = run_config({**ours, **self._models(), "problem": name, "set": {**ours.get("set", {}), **set_}})
        try:
            return _supplied(config, data, self.metric)
        except ConfigError as error:
            raise _with_hint(error, theirs) from error

    def _own(self, problem: Problem, settings: Mapping[str, Any]) -> tuple[RunConfig, Problem]:
        """Return the config that names a problem of the user's own, and the problem."""
        ours, theirs = _told_apart(settings)
        if self.data is not None or self.metric is not None:
            theirs = {**theirs, "data": self.data, "metric": self.metric}
        if theirs:
            raise ConfigError(
                f"unknown settings {', '.join(theirs)}: a problem that is handed in is already configured"
            )
        made_of = getattr(problem, "config", None)
        set_ = made_of.model_dump(mode="json") if isinstance(made_of, BaseModel) else {}
        return run_config({**ours, **self._models(), "problem": name_of(problem), "set": set_}), problem

    def again(self, config: RunConfig) -> Problem | None:
        """Return the problem of a stored run, made with what is handed in; None if nothing of it is.

        Raises:
            ConfigError: what is handed in is not what the run began with.
        """
        if self.problem is not None and not isinstance(self.problem, str):
            return self.problem
        if self.data is None and self.metric is None:
            return None
        return supplied_problem(config, self.data, self.metric)

    def after(self, run: object) -> "Handed":
        """Return the same for what follows a run; what is not given anew is what its result holds."""
        if not isinstance(run, Result):
            return self
        before, named = run.given, self.data is not None or self.metric is not None
        problem = self.problem if self.problem is not None or named else before.problem
        return replace(
            self,
            problem=problem,
            model=before.model if self.model is None else self.model,
            scorer=before.scorer if self.scorer is None else self.scorer,
        )

    def given(self, problem: Problem | None) -> Given:
        """Return what is needed again for what follows: what was handed in, with the problem as it was made."""
        handed_in = not isinstance(self.problem, str | None) or self.data is not None or self.metric is not None
        return Given(problem if handed_in else None, _own_model(self.model), _own_model(self.scorer))

    @asynccontextmanager
    async def models(self, concurrency: int | None) -> AsyncGenerator[Models]:
        """Give the models that are handed in, functions among them as models."""
        made = [
            one if one is None else as_model(one, concurrency) for one in map(_own_model, (self.model, self.scorer))
        ]
        try:
            yield Models(*made)
        finally:
            for one in made:
                if isinstance(one, FunctionModel):
                    await one.close()

    def _models(self) -> dict[str, str]:
        roles = {"model": self.model, "scorer": self.scorer}
        return {
            role: model if isinstance(model, str) else spec_of(model)
            for role, model in roles.items()
            if model is not None
        }


def _own_model(model: Model | None) -> LanguageModel | Callable[..., Any] | None:
    """Return a model that was handed in; None for one that is only named."""
    return None if isinstance(model, str) else model


def _told_apart(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the run, and those of its problem."""
    ours = {name: value for name, value in settings.items() if name in RunConfig.model_fields}
    return ours, {name: value for name, value in settings.items() if name not in ours}


def _supplied(config: RunConfig, data: object, metric: object) -> tuple[RunConfig, Problem]:
    """Return a config that names what is handed in, and the problem; who wrote it agrees to what it does."""
    agree_to(config)
    if data is None and metric is None:
        return config, build_problem(config)
    problem = supplied_problem(config, data, metric)
    made_of = getattr(problem, "config", None)
    if not isinstance(made_of, BaseModel):
        raise ConfigError(f"{config.problem} does not tell what it was made of: it needs a `config`")
    return config.model_copy(update={"set": made_of.model_dump(mode="json", exclude_unset=True)}), problem


def _with_hint(error: ConfigError, settings: Mapping[str, Any]) -> ConfigError:
    """Return an error with what is called otherwise here, if one of the settings is."""
    called = [f"`{name}` is `{_ELSEWHERE[name]}` here" for name in settings if name in _ELSEWHERE]
    return ConfigError(f"{error}; {', '.join(called)}") if called else error

"""The models of a run: opened when it begins, closed when it ends, and the same when it goes on."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opro.build import build_model, is_problem_of, needs_model, outline_model
from opro.config import RunConfig
from opro.errors import ConfigError
from opro.outline import Outline
from opro.protocols import Examinable, LanguageModel, Problem, Scored
from opro.reader import EXAMINER
from opro.records import RunRecord


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a run, as far as it needs them; they may be one and the same."""

    optimizer: LanguageModel | None = None
    scorer: LanguageModel | None = None


@asynccontextmanager
async def opened_models(config: RunConfig, problem: Problem, given: Models) -> AsyncGenerator[Models]:
    """Give the models that were handed in, which stay their owner's, or those of the config, closed at the end."""
    optimizer, scorer = given.optimizer, given.scorer
    made: list[LanguageModel] = []
    try:
        if optimizer is None and needs_model(config):
            optimizer = build_model(config.model, config.model_set)
            made.append(optimizer)
        if scorer is None and isinstance(problem, Scored):
            if _one_model(config):
                scorer = optimizer
            if scorer is None:
                scorer = build_model(config.scorer or config.model, config.scorer_set or config.model_set)
                made.append(scorer)
        yield Models(optimizer if needs_model(config) else None, scorer)
    finally:
        for model in made:
            await model.close()


@dataclass(frozen=True, slots=True)
class Outlines:
    """What is known of the models of a run without reaching them, as far as it needs them."""

    optimizer: Outline | None = None
    scorer: Outline | None = None


def outlined_models(config: RunConfig, problem: Problem) -> Outlines:
    """Return what is known of the models of a config; neither keys nor servers nor weights have to be there."""
    scorer = None
    if isinstance(problem, Scored):
        scorer = outline_model(config.scorer or config.model, config.scorer_set or config.model_set)
    return Outlines(outline_model(config.model, config.model_set) if needs_model(config) else None, scorer)


def _one_model(config: RunConfig) -> bool:
    """Say whether the scorer is the optimizer model in another role."""
    same = not config.scorer or config.scorer == config.model
    return same and (not config.scorer_set or config.scorer_set == config.model_set)


def check_same(run: RunRecord, problem: Problem, opened: Models) -> None:
    """Raise a ConfigError if a stored run would go on with another problem or another model than it began with."""
    check_same_problem(run, problem)
    check_same_models(run, opened)


def check_same_problem(run: RunRecord, problem: Problem) -> None:
    """Raise a ConfigError if the problem is not the one that a stored run began with."""
    if not is_problem_of(run, problem):
        raise ConfigError(
            f"the problem of {run.id} is not what it was when the run began: has a file or a class of its changed? "
            "Begin a new run, or bring the old state back"
        )


def check_same_models(run: RunRecord, opened: Models) -> None:
    """Raise a ConfigError if a model is not the one that a stored run began with."""
    pairs = ((opened.optimizer, run.spec.fingerprint, "model"), (opened.scorer, run.spec.scorer_fingerprint, "scorer"))
    for model, before, what in pairs:
        if model is not None and model.fingerprint != before:
            raise ConfigError(
                f"the {what} of {run.id} was {before}, and is {model.fingerprint} now: "
                "what the two say must not be mixed; begin a new run, or bring the old one back"
            )


def examinable(run: RunRecord, problem: Problem) -> Examinable:
    """Return the problem of a run whose verdict can be had.

    Raises:
        ConfigError: the problem keeps no examples away from a search, or is not what it was, or the run has seen them.
    """
    if not isinstance(problem, Examinable):
        raise ConfigError(f"{run.spec.problem} keeps no examples away from the optimization: see `opro show {run.id}`")
    if problem.examines:
        raise ConfigError(f"{run.id} was scored on the test examples: none are left that it has not seen")
    check_same_problem(run, problem)
    return problem


def check_examinable(problem: Problem, name: str) -> Examinable:
    """Return a problem that keeps something for a verdict.

    Raises:
        ConfigError: it keeps nothing.
    """
    if not isinstance(problem, Examinable) or problem.examines:
        raise ConfigError(f"{name} keeps no examples away from the optimization: leave --verdict out")
    return problem


def check_searchable(config: RunConfig, problem: Problem) -> None:
    """Raise a ConfigError if a search would score with what is kept away from it for its verdict."""
    if isinstance(problem, Examinable) and problem.examines and config.proposer != EXAMINER:
        raise ConfigError(
            f"with these settings {config.problem} scores on what is kept for the verdict, which no search may see: "
            f"only the proposer `{EXAMINER}` takes them, as `opro eval` does"
        )

"""The Python interface to what is said of prompts: `opro.verdict`, `opro.evaluate` and `opro.best`."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from opro.api import store_of, warnings_of
from opro.config import run_config
from opro.errors import BudgetError
from opro.examination import Report, report
from opro.handed import Handed, Model
from opro.protocols import Problem
from opro.reader import Reader
from opro.records import Status
from opro.results import Result
from opro.running import run_here
from opro.store import existing_store
from opro.watching import shown_answers
from opro.winning import Best, best_of
from opro.workbench import Workbench


def verdict(  # noqa: PLR0913 - independent parts
    run: str | Result,
    *,
    store: str | Path | None = None,
    problem: Problem | None = None,
    data: object = None,
    metric: object = None,
    model: Model | None = None,
    scorer: Model | None = None,
    budget: str | Sequence[str] = (),
    best_of_n: bool = True,
    progress: bool | None = None,
) -> Report:
    """Score what a run found on examples that it has not seen, beside its start, no instruction and the known ones.

    What was scored before is not asked for again: a verdict that its budget or an error cut goes on where it was.

    Args:
        run: a run's id, its beginning or its end; or a result, with which all that was handed in is at hand.
        store: path or URL of the store; the result's, $OPRO_STORE or a file in the user's data directory if None.
        problem: the problem that was handed in when the run began.
        data: the data that were handed in when the run began, with the same content.
        metric: the metric that was handed in when the run began.
        model: the optimizer model that was handed in when the run began; it draws the best of N.
        scorer: the scorer that was handed in when the run began.
        budget: caps on what the drawing, and then the examination, may cost: "2.50usd", "1e6tok" or "30min".
        best_of_n: hold it against the best of as many candidates as the run scored, drawn without showing the model
            any of them, too. That costs about as much as the run.
        progress: whether to show how far it is, on standard error; None: in a terminal and in a notebook.

    Returns:
        The accuracies (`examined`), what may be said of them (`sentences`; `str(report)` is all of them), and the
        comparisons, paired by example.

    Raises:
        ConfigError: the problem keeps no such examples, the run found nothing, or something is not what it was.
        BudgetError: the budget did not suffice; a larger one goes on.
        StoreError: there is no such store.
        ModelError: a model cannot be loaded or does not answer.
    """
    handed = Handed(problem, data, metric, model, scorer)
    return run_here(_judged(run, handed, store, _texts(budget), best_of_n, progress), "opro.verdict_async")


async def verdict_async(  # noqa: PLR0913 - as above
    run: str | Result,
    *,
    store: str | Path | None = None,
    problem: Problem | None = None,
    data: object = None,
    metric: object = None,
    model: Model | None = None,
    scorer: Model | None = None,
    budget: str | Sequence[str] = (),
    best_of_n: bool = True,
    progress: bool | None = False,
) -> Report:
    """See `verdict`; for use where an event loop is running. Progress is shown only if `progress` is True."""
    handed = Handed(problem, data, metric, model, scorer)
    return await _judged(run, handed, store, _texts(budget), best_of_n, progress)


def evaluate(  # noqa: PLR0913 - as above
    task: object,
    prompts: str | Sequence[str],
    *,
    metric: object = None,
    scorer: Model = "local",
    split: str = "test",
    store: str | Path | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> Report:
    """Score prompts of your own, and hold the first against each of the others, example by example.

    Args:
        task: a task's name (gsm8k, bbh/NAME, ...), a file, a hub id; or data, as `optimize` takes them.
        prompts: one prompt or several; "" is no instruction.
        metric: as in `optimize`.
        scorer: the model that is asked: KIND:NAME, a model of your own, or a function from a prompt to a reply.
        split: "test", the examples that a search with the same settings does not see, or "train", the others. To ask
            all, say `train=0`.
        store: path or URL of the store; $OPRO_STORE or a file in the user's data directory if None.
        progress: whether to show how far it is, on standard error; None: in a terminal and in a notebook.
        **settings: fields of `opro.RunConfig`, such as `budget`; every other name is a setting of "instructions", such
            as `question`, `answer`, `kind` or `position`.

    Returns:
        As `verdict` does; the texts are called by how they begin.

    Raises:
        ConfigError: a name or value is wrong, or nothing could be scored.
        BudgetError: the budget did not suffice; `opro.resume` with a larger one goes on.
        StoreError: the store cannot be used.
        ModelError: the model cannot be loaded or does not answer.
    """
    handed = Handed("instructions", task, metric, scorer, scorer)
    given = _evaluation(prompts, split, settings)
    return run_here(_evaluated(handed, store, given, progress), "opro.evaluate_async")


async def evaluate_async(  # noqa: PLR0913 - as above
    task: object,
    prompts: str | Sequence[str],
    *,
    metric: object = None,
    scorer: Model = "local",
    split: str = "test",
    store: str | Path | None = None,
    progress: bool | None = False,
    **settings: Any,
) -> Report:
    """See `evaluate`; for use where an event loop is running. Progress is shown only if `progress` is True."""
    handed = Handed("instructions", task, metric, scorer, scorer)
    return await _evaluated(handed, store, _evaluation(prompts, split, settings), progress)


def best(run: str | Result, *, store: str | Path | None = None) -> Best:
    """Return the solution that a run found, among those that were scored in full; nothing is asked or computed.

    Args:
        run: a run's id, its beginning or its end; or a result.
        store: path or URL of the store; the result's, $OPRO_STORE or a file in the user's data directory if None.

    Returns:
        The text (`text`; `str(best)` is just that), its value and its step, what it reached in training (`trained`)
        and, once there is a verdict, on examples that the run has not seen (`unseen`).

    Raises:
        ConfigError: there is no such run, or it found nothing.
        StoreError: there is no such store.
    """
    with closing(Reader(existing_store(store_of(run, store)))) as reader:
        return best_of(reader, reader.run(run.run if isinstance(run, Result) else run))


async def _judged(
    run: str | Result,
    handed: Handed,
    store: str | Path | None,
    budget: tuple[str, ...],
    best_of_n: bool,  # noqa: FBT001 - handed on
    progress: bool | None,  # noqa: FBT001 - handed on
) -> Report:
    handed, name = handed.after(run), run.run if isinstance(run, Result) else run
    with closing(Workbench(existing_store(store_of(run, store)))) as workbench:
        record = workbench.reader.run(name)
        config = run_config(record.spec.config)
        problem = handed.again(config)
        async with handed.models(config.concurrency) as models:
            with shown_answers(progress, "answers of the scorer"):
                made = await workbench.examine(
                    record.id, budget=budget, best_of_n=best_of_n, problem=problem, models=models
                )
        warnings_of(workbench.reader, made.run, None)
        return made


def _evaluation(prompts: str | Sequence[str], split: str, settings: dict[str, Any]) -> dict[str, Any]:
    fixed = {"proposer": "none", "steps": 0, "baselines": "never", "split": split, "racing": False}
    return {**settings, **fixed, "start": _texts(prompts)}


async def _evaluated(
    handed: Handed,
    store: str | Path | None,
    settings: dict[str, Any],
    progress: bool | None,  # noqa: FBT001 - handed on
) -> Report:
    config, problem = handed.begin(settings)
    with closing(Workbench(store)) as workbench:
        async with handed.models(config.concurrency) as models:
            with shown_answers(progress, "answers of the scorer"):
                made = await workbench.run(config, problem=problem, scorer=models.scorer)
        record = workbench.reader.run(made)
        if record.status is Status.STOPPED:
            raise BudgetError(f"{made} is not complete: {record.reason}; opro.resume({made!r}, budget=...) goes on")
        warnings_of(workbench.reader, made, problem)
        return report(workbench.reader, record)


def _texts(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)

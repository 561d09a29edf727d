"""The loop: its limits, its contracts, and what a failed candidate does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from evaluators.linear_regression import LinearRegression
from opro.api import optimize, optimize_async
from opro.config import run_config
from opro.errors import ConfigError, ModelError, OproError
from opro.loop import Progress
from opro.reader import Reader
from opro.records import Status
from opro.report import verdict
from opro.types import Brief, Candidate, Direction, Evaluation, Request, Trial
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel
from tests.problems import Hill


def answers(*numbers: int) -> ScriptedModel:
    return ScriptedModel([str(number) for number in numbers])


def test_a_run_stops_when_the_optimum_is_reached(store: str) -> None:
    result = optimize(Hill(), model=answers(1, 42, 3), store=store, per_step=1, steps=10)
    assert result.cost.reason == "the optimum was reached"
    assert (result.cost.steps, result.cost.found, result.best and result.best.text) == (2, True, "x=42")


class Strict(Hill):
    """Raises for a solution that is none, as a user's own problem may."""

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        for candidate in candidates:
            self.parse(candidate.text)
        return await super().evaluate(candidates)


def test_a_problem_that_raises_for_a_solution_that_is_none_fails_that_one_alone(store: str) -> None:
    model = ScriptedModel(["nothing of the kind", "42"])
    result = optimize(Strict(), model=model, store=store, per_step=2, steps=1, options={"style": "chat"})
    failed = [trial.evaluation.reason for trial in result.trajectory if trial.value is None]
    assert len(failed) == 1
    assert failed[0]
    assert result.best is not None
    assert result.best.text == "x=42"


def test_steps_0_scores_the_start_only(store: str) -> None:
    result = optimize(Hill(), model=answers(1), store=store, steps=0)
    assert (result.cost.steps, result.cost.trials, len(result.trajectory)) == (0, 1, 1)


def test_a_limit_of_trials_is_kept_exactly(store: str) -> None:
    result = optimize(Hill(), proposer="random", store=store, trials=6, per_step=4, steps=50, stop_at_optimum=False)
    assert result.cost.trials == 6
    assert result.cost.reason == "6 trials were made"


def test_patience_ends_a_run_that_gets_no_better(store: str) -> None:
    model = answers(*range(90, 100))
    result = optimize(Hill(), model=model, store=store, per_step=1, steps=50, patience=3)
    assert result.cost.reason == "3 steps brought nothing better"


def test_seconds_end_a_run(store: str) -> None:
    result = optimize(Hill(), model=answers(*range(40)), store=store, per_step=1, steps=50, seconds=1e-6)
    assert result.cost.steps == 0
    assert "seconds were used" in result.cost.reason


def test_a_model_with_nothing_new_to_say_ends_the_run_after_some_silence(store: str) -> None:
    result = optimize(Hill(), model=answers(7), store=store, per_step=2, steps=50, silence=3)
    assert result.cost.reason == "the proposer had nothing new in 3 steps in a row"
    assert [trial.text for trial in result.trajectory].count("x=7") == 1


def test_a_reply_that_is_no_solution_is_a_failed_trial_with_its_reason(store: str) -> None:
    result = optimize(Hill(), model=ScriptedModel(["I will not."]), store=store, per_step=1, steps=1)
    failed = result.trajectory[-1]
    assert failed.value is None
    assert "not a number" in failed.evaluation.reason
    assert result.cost.invalid == 1


def test_a_run_without_any_success_says_so(store: str) -> None:
    class Dead(Hill):
        async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
            return [Evaluation.failed("broken") for _ in candidates]

    result = optimize(Dead(), model=answers(1, 2), store=store, per_step=1, steps=2)
    assert result.best is None
    assert "every candidate failed" in str(result)


def test_an_evaluator_that_breaks_its_contract_is_an_error_and_the_run_is_kept_as_failed(store: str) -> None:
    class Short(Hill):
        async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
            return []

    with pytest.raises(RuntimeError, match="returned 0 evaluations"):
        optimize(Short(), model=answers(1), store=store)
    (run,) = Reader(store).runs()
    assert run.status is Status.FAILED


def test_a_model_that_fails_leaves_a_run_that_can_go_on(store: str) -> None:
    def reply(request: Request) -> Sequence[str]:
        if "x=5" in str(request.prompt):
            raise ModelError("the server is down")
        return ["5"]

    broken = ScriptedModel(reply, fingerprint="the same weights")
    mended = ScriptedModel(["41", "42"], fingerprint="the same weights")
    with pytest.raises(ModelError, match="down"):
        optimize(Hill(), model=broken, store=store, per_step=1, steps=3)
    (run,) = Reader(store).runs()
    assert (run.status, run.reason) == (Status.FAILED, "the server is down")

    async def resume() -> str:
        return await Workbench(store).resume(run.id, problem=Hill(), model=mended)

    asyncio.run(resume())
    assert Reader(store).run(run.id).reason == "the optimum was reached"


def test_the_proposer_is_told_only_what_is_recorded(store: str) -> None:
    seen: list[tuple[int, int]] = []

    def watch(step: int, trials: Sequence[Trial]) -> None:
        (run,) = Reader(store).runs()
        seen.append((step, len(Reader(store).steps(run.id)) - 1))

    optimize(Hill(), model=answers(1, 2, 3), store=store, per_step=1, steps=3, watch=watch)
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_the_same_seed_gives_the_same_run(store: str) -> None:
    def run(seed: int) -> list[str]:
        settings: dict[str, Any] = {"proposer": "evolution", "store": store, "steps": 5, "baselines": "never"}
        return [trial.text for trial in optimize("linear-regression", seed=seed, **settings).trajectory]

    assert run(3) == run(3) != run(4)


async def test_inside_an_event_loop_the_asynchronous_form_is_asked_for(store: str) -> None:
    with pytest.raises(OproError, match="optimize_async"):
        optimize(Hill(), model=answers(1), store=store)
    result = await optimize_async(Hill(), model=answers(42), store=store, per_step=1)
    assert result.cost.found


async def test_a_cancelled_run_is_stopped_and_can_go_on(store: str) -> None:
    model = ScriptedModel(lambda request: [str(request.seed % 100)], delay=0.05)
    work = asyncio.create_task(optimize_async(Hill(), model=model, store=store, per_step=1, steps=100))
    await asyncio.sleep(0.4)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    (run,) = Reader(store).runs()
    assert (run.status, run.reason) == (Status.STOPPED, "interrupted")


def test_an_unknown_setting_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        run_config({"problem": "tsp", "stepz": 3})
    with pytest.raises(ConfigError, match="per_step = 0"):
        run_config({"problem": "tsp", "per_step": 0})


def test_a_limit_of_trials_holds_for_the_starting_solutions_too(store: str) -> None:
    result = optimize("linear-regression", proposer="random", store=store, trials=2, baselines="never")
    assert result.cost.trials == 2


def test_an_error_in_an_evaluator_is_kept_as_the_reason(store: str) -> None:
    class Raises(Hill):
        async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
            raise ZeroDivisionError("by nothing")

    with pytest.raises(ZeroDivisionError):
        optimize(Raises(), model=answers(1), store=store)
    (run,) = Reader(store).runs()
    assert (run.status, run.reason) == (Status.FAILED, "ZeroDivisionError: by nothing")


def test_baselines_are_given_the_whole_allowance_of_a_run_that_the_optimum_ended(store: str) -> None:
    result = optimize(Hill(), model=answers(42), store=store, per_step=2, steps=9)
    assert result.cost.unique == 2
    baselines = Reader(store).baselines_of(result.run)
    assert {baseline.spec.proposer: baseline.spec.config["trials"] for baseline in baselines} == {
        "random": 1 + 9 * 2,
        "evolution": 1 + 9 * 2,
    }


def test_baselines_of_a_run_that_goes_further_go_further_too(store: str) -> None:
    model = ScriptedModel(lambda request: ["90", "91", "92", "93"][: request.n] if request.seed % 2 else ["95", "96"])
    run = optimize(Hill(), model=model, store=store, per_step=1, steps=1).run

    async def resume() -> None:
        workbench = Workbench(store)
        await workbench.resume(run, {"steps": 4}, problem=Hill(), model=model)
        await workbench.give_baselines(run, problem=Hill())
        workbench.close()

    asyncio.run(resume())
    made = optimize(Hill(), model=model, store=store, per_step=1, steps=4).cost.unique
    for baseline in Reader(store).baselines_of(run):
        assert len(Reader(store).trials(baseline.id)) == made or baseline.reason == "the optimum was reached"


def test_random_search_in_the_place_of_a_model_shows_no_gain_over_random_search(store: str) -> None:
    """Runs end at the optimum, so a baseline cut at the same number of evaluations could only lose."""

    def guess(request: Request) -> Sequence[str]:
        return [str(number) for number in Random(request.seed).sample(range(100), request.n)]

    workbench, runs = Workbench(store), []
    for seed in range(30):
        config = run_config({"problem": "hill", "steps": 16, "per_step": 4, "seed": seed})
        runs.append(asyncio.run(workbench.run(config, problem=Hill(), model=ScriptedModel(guess))))
        asyncio.run(workbench.give_baselines(runs[-1], problem=Hill()))
    records = [workbench.reader.run(run) for run in runs]
    (against_random,) = [c for c in verdict(workbench.reader, records).comparisons if c.other == "random"]
    assert against_random.wins
    assert against_random.losses
    assert against_random.p is not None
    assert against_random.p > 0.05
    workbench.close()


def test_a_baseline_is_not_resumed_alone(store: str) -> None:
    run = optimize(Hill(), model=answers(1), store=store, per_step=1, steps=1).run
    baseline = Reader(store).baselines_of(run)[0].id
    with pytest.raises(ConfigError, match=f"is a baseline of {run}"):
        asyncio.run(Workbench(store).resume(baseline))


def test_a_run_is_not_resumed_with_another_problem_or_model(store: str) -> None:
    class Steeper(Hill):
        def brief(self) -> Brief:
            return replace(super().brief(), task="Something else.")

    run = optimize(Hill(), model=answers(1), store=store, per_step=1, steps=1, baselines="never").run
    with pytest.raises(ConfigError, match="is not what it was"):
        asyncio.run(Workbench(store).resume(run, problem=Steeper(), model=answers(1)))
    with pytest.raises(ConfigError, match="the model of"):
        asyncio.run(Workbench(store).resume(run, problem=Hill(), model=answers(2)))


def test_a_problem_that_is_handed_in_is_made_again_with_its_own_settings(store: str) -> None:
    problem = LinearRegression(LinearRegression.Config(w=3, b=5), 0)
    run = optimize(problem, proposer="random", store=store, steps=1, baselines="never").run
    asyncio.run(Workbench(store).resume(run, {"steps": 3}))
    again = optimize("linear-regression", w=3, b=5, proposer="random", store=store, steps=3, baselines="never")
    assert [trial.value for trial in Reader(store).trials(run)] == [trial.value for trial in again.trajectory]


def test_progress_ignores_rounding_when_it_compares_with_the_optimum(trial: Any) -> None:
    progress = Progress(Direction.MINIMIZE)
    progress.add([trial(0, "a", 100.00000000001)], 0.0)
    assert progress.reached(100.0)
    assert not progress.reached(99.9)

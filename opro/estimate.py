"""What a run will cost, before it costs anything: its first steps are rehearsed with a stand-in for the models."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from opro.build import build_proposer, resolve_options
from opro.config import RunConfig
from opro.errors import InvalidSolutionError
from opro.metering import most_tokens
from opro.prices import FREE, Rates, price_of, read_prices
from opro.protocols import LanguageModel, Problem, Sampled, Scored, Served
from opro.types import Candidate, Evaluation, Generation, Request, Sample, Source, Trial, Usage
from opro.wrapping import Wrapper
from scorer_models.uniform import UniformModel

_REHEARSED = 40
"""Candidates that are rehearsed, which fill a meta-prompt; later steps are taken to cost as much as the last one."""
_PROSE = 40  # characters that a chat model writes around its solution, about
_CHARACTERS = 4  # of a token, about


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one role will take: requests and tokens, as they are likely and at most; dollars None without a price.

    At most: every reply as long as it may be. Tries that fail and rounds of drawing beyond the first are not foreseen.
    """

    role: str
    model: str
    requests: int
    likely: Usage
    most: Usage
    likely_usd: float | None
    most_usd: float | None


class _StandIn(Wrapper):
    """Writes made-up solutions, and remembers what it was asked."""

    def __init__(self, model: LanguageModel, name: str, write: Callable[[Random], str]) -> None:
        super().__init__(model)
        self._name = name
        self._write = write
        self._uniform = UniformModel()
        self.asked: list[tuple[Usage, Usage]] = []

    async def generate(self, request: Request) -> Generation:
        """Return made-up samples."""
        random = Random(f"{request.seed}:{request.prompt}")
        if type(request.constraint) in self._uniform.enforces:
            texts = [sample.text for sample in (await self._uniform.generate(request)).samples]
        else:
            texts = [self._write(random).removeprefix(request.lead) for _ in range(request.n)]
        around = 0 if isinstance(request.prompt, str) else _PROSE
        written = sum(math.ceil((len(text) + around) / _CHARACTERS) + 1 for text in texts)
        likely = Usage(math.ceil(_length(request) / _CHARACTERS), min(written, request.n * request.max_tokens))
        self.asked.append((likely, most_tokens(request)))
        return Generation(tuple(Sample(text, source=Source(0, place)) for place, text in enumerate(texts)))

    def estimate(self, role: str, again: int, since: int, prices: Mapping[str, Rates]) -> Estimate:
        """Return what was asked, with what was asked since the `since`-th request `again` times more."""
        asked = self.asked + again * self.asked[since:]
        likely = sum((one for one, _ in asked), Usage())
        most = sum((one for _, one in asked), Usage())
        price = price_of(*self._model.served_as, prices) if isinstance(self._model, Served) else FREE
        usd = (None, None) if price is None else (price.usd(likely), price.usd(most))
        return Estimate(role, self._name, len(asked), likely, most, *usd)


async def estimate(
    config: RunConfig, problem: Problem, optimizer: LanguageModel | None, scorer: LanguageModel | None
) -> list[Estimate]:
    """Return what each role of a run will take. The models are not asked anything."""
    actors: dict[str, _StandIn] = {}
    if optimizer:
        actors["optimizer"] = _StandIn(optimizer, config.model, _writer(problem, config.seed))
    if scorer and isinstance(problem, Scored):
        actors["scorer"] = _StandIn(scorer, config.scorer or config.model, str)
        problem = problem.scored_by(actors["scorer"])
    options = resolve_options(config, optimizer)
    full = config.model_copy(update={"options": options})
    proposer = build_proposer(full, problem, actors.get("optimizer"))
    steps = config.steps
    if config.trials is not None:
        steps = min(steps, math.ceil((config.trials - len(problem.start(config.seed))) / config.per_step))
    rehearsed = min(max(steps, 0), math.ceil(_REHEARSED / config.per_step))
    random, made, before = Random(config.seed), 0, dict.fromkeys(actors, 0)
    for step in range(rehearsed + 1):
        before = {role: len(actor.asked) for role, actor in actors.items()}
        candidates = await proposer.ask(step, config.per_step) if step else problem.start(config.seed)
        trials = await _pretended(problem, candidates, step, made, random)
        made += len(trials)
        proposer.tell(trials)
    prices = read_prices(config.prices)
    again = max(steps, 0) - rehearsed
    return [actor.estimate(role, again, before[role], prices) for role, actor in actors.items()]


def _writer(problem: Problem, seed: int) -> Callable[[Random], str]:
    """Return what makes up solutions: drawn ones, or else a start with a number behind it."""
    if isinstance(problem, Sampled):
        return problem.draw
    starts = [candidate.text for candidate in problem.start(seed)] or [""]
    return lambda random: f"{random.choice(starts)} {random.random()}"


async def _pretended(
    problem: Problem, candidates: Sequence[Candidate], step: int, made: int, random: Random
) -> list[Trial]:
    """Return trials with values out of the air, but let a scorer be asked."""
    if isinstance(problem, Scored):
        await problem.evaluate(candidates)
    return [Trial(made + i, step, one, _evaluation(problem, one, random)) for i, one in enumerate(candidates)]


def _evaluation(problem: Problem, candidate: Candidate, random: Random) -> Evaluation:
    try:
        problem.parse(candidate.text)
    except InvalidSolutionError as error:
        return Evaluation.failed(str(error))
    return Evaluation(random.uniform(1, 1000))


def _length(request: Request) -> int:
    if isinstance(request.prompt, str):
        return len(request.prompt)
    return sum(len(turn.content) for turn in request.prompt)

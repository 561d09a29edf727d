"""OPRO (Yang et al., 2023): a language model reads the best solutions so far with their scores and writes new ones.

Two styles. In a chat the model is told the task and asked for a new solution, as in the paper. For small and base
models the trajectory is a plain list with the score before the solution, and ends in a score that has not been reached
yet; the model continues it, held to the solution's syntax while decoding. Sampling costs little once the prompt is
computed, evaluations are what counts: more samples are drawn than asked for, and repeats are never paid for.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from random import Random
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from opro.constraints import Constraint, Permutation
from opro.errors import ConfigError, ContextError, InvalidSolutionError, ModelError
from opro.metaprompt import Shown, flipped, load_template, one_line, read_template, shortened
from opro.proposers.exemplars import ExemplarConfig, exemplars
from opro.protocols import LanguageModel, Problem, Rewritable
from opro.registry import configure
from opro.trajectory import Trajectory
from opro.types import Candidate, Generation, Message, Origin, Request, Style, Trial

_LOG = logging.getLogger("opro")
TEMPERATURE_LIMIT = 2.5
"""Where heating stops; above it a sample hardly depends on the prompt."""

NO_MODEL = "the proposer `opro` needs a model"

LEAST_FREE = 3
"""Items of a sequence that are written anew at least; fewer have hardly another order."""


class Opro:
    """Asks a language model."""

    needs_model = True

    class Config(ExemplarConfig):
        """How the model is asked. The `[settings]` of a template replace these defaults, the user's replace both."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        style: Literal["auto", "chat", "continuation"] = Field(
            "auto", description="how the model is asked; auto: continuation for small and base models, else chat"
        )
        template: str = Field("", description="a meta-prompt template of your own: a TOML file, or its text")
        shown: int = Field(20, ge=1, description="how many of the best solutions are shown")
        spread: int = Field(0, ge=0, description="how many solutions at even ranks over the whole trajectory are added")
        failures: int = Field(0, ge=0, description="how many of the newest failures are shown, where the template does")
        goals: tuple[Annotated[float, Field(ge=-10, le=10)], ...] = Field(
            (0.5,),
            min_length=1,
            description="scores asked for, one prompt each: what is left of the way from the best score to the ideal",
        )
        scale: Literal["value", "root"] = Field(
            "value", description="how scores are written; root: their square roots, with fewer digits and evener steps"
        )
        draw: int = Field(0, ge=0, description="samples drawn in a round, of which new ones are kept; 0: the step's")
        rounds: int = Field(4, ge=1, description="rounds of drawing at most, while there are too few new solutions")
        temperature: float = Field(1.0, ge=0, le=5, description="sampling temperature of the first round")
        heat: float = Field(1.3, ge=1, description="factor on the temperature from one round to the next")
        top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling; 1 is off")
        min_p: float = Field(0.0, ge=0, lt=1, description="least probability relative to the likeliest token; 0 is off")
        keep: int = Field(
            0,
            ge=0,
            description="for sequences: begin an answer with a part of one of so many best solutions; 0: never",
        )
        reply_tokens: int = Field(512, ge=0, description="tokens that a chat reply may have around its solution")
        threshold: float | None = Field(None, description="show no solution with a value worse than this")
        control: Literal["none", "flipped-scores", "blind"] = Field(
            "none",
            description="flipped-scores shows the scores in reverse: a model that follows them gets worse; blind shows "
            "no solutions at all, which makes the best of N that were drawn without learning",
        )

    @classmethod
    def resolve(cls, settings: Mapping[str, Any], problem: str, model: LanguageModel | None) -> Config:
        """Return the settings in full: the user's, then those of the template for `problem`, then the defaults.

        The style and the text of the template become part of them, so that a resumed run asks as it did.
        """
        given = configure(cls.Config, settings, "opro")
        style = _style(given.style, model)
        template = load_template(problem, style, given.template)
        merged = {**template.settings, **settings, "style": style, "template": template.source}
        return configure(cls.Config, merged, "opro")

    def __init__(self, problem: Problem, config: Config, seed: int, model: LanguageModel | None) -> None:
        """Take a config that `resolve` made, and the model to ask."""
        if model is None:
            raise ConfigError(NO_MODEL)
        self._problem = problem
        self._brief = problem.brief()
        self._model = model
        self._template = read_template(config.template, "the template")
        self._config = config
        self._style = Style(config.style)
        self._seed = seed
        self._trajectory = Trajectory(problem.direction)
        self._told: list[Trial] = []
        self._failed: deque[Trial] = deque(maxlen=config.failures)
        self._exemplars: list[str] = []
        kind = type(self._brief.constraint)
        if self._style is Style.CONTINUATION and self._brief.constraint and kind not in model.enforces:
            _LOG.warning("the model does not keep a %s while it writes: replies are checked afterwards", kind.__name__)

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return up to `n` new solutions; where there are too few, replies that are none, to fail with their reason.

        Of the new ones, those that the model wrote most often come first.
        """
        random = Random(f"{self._seed}:{step}")
        self._exemplars = exemplars(self._problem, self._config, f"{self._seed}:{step}", self._told, self._top())
        shown = self._shown()
        new: dict[str, list[Candidate]] = {}
        invalid: dict[str, Candidate] = {}
        temperature = self._config.temperature
        for _ in range(self._config.rounds):
            answers, shown = await self._fitting_answers(shown, n, temperature, random)
            for answer in answers:
                self._sort(answer, new, invalid)
            if len(new) >= n:
                break
            temperature = min(TEMPERATURE_LIMIT, temperature * self._config.heat)
        ranked = sorted(new.values(), key=len, reverse=True)
        return [*(same[0] for same in ranked), *invalid.values()][:n]

    async def _fitting_answers(
        self, shown: list[Shown], n: int, temperature: float, random: Random
    ) -> tuple[Iterator[Candidate], list[Shown]]:
        """Return the answers, and what could be shown: the worst are left out until the prompt fits into the window."""
        while True:
            requests = list(self._requests(shown, n, temperature, random))
            try:
                generations = await asyncio.gather(*map(self._model.generate, requests))
            except ContextError as error:
                shown = shortened(shown, error)
                _LOG.warning("the meta-prompt is too long for the model: it shows the best %d solutions", len(shown))
            else:
                return _answers(requests, generations), shown

    def tell(self, trials: Sequence[Trial]) -> None:
        """Add to the trajectory."""
        self._trajectory.extend(trials)
        self._failed.extend(trial for trial in trials if trial.value is None)
        if self._config.exemplar_choice == "often-wrong":
            self._told.extend(trials)

    def _sort(self, answer: Candidate, new: dict[str, list[Candidate]], invalid: dict[str, Candidate]) -> None:
        known = self._trajectory.known
        try:
            solution = self._problem.parse(answer.text)
        except InvalidSolutionError:
            if answer.text not in known:
                invalid.setdefault(answer.text, answer)
            return
        if solution not in known:
            new.setdefault(solution, []).append(Candidate(solution, answer.origin))

    def _shown(self) -> list[Shown]:
        """Return the past solutions to show, worst to best, so that the best stands nearest to the answer."""
        if self._config.control == "blind":
            return []
        top = self._top()
        numbers = {trial.number for trial in top}
        others = [trial for trial in self._trajectory.spread(self._config.spread) if trial.number not in numbers]
        pairs = [(trial, trial.value) for trial in (*top, *others) if trial.value is not None]
        pairs.sort(key=lambda pair: self._problem.direction.cost(pair[1]), reverse=True)
        shown = [Shown(self._written(trial), self._show(value), trial.evaluation.feedback) for trial, value in pairs]
        failed = [Shown(one_line(trial.text), "", trial.evaluation.reason) for trial in self._failed]
        return [*failed, *(flipped(shown) if self._config.control == "flipped-scores" else shown)]

    def _written(self, trial: Trial) -> str:
        """Return a solution as a prompt shows it: in a list that is to be continued, each has one line."""
        return trial.text if self._style is Style.CHAT else trial.text.replace("\n", "\\n")

    def _top(self) -> list[Trial]:
        """Return the best trials, as many as are shown, without those that the threshold keeps away."""
        least, direction = self._config.threshold, self._problem.direction
        top = self._trajectory.top(self._config.shown)
        return [one for one in top if least is None or one.value is None or not direction.better(least, one.value)]

    def _goals(self) -> list[str]:
        """Return the scores to ask for, written as scores are shown."""
        ideal, best = self._brief.ideal, self._trajectory.best
        value = ideal or 0.0 if best is None or best.value is None else best.value
        if ideal is None:
            ideal = value - self._problem.direction.cost(abs(value))
        return [self._show(ideal + goal * (value - ideal)) for goal in self._config.goals]

    def _show(self, value: float) -> str:
        if self._config.scale == "root":
            value = math.copysign(math.sqrt(abs(value)), value)
        return self._brief.show(value)

    def _requests(self, shown: Sequence[Shown], n: int, temperature: float, random: Random) -> Iterator[Request]:
        direction, brief = self._problem.direction, self._brief
        if self._style is Style.CHAT:
            message = Message("user", self._template.render(brief, direction, shown, exemplars=self._exemplars))
            room = brief.max_tokens + self._config.reply_tokens
            request = Request(prompt=(message,), n=self._config.draw or n, max_tokens=room)
            yield self._sampled(request, temperature, random)
            return
        goals = self._goals()
        total = max(self._config.draw or n, len(goals))
        for number, goal in enumerate(goals):
            lead, constraint = self._lead(random)
            request = Request(
                prompt=self._template.render(brief, direction, shown, goal=goal, lead=lead, exemplars=self._exemplars),
                lead=lead,
                n=total // len(goals) + (number < total % len(goals)),
                max_tokens=brief.max_tokens,
                stop=("\n",),
                constraint=constraint,
            )
            yield self._sampled(request, temperature, random)

    def _sampled(self, request: Request, temperature: float, random: Random) -> Request:
        return replace(
            request,
            temperature=temperature,
            top_p=self._config.top_p,
            min_p=self._config.min_p,
            seed=random.getrandbits(31),
        )

    def _lead(self, random: Random) -> tuple[str, Constraint | None]:
        """Return the beginning of the answer, and what may follow it.

        With `keep`, a good sequence is cut at a random place and its first part kept, for the model to write the rest
        anew: large neighbourhood search, in which the model is the repair.
        """
        brief = self._brief
        parents = self._trajectory.top(self._config.keep)
        order = brief.constraint
        if not parents or not isinstance(order, Permutation) or len(order.items) < LEAST_FREE:
            return brief.lead, order
        text = random.choice(parents).text
        if isinstance(self._problem, Rewritable):
            text = self._problem.rewrite(text, random)
        items = text.split(order.separator)
        free = round(LEAST_FREE * (len(order.items) / LEAST_FREE) ** random.random())  # log-uniform
        return order.separator.join(items[:-free]), Permutation(tuple(items[-free:]), order.separator)


def _style(asked: str, model: LanguageModel | None) -> Style:
    if asked != "auto":
        return Style(asked)
    if model is None:
        raise ConfigError(NO_MODEL)
    return model.style


def _answers(requests: Sequence[Request], generations: Sequence[Generation]) -> Iterator[Candidate]:
    """Yield the answers, taking turns between the requests so that each has its share of what is kept."""
    turns = zip_longest(*map(_answers_to, requests, generations))
    return (candidate for candidate in chain.from_iterable(turns) if candidate is not None)


def _answers_to(request: Request, generation: Generation) -> Iterator[Candidate]:
    for sample in generation.samples:
        if sample.source is None:
            raise ModelError("a sample must be recorded before it is used: wrap the model in RecordedModel")
        origin = Origin(sample.source.generation, sample.source.place, request.temperature)
        yield Candidate(request.lead + sample.text, origin)

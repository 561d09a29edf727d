"""OPRO (Yang et al., 2023): a language model reads the best solutions so far with their scores and writes new ones.

Two styles. In a chat the model is told the task and asked for a new solution, as in the paper. For small and base
models the trajectory is a plain list with the score before the solution, and ends in a score that has not been reached
yet; the model continues it, held to the solution's syntax while decoding. Sampling costs little once the prompt is
computed, evaluations are what counts: more samples are drawn than asked for, and repeats are never paid for.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, zip_longest
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from opro.errors import ConfigError, InvalidSolutionError, ModelError
from opro.metaprompt import Shown, flipped, load_template, read_template
from opro.protocols import LanguageModel, Problem
from opro.registry import configure
from opro.trajectory import Trajectory
from opro.types import Candidate, Generation, Message, Origin, Request, Style, Trial

REPLY_TOKENS = 512
"""What a chat model may write around its solution."""

TEMPERATURE_LIMIT = 2.5
"""Where heating stops; above it a sample hardly depends on the prompt."""

NO_MODEL = "the proposer `opro` needs a model"


class Opro:
    """Asks a language model."""

    needs_model = True

    class Config(BaseModel):
        """How the model is asked. The `[settings]` of a template replace these defaults, the user's replace both."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        style: Literal["auto", "chat", "continuation"] = Field(
            "auto", description="how the model is asked; auto: continuation for small and base models, else chat"
        )
        template: str = Field("", description="a meta-prompt template of your own: a TOML file, or its text")
        shown: int = Field(20, ge=1, description="how many of the best solutions are shown")
        spread: int = Field(0, ge=0, description="how many solutions at even ranks over the whole trajectory are added")
        goals: tuple[float, ...] = Field(
            (0.5,),
            min_length=1,
            description="scores asked for, one prompt each: what is left of the way from the best score to the ideal",
        )
        draw: int = Field(0, ge=0, description="samples drawn in a round, of which new ones are kept; 0: the step's")
        rounds: int = Field(4, ge=1, description="rounds of drawing at most, while there are too few new solutions")
        temperature: float = Field(1.0, ge=0, le=5, description="sampling temperature of the first round")
        heat: float = Field(1.3, ge=1, description="factor on the temperature from one round to the next")
        top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling; 1 is off")
        min_p: float = Field(0.0, ge=0, lt=1, description="least probability relative to the likeliest token; 0 is off")
        control: Literal["none", "flipped-scores"] = Field(
            "none", description="flipped-scores shows the scores in reverse: a model that follows them gets worse"
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

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return up to `n` new solutions; where there are too few, replies that are none, to fail with their reason."""
        prompts = self._prompts()
        new: dict[str, Candidate] = {}
        invalid: dict[str, Candidate] = {}
        temperature = self._config.temperature
        for number in range(self._config.rounds):
            requests = self._requests(prompts, n, temperature, f"{self._seed}:{step}:{number}")
            generations = await asyncio.gather(*map(self._model.generate, requests))
            for candidate in _samples(generations, temperature):
                self._sort(candidate, new, invalid)
            if len(new) >= n:
                break
            temperature = min(TEMPERATURE_LIMIT, temperature * self._config.heat)
        return [*new.values(), *invalid.values()][:n]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Add to the trajectory."""
        self._trajectory.extend(trials)

    def _sort(self, candidate: Candidate, new: dict[str, Candidate], invalid: dict[str, Candidate]) -> None:
        lead = self._brief.lead if self._style is Style.CONTINUATION else ""
        text = lead + candidate.text
        known = self._trajectory.known
        try:
            solution = self._problem.parse(text)
        except InvalidSolutionError:
            if text not in known:
                invalid.setdefault(text, Candidate(text, candidate.origin))
            return
        if solution not in known:
            new.setdefault(solution, Candidate(solution, candidate.origin))

    def _shown(self) -> list[Shown]:
        """Return the past solutions to show, worst to best, so that the best stands nearest to the answer."""
        top = self._trajectory.top(self._config.shown)
        numbers = {trial.number for trial in top}
        others = [trial for trial in self._trajectory.spread(self._config.spread) if trial.number not in numbers]
        pairs = [(trial.text, trial.value) for trial in (*top, *others) if trial.value is not None]
        pairs.sort(key=lambda pair: self._problem.direction.cost(pair[1]), reverse=True)
        shown = [Shown(text, self._brief.show(value)) for text, value in pairs]
        return flipped(shown) if self._config.control == "flipped-scores" else shown

    def _prompts(self) -> list[str | tuple[Message, ...]]:
        shown, direction = self._shown(), self._problem.direction
        if self._style is Style.CHAT:
            return [(Message("user", self._template.render(self._brief, direction, shown)),)]
        return [self._template.render(self._brief, direction, shown, goal) for goal in self._goals()]

    def _goals(self) -> list[str]:
        """Return the scores to ask for, written as scores are shown."""
        ideal, best = self._brief.ideal, self._trajectory.best
        value = ideal or 0.0 if best is None or best.value is None else best.value
        if ideal is None:
            ideal = value - self._problem.direction.cost(abs(value))
        return list(dict.fromkeys(self._brief.show(ideal + goal * (value - ideal)) for goal in self._config.goals))

    def _requests(
        self, prompts: Sequence[str | tuple[Message, ...]], n: int, temperature: float, seed: str
    ) -> Iterator[Request]:
        total = max(self._config.draw or n, len(prompts))
        chat = self._style is Style.CHAT
        for number, prompt in enumerate(prompts):
            yield Request(
                prompt=prompt,
                n=total // len(prompts) + (number < total % len(prompts)),
                max_tokens=self._brief.max_tokens + (REPLY_TOKENS if chat else 0),
                temperature=temperature,
                top_p=self._config.top_p,
                min_p=self._config.min_p,
                stop=() if chat else ("\n",),
                seed=_number(f"{seed}:{number}"),
                constraint=None if chat else self._brief.constraint,
            )


def _style(asked: str, model: LanguageModel | None) -> Style:
    if asked != "auto":
        return Style(asked)
    if model is None:
        raise ConfigError(NO_MODEL)
    return model.style


def _number(seed: str) -> int:
    """Return a seed that backends take: 31 bits, the same for the same text."""
    return int.from_bytes(sha256(seed.encode()).digest()[:4], "big") >> 1


def _samples(generations: Iterable[Generation], temperature: float) -> Iterator[Candidate]:
    """Yield the samples, taking turns between the generations so that each prompt has its share of what is kept."""
    turns = zip_longest(*(_origins(generation, temperature) for generation in generations))
    return (candidate for candidate in chain.from_iterable(turns) if candidate is not None)


def _origins(generation: Generation, temperature: float) -> Iterator[Candidate]:
    if generation.id is None:
        raise ModelError("a generation must be recorded before it is used: wrap the model in RecordedModel")
    for number, sample in enumerate(generation.samples):
        yield Candidate(sample.text, Origin(generation.id, number, temperature))

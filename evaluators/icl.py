"""Does a model follow its context? The settings of arXiv 2303.03846 as solutions, scored by accuracy.

A solution is a setting (`flipped 50%`), and its value the share of items that the model labels as the data do. With
flipped exemplars, a model that lets its context override what it believes falls below chance.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from evaluators import icl_pictures
from evaluators.icl_data import KNOWN, Wanted, load_texts
from evaluators.icl_linear import rivals
from evaluators.icl_prompts import Item, Items, Pool, flipped_of
from evaluators.icl_scoring import Examiner, Scoring, way_of
from evaluators.icl_settings import DIMENSIONS, Kind, Setting, read_setting
from evaluators.task_files import content_of, source_at
from opro.errors import ConfigError, ContextError, InvalidSolutionError
from opro.extras import require
from opro.paired import accuracy
from opro.pictures import Picture
from opro.places import Place
from opro.protocols import LanguageModel
from opro.types import Answer, Brief, Candidate, Direction, Evaluation, Reference, Trial

LINEAR = "linear"
SHARES = (0, 25, 50, 75, 100)
_LEAST_ITEMS = 2


class ProbeConfig(BaseModel):
    """Which texts, how many exemplars and items, and how answers are got."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Annotated[str, Place(known=(*KNOWN, "linear"))] = Field(
        description="sst2, subj, trec, rte, qqp, financial-phrasebank, ethos; linear; or a file (csv, tsv, json, jsonl,"
        " parquet; or lines `LABEL TEXT`), a folder with train and test files, or a hub id OWNER/NAME"
    )
    data: Path | None = Field(None, description="a known task's own files, a folder or one file, instead of the hub")
    text: str = Field("text", description="the column of the text, for your own data")
    label: str = Field("label", description="the column of the label, for your own data")
    k: int = Field(16, ge=1, le=1000, description="exemplars of each class")
    items: int = Field(100, ge=_LEAST_ITEMS, le=100_000, description="items that are asked about under each setting")
    exemplars: Literal["fresh", "alike"] = Field(
        "fresh", description="each item has exemplars of its own, or all have the same, which is quicker"
    )
    scoring: Scoring = Field(
        "auto", description="likelihood, constrained or generated; auto takes the first that the model can do"
    )
    calibrate: bool = Field(default=False, description="take off what the model prefers without any input")
    fit: Literal["reduce", "refuse"] = Field(
        "reduce", description="where the exemplars do not fit into the model's window: take fewer, or refuse"
    )
    items_seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of items and exemplars, the same for all models")


class Probe:
    """What every problem about in-context learning shares: its texts, and asking about them."""

    def __init__(self, config: ProbeConfig, scorer: LanguageModel | None, pool: Pool | None) -> None:
        wanted = Wanted(config.task, config.data, config.text, config.label, config.items_seed)
        self._settings = config
        self.scorer = scorer
        self.pool = pool or (None if config.task == LINEAR else Pool(load_texts(wanted)))
        self.items = Items(config.items, config.items_seed, alike=config.exemplars == "alike")

    @property
    def examiner(self) -> Examiner:
        """What asks the model."""
        if self.scorer is None:
            raise RuntimeError("a model is needed: see `scored_by`")
        way = way_of(self._settings.scoring, self.scorer)
        if self._settings.calibrate and way != "likelihood":
            raise ConfigError(f"`calibrate` needs likelihoods, and this model's answers are {way}: leave it out")
        return Examiner(self.scorer, way, self._settings.calibrate)

    @property
    def source(self) -> str:
        """What the items come from."""
        told = self.pool.texts.source if self.pool else "drawn at random"
        return f"{self._settings.task}: {told}; items by seed {self._settings.items_seed}"

    def places(self, settings: Mapping[str, Any]) -> list[tuple[object, object]]:
        """Return where the texts lie, each with where other settings say they lie."""
        return [(self._settings.task, settings.get("task")), (self._settings.data, settings.get("data"))]

    async def asked(self, make: Callable[[int], Sequence[Item]], k: int) -> tuple[int, list[Answer]]:
        """Return how many exemplars of each class were shown at last, and the answers.

        Raises:
            ContextError: the exemplars do not fit, and shall not be fewer, or not even one of each class fits.
            InvalidSolutionError: there are not so many exemplars.
        """
        while True:
            try:
                return k, await self.examiner.answers(make(k))
            except ContextError:
                if k == 1 or self._settings.fit == "refuse":
                    raise
                k -= max(1, k // 8)


class InContext:
    """Find out how a model's accuracy depends on what its exemplars say."""

    direction = Direction.MAXIMIZE

    class Config(ProbeConfig):
        """The probe, and its settings."""

        settings: tuple[str, ...] = Field((), description="the settings; the paper's for this task if none are given")

    def __init__(
        self, config: Config, _seed: int = 0, scorer: LanguageModel | None = None, probe: Probe | None = None
    ) -> None:
        """Load the texts; which items are asked about is a matter of `items_seed` alone."""
        self.config = config
        self._probe = probe or Probe(config, None, None)
        if scorer is not None:
            self._probe = Probe(config, scorer, self._probe.pool)

    @staticmethod
    def reads(config: ProbeConfig) -> Sequence[str]:
        """Return what the texts are read from."""
        return read_from(config)

    @classmethod
    def unread(cls, config: Config) -> Self:
        """Return the problem without its texts, for looking at runs: nothing can be evaluated with it."""
        return cls(config, 0, None, Probe(config.model_copy(update={"task": LINEAR, "data": None}), None, None))

    @property
    def identity(self) -> str:
        """What the items come from, wherever that lies."""
        return content_of(self._probe.source)

    def former_identity(self, settings: Mapping[str, Any]) -> str:
        """See Moved."""
        return source_at(self._probe.source, self._probe.places(settings))

    @property
    def remarks(self) -> Sequence[str]:
        """See Remarked."""
        return ()

    @property
    def source(self) -> str:
        """See Remarked."""
        return self._probe.source

    def scored_by(self, scorer: LanguageModel) -> Self:
        """See Scored."""
        return type(self)(self.config, 0, scorer, self._probe)

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return the first setting; the proposer `list` goes through the others."""
        del seed
        return [Candidate(self.listed()[0])]

    def listed(self) -> Sequence[str]:
        """Return the settings."""
        texts = self.config.settings or usual_settings(self._probe.pool)
        return list(dict.fromkeys(map(self.parse, texts)))

    def brief(self) -> Brief:
        """Return what a meta-prompt would say; settings are listed, and not searched for."""
        return Brief(
            task=f"Settings of an in-context-learning probe on {self.config.task}.",
            noun="setting",
            score="accuracy",
            show=lambda value: str(round(100 * value)),
        )

    def parse(self, text: str) -> str:
        """Return a setting in its one form."""
        return str(read_setting(text))

    def draw(self, random: Random) -> str:
        """Return one of the settings."""
        return random.choice(self.listed())

    def references(self) -> Sequence[Reference]:
        """Return what guessing reaches."""
        classes = len(self._probe.pool.texts.labels) if self._probe.pool else 2
        return [Reference("chance", 1 / classes)]

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Pictured."""
        return icl_pictures.pictures({"": trials}, references)

    def contrasts(self, runs: Mapping[str, Sequence[Trial]], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Contrasted."""
        return icl_pictures.pictures(runs, references)

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return the accuracy under each setting."""
        return [await self._evaluated(candidate.text) for candidate in candidates]

    async def _evaluated(self, text: str) -> Evaluation:
        try:
            setting = read_setting(text)
            if setting.kind is Kind.LINEAR:
                return await self._linear(setting)
            if self._probe.pool is None:
                raise InvalidSolutionError(f"{text}: the task {LINEAR} has no texts; its settings are `linear N=8`")
            pool = self._probe.pool
            k, answers = await self._probe.asked(
                lambda k: self._probe.items.texts(setting, k, pool), setting.k or self.config.k
            )
        except (InvalidSolutionError, ContextError) as error:
            return Evaluation.failed(str(error))
        return self._evaluation(setting, k, answers, {"chance": 1 / len(pool.texts.labels)})

    async def _linear(self, setting: Setting) -> Evaluation:
        require("probe", "linear classification beside classical methods")  # before anything is asked
        made = self._probe.items.linear
        k, answers = await self._probe.asked(lambda k: made(setting, k)[0], setting.k or self.config.k)
        return self._evaluation(setting, k, answers, {"chance": 0.5, **rivals(made(setting, k)[1])})

    def _evaluation(
        self, setting: Setting, k: int, answers: Sequence[Answer], metrics: Mapping[str, float]
    ) -> Evaluation:
        share = accuracy([answer.score or 0.0 for answer in answers])
        wanted = setting.k or self.config.k
        told = f"{k} exemplars of each class" + (f" ({wanted} do not fit into the window)" if k < wanted else "")
        if setting.kind is Kind.FLIPPED and 100 * flipped_of(setting.share, k) != setting.share * k:
            told += f", {flipped_of(setting.share, k)} of them flipped"
        counts = {"n": float(share.n), "low": share.low, "high": share.high, "k": float(k)}
        counts |= {"unread": float(sum(answer.extracted is None for answer in answers))}
        counts |= {"flipped": flipped_of(setting.share, k) / k} if setting.kind is Kind.FLIPPED else {}
        feedback = f"{told}, scored by {self._probe.examiner.way}"
        return Evaluation(share.mean, feedback=feedback, metrics={**counts, **metrics}, answers=tuple(answers))


def read_from(config: ProbeConfig) -> list[str]:
    """Return the file, folder or hub id that texts are read from."""
    return [] if config.task == LINEAR else [str(config.data or config.task)]


def usual_settings(pool: Pool | None) -> list[str]:
    """Return the paper's settings for a task: it flips the labels only where there are few."""
    if pool is None:
        return [f"linear N={2**i}" for i in range(DIMENSIONS.bit_length())]
    flips = [f"flipped {share}%" for share in SHARES[1:]] if len(pool.texts.labels) <= 3 else []
    return ["regular", *flips, "unrelated foo/bar"]

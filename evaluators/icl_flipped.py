"""Find the words or the format under which a model follows flipped labels, or resists them."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal, Self

from pydantic import Field

from evaluators.icl import Probe, ProbeConfig, read_from
from evaluators.icl_prompts import Frame, Item, Pool
from evaluators.icl_settings import FORMATS, Kind, Setting
from evaluators.task_files import content_of, source_at
from opro.errors import ConfigError, ContextError, InvalidSolutionError
from opro.paired import accuracy
from opro.protocols import LanguageModel
from opro.types import Brief, Candidate, Direction, Evaluation, Reference

_TAGGED = re.compile(r"<INS>(.*?)(?:</INS>|$)", re.DOTALL)
_FORMAT = re.compile(r"(?P<before>[^{}]*)\{input\}(?P<between>[^{}]*)\{label\}")
_PLAIN = FORMATS["input"]


class FlippedLabels:
    """Find an instruction, or a format of the exemplars, under which a model follows flipped labels, or resists."""

    direction = Direction.MAXIMIZE

    class Config(ProbeConfig):
        """The texts, and what is wanted of the model."""

        goal: Literal["follow", "resist"] = Field(
            "follow", description="answer as the flipped exemplars teach, or as the data say"
        )
        share: int = Field(100, gt=50, le=100, description="percent of the exemplars' labels that are flipped")
        k: int = Field(8, ge=1, le=1000, description="exemplars of each class")
        longest: int = Field(300, ge=20, description="characters of a solution at most")
        start: tuple[str, ...] = Field(
            ("Label each input as the examples do.", _PLAIN), description="instructions or formats to begin with"
        )

    def __init__(
        self, config: Config, _seed: int = 0, scorer: LanguageModel | None = None, pool: Pool | None = None
    ) -> None:
        """Load the texts."""
        self.config = config
        self._probe = Probe(config, scorer, pool)
        if self._probe.pool is None:
            raise ConfigError("linear classification has no labels that a model could believe in: choose another task")
        self._pool = self._probe.pool

    @staticmethod
    def reads(config: ProbeConfig) -> Sequence[str]:
        """Return what the texts are read from."""
        return read_from(config)

    @property
    def identity(self) -> str:
        """What the items come from, wherever that lies."""
        return content_of(self._probe.source)

    def former_identity(self, settings: Mapping[str, Any]) -> str:
        """See Moved."""
        return source_at(self._probe.source, self._probe.places(settings))

    def scored_by(self, scorer: LanguageModel) -> Self:
        """See Scored."""
        return type(self)(self.config, 0, scorer, self._pool)

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return the solutions that the user begins with."""
        del seed
        return [Candidate(self.parse(text)) for text in dict.fromkeys(self.config.start)]

    def brief(self) -> Brief:
        """Return what a meta-prompt may say."""
        wanted = {
            "follow": "labels new inputs as the examples before them are labelled, however strange that is",
            "resist": "labels new inputs rightly, although the examples before them are labelled wrongly",
        }[self.config.goal]
        return Brief(
            task=f"An instruction is needed that stands above labelled examples, so that a language model {wanted}.",
            noun="instruction",
            answer="Write it between <INS> and </INS>, and nothing else. Instead of an instruction it may be a format "
            "of the examples with {input} and {label} in it.",
            ideal=1.0,
            show=lambda value: str(round(100 * value)),
            max_tokens=64,
        )

    def parse(self, text: str) -> str:
        r"""Return the instruction or format in a reply; a line break in a format is written `\n`.

        Raises:
            InvalidSolutionError: there is none, or it is too long.
        """
        tagged = _TAGGED.search(text)
        found = (tagged[1] if tagged else text).strip().replace("\r", "")
        found = found.replace("\n", "\\n") if "{input}" in found else " ".join(found.split())
        if not any(letter.isalpha() for letter in found):
            raise InvalidSolutionError("there is no instruction in it")
        if len(found) > self.config.longest:
            raise InvalidSolutionError(f"it has {len(found)} characters, more than {self.config.longest} (`longest`)")
        if ("{" in found or "}" in found) and not _FORMAT.fullmatch(found):
            raise InvalidSolutionError("a format holds {input} and then, at its end, {label}, and no other braces")
        return found

    def draw(self, random: Random) -> str:
        """Return a format put together at random."""
        heads, middles = ("", "Input: ", "Q: ", "Text: ", "Example: "), (" -> ", "\\nOutput: ", "\\nA: ", "\\nLabel: ")
        return f"{random.choice(heads)}{{input}}{random.choice(middles)}{{label}}"

    def references(self) -> Sequence[Reference]:
        """Return what guessing reaches."""
        return [Reference("chance", 1 / len(self._pool.texts.labels))]

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return the share of items that the model labels as wanted under each candidate."""
        return [await self._evaluated(candidate.text) for candidate in candidates]

    async def _evaluated(self, text: str) -> Evaluation:
        try:
            frame = self._frame(self.parse(text))
            k, answers = await self._probe.asked(lambda k: self._items(frame, k), self.config.k)
        except (InvalidSolutionError, ContextError) as error:
            return Evaluation.failed(str(error))
        share = accuracy([answer.score or 0.0 for answer in answers])
        counts = {"n": float(share.n), "low": share.low, "high": share.high, "k": float(k)}
        feedback = f"{k} exemplars of each class, scored by {self._probe.examiner.way}"
        return Evaluation(share.mean, feedback=feedback, metrics=counts, answers=tuple(answers))

    def _frame(self, solution: str) -> Frame:
        labels = self._pool.texts.labels
        if "{input}" in solution:
            return Frame(solution.replace("\\n", "\n"), labels)
        return Frame(_PLAIN, labels, solution)

    def _items(self, frame: Frame, k: int) -> list[Item]:
        """Return the items, with what is wanted as the right answer."""
        setting = Setting(Kind.FLIPPED, share=self.config.share)
        items = self._probe.items.texts(setting, k, self._pool, frame)
        follow = self.config.goal == "follow"
        return [item.taught() if follow else item for item in items]

"""Instructions: find the words under which a model answers the questions of a task best (OPRO, section 4.2)."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from evaluators import instructions_pictures
from evaluators.answer_labels import LabelsKind
from evaluators.instruction_news import announced
from evaluators.instruction_texts import Wording, limit, room
from evaluators.prompt_fields import bare_prompt
from evaluators.prompting import SLOT, Layout, Position
from evaluators.questioning import Quiz, evaluation, raced
from evaluators.task_files import content_of, source_at
from evaluators.task_memory import NOTHING_SUPPLIED, Supply
from evaluators.task_types import Task
from evaluators.task_unread import unread_task
from evaluators.tasks import TaskConfig, load_task
from opro.errors import ConfigError, InvalidSolutionError
from opro.looks import block_ends
from opro.pictures import Picture
from opro.protocols import LanguageModel
from opro.racing import Rules
from opro.registry import configure
from opro.types import Brief, Candidate, Direction, Evaluation, Question, Reference, Trial

HUMAN = (
    "",
    "Let's think step by step.",
    "Let's work this out in a step by step way to be sure we have the right answer.",
)
"""Instructions that people wrote: none; Kojima et al. 2022; Zhou et al. 2022 (Table 4 of OPRO)."""

_TASK = f"The task is to find the best instruction {SLOT} for a language model that answers questions."
_TASK_WITH_FIELDS = f"The task is to find the best instruction {SLOT} for a language model that it is the prompt of."

RACED = 2 / 3
"""The share of the examples that a race is taken to ask about. It was 1/7 to 2/3 where candidates differed, and is all
where they do not, as under a scorer that is never right: so what was foreseen is never exceeded by more than a half."""

TYPICAL = 80
"""Characters of the instructions that models write, about, unless they begin with longer ones."""

_WORDS = "read the whole question with care then work through what is given and check each part before you answer"

_PLACES = {
    "before_Q": "before the question",
    "Q_begin": "at the beginning of the question",
    "Q_end": "after the question",
    "A_begin": "at the beginning of the answer",
    "system": "in the system message, before the question",
}


def _listed(value: object) -> object:
    """Let one instruction be written without brackets around it."""
    return (str(value),) if isinstance(value, str | int | float) else value


class Instructions:
    """Find the instruction under which a scorer model answers the questions of a task best."""

    direction = Direction.MAXIMIZE

    class Config(TaskConfig):
        """The task, and how its questions are put and scored."""

        position: Position = Field(
            "Q_begin",
            description="where the instruction stands: before_Q, Q_begin, Q_end, A_begin, or system: as a message",
        )
        markers: bool = Field(default=True, description="write Q: and A:")
        form: Literal["chat", "plain"] = Field("chat", description="ask in a chat, or let the scorer continue a text")
        system: str = Field("", description="a system message for the scorer")
        final: str = Field("", description="a second prompt behind the reply, such as 'So the final answer is'")
        reply_tokens: int = Field(400, ge=1, description="tokens of the scorer's reply at most")
        start: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
            ("Let's solve the problem.",),
            description="instructions to begin with; one that has {column} of your data in it is the whole prompt",
        )
        humans: bool = Field(default=False, description="begin with the known human instructions as well")
        longest: int | None = Field(
            None,
            ge=1,
            description="characters of a proposed instruction at most; if left out, 500, or half more than a longer"
            " start has",
        )
        digits: Literal["auto", "allowed", "refused"] = Field(
            "auto",
            description="digits in a proposal that no start has; auto refuses them where answers are numbers, which"
            " they may leak",
        )
        racing: bool = Field(default=True, description="drop early what a test says cannot be the best")
        alpha: float = Field(0.1, gt=0, lt=1, description="how probable it may be to drop the best one early")
        split: Literal["train", "test"] = Field("train", description="which examples are asked; test is for verdicts")

    def __init__(
        self,
        config: Config,
        _seed: int = 0,
        scorer: LanguageModel | None = None,
        task: Task | None = None,
        supply: Supply = NOTHING_SUPPLIED,
    ) -> None:
        """Load the task; which examples are for training is a matter of its `split_seed` alone."""
        self.config = config
        self.task = task or load_task(config, config.start, supply)
        _check(config, self.task)
        layout = Layout(config.position, config.markers, config.form == "chat", config.system)
        self._quiz = Quiz(self.task.kind, layout, scorer, config.reply_tokens, config.final, config.split)
        self._layout = layout
        self._wording = self._worded()
        self._asked = self.task.train if config.split == "train" else self.task.test
        if not self._asked:
            raise ConfigError(f"{config.task}: the {config.split} split is empty: set `train_share`, `train` or `test`")
        self._train = {example.id: example for example in self.task.train}
        self._past: dict[str, Evaluation] = {}

    @classmethod
    def supplied(cls, settings: Mapping[str, Any], seed: int, data: object, metric: object) -> Self:
        """See Supplied."""
        supply = Supply.of(data, metric)
        return cls(configure(cls.Config, supply.settled(settings), "instructions"), seed, None, None, supply)

    def _worded(self) -> Wording:
        starts, config = tuple(candidate.text for candidate in self.start(0)), self.config
        numbers = config.digits == "auto" and self.task.kind.name == "number"
        return Wording(
            starts,
            limit(starts) if config.longest is None else config.longest,
            not numbers and config.digits != "refused",
            self.task.fields,
            self.task.columns,
        )

    @staticmethod
    def reads(config: TaskConfig) -> Sequence[str]:
        """Return the file, folder or hub id that the task is read from."""
        return [str(config.data or config.task)]

    @classmethod
    def unread(cls, config: Config) -> Self:
        """Return the problem without its examples, for looking at runs: nothing can be evaluated with it."""
        return cls(config, 0, None, unread_task(config))

    @property
    def identity(self) -> str:
        """What the data are and how they are divided, wherever they lie."""
        return f"{content_of(self.task.source)} {[example.id for example in self._asked]}"

    def former_identity(self, settings: Mapping[str, Any]) -> str:
        """See Moved."""
        places = [(getattr(self.config, name), settings.get(name)) for name in ("task", "data")]
        return f"{source_at(self.task.source, places)} {[example.id for example in self._asked]}"

    @property
    def settled(self) -> Mapping[str, Any]:
        """See Settled."""
        return self.task.settled

    @property
    def announcements(self) -> Sequence[str]:
        """See Announced."""
        return announced(self.config, self.task, self._wording, searches=self.config.split == "train")

    @property
    def remarks(self) -> Sequence[str]:
        """See Remarked."""
        return [f"{self.config.task}: {note}" for note in self.task.notes]

    @property
    def source(self) -> str:
        """See Remarked."""
        sizes = f"{len(self.task.train)} training and {len(self.task.test)} test examples"
        return f"{self.config.task}: {self.task.source}; {sizes}, split by seed {self.config.split_seed}"

    @property
    def examines(self) -> bool:
        """See Examinable."""
        return self.config.split == "test"

    @property
    def rivals(self) -> Mapping[str, str]:
        """See Examinable."""
        return {"no instruction": self._human(HUMAN[0]), "step by step": self._human(HUMAN[1])}

    def _human(self, text: str) -> str:
        """Return an instruction as a solution: behind the fields, where solutions have some."""
        return bare_prompt(self.task.fields, text) if self.task.fields else text

    def examination(self, texts: Sequence[str]) -> Self:
        """See Examinable."""
        given = self.config.model_dump(exclude_unset=True)
        given |= {"split": "test", "start": tuple(texts), "humans": False, "racing": False}
        return type(self)(type(self.config).model_validate(given), 0, None, self.task)

    def scored_by(self, scorer: LanguageModel) -> Self:
        """See Scored."""
        return type(self)(self.config, 0, scorer, self.task)

    def recall(self, trials: Sequence[Trial]) -> None:
        """See Remembering."""
        self._past |= {trial.text: trial.evaluation for trial in trials if trial.value is not None}

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return the user's instructions, and the human ones where they are wanted."""
        del seed
        humans = [self._human(text) for text in HUMAN] if self.config.humans else []
        return [Candidate(text) for text in dict.fromkeys(text.rstrip() for text in (*self.config.start, *humans))]

    def brief(self) -> Brief:
        """Return what a meta-prompt may say."""
        asks = f"Write it between {SLOT} and </INS>, and nothing else."
        return Brief(
            task=_TASK_WITH_FIELDS if self.task.fields else _TASK,
            noun="instruction",
            answer=f"{asks} It may have several lines." if self._wording.several_lines else asks,
            facts=self._facts(),
            ideal=1.0,
            show=lambda value: str(round(100 * value)),
            max_tokens=room(self._wording.longest),
        )

    def _facts(self) -> str:
        fields = ", ".join(f"{{{field}}}" for field in self.task.fields)
        where = f"The instruction is put {_PLACES[self.config.position]}."
        if fields:
            where = f"The instruction is the whole prompt. It has to keep its fields, each in braces: {fields}."
        kind = self.task.kind
        return f"{where} An answer is one of: {', '.join(kind.labels)}." if isinstance(kind, LabelsKind) else where

    def parse(self, text: str) -> str:
        """Return the instruction in a reply: between the tags, else the whole without brackets around it or a label."""
        return self._wording.read(text)

    def examples(self) -> Sequence[str]:
        """Return the ids of the training examples; no meta-prompt ever shows another one."""
        return list(self._train)

    def exemplar(self, example: str) -> str:
        """Return a training example with the instruction's place marked."""
        one = self._train[example]
        if one.fields:
            values = "\n".join(f"{{{name}}} = {value}" for name, value in one.fields.items())
            return f"{SLOT} with\n{values}\nGround truth answer: {one.gold}"
        return f"{self._layout.text(one.question, SLOT)}\nGround truth answer: {one.gold}"

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Pictured."""
        del references
        return instructions_pictures.pictures(trials)

    @property
    def share(self) -> float:
        """See Foreseeable."""
        looks = len(block_ends(len(self._asked)))  # at the last one all examples were asked
        return RACED if self._races and looks > 1 else 1.0

    def imagine(self, random: Random) -> str:
        """See Foreseeable."""
        fields = self._human("x")[:-1]
        length = min(self._wording.longest, max([TYPICAL, *map(len, self.config.start)])) - len(fields)
        words = random.choices(_WORDS.split(), k=max(length, 0) // 2 + 1)
        return fields + (" ".join(words)[: max(length, 1)].strip() or "x")

    def questions(self, text: str) -> Iterator[Question]:
        """See Foreseeable."""
        if self._refusal(text) or (not self._races and self._is_answered(text)):
            return
        for example in self._asked:
            yield from self._quiz.questions(text, example)

    @property
    def presumption(self) -> str:
        """See Presuming."""
        return self._quiz.presumption

    @property
    def _races(self) -> bool:
        return self.config.racing and self.config.split == "train"

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Score the candidates side by side, in a race unless it is switched off or there is nothing to race for."""
        refused = {candidate.text: reason for candidate in candidates if (reason := self._refusal(candidate.text))}
        texts = list(dict.fromkeys(candidate.text for candidate in candidates if candidate.text not in refused))
        examples = list(self._asked)
        if not texts:
            made: dict[str, Evaluation] = {}
        elif self._races:
            Random(f"{self.config.split_seed}:{len(self._past)}").shuffle(examples)
            made = await raced(self._quiz, texts, examples, list(self._past.values()), Rules(alpha=self.config.alpha))
        else:
            made = {text: self._past[text] for text in texts if self._is_answered(text)}
            rest = [text for text in texts if text not in made]
            answers = await self._quiz.answers([(text, example) for text in rest for example in examples])
            classes = self._quiz.classes(examples)
            made |= {text: evaluation([answers[text, e.id] for e in examples], classes=classes) for text in rest}
        self._past |= {text: one for text, one in made.items() if one.value is not None}
        made |= {text: Evaluation.failed(reason) for text, reason in refused.items()}
        return [made[candidate.text] for candidate in candidates]

    def _is_answered(self, text: str) -> bool:
        """Say whether all examples were asked under a text before."""
        known = {answer.example for answer in self._past[text].answers} if text in self._past else set[str]()
        return known >= {example.id for example in self._asked}

    def _refusal(self, text: str) -> str:
        """Return why a text is no instruction; empty for one that is, and for whatever the user begins with."""
        if text in {candidate.text for candidate in self.start(0)}:
            return ""
        try:
            self.parse(text)
        except InvalidSolutionError as error:
            return str(error)
        return ""


def _check(config: Instructions.Config, task: Task) -> None:
    """Raise a ConfigError for settings that contradict each other."""
    given = "`system`" if config.system else "position=system" if config.position == "system" else ""
    if config.form == "plain" and given:
        raise ConfigError(f"{given} is for a chat: a scorer that continues a text (form=plain) is sent none")
    if config.system and config.position == "system":
        raise ConfigError("with position=system the instruction is the system message: write `system` into the start")
    if task.fields and config.position != Instructions.Config.model_fields["position"].default:
        raise ConfigError("your prompt has fields, so it is the whole message: leave `position` out")

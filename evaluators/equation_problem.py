"""What problems with equations as solutions share: a rule trains small networks, and its value is their accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from evaluators import equation_pictures, equation_scores
from evaluators.child_data import BUNDLED
from evaluators.equation_scores import Rate, Units, percent
from evaluators.equation_space import EquationSpace
from evaluators.expression_latex import latex
from evaluators.expressions import Node
from opro.pictures import Picture
from opro.places import Place, placed
from opro.types import Brief, Candidate, Direction, Evaluation, Reference, Trial

if TYPE_CHECKING:
    from evaluators.child_results import Children, Setting
    from evaluators.child_training import Trained

SHOWN_STARTS = 4

RATES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(-8, 3))
"""From 1e-4 to 10 in half decades."""


class TrainingConfig(BaseModel):
    """What is trained, how long, and on what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[str, Place(known=BUNDLED)] = Field(
        "digits", description="digits, wine, breast_cancer; or images by hub id or path"
    )
    hidden: tuple[Units, ...] = Field((32,), min_length=1, description="units of each hidden layer of the perceptron")
    epochs: int = Field(3, ge=1, le=1000, description="passes over the training examples")
    batch: int = Field(32, ge=1, description="examples a step")
    rates: tuple[Rate, ...] = Field(RATES, min_length=1, description="learning rates of which the best one counts")
    seeds: int = Field(2, ge=1, le=100, description="networks that each rule trains at each rate")
    together: int = Field(528, ge=1, description="networks that are trained at once; halved where memory ends")
    device: str = Field("cpu", description="cpu, cuda, ...")
    dtype: Literal["float32", "float64", "bfloat16"] = Field("float32", description="of all numbers in training")
    exam: tuple[str, ...] = Field((), description="rules to be examined: trained on fresh seeds, and tested")
    fresh: int = Field(12, ge=2, le=200, description="fresh seeds of an examination")
    longer: int = Field(15, ge=1, le=1000, description="epochs of the longer training in an examination")
    second: Annotated[str, Place(known=BUNDLED)] = Field(
        "breast_cancer", description="the second data set of an examination"
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What kind of rules is looked for.

    Attributes:
        space: the rules.
        task: what a meta-prompt says is wanted.
        facts: what it says a rule may use.
        starts: simple rules, some of which a run begins with.
        rules: the known rules, by name.
        symbols: how operands are typeset.
        left: what a typeset rule stands behind, with %s in its place.
    """

    space: EquationSpace
    task: str
    facts: str
    starts: tuple[str, ...]
    rules: Mapping[str, str]
    symbols: Mapping[str, str]
    left: str


class EquationProblem:
    """Find the rule with which small networks reach the highest validation accuracy in a few epochs.

    What is special to a kind of rules is its `subject`, and how it trains: `_children`, and the network: `_network`.
    """

    subject: Subject

    direction = Direction.MAXIMIZE

    def __init__(self, config: Any, seed: int) -> None:
        self.config = config
        self._seed = seed

    @staticmethod
    def reads(config: TrainingConfig) -> Sequence[str]:
        """Return the data sets that are read from elsewhere."""
        return [name for name in (config.data, config.second) if name not in BUNDLED]

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return some of the simplest rules, or those to be examined."""
        if self.config.exam:
            return [Candidate(text) for text in self.config.exam]
        chosen = Random(f"start:{seed}").sample(self.subject.starts, SHOWN_STARTS)
        return [Candidate(self.parse(text)) for text in chosen]

    def brief(self) -> Brief:
        """Describe operands and functions, and how a rule is written."""
        return Brief(
            task=self.subject.task,
            noun="rule",
            score="accuracy",
            answer="Write the rule as one formula between <rule> and </rule>.",
            facts=self.subject.facts,
            constraint=equation_scores.formula(self.subject.space.grammar.language),
            ideal=1.0,
            show=percent,
            max_tokens=48,
        )

    @property
    def identity(self) -> str:
        """What is trained, and how: the brief does not tell. Data in a folder are named by its whole path."""
        return self._identity(placed(TrainingConfig, {"data": self.config.data, "second": self.config.second}))

    def former_identity(self, settings: Mapping[str, Any]) -> str:
        """See Moved."""
        return self._identity({name: settings[name] for name in ("data", "second") if name in settings})

    def _identity(self, places: Mapping[str, Any]) -> str:
        config = self.config.model_copy(update=dict(places))
        return config.model_dump_json(exclude={"together", "device"}) + str(self._seed)

    def parse(self, text: str) -> str:
        """Return the last rule in `text` in its simplest form; see `EquationSpace.tree`.

        Raises:
            InvalidSolutionError: there is none, or it does not use what it should.
        """
        return str(self.subject.space.tree(text))

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return the accuracy of each rule; the same rule in another form is not trained again."""
        return await equation_scores.evaluations(candidates, self.subject.space, self._score)

    def references(self) -> Sequence[Reference]:
        """Return the accuracies of the known rules; trained once, in seconds."""
        return self._references

    def recall(self, trials: Sequence[Trial]) -> None:
        """Take in what was scored, so that the same rule in another form is known again."""
        for trial in trials:
            if trial.value is not None:
                self._children.recall(self.subject.space.tree(trial.text), trial.evaluation)

    def draw(self, random: Random) -> str:
        """Return a random rule."""
        return self.subject.space.draw(random)

    def mutate(self, text: str, random: Random) -> str:
        """Return the rule with one part changed."""
        return self.subject.space.mutate(text, random)

    def cross(self, text: str, other: str, random: Random) -> str:
        """Return the rule with one part replaced by a part of the other."""
        return self.subject.space.cross(text, other, random)

    @property
    def tokens(self) -> Sequence[str]:
        """What a rule is written with, token by token."""
        return self.subject.space.grammar.tokens

    def follow(self, written: Sequence[str]) -> Sequence[str]:
        """Return the tokens that may come next."""
        return self.subject.space.grammar.follow(written)

    def written(self, tokens: Sequence[str]) -> str:
        """Return the rule that tokens write."""
        return self.subject.space.written(tokens)

    def spelling(self, text: str) -> Sequence[str]:
        """Return the tokens that write a rule."""
        return self.subject.space.spelling(text)

    def formula(self, text: str) -> str:
        """Return the rule as LaTeX."""
        return self.subject.left % latex(self.subject.space.tree(text), self.subject.symbols)

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Pictured."""
        return equation_pictures.pictures(trials, references, self._trained, self.config.rates)

    @property
    def examines(self) -> bool:
        """Whether rules are trained on fresh seeds and tested."""
        return bool(self.config.exam)

    @property
    def rivals(self) -> Mapping[str, str]:
        """The known rules, and what they are held against."""
        return {name: self.parse(text) for name, text in self.subject.rules.items()}

    def examination(self, texts: Sequence[str]) -> Self:
        """Return the problem that trains just these rules on fresh seeds, and tests them."""
        return type(self)(self.config.model_copy(update={"exam": tuple(texts)}), self._seed)

    def _score(self, trees: Sequence[Node]) -> list[Evaluation]:
        if self.config.exam:
            return self._children.examined(trees, self.config.fresh, self._tests)
        return self._children.evaluations(trees, self._seeds)

    def _trained(self, texts: Sequence[str]) -> "list[Trained]":
        """Return what becomes of networks that rules train."""
        return self._children.trained([self.subject.space.tree(text) for text in texts], self._seeds)

    @property
    def _seeds(self) -> range:
        first = self._seed * self.config.seeds
        return range(first, first + self.config.seeds)

    @cached_property
    def _children(self) -> "Children":
        """What trains the rules; it needs torch, which `opro problems` need not wait for."""
        raise NotImplementedError

    @property
    def _network(self) -> str:
        return "mlp"

    @cached_property
    def _setting(self) -> "Setting":
        return equation_scores.setting(self.config, self._network, self.config.hidden)

    @property
    def _tests(self) -> "dict[str, Setting]":
        """The settings of an examination: the run's own, more epochs, another data set."""
        config, own = self.config, self._setting
        longer = replace(own, schedule=replace(own.schedule, epochs=config.longer))
        second = replace(own, data=config.second, network="mlp")
        return {"test": own, f"{config.longer} epochs": longer, config.second: second}

    def _named(self, children: "Children") -> "Children":
        """Return the children, who know the known rules by their names."""
        children.name({name: self.subject.space.tree(text) for name, text in self.subject.rules.items()})
        return children

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        texts = list(self.rivals.values())
        evaluations = self._children.evaluations([self.subject.space.tree(text) for text in texts], self._seeds)
        known = zip(self.rivals, texts, evaluations, strict=True)
        return tuple(Reference(name, one.value, solution=text) for name, text, one in known if one.value is not None)

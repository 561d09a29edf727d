"""Update rules of optimizers as solutions, after Neural Optimizer Search (arXiv 1709.07417).

A rule says what is taken off the weights at each step, times a learning rate. It trains small networks for a few epochs
at every rate of a grid; its value is the validation accuracy at the rate where that is highest, mean over seeds. Most
of what a decayed rule seems to gain, a decayed learning rate gains as well: so the references hold plain SGD with the
same decay, and whoever claims a gain has to show it against those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluators import equation_pictures, equation_scores
from evaluators.child_data import load
from evaluators.equation_scores import Rate, Units, percent
from evaluators.expression_latex import latex
from evaluators.expressions import Node
from evaluators.update_rule_language import RULES, SPACE, SYMBOLS
from opro.pictures import Picture
from opro.types import Brief, Candidate, Direction, Evaluation, Reference, Trial

if TYPE_CHECKING:
    from evaluators.child_results import Children, Setting
    from evaluators.child_training import Trained

STARTS = ("g", "m", "sign(g)", "sign(m)", "sign(m) * abs(g)", "g * abs(m)", "g + m", "2 * m - g", "clip(g, 0.001)")
SHOWN_STARTS = 4

RATES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(-8, 3))
"""From 1e-4 to 10 in half decades."""

FACTS = """The rule is computed for every weight at every step; the weight then changes by -rate * rule, with the best \
rate of a grid. It may use:
g the gradient; m, v, y the averages of g, g^2, g^3 over past steps; adam = m / sqrt(v); rmsprop; w the weight;
ld, cd, rd: factors that fall from 1 to 0 during training; noise, annealed: small random numbers; numbers;
+ - * / ^ exp log sqrt abs sign max min; clip(x, 0.001); drop(x, 0.1)."""


class UpdateRule:
    """Find the update rule with which small networks reach the highest validation accuracy in a few epochs."""

    class Config(BaseModel):
        """What is trained, how long, and on what."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        data: str = Field("digits", description="digits, wine, breast_cancer; or images by hub id or path")
        network: Literal["mlp", "conv"] = Field("mlp", description="a perceptron, or a small ConvNet for images")
        hidden: tuple[Units, ...] = Field((32,), description="units of each hidden layer of the perceptron")
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
        second: str = Field("breast_cancer", description="the second data set of an examination")
        other: bool = Field(default=True, description="examine with the other kind of network, too; a ConvNet is slow")

    direction = Direction.MAXIMIZE

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self._seed = seed

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return some of the simplest rules, or those to be examined."""
        if self.config.exam:
            return [Candidate(text) for text in self.config.exam]
        chosen = Random(f"start:{seed}").sample(STARTS, SHOWN_STARTS)
        return [Candidate(self.parse(text)) for text in chosen]

    def brief(self) -> Brief:
        """Describe operands and functions, and how a rule is written."""
        return Brief(
            task="An optimizer trains a neural network. Its update rule is to be found with which the network's "
            "accuracy after a short training is highest.",
            noun="rule",
            score="accuracy",
            answer="Write the rule as one formula between <rule> and </rule>.",
            facts=FACTS,
            constraint=equation_scores.formula(SPACE.grammar.language),
            ideal=1.0,
            show=percent,
            max_tokens=48,
        )

    @property
    def identity(self) -> str:
        """What is trained, and how: the brief does not tell."""
        return self.config.model_dump_json(exclude={"together", "device"}) + str(self._seed)

    def parse(self, text: str) -> str:
        """Return the last rule in `text` in its simplest form; see `EquationSpace.tree`.

        Raises:
            InvalidSolutionError: there is none, or it does not use the gradient.
        """
        return str(SPACE.tree(text))

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return the accuracy of each rule; the same rule in another form is not trained again."""
        return await equation_scores.evaluations(candidates, SPACE, self._score)

    def references(self) -> Sequence[Reference]:
        """Return the accuracies of the known rules, and of SGD with the same decays; trained once, in seconds."""
        return self._references

    def recall(self, trials: Sequence[Trial]) -> None:
        """Take in what was scored, so that the same rule in another form is known again."""
        for trial in trials:
            if trial.value is not None:
                self._children.recall(SPACE.tree(trial.text), trial.evaluation)

    def draw(self, random: Random) -> str:
        """Return a random rule."""
        return SPACE.draw(random)

    def mutate(self, text: str, random: Random) -> str:
        """Return the rule with one part changed."""
        return SPACE.mutate(text, random)

    def cross(self, text: str, other: str, random: Random) -> str:
        """Return the rule with one part replaced by a part of the other."""
        return SPACE.cross(text, other, random)

    @property
    def tokens(self) -> Sequence[str]:
        """What a rule is written with, token by token."""
        return SPACE.grammar.tokens

    def follow(self, written: Sequence[str]) -> Sequence[str]:
        """Return the tokens that may come next."""
        return SPACE.grammar.follow(written)

    def written(self, tokens: Sequence[str]) -> str:
        """Return the rule that tokens write."""
        return SPACE.written(tokens)

    def spelling(self, text: str) -> Sequence[str]:
        """Return the tokens that write a rule."""
        return SPACE.spelling(text)

    def formula(self, text: str) -> str:
        """Return the rule as LaTeX."""
        return rf"\Delta w = -\eta \left( {latex(SPACE.tree(text), SYMBOLS)} \right)"

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """See Pictured."""
        return equation_pictures.pictures(trials, references, self._trained, self.config.rates)

    @property
    def rivals(self) -> Mapping[str, str]:
        """The known rules, those that only let the learning rate decay among them."""
        return {name: self.parse(text) for name, text in RULES.items()}

    def examination(self, texts: Sequence[str]) -> "UpdateRule":
        """Return the problem that trains just these rules on fresh seeds, and tests them."""
        return UpdateRule(self.config.model_copy(update={"exam": tuple(texts)}), self._seed)

    def _score(self, trees: Sequence[Node]) -> list[Evaluation]:
        if self.config.exam:
            return self._children.examined(trees, self.config.fresh, self._tests)
        return self._children.evaluations(trees, self._seeds)

    def _trained(self, texts: Sequence[str]) -> "list[Trained]":
        """Return what becomes of networks that rules train."""
        return self._children.trained([SPACE.tree(text) for text in texts], self._seeds)

    @property
    def _seeds(self) -> range:
        first = self._seed * self.config.seeds
        return range(first, first + self.config.seeds)

    @cached_property
    def _children(self) -> "Children":
        from evaluators.child_results import Children  # needs torch, which `opro problems` need not wait for
        from evaluators.update_rule_training import UpdateRules, points

        children = Children(self._setting, UpdateRules, points())
        children.name({name: SPACE.tree(text) for name, text in RULES.items()})
        return children

    @cached_property
    def _setting(self) -> "Setting":
        return equation_scores.setting(self.config, self.config.network, self.config.hidden)

    @property
    def _tests(self) -> "dict[str, Setting]":
        """The settings of an examination: the run's own, more epochs, another data set, another network."""
        config, own = self.config, self._setting
        longer = replace(own, schedule=replace(own.schedule, epochs=config.longer))
        tests = {"test": own, f"{config.longer} epochs": longer}
        tests[config.second] = replace(own, data=config.second, network="mlp")
        if config.other and load(config.data).image:
            tests["other network"] = replace(own, network="conv" if config.network == "mlp" else "mlp")
        return tests

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        texts = list(self.rivals.values())
        evaluations = self._children.evaluations([SPACE.tree(text) for text in texts], self._seeds)
        known = zip(self.rivals, texts, evaluations, strict=True)
        return tuple(Reference(name, one.value, solution=text) for name, text, one in known if one.value is not None)

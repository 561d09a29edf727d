"""Backward rules of networks as solutions, in the spirit of Backprop Evolution (arXiv 1808.02822).

A rule says how the error of a hidden layer is made of the errors above it. It trains small deep perceptrons by plain
steps for a few epochs, at every rate of a grid; its value is the validation accuracy at the rate where that is highest,
mean over seeds. Which parts of the language follow the paper and which are ours stands in `backward_rule_language`.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field

from evaluators.backward_rule_language import RULES, SPACE, SYMBOLS
from evaluators.equation_problem import EquationProblem, Subject, TrainingConfig
from evaluators.equation_scores import Units

if TYPE_CHECKING:
    from evaluators.child_results import Children

STARTS = (
    "(b @ R) * step(z)",
    "(e @ D) * step(z)",
    "(b @ S) * step(z)",
    "b @ W",
    "b @ R",
    "e @ D",
    "norm(b @ R) * step(z)",
)
FACTS = """The rule gives the error of a hidden layer, a matrix of examples x units of this layer. It may use:
b the error of the layer above, e the error of the output (examples x classes); W the weights of the layer above;
R, S random matrices (Gaussian, of signs) of the shape of W; D a random matrix (classes x units of this layer);
z the sums of this layer before ReLU, h after it, za the sums of the layer above; numbers;
+ - * / max min; @ the matrix product, as in b @ W; abs sign sqrt step (1 where positive) norm; clip(x, 0.01)."""


class BackwardRule(EquationProblem):
    """Find the backward rule with which small deep networks reach the highest validation accuracy in a few epochs."""

    class Config(TrainingConfig):
        """What is trained, how long, and on what."""

        hidden: tuple[Units, ...] = Field((32, 32, 32), min_length=1, description="units of each hidden layer")
        longer: int = Field(50, ge=1, le=1000, description="epochs of the longer training in an examination")

    subject = Subject(
        space=SPACE,
        task="A deep neural network is trained. The rule that hands errors down from layer to layer is to be found "
        "with which the network's accuracy after a short training is highest.",
        facts=FACTS,
        starts=STARTS,
        rules=RULES,
        symbols=SYMBOLS,
        left="b_i = %s",
    )

    @cached_property
    def _children(self) -> "Children":
        from evaluators.backward_rule_training import BackwardRules, points
        from evaluators.child_results import Children

        return self._named(Children(self._setting, BackwardRules, points()))

"""Update rules of optimizers as solutions, after Neural Optimizer Search (arXiv 1709.07417).

A rule says what is taken off the weights at each step, times a learning rate. It trains small networks for a few epochs
at every rate of a grid; its value is the validation accuracy at the rate where that is highest, mean over seeds. Most
of what a decayed rule seems to gain, a decayed learning rate gains as well: so the references hold plain SGD with the
same decay, and whoever claims a gain has to show it against those.
"""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from evaluators.child_data import load
from evaluators.equation_problem import RATES, EquationProblem, Subject, TrainingConfig
from evaluators.update_rule_language import RULES, SPACE, SYMBOLS

if TYPE_CHECKING:
    from evaluators.child_results import Children, Setting

__all__ = ["RATES", "UpdateRule"]

STARTS = ("g", "m", "sign(g)", "sign(m)", "sign(m) * abs(g)", "g * abs(m)", "g + m", "2 * m - g", "clip(g, 0.001)")
FACTS = """The rule is computed for every weight at every step; the weight then changes by -rate * rule, with the best \
rate of a grid. It may use:
g the gradient; m, v, y the averages of g, g^2, g^3 over past steps; adam = m / sqrt(v); rmsprop; w the weight;
ld, cd, rd: factors that fall from 1 to 0 during training; noise, annealed: small random numbers; numbers;
+ - * / ^ exp log sqrt abs sign max min; clip(x, 0.001); drop(x, 0.1)."""


class UpdateRule(EquationProblem):
    """Find the update rule with which small networks reach the highest validation accuracy in a few epochs."""

    class Config(TrainingConfig):
        """What is trained, how long, and on what."""

        network: Literal["mlp", "conv"] = Field("mlp", description="a perceptron, or a small ConvNet for images")
        other: bool = Field(default=True, description="examine with the other kind of network, too; a ConvNet is slow")

    subject = Subject(
        space=SPACE,
        task="An optimizer trains a neural network. Its update rule is to be found with which the network's accuracy "
        "after a short training is highest.",
        facts=FACTS,
        starts=STARTS,
        rules=RULES,
        symbols=SYMBOLS,
        left=r"\Delta w = -\eta \left( %s \right)",
    )

    @cached_property
    def _children(self) -> "Children":
        from evaluators.child_results import Children
        from evaluators.update_rule_training import UpdateRules, points

        return self._named(Children(self._setting, UpdateRules, points()))

    @property
    def _network(self) -> str:
        return self.config.network

    @property
    def _tests(self) -> "dict[str, Setting]":
        """See EquationProblem; and another network, where the data are images."""
        tests = super()._tests
        if self.config.other and load(self.config.data).image:
            tests["other network"] = replace(self._setting, network="conv" if self._network == "mlp" else "mlp")
        return tests

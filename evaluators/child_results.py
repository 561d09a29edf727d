"""From trained networks to evaluations: the best rate, why there is none, and what an examination tells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean

import torch
from torch import Tensor

from evaluators.child_data import load
from evaluators.child_networks import network
from evaluators.child_training import Layers, Schedule, School, Trained, Trainer
from evaluators.expression_torch import fingerprint
from evaluators.expressions import Node
from opro.types import Answer, Evaluation

_SAME = "the same as"

FRESH = 2**40
"""Where the seeds of examinations begin, which those of a run do not reach."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is trained, and how long.

    Attributes:
        data: the name of the data set.
        network: `mlp` or `conv`.
        hidden: units of each hidden layer of the perceptron.
        schedule: epochs, examples a step, rates.
        together: networks that are trained at once.
    """

    data: str
    network: str
    hidden: tuple[int, ...]
    schedule: Schedule
    together: int


class Children:
    """Scores rules by the networks that they train; remembers them, so that none is trained twice."""

    def __init__(
        self, setting: Setting, school: Callable[[Layers], School], points: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Take a setting, what trains networks of a shape, and operand values that differ in what a rule needs."""
        self._setting, self._school, self._points = setting, school, points
        self._trainers: dict[Setting, Trainer] = {}
        self._known: dict[str, tuple[str, Evaluation]] = {}
        self._names: dict[str, str] = {}

    def name(self, rules: Mapping[str, Node]) -> None:
        """Call rules by these names from now on, in whatever form they come."""
        self._names |= {self._fingerprint(tree): name for name, tree in rules.items()}

    def recall(self, tree: Node, evaluation: Evaluation) -> None:
        """Take in what was scored before."""
        bare = evaluation.feedback.partition(f"; {_SAME}")[0]
        self._known.setdefault(self._fingerprint(tree), (str(tree), replace(evaluation, feedback=bare)))

    def evaluations(self, trees: Sequence[Node], seeds: Sequence[int]) -> list[Evaluation]:
        """Return the validation accuracy of each rule; one that equals an earlier one has that one's."""
        prints = [self._fingerprint(tree) for tree in trees]
        fresh = {print_: tree for print_, tree in zip(prints, trees, strict=True) if print_ not in self._known}
        learning = {print_: tree for print_, tree in fresh.items() if not self._is_constant(tree)}
        trained = self.trained(list(learning.values()), seeds)
        outcomes = dict(zip(learning, map(self._outcome, trained), strict=True))
        for print_, tree in fresh.items():
            outcome = outcomes.get(print_) or Evaluation.failed("constant: it is the same whatever the gradients are")
            self._known[print_] = str(tree), outcome
        return [self._told(tree, print_) for tree, print_ in zip(trees, prints, strict=True)]

    def examined(self, trees: Sequence[Node], count: int, tests: Mapping[str, Setting]) -> list[Evaluation]:
        """Return the test accuracy of each rule over `count` fresh seeds in the setting "test", others beside it.

        In each setting the rate is chosen anew, on the validation part.
        """
        settings = [self.trained(trees, range(FRESH, FRESH + count), setting) for setting in tests.values()]
        return [_examined(dict(zip(tests, trained, strict=True))) for trained in zip(*settings, strict=True)]

    def trained(self, trees: Sequence[Node], seeds: Sequence[int], setting: Setting | None = None) -> list[Trained]:
        """Return what became of each rule, in this setting or another one."""
        setting = setting or self._setting
        if setting not in self._trainers:
            data = load(setting.data)
            layers = Layers(network(setting.network, data, setting.hidden))
            self._trainers[setting] = Trainer(data, layers, setting.schedule, self._school(layers))
        return self._trainers[setting].train(trees, seeds, setting.together) if trees else []

    def _told(self, tree: Node, print_: str) -> Evaluation:
        """Return what is known of a rule, and what other rule it is."""
        text, evaluation = self._known[print_]
        others = [self._names[print_]] if print_ in self._names else []
        others += [text] if text != str(tree) else []
        if not others:
            return evaluation
        same = f"{_SAME} {', '.join(others)}"
        return replace(evaluation, feedback="; ".join(part for part in (evaluation.feedback, same) if part))

    def _outcome(self, trained: Trained) -> Evaluation:
        rates = self._setting.schedule.rates
        best = best_rate(trained)
        if best is None:
            return Evaluation.failed(f"diverged at step {last_step(trained)}, and sooner at other learning rates")
        value = float(trained.valid[:, best].mean())
        alive = int((trained.died == 0).all(0).sum())
        return Evaluation(
            round(value, 9),
            feedback=f"best at rate {rates[best]:g}",
            metrics={"rate": rates[best], "rates that did not diverge": alive},
        )

    def _is_constant(self, tree: Node) -> bool:
        return len({fingerprint(tree, points) for points in self._points}) == 1

    def _fingerprint(self, tree: Node) -> str:
        return fingerprint(tree, self._points[0])


def best_rate(trained: Trained) -> int | None:
    """Return the place of the rate of the highest mean accuracy among those at which no seed diverged."""
    alive = (trained.died == 0).all(0)
    if not alive.any():
        return None
    return int(torch.where(alive, trained.valid.mean(0), -1.0).argmax())


def last_step(trained: Trained) -> int:
    """Return the step to which a rule came at the rate at which it diverged last."""
    died = torch.where(trained.died > 0, trained.died, torch.iinfo(torch.int64).max)
    return int(died.amin(0).amax())


def _examined(trained: Mapping[str, Trained]) -> Evaluation:
    scores = {name: _answers(one, name) for name, one in trained.items()}
    if not scores["test"]:
        return Evaluation.failed(f"diverged at step {last_step(trained['test'])} or before, at every learning rate")
    means = {name: fmean(answer.score or 0.0 for answer in part) for name, part in scores.items() if part}
    told = "; ".join(f"{name} {100 * mean:.2f} %" for name, mean in means.items())
    return Evaluation(means["test"], feedback=told, metrics=means, answers=tuple(chain(*scores.values())))


def _answers(trained: Trained, split: str) -> list[Answer]:
    """Return the test accuracy at the best rate, seed by seed; none where every rate diverged."""
    best = best_rate(trained)
    if best is None:
        return []
    scores = map(float, trained.test[:, best])
    return [
        Answer(f"{split}, seed {number}", score, f"{100 * score:.2f} %", "100 %", split=split)
        for number, score in enumerate(scores)
    ]

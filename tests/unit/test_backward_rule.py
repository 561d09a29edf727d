from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from evaluators.backward_rule import BackwardRule
from evaluators.backward_rule_language import RULES, SPACE
from evaluators.backward_rule_training import BackwardRules, Feedback, feedback, gradient
from evaluators.child_data import load
from evaluators.child_networks import initial, network
from evaluators.child_training import Layers, Schedule, Trainer
from evaluators.expression_torch import compiled
from opro.errors import InvalidSolutionError
from opro.protocols import Crossable, Examinable, Grammatical, Pictured, Referenced, Typeset
from opro.types import Candidate, Evaluation

HIDDEN = (12, 9, 7)
SEEDS = (3, 4)


def stack() -> tuple[Layers, Tensor, Tensor, Tensor, Feedback]:
    """Return layers, weights (seeds, 1, parameters), examples, targets and random matrices in double precision."""
    data = load("wine")
    layers = Layers(network("mlp", data, HIDDEN))
    rows = torch.stack([layers.joined(initial(layers.module, seed)) for seed in SEEDS])[:, None]
    x = torch.tensor(data.train.x[:40]).view(2, 1, 20, -1)
    y = torch.tensor(data.train.y[:40]).view(2, 1, 20)
    target = nn.functional.one_hot(y, data.classes).transpose(-1, -2).double()
    return layers, rows, x, target, feedback(layers, SEEDS, rows)


def by_rule(text: str) -> Tensor:
    layers, rows, x, target, random = stack()
    return gradient(compiled(SPACE.tree(text)), layers, rows, x, target, random)[0]


def by_hand(matrices: list[Tensor], *, direct: bool) -> Tensor:
    """Return the gradients with these matrices in place of the transposed weights, written down layer by layer."""
    layers, rows, x, target, _ = stack()
    parameters = [part[:, 0] for part in layers.parted(rows).values()]
    inputs, sums = [x[:, 0]], list[Tensor]()
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        sums.append(torch.einsum("sbi,soi->sbo", inputs[-1], weight) + bias[:, None])
        inputs.append(sums[-1].clamp_min(0))
    output = error = (sums[-1].softmax(-1) - target[:, 0].transpose(1, 2)) / 20
    found: list[Tensor] = []
    for layer in (3, 2, 1, 0):
        if layer < 3:
            error = torch.einsum("sbo,soi->sbi", output if direct else error, matrices[layer][:, 0]) * (sums[layer] > 0)
        found = [torch.einsum("sbo,sbi->soi", error, inputs[layer]).flatten(1), error.sum(1), *found]
    return torch.cat(found, -1)[:, None]


def test_standard_backpropagation_is_reproduced_to_1e_10():
    layers, rows, x, target, _ = stack()
    found = by_rule(RULES["backpropagation"])
    for seed in range(2):
        row = rows[seed, 0].clone().requires_grad_()
        out = torch.func.functional_call(layers.module, layers.parted(row), (x[seed, 0],))
        (expected,) = torch.autograd.grad(nn.functional.cross_entropy(out.T, target[seed, 0].argmax(0)), row)
        assert (found[seed, 0] - expected).abs().max() < 1e-10


def test_feedback_alignment_is_reproduced():
    random = stack()[4]
    assert torch.allclose(by_rule(RULES["feedback alignment"]), by_hand(random.gaussian, direct=False), atol=1e-12)


def test_direct_feedback_alignment_is_reproduced():
    random = stack()[4]
    assert torch.allclose(by_rule(RULES["direct feedback alignment"]), by_hand(random.direct, direct=True), atol=1e-12)


def test_sign_symmetry_is_reproduced():
    layers, rows, *_ = stack()
    weights = [part.sign() for part in layers.parted(rows).values() if part.ndim == 4][1:]
    assert torch.allclose(by_rule(RULES["sign symmetry"]), by_hand(weights, direct=False), atol=1e-12)


def test_random_matrices_are_the_same_for_every_rule_and_others_for_another_seed():
    one, other = stack()[4], stack()[4]
    assert all(torch.equal(a, b) for a, b in zip(one.gaussian, other.gaussian, strict=True))
    assert not torch.equal(one.gaussian[0][0], one.gaussian[0][1])
    assert set(one.signs[1].unique().tolist()) == {-one.signs[1].max().item(), one.signs[1].max().item()}


def test_the_size_of_a_stack_does_not_matter():
    data = load("wine")
    layers = Layers(network("mlp", data, HIDDEN))
    trainer = Trainer(data, layers, Schedule(3, 16, (0.01, 0.1)), BackwardRules(layers))
    trees = [SPACE.tree(text) for text in (*RULES.values(), "norm(b @ W)", "h * (b @ W)")]
    for one, other in zip(trainer.train(trees, SEEDS, 1000), trainer.train(trees, SEEDS, 1), strict=True):
        assert torch.allclose(one.valid, other.valid, atol=0.029)


def problem(**config) -> BackwardRule:
    return BackwardRule(BackwardRule.Config(**{"data": "wine", "rates": (0.1, 1.0), "hidden": (16, 16), **config}), 0)


async def scored(rules: BackwardRule, *texts: str) -> Sequence[Evaluation]:
    return await rules.evaluate([Candidate(text) for text in texts])


async def test_the_known_rules_learn():
    rules = problem(epochs=12)
    values = {reference.name: reference.value for reference in rules.references()}
    assert set(values) == set(RULES)
    assert min(values.values()) > 0.6


async def test_a_rule_that_diverges_fails_with_the_step_and_a_constant_one_as_such():
    wild, constant, same = await scored(problem(epochs=5), "(b @ W) / (z - z) * 1e6", "norm(b) @ W * 0", "b @ (W * 1)")
    assert wild.reason.startswith("diverged at step ")
    assert constant.reason.startswith("constant")
    assert same.value is not None


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidSolutionError, match=r"\* does not take batch x next and batch x here"):
        problem().parse("b * z")
    with pytest.raises(InvalidSolutionError, match="constant"):
        problem().parse("z + h")


def test_it_has_what_every_search_needs():
    rules = problem()
    for ability in (Crossable, Examinable, Grammatical, Pictured, Referenced, Typeset):
        assert isinstance(rules, ability)
    assert rules.written(rules.spelling("(b @ sign(W)) * step(z)")) == "step(z) * (b @ sign(W))"
    assert rules.formula("b @ W") == r"b_i = b_{i+1} \, W_{i+1}"


async def test_an_examination_trains_longer_and_on_other_data():
    exam = problem(fresh=2, longer=4, second="breast_cancer").examination(["(b @ W) * step(z)"])
    (evaluation,) = await exam.evaluate(exam.start(0))
    assert set(evaluation.metrics) == {"test", "4 epochs", "breast_cancer"}

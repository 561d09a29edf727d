from collections.abc import Callable, Sequence
from functools import cache, partial

import pytest
import torch
from torch import Tensor, nn

from evaluators import child_training
from evaluators.child_data import load
from evaluators.child_networks import initial, network
from evaluators.child_results import best_rate, last_step
from evaluators.child_training import Layers, Moment, Schedule, Trained, Trainer
from evaluators.expressions import Node
from evaluators.update_rule import UpdateRule
from evaluators.update_rule_language import GRAMMAR, RULES, SPACE
from evaluators.update_rule_training import Rule, UpdateRules
from opro.errors import ConfigError, InvalidSolutionError, OproError
from opro.protocols import Crossable, Examinable, Grammatical, Pictured, Referenced, Remembering, Typeset
from opro.types import Candidate, Evaluation, Trial

STEPS = 40
RATES = (0.01, 0.1, 1.0)


def problem(**config) -> UpdateRule:
    return UpdateRule(UpdateRule.Config(**{"data": "wine", "epochs": 2, "rates": RATES, "hidden": (8,), **config}), 0)


async def scored(rules: UpdateRule, *texts: str) -> Sequence[Evaluation]:
    return await rules.evaluate([Candidate(text) for text in texts])


def trees(*texts: str) -> list[Node]:
    return [SPACE.tree(text) for text in texts]


wine = cache(partial(load, "wine"))


def trainer(**changes: object) -> Trainer:
    data = wine()
    layers = Layers(network("mlp", data, (8,)))
    return Trainer(data, layers, Schedule(**{"epochs": 2, "batch": 16, "rates": RATES, **changes}), UpdateRules(layers))


def alone(tree: Node, seed: int, rate: float) -> float:
    """Train one network in the plainest way, and return its accuracy on the validation part."""
    data = wine()
    module = network("mlp", data, (8,))
    for parameter, value in zip(module.parameters(), initial(module, seed).values(), strict=True):
        parameter.data = value.float()
    x, y = torch.tensor(data.train.x).float(), torch.tensor(data.train.y)
    rules = [Rule(tree) for _ in module.parameters()]
    generator, step, each = torch.Generator().manual_seed(seed), 0, len(y) // 16
    for _ in range(2):
        for chosen in torch.randperm(len(y), generator=generator)[: each * 16].split(16):
            step += 1
            loss = nn.functional.cross_entropy(module(x[chosen]).T, y[chosen])
            gradients = torch.autograd.grad(loss, list(module.parameters()))
            with torch.no_grad():
                for parameter, gradient, rule in zip(module.parameters(), gradients, rules, strict=True):
                    parameter -= rate * rule.update(parameter, gradient, Moment(step, 2 * each), {})
    with torch.no_grad():
        right = module(torch.tensor(data.valid.x).float()).argmax(0) == torch.tensor(data.valid.y)
    return right.double().mean().item()


def test_training_side_by_side_equals_training_one_by_one():
    rules = trees("g", "adam", "g * exp(ld * sign(g) * sign(m))", "g ^ 3 + y", "clip(m, 0.001)")
    for tree, trained in zip(rules, trainer().train(rules, (0, 7), 1000), strict=True):
        one_by_one = [[alone(tree, seed, rate) for rate in RATES] for seed in (0, 7)]
        assert torch.allclose(trained.valid, torch.tensor(one_by_one).double(), atol=0.029), str(tree)  # one of 36


def test_the_gradients_of_all_networks_are_those_of_autograd():
    data = load("wine")
    layers = Layers(network("mlp", data, (8,)))
    rows = torch.stack([layers.joined(initial(layers.module, seed)) for seed in (1, 2)])[None]
    x, y = torch.tensor(data.train.x[None, :16]), torch.tensor(data.train.y[:16])
    target = nn.functional.one_hot(y, data.classes).T[None].double()
    by_name, _ = UpdateRules(layers)._gradient(layers.parted(rows), x, target)
    for place in range(2):
        row = rows[0, place].clone().requires_grad_()
        out = torch.func.functional_call(layers.module, layers.parted(row), (x[0],))
        (expected,) = torch.autograd.grad(nn.functional.cross_entropy(out.T, y), row)
        assert torch.allclose(layers.joined(by_name)[0, place], expected, atol=1e-12)


@pytest.mark.parametrize("together", [1, 7, 1000])
def test_the_size_of_a_stack_does_not_matter(together: int):
    rules = trees("g", "m / sqrt(v)", "g + noise", "drop(g, 0.3)", "g ^ 3")
    whole = trainer().train(rules, (0, 1), 10_000)
    for one, other in zip(whole, trainer().train(rules, (0, 1), together), strict=True):
        assert torch.allclose(one.valid, other.valid, atol=0.029)
        assert torch.equal(one.died, other.died)


Reference = Callable[[list[Tensor]], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Reference] = {
    "g": lambda weights: torch.optim.SGD(weights, lr=0.1),
    "m / sqrt(v)": lambda weights: torch.optim.Adam(weights, lr=0.1, eps=1e-8),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.1, eps=1e-8),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=0.1, alpha=0.99, eps=1e-8),
    "m / sqrt(v) + 0.01 * w": lambda weights: torch.optim.AdamW(weights, lr=0.1, eps=1e-8, weight_decay=0.01),
}


def steps(rule: str, check: Callable[[Tensor, Tensor, int], None]) -> None:
    """Let a rule go down a bumpy slope, and check the weights after every step with the gradient before it."""
    weights, state = torch.linspace(-2, 2, 30), Rule(SPACE.tree(rule))
    for step in range(1, STEPS + 1):
        gradient = weights**3 - weights + torch.sin(7 * weights)
        weights = weights - 0.1 * state.update(weights, gradient, Moment(step, STEPS), {})
        check(weights, gradient, step)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_rule_equals_the_optimizer_of_torch_step_by_step(rule: str):
    theirs = nn.Parameter(torch.linspace(-2, 2, 30))
    optimizer = OPTIMIZERS[rule]([theirs])

    def check(weights: Tensor, gradient: Tensor, step: int) -> None:
        theirs.grad = gradient
        optimizer.step()
        assert torch.allclose(weights, theirs, rtol=1e-5, atol=1e-5), step

    steps(rule, check)


def textbook(name: str, step: int, g: Tensor, m: Tensor) -> Tensor:
    """Return the updates of Bello et al. (2017), section 5, with the decays of its TensorFlow code."""
    done = torch.tensor((step - 1) / STEPS)
    decay = {"linear": 1 - done, "cosine": 0.5 * (1 + torch.cos(torch.pi * done))}.get(
        name.split()[-2], torch.tensor(1)
    )
    agree = torch.sign(g) * torch.sign(m)
    return torch.e ** (decay * agree) * g if name.startswith("PowerSign") else (1 + decay * agree) * g


@pytest.mark.parametrize("name", [name for name in RULES if name.startswith(("PowerSign", "AddSign"))])
def test_powersign_and_addsign_equal_the_textbook_step_by_step(name: str):
    ours = torch.linspace(-2, 2, 30)
    average = torch.zeros(30)

    def check(weights: Tensor, gradient: Tensor, step: int) -> None:
        nonlocal ours, average
        average = 0.9 * average + 0.1 * gradient
        ours = ours - 0.1 * textbook(name if "decay" in name else f"{name} no decay", step, gradient, average)
        assert torch.allclose(weights, ours, rtol=1e-5, atol=1e-5), step

    steps(RULES[name], check)


async def test_a_rule_that_diverges_fails_with_the_step():
    (evaluation,) = await scored(problem(rates=(10.0, 100.0), epochs=8), "g * exp(30 * abs(g)) * 1e6 - 1e6 * w")
    assert evaluation.value is None
    assert evaluation.reason.startswith("diverged at step ")


def test_a_nan_at_any_step_is_seen_at_that_step_and_disturbs_no_neighbour():
    class Poison(Rule):
        def update(self, weights: Tensor, gradient: Tensor, moment: Moment, noise: dict[str, Tensor]) -> Tensor:
            value = super().update(weights, gradient, moment, noise)
            return value * torch.nan if moment.step == at else value

    (clean,) = trainer().train(trees("g"), (0, 1), 100)
    for at in (1, 5, 6, 12):
        poisoned = trainer()
        learner = poisoned._school.learner

        def mixed(rules, seeds, rates, learner=learner):
            made = learner(rules, seeds, rates)
            made._rules[1] = Poison(rules[1])
            return made

        poisoned._school.learner = mixed
        one, other = poisoned.train(trees("g", "g"), (0, 1), 100)
        assert other.died.eq(at).all()
        assert last_step(other) == at
        assert best_rate(other) is None
        assert torch.equal(one.valid, clean.valid)


def test_a_network_whose_outputs_are_all_equal_is_never_right():
    to_zero = GRAMMAR.language.parse("w")  # at the rate 1: a search once found this way to an accuracy of 100 %
    (made,) = trainer(rates=(1.0,)).train([to_zero], [0], 1)
    assert made.died.item() == 0
    assert made.valid.item() == made.test.item() == 0.0


def test_a_rate_at_which_one_seed_diverges_does_not_count():
    valid = torch.tensor([[0.5, 0.6, 0.9], [0.5, 0.4, 0.9]])
    died = torch.tensor([[0, 0, 7], [0, 0, 0]])
    assert best_rate(Trained(valid, valid, valid[None], died)) == 0
    assert best_rate(Trained(valid, valid, valid[None], died + 1)) is None
    assert last_step(Trained(valid, valid, valid[None], torch.tensor([[3, 9, 0], [4, 0, 5]]))) == 9


def test_where_memory_ends_the_stack_is_halved(monkeypatch: pytest.MonkeyPatch):
    stack = Trainer._stack
    tried: list[tuple[int, int]] = []
    room = [0]

    def small(self: Trainer, rules: Sequence[Node], seeds: Sequence[int], rates: Sequence[float]) -> list[Trained]:
        tried.append((len(rules), len(rates)))
        if len(rules) * len(rates) > room[0]:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return stack(self, rules, seeds, rates)

    rules = trees("g", "m", "adam", "sign(g)")
    whole = trainer().train(rules, (0,), 100)
    monkeypatch.setattr(child_training.Trainer, "_stack", small)
    for room[0] in (6, 3, 2):
        tried.clear()
        halved = trainer().train(rules, (0,), 100)
        assert tried[0] == (4, 3)
        assert all(torch.allclose(a.valid, b.valid, atol=0.029) for a, b in zip(whole, halved, strict=True))
    room[0] = 0
    with pytest.raises(OproError, match="the memory does not suffice"):
        trainer().train(rules, (0,), 100)


def test_other_errors_of_torch_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch):
    def broken(*_arguments: object) -> list[Trained]:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Trainer, "_stack", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        trainer().train(trees("g"), (0,), 100)


async def test_the_same_rule_in_another_form_is_not_trained_again_and_is_shown_as_such(monkeypatch):
    rules = problem()
    first, known = await scored(rules, "m + g * m", "exp(log(m) * 2) * 0 + m / sqrt(v)")
    monkeypatch.setattr(Trainer, "train", None)
    (again,) = await scored(rules, "m * (1 + g)")
    assert again.value == first.value
    assert "the same as m + g * m" in again.feedback
    assert "the same as Adam" in known.feedback


async def test_a_resumed_run_knows_the_rules_of_its_record(monkeypatch):
    rules, resumed = problem(), problem()
    (first,) = await scored(rules, "m + g * m")
    resumed.recall([Trial(0, 0, Candidate("m + g * m"), first), Trial(1, 0, Candidate("x"), Evaluation.failed("no"))])
    monkeypatch.setattr(Trainer, "train", None)
    (again,) = await scored(resumed, "m * (1 + g)")
    assert again.value == first.value


@pytest.mark.parametrize("text", ["sign(v) - sign(g ^ 2)", "1", "ld", "g ^ 0", "sign(v + 1)"])
async def test_a_constant_rule_fails_as_such(text: str):
    (evaluation,) = await scored(problem(), text)
    assert evaluation.value is None
    assert evaluation.reason.startswith("constant")


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("g * m", "g * m"),
        ("I propose <rule> g + m </rule> as it adds.", "g + m"),
        ("<rule>g</rule> or rather <rule>m</rule>", "m"),
        ("The new rule is `exp(sign(g) * sign(m)) * g`.", "g * exp(sign(g) * sign(m))"),
        ("Let me think.\n\nrule = adam * cd\n", "adam * cd"),
        ("update: g^2", "g ^ 2"),
        ("```\ng * ld\n```", "g * ld"),
        ("first g * m\nthen\ng * v.", "g * v"),
        ("g *\nm", "g * m"),
    ],
)
def test_the_last_rule_of_a_reply_is_found(reply: str, rule: str):
    assert SPACE.tree(reply) == SPACE.tree(rule)


def test_an_empty_tag_is_refused():
    with pytest.raises(InvalidSolutionError, match="empty"):
        problem().parse("<rule></rule> g")


async def test_an_examination_tests_fresh_seeds_longer_training_and_another_data_set():
    exam = problem(fresh=3, longer=3, second="breast_cancer").examination(["g", "m / sqrt(v)", "g * ld"])
    texts = [candidate.text for candidate in exam.start(0)]
    assert texts == ["g", "m / sqrt(v)", "g * ld"]
    evaluations = await exam.evaluate(exam.start(0))
    for evaluation in evaluations:
        splits = [answer.split for answer in evaluation.answers]
        assert splits == ["test"] * 3 + ["3 epochs"] * 3 + ["breast_cancer"] * 3
        mean = sum(answer.score or 0 for answer in evaluation.answers[:3]) / 3
        assert evaluation.value == pytest.approx(mean)
        assert set(evaluation.metrics) == {"test", "3 epochs", "breast_cancer"}


def test_the_rivals_of_a_verdict_hold_the_decay_alone():
    assert "g * ld" in problem().rivals.values()


def test_a_convnet_is_trained_and_needs_images():
    data = load("digits")
    layers = Layers(network("conv", data, ()))
    (trained,) = Trainer(data, layers, Schedule(2, 32, (0.03,)), UpdateRules(layers)).train(trees("adam"), (0,), 10)
    assert trained.valid.item() > 0.5
    with pytest.raises(ConfigError, match="needs images"):
        network("conv", load("wine"), ())


def test_the_parts_of_the_data_are_disjoint_and_each_of_unit_size():
    data = load("digits")
    assert [len(part.y) for part in (data.train, data.valid, data.test)] == [1078, 360, 359]
    assert data.train.x.shape[1:] == (1, 8, 8)
    assert abs(data.train.x.mean()) < 1e-9
    assert data.train.x.std() == pytest.approx(1)
    with pytest.raises(ConfigError, match="known without a hub are digits"):
        load("no/such folder")


def test_it_has_what_every_search_needs():
    rules = problem()
    for ability in (Crossable, Examinable, Grammatical, Pictured, Referenced, Remembering, Typeset):
        assert isinstance(rules, ability)
    assert rules.formula("g") == r"\Delta w = -\eta \left( g \right)"


def test_formulas_are_held_to_the_syntax_while_they_are_written():
    constraint = problem().brief().constraint
    assert constraint
    assert all(constraint.allows(problem().parse(text)) for text in RULES.values())
    for wrong in ("g m", "g *", "exp(g", "exp g", "2m", "x", "", "g, m", "clip(g, m)"):
        assert not constraint.allows(wrong), wrong


def test_the_pictures_can_be_drawn():
    rules = problem()
    evaluation = Evaluation(0.9)
    for picture in rules.pictures([Trial(0, 0, Candidate("m"), evaluation)], rules.references()):
        assert len(picture.draw().data) > 3
    assert [picture.draw() for picture in rules.pictures([], [])]


def test_spelling_a_rule_and_writing_it_gives_the_rule():
    rules = problem()
    for text in ("g", "g * exp(sign(g) * sign(m))", "clip(g, 0.001) + drop(m, 0.3)"):
        assert rules.written(rules.spelling(text)) == rules.parse(text)
    for text in ("0.37 * g", "max(g, m)", " + ".join(["g * m"] * 9)):
        with pytest.raises(InvalidSolutionError):
            rules.spelling(text)
    assert set(rules.tokens) == set(GRAMMAR.tokens)


async def test_rules_that_differ_only_where_gradients_are_small_are_told_apart():
    clipped, signed = await scored(problem(), "clip(g, 0.001)", "0.001 * sign(g)")
    assert "same" not in clipped.feedback + signed.feedback
    (useful,) = await scored(problem(), "log(clip(adam, 0.001))")
    assert "constant" not in useful.reason

"""Training by rules one by one against side by side: trainings a second against how many are stacked, at equal results.

python -m tests.bench.bench_update_rules [--threads 1] [--rules 24] [--together 22 88 352 1408] [--network mlp]
    [--device cpu] [--repeats 3] [--clock wall]

A training is one network by one rule at one learning rate with one seed: 3 epochs of scikit-learn's digits. One by one
is the plain loop of torch: a module, its autograd, the rule for each parameter. `--clock processor` counts processor
time of all threads together, for a machine that others use as well. The last column compares accuracies with the plain
loop's at one rate. A rule with a jump, such as sign(ld * v) where v is zero but for rounding, may differ by much.
"""

import argparse
import time
from collections.abc import Callable
from functools import cache, partial
from random import Random

import torch
from torch import nn

from evaluators.child_data import load
from evaluators.child_networks import initial, network
from evaluators.child_training import Layers, Moment, Schedule, Trained, Trainer
from evaluators.expressions import Node
from evaluators.update_rule import RATES
from evaluators.update_rule_language import RULES, SPACE
from evaluators.update_rule_training import Rule, UpdateRules
from tests.bench.machine import machine

SEEDS = (0, 1)
EPOCHS = 3
BATCH = 32

digits = cache(partial(load, "digits"))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rules", type=int, default=24)
    parser.add_argument("--together", type=int, nargs="+", default=[22, 88, 352, 1408])
    parser.add_argument("--network", default="mlp")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall")
    return parser.parse_args()


def rules(count: int) -> list[Node]:
    """Return the known rules, and random ones that need no noise: the plain loop knows none."""
    random, made = Random(0), [SPACE.tree(text) for text in RULES.values()]
    while len(made) < count:
        tree = SPACE.tree(SPACE.draw(random))
        if not Rule(tree).noisy and tree not in made:
            made.append(tree)
    return made[:count]


def alone(tree: Node, seed: int, rate: float, kind: str, device: str) -> float:
    """Train one network as anyone would, and return its accuracy on the validation part."""
    data = digits()
    module = network(kind, data, (32,)).to(device)
    for parameter, value in zip(module.parameters(), initial(module, seed).values(), strict=True):
        parameter.data = value.float().to(device)
    x, y = torch.tensor(data.train.x).float().to(device), torch.tensor(data.train.y, device=device)
    states = [Rule(tree) for _ in module.parameters()]
    generator, step, each = torch.Generator().manual_seed(seed), 0, len(y) // BATCH
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(y), generator=generator)[: each * BATCH].to(device).split(BATCH):
            step += 1
            loss = nn.functional.cross_entropy(module(x[chosen]).T, y[chosen])
            gradients = torch.autograd.grad(loss, list(module.parameters()))
            with torch.no_grad():
                for parameter, gradient, state in zip(module.parameters(), gradients, states, strict=True):
                    parameter -= rate * state.update(parameter, gradient, Moment(step, EPOCHS * each), {})
    with torch.no_grad():
        out = module(torch.tensor(data.valid.x).float().to(device))
    return (out.argmax(0).cpu() == torch.tensor(data.valid.y)).double().mean().item()


def seconds(work: Callable[[], object], given: argparse.Namespace) -> float:
    """Return the least time of several."""
    clock = time.process_time if given.clock == "processor" else time.perf_counter
    times: list[float] = []
    for _ in range(given.repeats):
        began = clock()
        work()  # ends in accuracies on the CPU, so that a GPU has ended as well
        times.append(clock() - began)
    return min(times)


def difference(trained: list[Trained], one_by_one: list[float], place: int) -> str:
    """Say how far the accuracies at one rate are from those of the plain loop, in examples of the validation part."""
    ours = [float(one.valid[0, place]) for one in trained]
    off = [round(abs(a - b) * len(digits().valid.y)) for a, b in zip(ours, one_by_one, strict=True)]
    return f"{sum(count == 0 for count in off)} of {len(off)} equal, at most {max(off)} of {len(digits().valid.y)} off"


def main() -> None:
    given = options()
    torch.set_num_threads(given.threads)
    trees, place = rules(given.rules), RATES.index(0.0316)
    accuracies: list[float] = []

    def one_by_one() -> None:
        accuracies[:] = [alone(tree, 0, RATES[place], given.network, given.device) for tree in trees]

    single = seconds(one_by_one, given) / len(trees)
    layers = Layers(network(given.network, digits(), (32,)))
    trainer = Trainer(digits(), layers, Schedule(EPOCHS, BATCH, RATES, given.device), UpdateRules(layers))
    each = len(RATES) * len(SEEDS)
    print(machine())
    print(
        f"{given.threads} threads, {given.device}, {given.network}, {given.clock} clock; {len(trees)} rules, "
        f"{len(RATES)} rates, {len(SEEDS)} seeds; a rule is {each} trainings"
    )
    print("| stacked | ms a training | trainings a second | times one by one | rules a second | accuracies |")
    print("|---|---|---|---|---|---|")
    print(f"| one by one | {1000 * single:.2f} | {1 / single:.1f} | 1.0 | {1 / single / each:.2f} | |")
    for together in given.together:
        few = trees if together > each else trees[:6]
        made: list[Trained] = []
        work = partial(_train, trainer, few, together, made)
        took = seconds(work, given) / len(few) / each
        rates = (f"{1000 * took:.2f}", f"{1 / took:.1f}", f"{single / took:.1f}", f"{1 / took / each:.2f}")
        print(
            "|", " | ".join((str(together), *rates, difference(made, accuracies[: len(few)], place))), "|", flush=True
        )


def _train(trainer: Trainer, trees: list[Node], together: int, made: list[Trained]) -> None:
    made[:] = trainer.train(trees, SEEDS, together)


if __name__ == "__main__":
    main()

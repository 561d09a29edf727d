"""Training by rules one by one against side by side: trainings a second against how many are stacked, at equal results.

python -m tests.bench.bench_update_rules [--threads 1] [--rules 24] [--together 1 22 88 352 1408] [--network mlp]
    [--device cpu] [--repeats 3]

A training is one network by one rule at one learning rate with one seed: 3 epochs of scikit-learn's digits. One by one
is the plain loop of torch: a module, its autograd, the rule for each parameter. Times are of the processor, of all
threads together, unless the device is no CPU.
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
    parser.add_argument("--together", type=int, nargs="+", default=[1, 22, 88, 352, 1408])
    parser.add_argument("--network", default="mlp")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def rules(count: int) -> list[Node]:
    """Return the known rules, and random ones that need no noise: the plain loop knows none."""
    random, made = Random(0), [SPACE.tree(text) for text in RULES.values()]
    while len(made) < count:
        tree = SPACE.tree(SPACE.draw(random))
        if not Rule(tree).noisy:
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


def seconds(work: Callable[[], object], repeats: int, device: str) -> float:
    """Return the least time of several."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times: list[float] = []
    for _ in range(repeats):
        began = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
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

    single = seconds(one_by_one, given.repeats, given.device) / len(trees)
    layers = Layers(network(given.network, digits(), (32,)))
    trainer = Trainer(digits(), layers, Schedule(EPOCHS, BATCH, RATES, given.device), UpdateRules(layers))
    print(machine())
    print(f"{given.threads} threads, {given.device}, {given.network}, {len(trees)} rules, {len(RATES)} rates, 2 seeds")
    print("| stacked | ms a training | trainings a second | times one by one | rules a second | accuracies |")
    print("|---|---|---|---|---|---|")
    print(f"| one by one | {1000 * single:.2f} | {1 / single:.1f} | 1.0 | {1 / single / 22:.2f} | |")
    for together in given.together:
        few = trees if together > 22 else trees[:3]
        if together == 1:
            lonely = Trainer(
                digits(), layers, Schedule(EPOCHS, BATCH, RATES[place : place + 1], given.device), trainer._school
            )
            made = [lonely.train([tree], (0,), 1)[0] for tree in few[:1]]
            took = seconds(
                lambda lonely=lonely, few=few: lonely.train(few, (0,), 1), given.repeats, given.device
            ) / len(few)
            shown = difference(lonely.train(few, (0,), 1), accuracies[: len(few)], 0) if made else ""
        else:
            work = partial(trainer.train, few, SEEDS, together)
            took = seconds(work, given.repeats, given.device) / len(few) / len(RATES) / len(SEEDS)
            shown = difference(work(), accuracies[: len(few)], place)
        cells = (f"{together}", f"{1000 * took:.2f}", f"{1 / took:.1f}", f"{single / took:.1f}", f"{1 / took / 22:.2f}")
        print("|", " | ".join((*cells, shown)), "|")


if __name__ == "__main__":
    main()

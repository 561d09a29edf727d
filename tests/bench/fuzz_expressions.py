"""Random and mutated strings for the parser of equations: nothing but an equation or the declared error, and no hang.

python -m tests.bench.fuzz_expressions [--strings 1000000] [--seed 0]
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

from evaluators import backward_rule_language, update_rule_language
from evaluators.equation_space import EquationSpace
from evaluators.expression_algebra import canonical
from opro.errors import InvalidSolutionError
from tests.bench.machine import machine

LETTERS = "gmvybeWRDzhs0123456789.e+-*/^@(), \n\t`<>=:\"'[]{}#\\\0\ud800\N{MINUS SIGN}\N{FULLWIDTH DIGIT ONE}"
WORDS = ["exp", "sign", "clip", "drop", "lambda", "None", "if", "for", "1e999", "9" * 400, "**", "0x1", "1_0", "(", ")"]
SLOW = 0.05
"""Seconds of processor time after which a string counts as slow."""


def noise(space: EquationSpace, random: Random) -> str:
    del space
    return "".join(random.choices(LETTERS, k=random.randint(0, 80)))


def pieces(space: EquationSpace, random: Random) -> str:
    known = [*space.grammar.language.operands, *space.grammar.language.functions, *WORDS]
    return random.choice(("", " ")).join(random.choices(known, k=random.randint(1, 40)))


def drawn(space: EquationSpace, random: Random) -> str:
    return space.draw(random)


def damaged(space: EquationSpace, random: Random) -> str:
    text = list(space.draw(random))
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(text) + 1)
        text[place : place + random.randint(0, 3)] = random.choices(LETTERS, k=random.randint(0, 3))
    return "".join(text)


def deep(space: EquationSpace, random: Random) -> str:
    levels = round(10 ** random.uniform(0, 4))
    first, last = random.choice(
        (("(", ")"), ("exp(", ")"), ("-", ""), ("g^", ""), ("g+(", ")"), ("[", "]"), ("g*", ""))
    )
    return first * levels + random.choice(("g", "", "b @ W")) + last * levels


KINDS: Mapping[str, Callable[[EquationSpace, Random], str]] = {
    "letters": noise,
    "pieces": pieces,
    "drawn": drawn,
    "damaged": damaged,
    "deep, up to 10,000": deep,
}


def fate(space: EquationSpace, text: str) -> str:
    try:
        tree = space.tree(text)
    except InvalidSolutionError as error:
        return "refused" if 5 < len(str(error)) < 250 else "refused without a fit reason"
    same = canonical(space.grammar.language, str(tree)) == tree
    return "an equation" if same else "an equation that does not read as itself"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--strings", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random, spaces = Random(given.seed), (update_rule_language.SPACE, backward_rule_language.SPACE)
    fates: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    slowest, slow = dict.fromkeys(KINDS, 0.0), 0
    for number in range(given.strings):
        kind = list(KINDS)[number % len(KINDS)]
        space = spaces[number // len(KINDS) % 2]
        text = KINDS[kind](space, random)
        began = time.process_time()
        fates[kind][fate(space, text)] += 1
        took = time.process_time() - began
        slowest[kind], slow = max(slowest[kind], took), slow + (took > SLOW)
    outcomes = sorted({outcome for counts in fates.values() for outcome in counts})
    print(machine())
    print(
        f"{given.strings:,} strings, seed {given.seed}; another exception would have ended this; {slow} over {SLOW} s"
    )
    print("| strings |", " | ".join([*outcomes, "slowest, ms"]), "|")
    print("|---" * (len(outcomes) + 2) + "|")
    for kind, counts in fates.items():
        cells = [*(f"{counts[outcome]:,}" for outcome in outcomes), f"{1000 * slowest[kind]:.1f}"]
        print(f"| {kind} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

"""Dividing examples into training and test, once and reproducibly, and telling what is odd about them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluators.answer_choices import ChoiceKind
from evaluators.answers import AnswerKind, readable
from evaluators.task_columns import count, shown
from evaluators.task_types import Example
from opro.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many examples go where: a number of training examples or a share of them, and at most `test` for test."""

    share: float
    train: int | None = None
    test: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """Examples that are divided together, such as those of one file; with a test split of their own, or None."""

    train: Sequence[Example]
    test: Sequence[Example] | None = None


def divide(parts: Sequence[Part], sizes: Sizes) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return training and test examples, in the data's order.

    Each part gives int(share * n) of its examples for training, drawn as google-deepmind/opro draws them
    (`np.random.RandomState(seed).choice`, whose stream NumPy keeps unchanged). Numbers are taken from the parts
    together.

    Raises:
        ConfigError: a split would be empty, or there are fewer examples than asked for.
    """
    draws = np.random.RandomState(sizes.seed)  # the stream that their code draws from
    pool = [Part([e for p in parts for e in p.train], _tests(parts))] if sizes.train is not None else parts
    train: list[Example] = []
    test: list[Example] = []
    for part in pool:
        wanted = sizes.train if sizes.train is not None else int(sizes.share * len(part.train))
        chosen = _drawn(draws, len(part.train), wanted, "training")
        train += [part.train[i] for i in chosen]
        test += part.test if part.test is not None else [e for i, e in enumerate(part.train) if i not in set(chosen)]
    if sizes.test is not None:
        test = [test[i] for i in _drawn(draws, len(test), sizes.test, "test")]
    _check(train, test, sizes)
    return tuple(train), tuple(test)


def cleaned(
    train: Sequence[Example], test: Sequence[Example], kind: AnswerKind
) -> tuple[tuple[Example, ...], tuple[Example, ...], list[str]]:
    """Return the splits with ids that are unique and no training example that asks what a test example asks.

    Test stays as it is, repeats included; of training, what is in test is dropped and repeats count once. The notes
    tell all of it, and which gold answers cannot be read.

    Raises:
        ConfigError: no gold answer can be read, or every training example is in test.
    """
    asked = {example.asks for example in test}
    apart = [example for example in train if example.asks not in asked]
    once = list({example.asks: example for example in reversed(apart)}.values())[::-1]
    if train and not once:
        raise ConfigError("every training example is a test example too: there is nothing to learn from")
    notes = _oddities([*train, *test])
    if len(apart) < len(train):
        shared = [example.id for example in train if example.asks in asked]
        notes.append(f"{count(shared, 'training example')} dropped, as test asks the same: {shown(shared)}")
    if len(once) < len(apart):
        notes.append(f"{count(apart[len(once) :], 'repeat')} dropped from training")
    return _numbered(once), _numbered(test), notes + _unread([*once, *test], kind)


def _unread(examples: Sequence[Example], kind: AnswerKind) -> list[str]:
    unread = [example.id for example in examples if not readable(kind, example)]
    if len(unread) == len(examples):
        raise ConfigError(f"none of the gold answers can be read as {kind.name}: {examples[0].gold!r:.80}, ...")
    notes = [f"{count(unread, 'gold answer')} cannot be read as {kind.name}: {shown(unread)}"] if unread else []
    if isinstance(kind, ChoiceKind):
        odd = [example.id for example in examples if example.options and kind.gold(example) not in example.options]
        notes += (
            [f"{count(odd, 'gold answer')} among none of the options, and read as text: {shown(odd)}"] if odd else []
        )
    return notes


def _tests(parts: Sequence[Part]) -> list[Example] | None:
    return [e for p in parts for e in p.test or ()] if all(part.test is not None for part in parts) else None


def _drawn(draws: np.random.RandomState, n: int, wanted: int, what: str) -> list[int]:
    if wanted > n:
        raise ConfigError(f"{wanted} {what} examples are asked for, but there are only {n}")
    return sorted(int(i) for i in draws.choice(n, size=wanted, replace=False)) if wanted else []


def _check(train: Sequence[Example], test: Sequence[Example], sizes: Sizes) -> None:
    if not test:
        raise ConfigError(f"no example is left for test: {len(train)} are for training; lower `train` or `train_share`")
    if not train and sizes.train != 0 and sizes.share != 0:
        raise ConfigError(
            f"the training split is empty: {sizes.share:g} of the examples is less than one; raise `train_share` or set"
            " `train` (train=0, for an evaluation only, has to be said)"
        )


def _oddities(examples: Sequence[Example]) -> list[str]:
    """Return notes on questions that are asked more than once, and on those with different gold answers."""
    golds: defaultdict[str, list[str]] = defaultdict(list)
    ids: dict[str, str] = {}
    for example in examples:
        golds[example.asks].append(example.gold)
        ids.setdefault(example.asks, example.id)
    repeated = [ids[asks] for asks, found in golds.items() if len(found) > 1]
    differing = [ids[asks] for asks, found in golds.items() if len(set(found)) > 1]
    notes = [f"{count(repeated, 'question')} asked more than once: {shown(repeated)}"] if repeated else []
    return notes + (
        [f"{count(differing, 'question')} with different gold answers: {shown(differing)}"] if differing else []
    )


def _numbered(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Return the examples with ".2", ".3" behind the ids of repeats, so that ids are unique."""
    seen: Counter[str] = Counter()
    numbered: list[Example] = []
    for example in examples:
        seen[example.id] += 1
        count = seen[example.id]
        numbered.append(example if count == 1 else replace(example, id=f"{example.id}.{count}"))
    return tuple(numbered)

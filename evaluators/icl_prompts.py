"""From a setting to prompts: which exemplars an item is shown, under which labels, and what is right to answer."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from evaluators.icl_data import Text, Texts
from evaluators.icl_linear import LABELS, Problem, linear_problem, written
from evaluators.icl_settings import FORMATS, SCHEMES, Kind, Setting
from opro.errors import InvalidSolutionError

CONTENT_FREE = "N/A"
"""What stands in the place of the input where a model's bias for a label is measured (Zhao et al. 2021)."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a model is asked, once.

    Attributes:
        id: what tells it from the others; the same under every setting that asks about the same text.
        prompt: exemplars and the input, up to where the label belongs.
        bare: the same with nothing in the input's place.
        options: what may be answered, as it continues the prompt.
        gold: which of them is right by the data, whatever the exemplars say.
        shown: which of them the exemplars teach, where they are flipped; else the same.
    """

    id: str
    prompt: str
    bare: str
    options: tuple[str, ...]
    gold: int
    shown: int

    @property
    def labels(self) -> list[str]:
        """The options as labels."""
        return [option.strip() for option in self.options]

    def taught(self) -> "Item":
        """Return the item with what the exemplars teach as the right answer."""
        return replace(self, gold=self.shown)


@dataclass(frozen=True, slots=True)
class Frame:
    """How exemplars are written: their form, the texts of the labels, and what stands before the first."""

    form: str
    labels: Sequence[str]
    instruction: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """What may follow a prompt; with the line's end where one label begins with another."""
        alone = not any(one != other and other.startswith(one) for one in self.labels for other in self.labels)
        return tuple(f" {label}" if alone else f" {label}\n" for label in self.labels)

    def item(self, name: str, exemplars: Sequence[tuple[str, int]], asked: str, right: tuple[int, int]) -> Item:
        """Return an item; `right` are the labels by the data and by the exemplars."""
        prompts = (self._prompt(exemplars, text) for text in (asked, CONTENT_FREE))
        return Item(name, next(prompts), next(prompts), self.options, *right)

    def _prompt(self, exemplars: Sequence[tuple[str, int]], asked: str) -> str:
        """Return exemplars, given with the numbers of their labels, and what is asked."""
        blocks = [self._written(text, self.labels[label]) for text, label in exemplars]
        parts = [self.instruction, *blocks, self._written(asked, "").rstrip()]
        return "\n\n".join(part for part in parts if part)

    def _written(self, text: str, label: str) -> str:
        before, _, behind = self.form.partition("{input}")
        return before + text.strip() + behind.removesuffix("{label}") + label


@dataclass(frozen=True, slots=True)
class Items:
    """Makes the items of settings, `count` of them.

    The same seed asks about the same texts with the same exemplars in the same order under every setting. `alike` shows
    all items the same exemplars, instead of each its own.
    """

    count: int
    seed: int
    alike: bool = False

    def linear(self, setting: Setting, k: int) -> tuple[list[Item], list[Problem]]:
        """Return the items of a linear classification, and their problems."""
        problems = [
            linear_problem(setting.n, k, Random(f"linear:{self.seed}:{setting.n}:{i}")) for i in range(self.count)
        ]
        frame = Frame(FORMATS[setting.format], LABELS)
        items = [self._linear_item(frame, setting.n, i, problem) for i, problem in enumerate(problems)]
        return items, problems

    def _linear_item(self, frame: Frame, n: int, number: int, problem: Problem) -> Item:
        exemplars = [(written(point), int(label)) for point, label in zip(problem.points, problem.labels, strict=True)]
        asked = written(problem.asked)
        name = f"linear:{self.seed}:{n}:{len(exemplars) // 2}:{number}"
        return frame.item(name, exemplars, asked, (problem.gold, problem.gold))

    def texts(self, setting: Setting, k: int, pool: "Pool", frame: Frame | None = None) -> list[Item]:
        """Return the items of a setting about texts.

        Raises:
            InvalidSolutionError: the setting does not fit the labels, or there are fewer exemplars than k of a class.
        """
        pool.check(k)
        made = frame or Frame(FORMATS[setting.format], labels_of(setting, pool.texts.labels))
        words: Mapping[str, str] = pool.words(setting.share, self.seed) if setting.kind is Kind.REMAPPED else {}
        asked = Random(f"items:{self.seed}").sample(pool.texts.test, min(self.count, len(pool.texts.test)))
        return [self._text_item(made, setting, k, pool, (i, text, words)) for i, text in enumerate(asked)]

    def _text_item(
        self, frame: Frame, setting: Setting, k: int, pool: "Pool", asked: tuple[int, Text, Mapping[str, str]]
    ) -> Item:
        number, one, words = asked
        classes = len(pool.texts.labels)
        share = setting.share if setting.kind is Kind.FLIPPED else 0
        exemplars = pool.exemplars(one, k, Random(f"exemplars:{self.seed}:{0 if self.alike else number}"))
        flips = flipped_of(share, k)
        shown = [(_mapped(text.text, words), (text.label + (place < flips)) % classes) for text, place in exemplars]
        taught = (one.label + (2 * flips > k)) % classes
        return frame.item(_id(number, one), shown, _mapped(one.text, words), (one.label, taught))


def flipped_of(share: int, k: int) -> int:
    """Return how many of k exemplars of each class are flipped for a share in percent; a half counts as one."""
    return (2 * share * k + 100) // 200


def labels_of(setting: Setting, names: Sequence[str]) -> Sequence[str]:
    """Return what the labels are called under a setting.

    Raises:
        InvalidSolutionError: there are more labels than unrelated ones for them.
    """
    if setting.kind is not Kind.UNRELATED:
        return names
    scheme = SCHEMES[setting.scheme]
    if len(names) > len(scheme):
        raise InvalidSolutionError(f"{setting.scheme} has {len(scheme)} labels, and there are {len(names)} to replace")
    return scheme[: len(names)]


class Pool:
    """The texts from which exemplars are drawn, by label."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self._by_label = [[text for text in texts.train if text.label == i] for i in range(len(texts.labels))]

    def check(self, k: int) -> None:
        """Raise an InvalidSolutionError where a class has not k exemplars and one more, or there is one class only."""
        counts = {name: len(found) for name, found in zip(self.texts.labels, self._by_label, strict=True)}
        few = {name: count for name, count in counts.items() if count <= k}
        if few:
            told = ", ".join(f"{name!r} {count}" for name, count in few.items())
            raise InvalidSolutionError(f"k = {k} exemplars of each class are wanted, and there are too few: {told}")

    def exemplars(self, asked: Text, k: int, random: Random) -> list[tuple[Text, int]]:
        """Return k texts of each label in random order, each with its place among those of its label.

        What is asked about is none of them.
        """
        drawn: list[tuple[Text, int]] = []
        for texts in self._by_label:
            mixed = random.sample(texts, len(texts)) if asked.text in self._repeated else random.sample(texts, k + 1)
            some = [text for text in mixed if text.text != asked.text][:k]
            drawn += [(text, place) for place, text in enumerate(some)]
        random.shuffle(drawn)
        return drawn

    def words(self, share: int, seed: int) -> Mapping[str, str]:
        """Return a share of the words (in percent), each with the one that takes its place: all are permuted."""
        random = Random(f"words:{seed}")
        order = random.sample(self._vocabulary, len(self._vocabulary))
        some = order[: round(share / 100 * len(order))]
        return dict(zip(some, some[1:] + some[:1], strict=True))

    @cached_property
    def _repeated(self) -> frozenset[str]:
        """Texts that stand in the training data more than once."""
        counts = Counter(text.text for text in self.texts.train)
        return frozenset(text for text, count in counts.items() if count > 1)

    @cached_property
    def _vocabulary(self) -> list[str]:
        return sorted({word for text in (*self.texts.train, *self.texts.test) for word in text.text.split()})


def _mapped(text: str, words: Mapping[str, str]) -> str:
    return " ".join(words.get(word, word) for word in text.split())


def _id(number: int, text: Text) -> str:
    return f"{number}:{hashlib.sha256(text.text.encode()).hexdigest()[:12]}"

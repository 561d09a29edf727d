"""The settings of an in-context-learning probe, as text: `flipped 50%`, `unrelated foo/bar`, `linear N=8, k=4`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from opro.errors import InvalidSolutionError


class Kind(StrEnum):
    """What is done to what a model is shown."""

    REGULAR = "regular"
    FLIPPED = "flipped"
    UNRELATED = "unrelated"
    REMAPPED = "remapped"
    LINEAR = "linear"


SCHEMES: Mapping[str, tuple[str, ...]] = {
    "foo/bar": ("Foo", "Bar", "Iff", "Roc", "Ket", "Dal"),
    "bar/foo": ("Bar", "Foo", "Roc", "Iff", "Dal", "Ket"),
    "0/1": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    "a/b": tuple("ABCDEFGHIJ"),
    "fruits": ("Apple", "Orange", "Banana", "Grape", "Lemon", "Cherry"),
}
"""Labels that mean nothing for the task; `bar/foo` is `foo/bar` reversed."""

FORMATS: Mapping[str, str] = {
    "input": "Input: {input}\nOutput: {label}",
    "question": "Question: {input}\nAnswer: {label}",
    "qa": "Q: {input}\nA: {label}",
    "arrow": "{input} -> {label}",
    "sentence": "Sentence: {input}\nLabel: {label}",
}
"""How an exemplar is written; the first one is the paper's."""

DIMENSIONS = 64
"""Of a linear classification at most."""

_SHAPE = re.compile(
    r"(?P<kind>regular|flipped|unrelated|remapped|linear)"
    r"(?: (?:(?P<share>\d{1,3})%|N=(?P<n>\d{1,4})|(?P<scheme>[a-z0-9/]{1,20})))?"
    r"(?:, k=(?P<k>\d{1,4}))?(?:, format (?P<format>[a-z]{1,20}))?"
)
_HELP = (
    "a setting is `regular`, `flipped 50%`, `unrelated foo/bar`, `remapped 50%` or `linear N=8`, and may end in "
    "`, k=4` and `, format qa`"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        kind: what is changed.
        share: of flipped exemplar labels or remapped words, in percent.
        scheme: which unrelated labels.
        n: dimensions of a linear classification.
        k: exemplars per class, where it differs from the probe's.
        format: how an exemplar is written.
    """

    kind: Kind
    share: int = 0
    scheme: str = ""
    n: int = 0
    k: int | None = None
    format: str = "input"

    def __str__(self) -> str:
        """Return the one way in which the setting is written."""
        arguments = {
            Kind.REGULAR: "",
            Kind.FLIPPED: f" {self.share}%",
            Kind.REMAPPED: f" {self.share}%",
            Kind.UNRELATED: f" {self.scheme}",
            Kind.LINEAR: f" N={self.n}",
        }
        k = "" if self.k is None else f", k={self.k}"
        return f"{self.kind}{arguments[self.kind]}{k}{'' if self.format == 'input' else f', format {self.format}'}"


def read_setting(text: str) -> Setting:
    """Return the setting that a text describes.

    Raises:
        InvalidSolutionError: it describes none; the message says what is missing.
    """
    match = _SHAPE.fullmatch(" ".join(text.split()))
    if match is None:
        raise InvalidSolutionError(f"{text[:80]!r}: {_HELP}")
    kind, share, n = Kind(match["kind"]), -1 if match["share"] is None else int(match["share"]), int(match["n"] or 0)
    k = None if match["k"] is None else int(match["k"])
    form = match["format"] or "input"
    if form not in FORMATS:
        raise InvalidSolutionError(f"there is no format {form!r}; the formats are {', '.join(FORMATS)}")
    if k == 0:
        raise InvalidSolutionError("k, the exemplars of each class, is at least 1")
    match kind:
        case Kind.REGULAR if share < 0 and not n and match["scheme"] is None:
            return Setting(kind, k=k, format=form)
        case Kind.FLIPPED | Kind.REMAPPED if 0 <= share <= 100:
            return Setting(kind, share=share, k=k, format=form)
        case Kind.UNRELATED if match["scheme"] in SCHEMES:
            return Setting(kind, scheme=match["scheme"], k=k, format=form)
        case Kind.LINEAR if 1 <= n <= DIMENSIONS:
            return Setting(kind, n=n, k=k, format=form)
        case _:
            raise InvalidSolutionError(f"{text[:80]!r}: {_range(kind)}")


def _range(kind: Kind) -> str:
    return {
        Kind.REGULAR: "`regular` stands alone",
        Kind.FLIPPED: "the share of flipped labels is 0% to 100%",
        Kind.REMAPPED: "the share of remapped words is 0% to 100%",
        Kind.UNRELATED: f"the unrelated labels are {', '.join(SCHEMES)}",
        Kind.LINEAR: f"N, the number of dimensions, is 1 to {DIMENSIONS}",
    }[kind]

"""What child networks are trained on: data sets of scikit-learn, or images from a hub or a folder, split in three."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opro.errors import ConfigError
from opro.extras import optional

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

BUNDLED = ("digits", "wine", "breast_cancer")
"""Data sets that come with scikit-learn."""

MOST_EXAMPLES = 10_000
"""Of a larger data set an even choice is taken: rules are compared, no records are broken."""

SHARES = (0.6, 0.8)
"""Where the training part ends, and the validation part; the rest is for testing alone."""

SPLIT_SEED = 7
"""Of the one split there is: what is tested on is never seen by any run, whatever its seed."""


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs of shape (n, ...), of about unit size, and labels of shape (n,)."""

    x: Floats
    y: Labels


@dataclass(frozen=True, slots=True)
class ChildData:
    """A data set in three parts.

    Attributes:
        name: what it was asked for by.
        classes: the number of labels.
        image: channels, height and width, where the inputs are images.
    """

    name: str
    train: Part
    valid: Part
    test: Part
    classes: int
    image: tuple[int, int, int] | None

    @property
    def inputs(self) -> int:
        """Numbers that describe one example."""
        return int(np.prod(self.train.x.shape[1:]))


def load(name: str) -> ChildData:
    """Return a data set: digits, wine, breast_cancer, or one of labelled images by hub id or path.

    Raises:
        ConfigError: there is no such data set, or it cannot be read.
    """
    x, y = _bundled(name) if name in BUNDLED else _images(name)
    chosen = np.random.default_rng(SPLIT_SEED).permutation(len(y))[:MOST_EXAMPLES]
    x, y = x[chosen], y[chosen]
    ends = [round(share * len(y)) for share in SHARES]
    image = (x.shape[1], x.shape[2], x.shape[3]) if x.ndim == 4 else None
    scaled = _scaled(x, ends[0])
    train, valid, test = (Part(*part) for part in zip(np.split(scaled, ends), np.split(y, ends), strict=True))
    return ChildData(name, train, valid, test, int(y.max()) + 1, image)


def _scaled(x: Floats, train: int) -> Floats:
    """Return inputs with the mean and deviation of the first `train` taken out: of all pixels, or of each column."""
    axes = None if x.ndim == 4 else 0
    mean, deviation = x[:train].mean(axis=axes), x[:train].std(axis=axes)
    return (x - mean) / np.maximum(deviation, 1e-12)


def _bundled(name: str) -> tuple[Floats, Labels]:
    library = optional("sklearn.datasets", "equations", f"the data set {name!r}")
    bunch = getattr(library, f"load_{name}")()
    x = bunch.images[:, None] if name == "digits" else bunch.data
    return x.astype(np.float64), bunch.target.astype(np.int64)


def _images(name: str) -> tuple[Floats, Labels]:
    """Return labelled images of one size, MOST_EXAMPLES of the training part at most, drawn evenly."""
    library = optional("datasets", "data", f"the data set {name!r} of the hub")
    try:
        whole = library.load_dataset(name, split="train")
        rows = whole.shuffle(seed=SPLIT_SEED).select(range(min(len(whole), MOST_EXAMPLES)))
    except (
        OSError,
        ValueError,
        library.exceptions.DatasetsError,
    ) as error:  # what is not found, not reached, or of no known form
        raise ConfigError(
            f"cannot read the data set {name!r}: {error}; known without a hub are {', '.join(BUNDLED)}"
        ) from error
    columns: list[str] = rows.column_names
    image = next((one for one in ("image", "img") if one in columns), None)
    label = next((one for one in ("label", "fine_label", "labels") if one in columns), None)
    if image is None or label is None:
        raise ConfigError(f"the data set {name!r} has the columns {', '.join(columns)}; `image` and `label` are needed")
    pixels = np.stack([np.asarray(one, dtype=np.float64) / 255 for one in rows[image]])
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return pixels, np.asarray(rows[label], dtype=np.int64)

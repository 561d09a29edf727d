"""Labelled texts for in-context learning: the paper's data sets by hub id or from their published files, or your own.

"Larger language models do in-context learning differently" (arXiv 2303.03846), section 3: exemplars come from the
training split, what is asked from the validation or test split; without such a split 80/20 are drawn at random.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from evaluators.task_files import READERS, Row, read_bytes, read_rows, source_of
from evaluators.task_guesses import ANSWERS, QUESTIONS, nearest
from evaluators.task_hub import hub_rows
from opro.errors import ConfigError, unknown

_TRAIN_SHARE = 0.8
_TESTS = ("test", "dev", "validation", "valid", "val")
_NUMBERED = re.compile(r"(\S+)\s+(\S.*)")


@dataclass(frozen=True, slots=True)
class Text:
    """A text with the number of its label."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class Texts:
    """Labelled texts, divided: exemplars are drawn from `train`, `test` is asked about.

    Attributes:
        labels: the labels' names by number.
        source: what was read, exactly enough to find it again.
    """

    labels: tuple[str, ...]
    train: tuple[Text, ...]
    test: tuple[Text, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Published:
    """Where a data set is on the hub, which columns are read, and what its labels are called, by number.

    `left_out` are splits without public labels.
    """

    hub: str
    texts: tuple[str, ...]
    label: str
    names: tuple[str, ...]
    subset: str = ""
    left_out: tuple[str, ...] = ()


KNOWN: Mapping[str, Published] = {
    "sst2": Published("stanfordnlp/sst2", ("sentence",), "label", ("negative", "positive"), left_out=("test",)),
    "subj": Published("SetFit/subj", ("text",), "label_text", ("subjective", "objective")),
    "trec": Published(
        "SetFit/TREC-QC",
        ("text",),
        "label_coarse_original",
        ("description", "entity", "abbreviation", "human", "location", "number"),
    ),
    "rte": Published(
        "nyu-mll/glue",
        ("sentence1", "sentence2"),
        "label",
        ("entailment", "not entailment"),
        subset="rte",
        left_out=("test",),
    ),
    "qqp": Published(
        "nyu-mll/glue",
        ("question1", "question2"),
        "label",
        ("not duplicate", "duplicate"),
        subset="qqp",
        left_out=("test",),
    ),
    "financial-phrasebank": Published(
        "lmassaron/FinancialPhraseBank", ("sentence",), "label", ("negative", "neutral", "positive")
    ),
    "ethos": Published("SetFit/ethos_binary", ("text",), "label", ("not hate speech", "hate speech")),
}
"""The paper's data sets. It left TREC, which has six labels, out of the test with flipped ones."""

_RENAMED = {
    "not_entailment": "not entailment",
    "not_duplicate": "not duplicate",
    "DESC": "description",
    "ENTY": "entity",
    "ABBR": "abbreviation",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which data: a known name, a file, a folder or a hub id; `data` are a known one's own files."""

    task: str
    data: Path | None = None
    text: str = "text"
    label: str = "label"
    seed: int = 0


def load_texts(wanted: Wanted) -> Texts:
    """Load labelled texts and divide them.

    Raises:
        ConfigError: there is no such data, a column or label is missing, or there is only one label.
    """
    if not wanted.task.strip():
        raise ConfigError(f"a task is needed: --set task=FILE, a folder, a hub id, or one of {', '.join(KNOWN)}")
    known = KNOWN.get(wanted.task)
    names = known.names if known else ()
    if wanted.data is not None and known is None:
        raise ConfigError(f"`data` is for the files of {', '.join(KNOWN)}; your own are named by `task` itself")
    path = wanted.data or Path(wanted.task)
    if wanted.data is not None or (known is None and path.exists()):
        return _divided(_files(path, wanted), names, wanted.seed)
    if known is None and wanted.task.count("/") != 1:
        raise unknown("task", wanted.task, (*KNOWN, "linear"))
    return _divided(_hub(wanted, known), names, wanted.seed)


Pairs = Sequence[tuple[str, str]]
"""Texts with their labels, as they were read."""


def _hub(wanted: Wanted, known: Published | None) -> tuple[Mapping[str, Pairs], str]:
    published = known or Published(wanted.task, (wanted.text,), wanted.label, ())
    splits = hub_rows(published.hub, published.subset)
    kept = {name: rows for name, rows in splits.items() if name not in published.left_out}
    read = {name: _cells(rows.rows, published.texts, published.label) for name, rows in kept.items()}
    if known is not None:  # -1 stands there for a label that is not published
        read = {name: [(text, label) for text, label in pairs if label != "-1"] for name, pairs in read.items()}
    return read, "; ".join(rows.source for rows in kept.values())


def _files(path: Path, wanted: Wanted) -> tuple[Mapping[str, Pairs], str]:
    """Return the pairs of a file, or of the files of a folder, by the split that a file's name tells."""
    files = [path] if path.is_file() else [file for file in sorted(path.glob("*")) if _belongs(file, wanted)]
    if not files:
        raise ConfigError(f"{path}: there is no file of {wanted.task} in it; name the file itself as `data`")
    splits: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        splits.setdefault(_split(file), []).extend(_pairs(file, wanted))
    return splits, "; ".join(source_of(file, read_bytes(file)) for file in files)


_FILE_NAMES = {"sst2": "stsa.binary", "subj": "subj", "trec": "TREC"}


def _belongs(file: Path, wanted: Wanted) -> bool:
    """Say whether a file of a folder is one of the task's: by its name, or by the split that the name tells."""
    begin = _FILE_NAMES.get(wanted.task, "") if wanted.data else ""
    return file.is_file() and (file.name.startswith(begin) if begin else _split(file) in (*_TESTS, "train"))


def _split(file: Path) -> str:
    words = re.split(r"[._-]", file.name.lower())
    return next((word for word in words if word in (*_TESTS, "train")), file.name)


def _pairs(file: Path, wanted: Wanted) -> Pairs:
    """Return the texts of a file with their labels: a table, or lines with the label first."""
    if file.suffix.lower() in READERS:
        return _cells(read_rows(file).rows, (wanted.text,), wanted.label)
    content = read_bytes(file)
    try:
        written = content.decode("utf-8")
    except UnicodeDecodeError:
        written = content.decode("latin-1")  # as the published files of SUBJ and TREC are
    lines = written.split("\n")  # and not at the other characters at which Python would
    matches = [(number, _NUMBERED.fullmatch(line.strip())) for number, line in enumerate(lines, 1) if line.strip()]
    for number, match in matches:
        if match is None:
            raise ConfigError(f"{file}, line {number}: a label and a text are needed, with a blank between them")
    return [(match[2], match[1]) for _, match in matches if match]


def _cells(rows: Sequence[Row], texts: Sequence[str], label: str) -> Pairs:
    """Return texts and labels of rows; rows without a text or a label are left out.

    Raises:
        ConfigError: a column is missing; the message names those that there are.
    """
    for number, row in enumerate(rows, 1):
        for name in (*texts, label):
            if name not in row:
                known = ", ".join(map(repr, row))
                setting, usual = ("label", ANSWERS) if name == label else ("text", QUESTIONS)
                near = nearest(name, [*map(str, row)], usual)
                say = f"{near} Say which: --set {setting}=COLUMN" if near else f": --set {setting}=COLUMN says which"
                raise ConfigError(f"there is no column {name!r} in row {number}; its columns are {known}{say}")
    told = [row for row in rows if all(row[name] not in (None, "") for name in (*texts, label))]
    return [(" | ".join(str(row[name]).strip() for name in texts), str(row[label]).strip()) for row in told]


def _divided(read: tuple[Mapping[str, Pairs], str], names: Sequence[str], seed: int) -> Texts:
    splits, source = read
    labels = tuple(names) or tuple(sorted({label for pairs in splits.values() for _, label in pairs}))
    alike = {label.casefold() for label in labels}
    if len(alike) < len(labels):
        raise ConfigError(f"labels differ in upper and lower case only: {', '.join(labels)}; write them alike")
    if len(labels) < 2:
        raise ConfigError(f"there is one label only, {labels[0]!r}: at least two are needed" if labels else "no rows")
    made = {name: [Text(text, _number(label, labels)) for text, label in pairs] for name, pairs in splits.items()}
    test = next((name for name in _TESTS if name in made and len(made) > 1), None)
    train = "train" if "train" in made else next(name for name in made if name != test)
    if test is not None:
        return Texts(labels, tuple(made[train]), tuple(made[test]), source)
    shuffled = made[train].copy()
    Random(f"split:{seed}").shuffle(shuffled)
    end = int(_TRAIN_SHARE * len(shuffled))
    return Texts(labels, tuple(shuffled[:end]), tuple(shuffled[end:]), f"{source}; split 80/20 by seed {seed}")


def _number(label: str, labels: Sequence[str]) -> int:
    """Return the number of a label, which is written as its name or as a number from 0 on."""
    for name in (label, _RENAMED.get(label, label)):
        if name in labels:
            return labels.index(name)
    if label.isdecimal() and int(label) < len(labels):
        return int(label)
    raise ConfigError(f"the label {label!r} is none of {', '.join(labels)}")

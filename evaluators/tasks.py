"""Tasks: a benchmark of the paper by its name, or the user's own data, with answers that can be checked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from evaluators.answers import KINDS, AnswerKind, kind_of
from evaluators.task_benchmarks import KNOWN, Loaded, benchmark
from evaluators.task_columns import Columns, examples_of, shown
from evaluators.task_files import READERS, Rows, read_rows
from evaluators.task_hub import hub_rows
from evaluators.task_memory import MEMORY, NOTHING_SUPPLIED, Supply, absent
from evaluators.task_splits import Part, Sizes, cleaned, divide
from evaluators.task_types import Example, Task
from opro.errors import ConfigError, unknown

__all__ = ["KNOWN", "Example", "Task", "TaskConfig", "load_task"]

_OWN_SHARE = 0.2
_TEST_SPLITS = ("test", "validation", "dev")


class TaskConfig(BaseModel):
    """Which questions, how their answers are read, and which of them are for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(
        description="gsm8k, aqua, multiarith, bbh/NAME, mmlu/SUBJECT, mmlu/GROUP, mmlu; or a file (csv, tsv, json,"
        " jsonl, parquet), a folder with train.* and test.*, or a hub id OWNER/NAME"
    )
    data: Path | None = Field(None, description="a benchmark's own files, a folder or one file, instead of the hub")
    kind: str = Field(
        "", description="how answers are read: number, choice, boolean, text, regex:PATTERN, or module:function"
    )
    question: str = Field("question", description="the column of the question, for your own data")
    answer: str = Field("answer", description="the column of the right answer, for your own data")
    choices: tuple[str, ...] = Field((), description="the column of a list of options, or one column for each option")
    template: str = Field("", description="the question's text with {column} for a column's, for your own data")
    subset: str = Field("", description="the configuration of a hub dataset that has several")
    revision: str = Field("", description="the commit of a hub dataset; a benchmark's is pinned where it is known")
    train_share: float | None = Field(None, ge=0, le=1, description="share of the examples that is for training")
    train: int | None = Field(None, ge=0, description="number of training examples, instead of a share")
    test: int | None = Field(None, ge=1, description="number of test examples at most, drawn from the test split")
    split_seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of the split, the same for all runs to compare")


def load_task(config: TaskConfig, supply: Supply = NOTHING_SUPPLIED) -> Task:
    """Load the examples of a task, or take those that are handed in, and divide them.

    Raises:
        ConfigError: the name, a column or a file is wrong, a split is empty, or no gold answer can be read.
    """
    loaded = _loaded(config) if supply.splits is None else _own(supply.splits, config)
    examples = [e for part in loaded.parts for e in (*part.train, *(part.test or ()))]
    kind = supply.metric or _kind(config.kind or loaded.kind, examples)
    share = loaded.share if config.train_share is None else config.train_share
    train, test = divide(loaded.parts, Sizes(share, config.train, config.test, config.split_seed))
    train, test, notes = cleaned(train, test, kind)
    return Task(config.task, kind, train, test, "; ".join(loaded.sources), (*loaded.notes, *notes))


def _loaded(config: TaskConfig) -> Loaded:
    name, path = config.task, Path(config.task)
    if name in KNOWN:
        _refuse_columns(config)
        return benchmark(name, config.data, config.revision)
    if name.startswith(MEMORY):
        raise absent(name)
    own = path.exists() or path.suffix.lower() in READERS
    if not own and (name.count("/") != 1 or name.split("/")[0] in ("bbh", "mmlu")):
        raise unknown("task", name, KNOWN)
    if config.data is not None:
        raise ConfigError("`data` is for the files of a known benchmark; your own data is named by `task` itself")
    if path.is_dir():
        return _own(_folder(path), config)
    if own:
        return _own({"train": read_rows(path)}, config)
    return _own(hub_rows(name, config.subset, config.revision), config)


def _kind(spec: str, examples: Sequence[Example]) -> AnswerKind:
    try:
        return kind_of(spec, tuple(example.gold for example in examples))
    except ConfigError as error:
        raise ConfigError(f"{error}{_odd_golds(examples) if spec == 'boolean' else ''}") from error


def _odd_golds(examples: Sequence[Example]) -> str:
    """Tell which gold answers are none of the two most frequent, and what they answer."""
    frequent = [gold for gold, _ in Counter(example.gold.casefold() for example in examples).most_common(2)]
    odd = [f"{e.gold!r:.40} to {e.question!r:.60}" for e in examples if e.gold.casefold() not in frequent]
    return f"; beside the two most frequent: {shown(odd)}"


def _refuse_columns(config: TaskConfig) -> None:
    """Refuse what would have no effect on a known benchmark."""
    for setting in ("question", "answer", "choices", "template", "subset"):
        if getattr(config, setting) != TaskConfig.model_fields[setting].default:
            raise ConfigError(f"`{setting}` is for your own data: the format of {config.task} is known")


def _folder(path: Path) -> dict[str, Rows]:
    found = {file.stem: file for file in sorted(path.iterdir()) if file.suffix.lower() in READERS}
    if "train" not in found or not any(name in found for name in _TEST_SPLITS):
        raise ConfigError(f"{path}: files train.* and test.* are needed; there are {', '.join(found) or 'none'}")
    return {name: read_rows(file) for name, file in found.items() if name == "train" or name in _TEST_SPLITS}


def _own(splits: Mapping[str, Rows], config: TaskConfig) -> Loaded:
    """Return the user's own data; with "train" and a test split these are kept apart, and all of "train" is used."""
    if not config.kind and not config.choices:
        raise ConfigError(f"how are the answers read? Set `kind` to one of: {', '.join(KINDS)}")
    test = next((name for name in _TEST_SPLITS if name in splits and len(splits) > 1), None)
    train = "train" if "train" in splits else next(name for name in splits if name != test)
    columns = Columns(config.question, config.answer, config.choices, config.template)
    used = [splits[name] for name in (train, test) if name]
    made = [examples_of(rows.rows, columns) for rows in used]
    part = Part(made[0][0], made[1][0] if test else None)
    notes = [note for rows, (_, told) in zip(used, made, strict=True) for note in (*rows.notes, *told)]
    sources = tuple(rows.source for rows in used)
    return Loaded((part,), config.kind or "choice", 1.0 if test else _OWN_SHARE, sources, tuple(notes))

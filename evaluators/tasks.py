"""Tasks: a benchmark of the paper by its name, or the user's own data, with answers that can be checked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evaluators.answers import AnswerKind, kind_of
from evaluators.prompt_fields import common_fields
from evaluators.task_benchmarks import KNOWN, Loaded, benchmark
from evaluators.task_columns import QUESTION_FIELD, shown
from evaluators.task_config import TaskConfig
from evaluators.task_files import READERS, Rows, read_rows
from evaluators.task_hub import hub_rows
from evaluators.task_memory import MEMORY, NOTHING_SUPPLIED, Supply, absent
from evaluators.task_own import TEST_SPLITS, own_data
from evaluators.task_splits import Part, Sizes, cleaned, divide
from evaluators.task_types import Example, Task
from opro.errors import ConfigError, unknown

__all__ = ["KNOWN", "Example", "Task", "TaskConfig", "load_task"]


def load_task(config: TaskConfig, prompts: Sequence[str] = (), supply: Supply = NOTHING_SUPPLIED) -> Task:
    """Load the examples of a task, or take those that are handed in, and divide them.

    Prompts of the user's may have columns of the data as fields.

    Raises:
        ConfigError: the name, a column or a file is wrong, a split is empty, or no gold answer can be read.
    """
    loaded = _loaded(config, prompts) if supply.splits is None else own_data(supply.splits, config, prompts)
    examples = [e for part in loaded.parts for e in (*part.train, *(part.test or ()))]
    kind = supply.metric or _kind(config.kind or loaded.kind, examples, loaded.labels or config.labels)
    share = loaded.share if config.train_share is None else config.train_share
    number = loaded.train if config.train is None and config.train_share is None else config.train
    train, test = divide(loaded.parts, Sizes(share, number, config.test, config.split_seed))
    train, test, notes = cleaned(train, test, kind)
    return Task(
        config.task,
        kind,
        train,
        test,
        "; ".join(loaded.sources),
        (*loaded.notes, *notes),
        loaded.settled,
        loaded.fields,
        loaded.columns,
    )


def _loaded(config: TaskConfig, prompts: Sequence[str]) -> Loaded:
    if not config.task.strip():
        raise ConfigError("a task is needed: --set task=FILE, a folder, a hub id, or a known one, such as gsm8k")
    name, path = config.task, Path(config.task).expanduser()
    if name in KNOWN:
        _refuse_columns(config)
        return _with_field(benchmark(name, config.data, config.revision), prompts)
    if name.startswith(MEMORY):
        raise absent(name)
    own = path.exists() or path.suffix.lower() in READERS
    if not own and (name.count("/") != 1 or name.split("/")[0] in ("bbh", "mmlu")):
        raise unknown("task", name, KNOWN)
    if config.data is not None:
        raise ConfigError("`data` is for the files of a known benchmark; your own data is named by `task` itself")
    if path.is_dir():
        return own_data(_folder(path), config, prompts)
    if own:
        return own_data({"train": read_rows(path)}, config, prompts)
    return own_data(hub_rows(name, config.subset, config.revision), config, prompts)


def _with_field(loaded: Loaded, prompts: Sequence[str]) -> Loaded:
    """Return a benchmark's examples with the question as the field of prompts that have it."""
    if not common_fields(prompts, (QUESTION_FIELD,), ""):
        return loaded
    parts = tuple(Part(_fielded(part.train), part.test and _fielded(part.test)) for part in loaded.parts)
    return replace(loaded, parts=parts, fields=(QUESTION_FIELD,), columns=(QUESTION_FIELD,))


def _fielded(examples: Sequence[Example]) -> list[Example]:
    return [replace(example, fields={QUESTION_FIELD: example.question}) for example in examples]


def _kind(spec: str, examples: Sequence[Example], labels: tuple[str, ...]) -> AnswerKind:
    try:
        return kind_of(spec, tuple(example.gold for example in examples), labels)
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
    if "train" not in found or not any(name in found for name in TEST_SPLITS):
        raise ConfigError(f"{path}: files train.* and test.* are needed; there are {', '.join(found) or 'none'}")
    return {name: read_rows(file) for name, file in found.items() if name == "train" or name in TEST_SPLITS}

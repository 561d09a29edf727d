"""What may be said of a task: which questions, how their answers are read, and which of them are for training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from evaluators.task_benchmarks import KNOWN
from opro.places import Place

FORMER_SHARE = 0.2
"""Of the user's own examples, for training in runs that were recorded before `training_rows` said how many."""


def _separate(value: object) -> object:
    """Let labels be written in one text, with commas between them."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class TaskConfig(BaseModel):
    """Which questions, how their answers are read, and which of them are for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Annotated[str, Place(known=KNOWN)] = Field(
        description="gsm8k, aqua, multiarith, bbh/NAME, mmlu/SUBJECT, mmlu/GROUP, mmlu; or a file (csv, tsv, json,"
        " jsonl, parquet), a folder with train.* and test.*, or a hub id OWNER/NAME"
    )
    data: Path | None = Field(None, description="a benchmark's own files, a folder or one file, instead of the hub")
    kind: Annotated[str, Place(moves=False)] = Field(
        "",
        description="how answers are read: number, labels, choice, boolean, text, regex:PATTERN, or module:function;"
        " guessed from your own data where it is left out",
    )
    labels: Annotated[tuple[str, ...], BeforeValidator(_separate)] = Field(
        (), description="the labels among which answers are, for the kind `labels`; those of the data if left out"
    )
    list_labels: Literal["auto", "always", "never"] = Field(
        "auto",
        description="for the kind `labels`: tell the scorer the labels behind the question; auto: unless your prompt"
        " has fields, which tells them at {options} or in its own words",
    )
    question: str = Field("", description="the column of the question, for your own data; guessed if left out")
    answer: str = Field("", description="the column of the right answer, for your own data; guessed if left out")
    choices: tuple[str, ...] = Field((), description="the column of a list of options, or one column for each option")
    template: str = Field("", description="the question's text with {column} for a column's, for your own data")
    subset: str = Field("", description="the configuration of a hub dataset that has several")
    revision: str = Field("", description="the commit of a hub dataset; a benchmark's is pinned where it is known")
    train_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the examples that is for training; of your own, if left out, half of up to 100, then 50,"
        " and a fifth where that is more",
    )
    train: int | None = Field(None, ge=0, description="number of training examples, instead of a share")
    test: int | None = Field(None, ge=1, description="number of test examples at most, drawn from the test split")
    split_seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of the split, the same for all runs to compare")

    @classmethod
    def former(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings as they were meant in records that do not state how many examples are for training."""
        stated = {"train", "train_share"} & {name for name, value in settings.items() if value is not None}
        return dict(settings) if stated else {**settings, "train_share": FORMER_SHARE}

"""What a task is made of: examples with their gold answers, divided once into training and test."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluators.answers import AnswerKind


@dataclass(frozen=True, slots=True)
class Example:
    """One question of a task.

    Attributes:
        id: a short hash of the content, the same on every machine; a repeat within a split has ".2", ".3" behind it.
        question: what the scorer model is asked, with the options of a multiple choice written out.
        gold: the right answer, in the data's own words.
        options: the texts of a multiple choice by letter; empty otherwise.
        fields: what stands at the fields of a prompt that has some, by their names; empty otherwise.
        row: what the data hold of it, for a metric; empty for a benchmark's.
    """

    id: str
    question: str
    gold: str
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    row: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, compare=False)

    @classmethod
    def of(
        cls,
        question: str,
        gold: str,
        options: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        row: Mapping[str, object] | None = None,
    ) -> "Example":
        """Return the example with the id of its content."""
        content = json.dumps([question, gold, dict(options or {})])
        name = hashlib.sha256(content.encode()).hexdigest()[:12]
        return cls(name, question, gold, options or {}, fields or {}, row or {})

    @property
    def asks(self) -> str:
        """The question with its blanks evened out: two examples that ask the same have the same."""
        return " ".join(self.question.split())


@dataclass(frozen=True, slots=True)
class Task:
    """A set of examples, divided; optimization sees `train` alone, and `test` is for the verdict.

    Attributes:
        name: what the user called it.
        kind: how answers are read and compared.
        train: the examples that instructions are scored with.
        test: the examples of the verdict; none of them asks what a training example asks.
        source: what was read: files with their SHA-256, or a hub id with its revision.
        notes: what the user should know of the data: repeats, contradictions, gold answers that cannot be read.
        settled: the settings that were guessed from the data, so that a record can state them.
        fields: of the user's prompts, if these have some.
        columns: what else could be a field; the last one is that of the right answers.
    """

    name: str
    kind: "AnswerKind"
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    source: str = ""
    notes: tuple[str, ...] = ()
    settled: Mapping[str, object] = field(default_factory=dict[str, object])
    fields: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

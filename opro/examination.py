"""What answers to examples that no optimization has seen allow to say of texts, such as instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from typing import Any

from opro.errors import ConfigError
from opro.paired import Accuracy, PairedComparison, accuracy, compare, together
from opro.reader import EXAMINER, Reader
from opro.records import RunRecord, Spending
from opro.report import BLIND, NOTHING_SPENT, contestant, finalist
from opro.texts import counted
from opro.types import Answer, Trial


@dataclass(frozen=True, slots=True)
class Examined:
    """A text with what it reached.

    Attributes:
        name: what it is called: "found", "start", "no instruction", ...
        text: the text itself.
        accuracy: the share of right answers, with its interval; None where the scoring failed on every example.
        unread: answers that could not be read.
        flagged: answers of which two ways of reading disagree.
        failed: examples whose scoring failed.
        tokens: of all answers.
        reason: why the scoring failed, on all examples or on the first where it did.
        macro_f1: the mean of F1 over the classes, where answers are classes.
        quoted: whether its name is its text, or the beginning of it.
    """

    name: str
    text: str
    accuracy: Accuracy | None
    unread: int
    flagged: int
    failed: int
    tokens: int
    reason: str = ""
    macro_f1: float | None = None
    quoted: bool = False

    @property
    def called(self) -> str:
        """The name as it stands in a sentence."""
        return f'"{self.name}"' if self.quoted else self.name

    @property
    def mute(self) -> bool:
        """Whether there are replies, and none could be read."""
        return self.accuracy is not None and self.unread == self.accuracy.n

    def sentence(self, split: str) -> str:
        """Say what it reached, or why that is not known."""
        if self.accuracy is None:
            return f"{self.called}: {self.reason}."
        f1 = "" if self.macro_f1 is None else f", macro F1 {self.macro_f1:.3f},"
        return f"{self.called}: {self.accuracy}{f1} on the {split} examples."


@dataclass(frozen=True, slots=True)
class Report:
    """The examined texts, and the first one against each of the others, paired by example.

    Attributes:
        run: the run that holds the answers.
        split: the part of the data that was asked.
        train: the first text's score on the training examples, if it comes from a run that was searched with them.
        gained: whether the first text is another one than those that such a run began with; None without a search.
        merged: names of texts that stand in the table under another name, with that one.
        costs: what each run that led here spent, by what it did.
        remarks: what is odd in the data.
    """

    run: str
    split: str
    examined: tuple[Examined, ...]
    comparisons: tuple[PairedComparison, ...]
    train: float | None = None
    costs: Mapping[str, Spending] = field(default_factory=dict[str, Spending])
    remarks: tuple[str, ...] = ()
    gained: bool | None = None
    merged: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def sentences(self) -> list[str]:
        """What may be said, in plain words."""
        first, *others = self.examined
        said = [first.sentence(self.split)]
        if self.train is not None and first.accuracy is not None:
            gap = round(100 * (self.train - first.accuracy.mean), 1)
            more = f"{abs(gap)} points {'more' if gap > 0 else 'less'}" if gap else "the same"
            said.append(f"On the training examples it had {100 * self.train:.1f} %, {more}.")
        if self.gained is False:
            said.append("The search found nothing better than what it began with.")
        called = {one.name: one.called for one in self.examined}
        compared = {one.other: one.sentence(first.called, called[one.other]) + "." for one in self.comparisons}
        said += [
            compared.get(one.name, f"{one.sentence(self.split)} So nothing is compared with it.") for one in others
        ]
        said += [f'The text of "{name}" is that of "{other}".' for name, other in self.merged.items()]
        said += [f"No reply to {one.called} could be read." for one in self.examined if one.mute]
        partly = [one for one in self.examined if one.failed and one.accuracy]
        said += [
            f"{one.called}: the scoring failed on {counted(one.failed, 'example')}, first with {one.reason}."
            for one in partly
        ]
        return [*said, *self._costs()]

    def _costs(self) -> list[str]:
        told = [f"{what} {spent.tokens:,} tokens{_money(spent)}" for what, spent in self.costs.items()]
        return [f"What it took: {'; '.join(told)}."] if told else []

    def __str__(self) -> str:
        """Return the sentences, one a line."""
        return "\n".join(self.sentences)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self) | {"sentences": self.sentences}


def _money(spent: Spending) -> str:
    return f" ({spent.usd:.4g} usd)" if spent.usd else ""


LONGEST = 60
"""Characters of a text by which it is called."""

BEST_OF_N = "best of N, drawn blindly"


def entrants(reader: Reader, run: RunRecord, rivals: Mapping[str, str], *, best_of_n: bool = True) -> dict[str, str]:
    """Return the texts to examine by what they are called; one that has several names keeps the first.

    Raises:
        ConfigError: the run found nothing.
    """
    named = _named(reader, run, rivals, best_of_n=best_of_n)
    first = {text: name for name, text in reversed(named.items())}
    return {name: text for name, text in named.items() if first[text] == name}


def _named(reader: Reader, run: RunRecord, rivals: Mapping[str, str], *, best_of_n: bool = True) -> dict[str, str]:
    """Return what a search is judged by, by what it is called, the same text perhaps more than once."""
    named = {"found": finalist(reader, run).text, "start": reader.trials(run.id)[0].text, **rivals}
    for other in reader.baselines_of(run.id):
        blind = contestant(other.spec) == BLIND
        if best_of_n or not blind:
            named[BEST_OF_N if blind else contestant(other.spec)] = finalist(reader, other).text
    return named


def blind_limits(run: RunRecord, needed: int) -> dict[str, Any]:
    """Return the limits of a run that draws `needed` candidates blindly, after what `run` was given."""
    limits: dict[str, Any] = {"trials": needed, "steps": 4 * run.spec.config["steps"], "baselines": "never"}
    return limits | {"patience": None, "seconds": None, "stop_at_optimum": False}


def blind_options(run: RunRecord) -> dict[str, Any]:
    """Return the proposer's settings under which the optimizer model is shown none of the solutions."""
    return {**run.spec.config["options"], "control": "blind", "exemplar_choice": "random"}


def is_evaluation(reader: Reader, run: RunRecord) -> bool:
    """Say whether a run only scored what it was given, example by example: an evaluation, or an examination."""
    return run.spec.proposer == EXAMINER and bool(reader.answers(run.id, split=None))


def report(reader: Reader, run: RunRecord, rivals: Mapping[str, str] | None = None) -> Report:
    """Return what the answers of a stored run say of its trials, of which the first is to be judged.

    With `rivals` the run may be the examination of another one, and its texts are called by what they are then.
    """
    trials, answers = reader.trials(run.id), reader.answers(run.id, split="test")
    split = "test" if answers else "train"
    answers = answers or reader.answers(run.id, split="train")
    scores = [_scores(answers.get(trial.number, ())) for trial in trials]
    if not any(scores):
        reason = trials[0].evaluation.reason if trials else "nothing is scored yet"
        raise ConfigError(f"{run.id}: {reason}; so nothing can be said")
    parent = reader.run(run.spec.parent) if run.spec.parent and rivals is not None else None
    named = _named(reader, parent, rivals or {}) if parent else {}
    names = {text: name for name, text in reversed(named.items())}
    called = _called([names.get(trial.text, trial.text) for trial in trials])
    examined = [
        replace(
            _examined(name, trial, answers.get(trial.number, ())),
            quoted=trial.text not in names and bool(trial.text.strip()),
        )
        for name, trial in zip(called, trials, strict=True)
    ]
    against = [
        compare(scores[0], one.name, other)
        for one, other in zip(examined[1:], scores[1:], strict=True)
        if scores[0].keys() & other.keys()
    ]
    texts = {trial.text for trial in trials}
    searched = _searched(reader, run, trials[0].text)
    return Report(
        run=run.id,
        split=split,
        examined=tuple(examined),
        comparisons=tuple(together(against)),
        train=searched and searched.value,
        costs=_spent(reader, run),
        remarks=reader.remarks(run.id),
        gained=searched and searched.step > 0,
        merged={name: names[text] for name, text in named.items() if text in texts and names[text] != name},
    )


def _called(names: Sequence[str]) -> list[str]:
    """Return short names on one line, each of them another one."""
    called: list[str] = []
    for name in names:
        line = " ".join(name.split()) or "no instruction"
        short = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
        number = next(n for n in count(1) if _numbered(short, n) not in called)
        called.append(_numbered(short, number))
    return called


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"


def _searched(reader: Reader, run: RunRecord, text: str) -> Trial | None:
    """Return the trial of a text in the search whose examination a run is; None where it is none."""
    trials = reader.trials(run.spec.parent) if run.spec.parent else []
    return next((trial for trial in trials if trial.text == text), None)


def _spent(reader: Reader, run: RunRecord) -> dict[str, Spending]:
    runs = {"this examination": [run]}
    if run.spec.parent:
        baselines = {contestant(one.spec): [one] for one in reader.baselines_of(run.spec.parent)}
        if earlier := [one for one in reader.examinations_of(run.spec.parent) if one.created < run.created]:
            runs = {"earlier examinations": earlier, **runs}
        runs = {"the search": [reader.run(run.spec.parent)], **baselines, **runs}
    return {
        what: sum((part for one in made for part in reader.spending(one.id)), NOTHING_SPENT)
        for what, made in runs.items()
    }


def _scores(answers: Sequence[Answer]) -> dict[str, float]:
    return {answer.example: answer.score for answer in answers if answer.score is not None}


def _examined(name: str, trial: Trial, answers: Sequence[Answer]) -> Examined:
    scores = _scores(answers)
    failures = [answer.failure for answer in answers if answer.failure]
    return Examined(
        name=name,
        text=trial.text,
        accuracy=accuracy(list(scores.values())) if scores else None,
        unread=sum(answer.extracted is None and not answer.failure for answer in answers),
        flagged=sum(answer.flagged for answer in answers),
        failed=len(answers) - len(scores),
        tokens=sum(answer.tokens for answer in answers),
        reason=next(iter(failures), "") if scores else trial.evaluation.reason,
        macro_f1=trial.evaluation.metrics.get("macro_f1"),
    )

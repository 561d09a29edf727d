"""What answers to examples that no optimization has seen allow to say of texts, such as instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from opro.errors import ConfigError
from opro.paired import Accuracy, PairedComparison, accuracy, compare, together
from opro.reader import EXAMINER, Reader
from opro.records import RunRecord, Spending
from opro.report import BLIND, NOTHING_SPENT, contestant, finalist
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
        reason: why there is no accuracy.
    """

    name: str
    text: str
    accuracy: Accuracy | None
    unread: int
    flagged: int
    failed: int
    tokens: int
    reason: str = ""

    def sentence(self, split: str) -> str:
        """Say what it reached, or why that is not known."""
        if self.accuracy is None:
            return f"{self.name}: {self.reason}."
        return f"{self.name}: {self.accuracy} on the {split} examples."


@dataclass(frozen=True, slots=True)
class Report:
    """The examined texts, and the first one against each of the others, paired by example.

    Attributes:
        run: the run that holds the answers.
        split: the part of the data that was asked.
        train: the first text's score on the training examples, if it comes from a run that was searched with them.
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

    @property
    def sentences(self) -> list[str]:
        """What may be said, in plain words."""
        first, *others = self.examined
        said = [first.sentence(self.split)]
        if self.train is not None and first.accuracy is not None:
            gap = 100 * (self.train - first.accuracy.mean)
            said.append(f"On the training examples it had {100 * self.train:.1f} %: a difference of {gap:+.1f} points.")
        compared = {comparison.other: comparison.sentence(first.name) + "." for comparison in self.comparisons}
        said += [compared.get(one.name, f"{one.sentence(self.split)} It is compared with nothing.") for one in others]
        return [*said, *self._costs()]

    def _costs(self) -> list[str]:
        told = [f"{what} {spent.tokens:,} tokens{_money(spent)}" for what, spent in self.costs.items()]
        return [f"What it took: {'; '.join(told)}."] if told else []

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self) | {"sentences": self.sentences}


def _money(spent: Spending) -> str:
    return f" ({spent.usd:.4g} usd)" if spent.usd else ""


BEST_OF_N = "best of N, drawn blindly"


def entrants(reader: Reader, run: RunRecord, rivals: Mapping[str, str], *, best_of_n: bool = True) -> dict[str, str]:
    """Return the texts to examine by what they are called; one that has several names keeps the first.

    Raises:
        ConfigError: the run found nothing.
    """
    named = {"found": finalist(reader, run).text, "start": reader.trials(run.id)[0].text, **rivals}
    for other in reader.baselines_of(run.id):
        blind = contestant(other.spec) == BLIND
        if best_of_n or not blind:
            named[BEST_OF_N if blind else contestant(other.spec)] = finalist(reader, other).text
    first = {text: name for name, text in reversed(named.items())}
    return {name: text for text, name in sorted(first.items(), key=lambda pair: list(named).index(pair[1]))}


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
    names: dict[str, str] = {}
    if run.spec.parent and rivals is not None:
        named = entrants(reader, reader.run(run.spec.parent), rivals)
        names = {text: name for name, text in named.items()}
    examined = [_examined(names.get(trial.text, trial.text), trial, answers.get(trial.number, ())) for trial in trials]
    against = [
        compare(scores[0], one.name, other)
        for one, other in zip(examined[1:], scores[1:], strict=True)
        if scores[0].keys() & other.keys()
    ]
    return Report(
        run.id,
        split,
        tuple(examined),
        tuple(together(against)),
        _train(reader, run, trials[0].text),
        _spent(reader, run),
        reader.remarks(run.id),
    )


def _train(reader: Reader, run: RunRecord, text: str) -> float | None:
    """Return what a text had in the search whose examination a run is; None where it is none."""
    trials = reader.trials(run.spec.parent) if run.spec.parent else []
    return next((trial.value for trial in trials if trial.text == text), None)


def _spent(reader: Reader, run: RunRecord) -> dict[str, Spending]:
    runs = {"this examination": run}
    if run.spec.parent:
        baselines = {contestant(one.spec): one for one in reader.baselines_of(run.spec.parent)}
        runs = {"the search": reader.run(run.spec.parent), **baselines, **runs}
    return {what: sum(reader.spending(one.id), NOTHING_SPENT) for what, one in runs.items()}


def _scores(answers: Sequence[Answer]) -> dict[str, float]:
    return {answer.example: answer.score for answer in answers if answer.score is not None}


def _examined(name: str, trial: Trial, answers: Sequence[Answer]) -> Examined:
    scores = _scores(answers)
    return Examined(
        name=name or "no instruction",
        text=trial.text,
        accuracy=accuracy(list(scores.values())) if scores else None,
        unread=sum(answer.extracted is None for answer in answers),
        flagged=sum(answer.flagged for answer in answers),
        failed=len(answers) - len(scores),
        tokens=sum(answer.tokens for answer in answers),
        reason="" if scores else trial.evaluation.reason,
    )

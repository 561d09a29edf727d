"""The doors: what a proposer, a problem and a language model must offer. Having the methods is enough."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from opro.constraints import Constraint
from opro.pictures import Picture
from opro.types import Brief, Candidate, Direction, Evaluation, Generation, Question, Reference, Request, Style, Trial


class Proposer(Protocol):
    """Asks for candidates and learns from trials. Its whole memory is what it was told."""

    async def ask(self, step: int, n: int) -> Sequence[Candidate]:
        """Return at most `n` candidates for `step`; fewer, or none, is no error."""
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from trials, whoever proposed them."""
        ...


class Problem(Protocol):
    """What is optimized."""

    @property
    def direction(self) -> Direction:
        """Which values are better."""
        ...

    def start(self, seed: int) -> Sequence[Candidate]:
        """Return the solutions that a run begins with."""
        ...

    def brief(self) -> Brief:
        """Return what a meta-prompt may say."""
        ...

    def parse(self, text: str) -> str:
        """Return the solution in `text` (a reply, or a bare solution) in its one canonical form.

        Raises:
            InvalidSolutionError: there is none; the message says why.
        """
        ...

    async def evaluate(self, candidates: Sequence[Candidate]) -> Sequence[Evaluation]:
        """Return one evaluation a candidate, in order; junk is `Evaluation.failed`, never an exception."""
        ...


@runtime_checkable
class Referenced(Protocol):
    """A problem that knows values to compare with."""

    def references(self) -> Sequence[Reference]:
        """Return the references; at most one of them is the optimum."""
        ...


@runtime_checkable
class Sampled(Protocol):
    """A problem whose solutions can be drawn at random: what the `random` proposer needs."""

    def draw(self, random: Random) -> str:
        """Return the text of a random solution."""
        ...


@runtime_checkable
class Listed(Protocol):
    """A problem with a list of solutions that are all to be evaluated: what the `list` proposer needs."""

    def listed(self) -> Sequence[str]:
        """Return the solutions, the starting ones among them."""
        ...


@runtime_checkable
class Mutable(Sampled, Protocol):
    """A problem whose solutions can be changed a little: what the `evolution` proposer needs."""

    def mutate(self, text: str, random: Random) -> str:
        """Return the text of a neighbour of the solution `text`."""
        ...


@runtime_checkable
class Crossable(Mutable, Protocol):
    """A problem of which two solutions can have a child: what `crossover` of the `evolution` proposer needs."""

    def cross(self, text: str, other: str, random: Random) -> str:
        """Return the text of a solution that has most from `text`, and something from `other`."""
        ...


@runtime_checkable
class Grammatical(Protocol):
    """A problem whose solutions are written token by token by a grammar: what the `controller` proposer needs."""

    @property
    def tokens(self) -> Sequence[str]:
        """All tokens there are, in an order that never changes."""
        ...

    def follow(self, written: Sequence[str]) -> Sequence[str]:
        """Return the tokens that may come after those written; none where the solution is complete.

        Every way leads to an end.
        """
        ...

    def written(self, tokens: Sequence[str]) -> str:
        """Return the solution that tokens write, in its canonical form."""
        ...

    def spelling(self, text: str) -> Sequence[str]:
        """Return tokens that write the solution `text`.

        Raises:
            InvalidSolutionError: the grammar cannot write it.
        """
        ...


@runtime_checkable
class Typeset(Protocol):
    """A problem whose solutions are formulas."""

    def formula(self, text: str) -> str:
        """Return the solution `text` as LaTeX."""
        ...


@runtime_checkable
class Rewritable(Protocol):
    """A problem of which one solution can be written in several ways, such as a tour from each of its cities."""

    def rewrite(self, text: str, random: Random) -> str:
        """Return the solution `text` written in a random one of the ways that `parse` reads as the same solution."""
        ...


@runtime_checkable
class Numeric(Sampled, Protocol):
    """A problem whose solutions are points: what the `surrogate` proposer needs."""

    def point(self, text: str) -> NDArray[np.float64]:
        """Return the point, shape (d,), of the solution `text`."""
        ...

    def text(self, point: NDArray[np.float64]) -> str:
        """Return the text of the valid solution nearest to `point`, shape (d,)."""
        ...


@runtime_checkable
class Identified(Protocol):
    """A problem that is made of more than a meta-prompt may say of it, such as data in files."""

    @property
    def identity(self) -> str:
        """What tells it from another one that reads alike."""
        ...


@runtime_checkable
class Moved(Identified, Protocol):
    """A problem whose identity once named where its data lie, in the records of earlier versions."""

    def former_identity(self, settings: Mapping[str, Any]) -> str:
        """Return the identity as it was then, with the data where the settings of a record say."""
        ...


@runtime_checkable
class Remarked(Protocol):
    """A problem of whose data the user should know something."""

    @property
    def remarks(self) -> Sequence[str]:
        """What is odd in the data, a sentence each."""
        ...

    @property
    def source(self) -> str:
        """What the data were read from, exactly enough to find them again."""
        ...


@runtime_checkable
class Announced(Protocol):
    """A problem that tells what it was made of, and what it guessed, before anything is spent."""

    @property
    def announcements(self) -> Sequence[str]:
        """What the user should know, and could set otherwise, a sentence each."""
        ...


@runtime_checkable
class Settled(Protocol):
    """A problem that takes settings from its data where the user leaves them out."""

    @property
    def settled(self) -> Mapping[str, Any]:
        """The settings taken so; a run's record states them, so that it is made again as it was."""
        ...


@runtime_checkable
class Pictured(Protocol):
    """A problem that shows what its trials mean."""

    def pictures(self, trials: Sequence[Trial], references: Sequence[Reference]) -> Sequence[Picture]:
        """Return pictures of trials, whole ones with the scorer's answers in them; pure, and cheap until drawn.

        The references are those of the run's record: some take long to compute again.
        """
        ...


@runtime_checkable
class Contrasted(Protocol):
    """A problem that shows runs beside each other."""

    def contrasts(self, runs: Mapping[str, Sequence[Trial]], references: Sequence[Reference]) -> Sequence[Picture]:
        """Return pictures of the trials of several runs, given by what they are called; pure, and cheap until drawn."""
        ...


@runtime_checkable
class Exemplified(Protocol):
    """A problem whose solutions are tried on examples, some of which a meta-prompt shows."""

    def examples(self) -> Sequence[str]:
        """Return the ids of the examples that solutions are tried on."""
        ...

    def exemplar(self, example: str) -> str:
        """Return an example as a meta-prompt shows it."""
        ...


@runtime_checkable
class Examinable(Protocol):
    """A problem that keeps examples away from the optimization, for its verdict."""

    @property
    def examines(self) -> bool:
        """Whether it scores on the examples that were kept away: then nothing may be searched with it."""
        ...

    @property
    def rivals(self) -> Mapping[str, str]:
        """The solutions, by what they are called, that one which was found has to be held against."""
        ...

    def examination(self, texts: Sequence[str]) -> "Examination":
        """Return the problem of which just these texts are the start, scored on the examples that were kept away."""
        ...


class Examination(Problem, Protocol):
    """A problem that tells the settings from which it can be made again."""

    @property
    def config(self) -> BaseModel:
        """Its settings."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A problem that scores new solutions beside those which it scored before."""

    def recall(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of the record, with their answers, before a run goes on."""
        ...


@runtime_checkable
class Scored(Protocol):
    """A problem whose candidates are scored with a language model, the scorer."""

    def scored_by(self, scorer: "LanguageModel") -> Problem:
        """Return the problem as scored by `scorer`."""
        ...


@runtime_checkable
class Supplied(Protocol):
    """A class of problems whose data, or whose judgement of a reply, may be handed in from Python."""

    def supplied(self, settings: Mapping[str, Any], seed: int, data: object, metric: object) -> Problem:
        """Return the problem with these data (None: what the settings name) and this metric (None: likewise).

        Its `config` holds the settings with a name for what was handed in, by which it is known again.

        Raises:
            ConfigError: they cannot be used, or are not what the settings name.
        """
        ...


@runtime_checkable
class Foreseeable(Scored, Protocol):
    """A scored problem that tells what its scorer will be asked: an estimate then is exact, and needs no rehearsal."""

    @property
    def share(self) -> float:
        """The share of the questions that is likely to be asked: less than 1 where a race drops candidates early."""
        ...

    def imagine(self, random: Random) -> str:
        """Return a made-up solution that `parse` accepts, about as long as those that models write."""
        ...

    def questions(self, text: str) -> Iterator[Question]:
        """Return what scoring the solution `text` in full asks; nothing where the answers are there."""
        ...


@runtime_checkable
class Presuming(Protocol):
    """A foreseeable problem whose questions rest on something that may be otherwise with the user's model."""

    @property
    def presumption(self) -> str:
        """What is taken for granted and how to set it otherwise, a sentence; empty where nothing is."""
        ...


class LanguageModel(Protocol):
    """Continues a prompt. Wrappers (recording, retry, concurrency, budget) have the same protocol."""

    @property
    def fingerprint(self) -> str:
        """What identifies the weights that answer, as exactly as the backend can tell."""
        ...

    @property
    def enforces(self) -> frozenset[type[Constraint]]:
        """The kinds of constraint that are kept while decoding; the others are left to the parser."""
        ...

    @property
    def style(self) -> Style:
        """The style in which this model optimizes best: continuation for small and base models, else chat."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Return the samples from number `request.first` on: at least one, `request.n` at most.

        Whoever wants all of them asks for the rest, as the recording wrapper does: so what arrived is kept, whatever
        becomes of the rest.

        Raises:
            RequestError: a server refused the request, or gave no usable answer.
            ContextError: the prompt is too long for the model.
            ModelError: the model cannot answer; the message names the remedy.
        """
        ...

    async def close(self) -> None:
        """Free what the model holds; it is not used afterwards."""
        ...


@runtime_checkable
class Narrow(Protocol):
    """A model of which one request returns only so many samples: more are asked for in requests side by side."""

    @property
    def widest(self) -> int:
        """How many samples one request returns at most."""
        ...


@runtime_checkable
class Served(Protocol):
    """A model behind a server, which may be busy or out of reach, and may cost money."""

    @property
    def served_as(self) -> tuple[str, str]:
        """The model's name and the server's host: what prices are looked up by."""
        ...

    @property
    def widest(self) -> int:
        """How many samples one request returns at most, as far as is known."""
        ...

"""Answering a batch of requests: read the prompts, some at a time, and decode all rows together."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from opro.constraints import Permutation
from opro.types import Generation, Request, Sample, Usage
from scorer_models.decoding import Guide, Guides, Ids, Visits
from scorer_models.reading import NOWHERE, Reader, Seat
from scorer_models.sampling import Settings, choose, pad
from scorer_models.tree import Run, TokenTree

FEW = 4096  # up to so many candidates are gathered; more are masked among the whole vocabulary
# Each row looks at the tokens of all of its lane: long texts want fewer rows at a time, if many rows share a lane.
SHORT, FEW_ROWS, MANY_ROWS, ROWS = 64, 2, 64, 32


@dataclass(slots=True)
class Job:
    """A request with its prompt's tokens; `room` is how many tokens the model's window leaves."""

    request: Request
    prompt: list[int]
    room: int
    cancelled: Callable[[], bool] = lambda: False
    cached: int = 0


@dataclass(slots=True)
class Row:
    """One sample in the making. `pending` are tokens that the model has not read yet."""

    job: Job
    owner: int
    parent: int
    sample: int
    guide: Guide
    seat: Seat = NOWHERE
    candidates: Ids | None = None
    tokens: list[int] = field(default_factory=list[int])
    text: bytearray = field(default_factory=bytearray)
    pending: int = 0
    done: bool = False
    complete: bool = False

    def take(self, token: int, pieces: Sequence[bytes], ends: frozenset[int]) -> None:
        """Append a token, and those after it that leave no choice."""
        self._append(token, pieces, ends)
        while not self.done:
            self.candidates = self.guide.allowed()
            if self.candidates is None or len(self.candidates) > 1:
                return
            if len(self.candidates) == 0:
                self.done = True
                return
            self._append(int(self.candidates[0]), pieces, ends)

    def _append(self, token: int, pieces: Sequence[bytes], ends: frozenset[int]) -> None:
        self.tokens.append(token)
        self.pending += 1
        if token in ends:
            self.done = self.complete = True
            return
        self.guide.push(token)
        self.text += pieces[token]
        self.complete = self._stopped(len(pieces[token])) or self.guide.finished
        limit = min(self.job.request.max_tokens, self.job.room)
        self.done = self.complete or len(self.tokens) >= limit

    def _stopped(self, new: int) -> bool:
        """Cut the text before the first stop string, which can only end in the last `new` bytes."""
        places = [
            self.text.find(stop, max(0, len(self.text) - new - len(stop)))
            for stop in (text.encode() for text in self.job.request.stop)
        ]
        found = [place for place in places if place >= 0]
        if found:
            del self.text[min(found) :]
        return bool(found)

    def result(self) -> Sample:
        """Return the finished sample."""
        constraint = self.job.request.constraint
        text = self.text.decode(errors="replace")
        if isinstance(self.guide, Visits) and isinstance(constraint, Permutation) and self.complete:
            text = "".join(constraint.separator + constraint.items[i] for i in self.guide.order)
        return Sample(text, self.complete and (constraint is None or constraint.allows(text)))


class Decoder:
    """Answers batches of jobs, one after another.

    An answer depends on the requests of its batch and never on what was asked before, which a resumed run relies on.
    """

    def __init__(self, tree: TokenTree, guides: Guides, ends: frozenset[int]) -> None:
        self._tree = tree
        self._reader = Reader(tree)
        self._left: Counter[Seat] = Counter()  # rows that are not done, of each lane
        self._guides = guides
        self._ends = ends
        self._device = tree.device

    def answer(self, jobs: Sequence[Job], cap: int = MANY_ROWS) -> list[Generation]:
        """Return what each job asked for; a cancelled job gets what it has so far."""
        for job, cached in zip(jobs, self._reader.begin([job.prompt for job in jobs]), strict=True):
            job.cached = cached
        self._left.clear()
        rows = self._rows(jobs)
        self._decode(jobs, rows, cap)
        return [self._generation(job, [row for row in rows if row.job is job]) for job in jobs]

    def _rows(self, jobs: Sequence[Job]) -> list[Row]:
        rows: list[Row] = []
        for number, job in enumerate(jobs):
            for sample in range(job.request.first, job.request.first + job.request.n):
                guide = self._guides.guide(job.request.constraint, job.request.stop)
                rows.append(Row(job, len(jobs) + len(rows), number, sample, guide, candidates=guide.allowed()))
        return rows

    def _decode(self, jobs: Sequence[Job], rows: Sequence[Row], cap: int) -> None:
        """Read prompts and sample until every row is done; a row that is done makes room for the next."""
        settings = Settings.of([(row.job.request, row.sample) for row in rows], self._device)
        if max(job.request.max_tokens for job in jobs) > SHORT and len(rows) > FEW_ROWS * len(jobs):
            cap = min(cap, ROWS)
        wanted = [job.request.n for job in jobs]
        waiting: deque[int] = deque()
        active: list[int] = []
        while active or waiting or self._reader.more:
            if not waiting and len(active) < cap and self._reader.more:
                waiting.extend(self._begin(rows, settings, wanted, cap - len(active)))
            while waiting and len(active) < cap:
                active.append(waiting.popleft())
            if active:
                here = [rows[i] for i in active]
                self._sample(here, settings.select(torch.tensor(active, device=self._device)), self._read(here))
                active = self._going_on(active, rows)

    def _begin(self, rows: Sequence[Row], settings: Settings, wanted: Sequence[int], room: int) -> list[int]:
        """Read some prompts and sample the first token of their rows; return the rows that go on."""
        numbers, logits = self._reader.read(wanted, room)
        at = {number: place for place, number in enumerate(numbers)}
        index = [i for i, row in enumerate(rows) if row.parent in at]
        here = [rows[i] for i in index]
        for row in here:
            row.seat = self._reader.seat(row.parent)
        self._left.update(Counter(row.seat for row in here))
        scores = logits[[at[row.parent] for row in here]]
        self._sample(here, settings.select(torch.tensor(index, device=self._device)), scores)
        return self._going_on(index, rows)

    def _going_on(self, index: Sequence[int], rows: Sequence[Row]) -> list[int]:
        """Return which rows go on; free the slots of the others, and the lanes in which none is left."""
        going: list[int] = []
        for i in index:
            row = rows[i]
            if not row.done and not row.job.cancelled():
                going.append(i)
                continue
            row.seat.block.drop(row.seat.lane, row.owner)
            self._left[row.seat] -= 1
            if not self._left[row.seat]:
                self._reader.leave(row.seat)
        return going

    def _read(self, rows: Sequence[Row]) -> Tensor:
        """Let the model read what is pending; return the logits after each row, shape (len(rows), vocabulary)."""
        runs: list[Run] = []
        for row in rows:
            position = len(row.job.prompt) + len(row.tokens) - row.pending
            runs.append(Run(row.tokens[-row.pending :], position, *row.seat, row.owner, row.parent))
            row.pending = 0
        return self._tree.step(runs)

    def _sample(self, rows: Sequence[Row], settings: Settings, logits: Tensor) -> None:
        """Choose the next token of every row."""
        few = [i for i, row in enumerate(rows) if row.candidates is not None and len(row.candidates) <= FEW]
        many = sorted(set(range(len(rows))) - set(few))
        for part, pick in ((few, self._among_few), (many, self._among_many)):
            if part:
                index = torch.tensor(part, device=self._device)
                here = [rows[i] for i in part]
                scores, ids = pick(here, logits[index])
                step = torch.tensor([len(row.tokens) for row in here], device=self._device)
                chosen = choose(scores, ids, settings.select(index), step).cpu().numpy()
                for row, token in zip(here, chosen, strict=True):
                    row.take(int(token), self._guides.pieces, self._ends)

    def _among_few(self, rows: Sequence[Row], logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and ids of the candidates only."""
        ids, filled = pad([row.candidates for row in rows if row.candidates is not None])
        at = torch.from_numpy(ids).to(self._device)
        return logits.gather(1, at).masked_fill_(torch.from_numpy(filled).to(self._device), -torch.inf), at

    def _among_many(self, rows: Sequence[Row], logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and ids of the whole vocabulary."""
        for scores, row in zip(logits, rows, strict=True):
            if row.candidates is not None:
                barred = np.ones(logits.shape[1], dtype=np.bool_)
                barred[row.candidates] = False
                scores[torch.from_numpy(barred).to(self._device)] = -torch.inf
        return logits, torch.arange(logits.shape[1], device=self._device).expand(logits.shape)

    @staticmethod
    def _generation(job: Job, rows: Sequence[Row]) -> Generation:
        usage = Usage(len(job.prompt), sum(len(row.tokens) for row in rows), job.cached)
        return Generation(tuple(row.result() for row in rows), usage)

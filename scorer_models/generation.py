"""Answering a batch of requests with one token tree: prefill what is new once, then decode all rows together."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from opro.constraints import Permutation
from opro.types import Generation, Request, Sample, Usage
from scorer_models.decoding import Guide, Guides, Ids, Visits
from scorer_models.sampling import Settings, choose, pad
from scorer_models.tree import CHUNK, ROOT, Tokens, TokenTree

FEW = 4096  # up to so many candidates are gathered; more are masked among the whole vocabulary
SHORT, MANY_ROWS, ROWS = 64, 64, 32  # each row looks at the tokens of all: long texts want fewer rows at a time


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

    What was computed for the last batch is used again only where computing it anew would give the same bits: all of it
    for the same prompts, and whole chunks of a common beginning for others. So an answer depends on the requests of its
    batch and never on what was asked before, which a resumed run relies on.
    """

    def __init__(self, tree: TokenTree, guides: Guides, ends: frozenset[int]) -> None:
        self._tree = tree
        self._guides = guides
        self._ends = ends
        self._prompts: list[list[int]] = []  # what the tree holds: the last batch's
        self._logits = torch.empty(0)
        self._prefilled = 0
        self._device = tree.device

    def answer(self, jobs: Sequence[Job], cap: int = MANY_ROWS) -> list[Generation]:
        """Return what each job asked for; a cancelled job gets what it has so far."""
        rows = self._rows(jobs)
        logits = self._prefill([job.prompt for job in jobs], jobs)
        settings = Settings.of([(row.job.request, row.sample) for row in rows], self._device)
        self._decode(rows, settings, logits, cap)
        return [self._generation(job, [row for row in rows if row.job is job]) for job in jobs]

    def _rows(self, jobs: Sequence[Job]) -> list[Row]:
        rows: list[Row] = []
        for number, job in enumerate(jobs):
            for sample in range(job.request.n):
                guide = self._guides.guide(job.request.constraint, job.request.stop)
                rows.append(Row(job, len(jobs) + len(rows), number, sample, guide, guide.allowed()))
        return rows

    def _prefill(self, prompts: list[list[int]], jobs: Sequence[Job]) -> Tensor:
        """Read the prompts and return the logits after each, shape (len(prompts), vocabulary)."""
        root = shared(prompts)
        if prompts == self._prompts:
            self._tree.truncate(self._prefilled)
            start = len(prompts[0])
        else:
            start = self._begin(prompts, root)
            self._read_prompts(prompts, root, start)
            self._prompts = prompts  # from now on, because the tree does not hold them if reading fails
        for number, job in enumerate(jobs):
            job.cached = start if number == 0 else max(root, min(start, len(job.prompt)))
        return self._logits

    def _begin(self, prompts: Sequence[list[int]], root: int) -> int:
        """Forget what the prompts do not share with the last ones; return how many tokens remain."""
        whole = any(len(prompt) == root for prompt in prompts)  # the root's last token must be read for its logits
        known = shared([*self._prompts, *prompts]) if self._prompts else 0
        start = min(known, root - 1 if whole else root) // CHUNK * CHUNK
        self._prompts = []
        self._tree.truncate(start)
        return start

    def _read_prompts(self, prompts: Sequence[list[int]], root: int, start: int) -> None:
        """Read what the tree does not hold of the root, and then what follows it in each prompt."""
        ids, owners = prompts[0][start:root], [ROOT] * (root - start)
        positions = list(range(start, root))
        last: list[int] = []
        for number, prompt in enumerate(prompts):
            ids = ids + prompt[root:]
            owners.extend([number] * (len(prompt) - root))
            positions.extend(range(root, len(prompt)))
            last.append(len(ids) - 1 if len(prompt) > root else root - start - 1)
        places = sorted(set(last))
        logits = self._tree.add(Tokens(ids, positions, owners, owners), places)
        self._logits = logits[[places.index(place) for place in last]]
        self._prefilled = len(self._tree)

    def _decode(self, rows: Sequence[Row], settings: Settings, logits: Tensor, cap: int) -> None:
        """Sample until every row is done."""
        self._sample(rows, settings, logits[[row.parent for row in rows]])
        longest = max(row.job.request.max_tokens for row in rows)
        cap = min(cap, MANY_ROWS if longest <= SHORT else ROWS)
        waiting = deque(range(len(rows)))
        active: list[int] = []
        while True:
            active = [i for i in active if not rows[i].done and not rows[i].job.cancelled()]
            while waiting and len(active) < cap:
                i = waiting.popleft()
                if not rows[i].done and not rows[i].job.cancelled():
                    active.append(i)
            if not active:
                return
            here = [rows[i] for i in active]
            scores = self._read(here)
            self._sample(here, settings.select(torch.tensor(active, device=self._device)), scores)

    def _read(self, rows: Sequence[Row]) -> Tensor:
        """Let the model read what is pending; return the logits after each row, shape (len(rows), vocabulary)."""
        self._compact(rows)
        ids: list[int] = []
        positions: list[int] = []
        owners: list[int] = []
        parents: list[int] = []
        wanted: list[int] = []
        for row in rows:
            ids.extend(row.tokens[-row.pending :])
            end = len(row.job.prompt) + len(row.tokens)
            positions.extend(range(end - row.pending, end))
            owners.extend([row.owner] * row.pending)
            parents.extend([row.parent] * row.pending)
            wanted.append(len(ids) - 1)
            row.pending = 0
        return self._tree.add(Tokens(ids, positions, owners, parents), wanted)

    def _compact(self, rows: Sequence[Row]) -> None:
        """Drop the tokens of rows that are done when they are the greater part."""
        alive = sum(len(row.tokens) - row.pending for row in rows)
        if len(self._tree) - self._prefilled > 2 * alive + 256:
            prompts = range(len(self._prompts))
            self._tree.keep([*prompts, *(row.owner for row in rows)])

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


def shared(prompts: Sequence[list[int]]) -> int:
    """Return the length of the prefix that all prompts have in common."""
    if len(prompts) == 1:
        return len(prompts[0])
    first, last = min(prompts), max(prompts)  # in lexical order, whatever lies between them shares what they share
    different = (i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return next(different, min(len(first), len(last)))

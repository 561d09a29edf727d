"""Reading the prompts of a batch: what they share is read once; they stand in lanes beside others of their length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from scorer_models.lanes import ROOT, Block
from scorer_models.tree import CHUNK, Run, Span, TokenTree
from scorer_models.weighing import shared

ALIKE = 0.6  # lanes of a block are at least so long, as a part of the longest: the others are filled up
SHORT = 64  # tokens; lanes that are shorter count as so long
LANES = 16  # of a block at most
TRUNK = -1  # stands for the trunk among the numbers of prompts
SLOTS = 8_192  # tokens of prompts, in their lanes, that are held at a time


@dataclass(frozen=True, slots=True)
class Cluster:
    """Prompts, given by their numbers, that stand in one lane; the first `root` tokens are common to them."""

    prompts: tuple[int, ...]
    root: int
    length: int  # of the lane


class Seat(NamedTuple):
    """Where a prompt stands."""

    block: Block
    lane: int


NOWHERE = Seat(Block(0, 0), 0)


class Reader:
    """Reads prompts, some at a time, and knows where they stand.

    What was computed for the last prompts is used again only where computing it anew would give the same bits: all of
    it for the same prompts, and whole chunks of a common beginning for others.
    """

    def __init__(self, tree: TokenTree) -> None:
        self._tree = tree
        self._trunk = Block(1, 0)
        self._shared = 0  # how many tokens all prompts have in common: those of the trunk
        self._start = 0  # how many of them were there before
        self._prompts: list[list[int]] = []
        self._groups: list[list[Cluster]] = []
        self._unread: list[list[Cluster]] = []
        self._seats: dict[int, Seat] = {}
        self._logits: dict[int, Tensor] = {}  # of prompts read last, and of the trunk
        self._started = False
        self._whole = False  # whether all prompts are held as they were read

    def begin(self, prompts: list[list[int]]) -> list[int]:
        """Take up prompts, and return for each how many of its tokens are not computed on its account."""
        if self._whole and prompts == self._prompts:
            for block in {seat.block for seat in self._seats.values()}:
                block.rewind(len(prompts))
            self._unread = self._groups
            return [len(prompt) for prompt in prompts]
        start = self._forget(prompts)
        clusters = clustered(prompts)
        self._groups = self._unread = grouped(clusters)
        cached = [start] * len(prompts)
        for cluster in clusters:
            for number in cluster.prompts:
                first = number == min(cluster.prompts)
                cached[number] = start if number == 0 else max(self._shared if first else cluster.root, start)
        return [min(count, len(prompt)) for count, prompt in zip(cached, prompts, strict=True)]

    def _forget(self, prompts: list[list[int]]) -> int:
        """Forget what the prompts do not share with the last ones; return how many tokens remain."""
        root = shared(prompts)
        whole = any(len(prompt) == root for prompt in prompts)  # the last token must be read for its logits
        known = shared([self._prompts[0][: self._shared], *prompts]) if self._prompts else 0
        start = min(known, root - 1 if whole else root) // CHUNK * CHUNK
        self._trunk.truncate(start)
        self._prompts, self._shared, self._start = prompts, root, start
        self._started = self._whole = False
        self._seats, self._logits = {}, {}
        return start

    def seat(self, number: int) -> Seat:
        """Return where a prompt stands that was read."""
        return self._seats[number]

    def leave(self, seat: Seat) -> None:
        """Take a lane out of use, because its rows are all done."""
        seat.block.retire(seat.lane)
        if not self._whole and not seat.block.used:
            seat.block.clear()

    @property
    def more(self) -> bool:
        """Whether there are prompts left to be read."""
        return bool(self._unread)

    def read(self, rows: Sequence[int], room: int) -> tuple[list[int], Tensor]:
        """Read some prompts, at least one; return their numbers and the logits after each.

        Args:
            rows: how many rows each prompt has.
            room: how many rows there is room for.
        """
        if self._whole:
            numbers = list(range(len(self._prompts)))
            self._unread = []
        else:
            numbers = self._read(self._wave(rows, room))
        return numbers, torch.stack([self._logits[number] for number in numbers])

    def _wave(self, rows: Sequence[int], room: int) -> list[list[Cluster]]:
        """Take groups from those unread until there is no more room."""
        wave: list[list[Cluster]] = []
        slots = 0
        for group in self._unread:
            room -= sum(rows[number] for cluster in group for number in cluster.prompts)
            slots += len(group) * group[0].length
            if wave and (room < 0 or slots > SLOTS):
                break
            wave.append(group)
        self._unread = self._unread[len(wave) :]
        return wave

    def _read(self, wave: Sequence[list[Cluster]]) -> list[int]:
        """Read the prompts of some groups."""
        runs: list[Run] = []
        last: dict[int, int] = {}  # in which run a prompt ends
        if not self._started and self._shared > self._start:
            runs.append(self._trunk_run())
            if any(len(prompt) == self._shared for prompt in self._prompts):
                last[TRUNK] = 0
        for group in wave:
            block = Block(len(group), group[0].length).behind(self._trunk, self._shared)
            for lane, cluster in enumerate(group):
                self._seats |= {number: Seat(block, lane) for number in cluster.prompts}
                self._lay(cluster, Seat(block, lane), runs, last)
        self._logits = {number: self._logits[TRUNK] for number in (TRUNK,) if number in self._logits}
        self._logits |= self._after(runs, last)
        self._whole = not self._started and not self._unread
        self._started = True
        numbers = sorted(number for group in wave for cluster in group for number in cluster.prompts)
        self._logits |= {number: self._logits[TRUNK] for number in numbers if number not in self._logits}
        return numbers

    def _after(self, runs: Sequence[Run], last: Mapping[int, int]) -> dict[int, Tensor]:
        """Read runs; return the logits, shape (vocabulary,), after each prompt, given the run that it ends in."""
        wanted = sorted(set(last.values()))
        if not wanted:
            return {}
        logits = self._tree.read([replace(run, wanted=number in wanted) for number, run in enumerate(runs)])
        return {number: logits[wanted.index(run)] for number, run in last.items()}

    def _trunk_run(self) -> Run:
        """Return what is not there yet of the trunk."""
        ids = self._prompts[0][self._start : self._shared]
        before = (Span(self._trunk, 0, 0, self._start),) if self._start else ()
        return Run(ids, self._start, self._trunk, 0, ROOT, before=before)

    def _lay(self, cluster: Cluster, seat: Seat, runs: list[Run], last: dict[int, int]) -> None:
        """Append the runs of a lane: what its prompts share beyond the trunk, and the rest of each."""
        trunk = (Span(self._trunk, 0, 0, self._shared),) if self._shared else ()
        common = (Span(seat.block, seat.lane, self._shared, cluster.root),) if cluster.root > self._shared else ()
        if common:
            ids = self._prompts[cluster.prompts[0]][self._shared : cluster.root]
            runs.append(Run(ids, self._shared, seat.block, seat.lane, ROOT, before=trunk))
            last.update(dict.fromkeys(cluster.prompts, len(runs) - 1))
        for number in cluster.prompts:
            if ids := self._prompts[number][cluster.root :]:
                last[number] = len(runs)
                runs.append(Run(ids, cluster.root, seat.block, seat.lane, number, before=(*trunk, *common)))


def clustered(prompts: Sequence[list[int]]) -> list[Cluster]:
    """Put prompts into one lane as long as they differ, all in all, in no more tokens than they share.

    In a lane, each row looks at all prompts: that is little beside what they share, which is held and read once.
    """
    clusters: list[Cluster] = []
    for number in sorted(range(len(prompts)), key=prompts.__getitem__):
        if clusters:
            together = (*clusters[-1].prompts, number)
            root = min(clusters[-1].root, shared([prompts[together[0]], prompts[number]]))
            own = sum(len(prompts[i]) - root for i in together)
            if own <= root:
                clusters[-1] = Cluster(together, root, root + own)
                continue
        clusters.append(Cluster((number,), len(prompts[number]), len(prompts[number])))
    return [replace(cluster, prompts=tuple(sorted(cluster.prompts))) for cluster in clusters]


def grouped(clusters: Sequence[Cluster]) -> list[list[Cluster]]:
    """Group lanes of about the same length, the longest first."""
    groups: list[list[Cluster]] = []
    for cluster in sorted(clusters, key=lambda cluster: (-cluster.length, cluster.prompts)):
        alike = groups and max(cluster.length, SHORT) >= ALIKE * groups[-1][0].length
        if alike and len(groups[-1]) < LANES:
            groups[-1].append(cluster)
        else:
            groups.append([cluster])
    return groups

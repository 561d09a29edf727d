"""The network of the controller: an LSTM over tokens, which a grammar holds to what may follow."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from opro.protocols import Grammatical

INITIAL = 0.08
"""Weights are uniform between minus and plus this, as in Neural Optimizer Search."""

_EMBEDDED = 32

State = tuple[Tensor, Tensor]


class Writer:
    """Writes sequences of tokens, and learns which ones to write more often."""

    def __init__(self, grammar: Grammatical, units: int, rate: float, seed: int) -> None:
        self._grammar = grammar
        self._tokens = list(grammar.tokens)
        self._index = {token: place for place, token in enumerate(self._tokens)}
        count = len(self._tokens)
        with torch.random.fork_rng(devices=[]):
            self._embedding = nn.Embedding(count + 1, _EMBEDDED)  # the last one begins a sequence
            self._cell = nn.LSTMCell(_EMBEDDED, units)
            self._head = nn.Linear(units, count)
        self._parameters = [*self._embedding.parameters(), *self._cell.parameters(), *self._head.parameters()]
        generator = torch.Generator().manual_seed(seed)
        for parameter in self._parameters:
            nn.init.uniform_(parameter, -INITIAL, INITIAL, generator)
        self._optimizer = torch.optim.Adam(self._parameters, lr=rate)

    def write(self, n: int, seed: int) -> list[list[str]]:
        """Return `n` complete sequences, drawn side by side."""
        generator = torch.Generator().manual_seed(seed)
        written: list[list[str]] = [[] for _ in range(n)]
        state, last = None, self._first(n)
        with torch.no_grad():
            while any(follow := [self._grammar.follow(one) for one in written]):
                scores, state = self._scores(last, state, follow)
                last = torch.multinomial(scores.exp(), 1, generator=generator)[:, 0]
                for one, token, may in zip(written, last, follow, strict=True):
                    if may:
                        one.append(self._tokens[int(token)])
        return written

    def learn(self, rewarded: Sequence[tuple[Sequence[str], float]], entropy: float) -> None:
        """Make sequences likelier by their advantages, and the writing as varied as `entropy` is worth."""
        advantages = torch.tensor([advantage for _, advantage in rewarded])
        written = [list(tokens) for tokens, _ in rewarded]
        state, last = None, self._first(len(written))
        likelihood, variety = torch.zeros(len(written)), torch.zeros(len(written))
        for place in range(max(map(len, written))):
            follow = [self._grammar.follow(one[:place]) if place < len(one) else () for one in written]
            scores, state = self._scores(last, state, follow)
            last = torch.tensor([self._index[one[place]] if place < len(one) else 0 for one in written])
            goes_on = torch.tensor([place < len(one) for one in written])
            likelihood = likelihood + torch.where(goes_on, scores.gather(1, last[:, None])[:, 0], 0.0)
            finite = scores.clamp_min(-1e4)
            variety = variety - torch.where(goes_on, (finite.exp() * finite).sum(1), 0.0)
        loss = -(advantages * likelihood + entropy * variety).mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def _first(self, n: int) -> Tensor:
        return torch.full((n,), len(self._tokens))

    def _scores(self, last: Tensor, state: State | None, follow: Sequence[Sequence[str]]) -> tuple[Tensor, State]:
        """Return the log-probabilities of the next tokens, shape (n, tokens), of those that may follow."""
        hidden, cell = self._cell(self._embedding(last), state)
        mask = torch.full((len(follow), len(self._tokens)), -torch.inf)
        for row, may in enumerate(follow):
            mask[row, [self._index[token] for token in may] or slice(None)] = 0.0
        return (self._head(hidden) + mask).log_softmax(1), (hidden, cell)

"""What a row may say next: constraints on a text as constraints on its tokens."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xgrammar
from numpy.typing import NDArray

from opro.constraints import Choice, Constraint, Permutation, Regex
from opro.errors import ModelError

Ids = NDArray[np.int64]
KEPT_GRAMMARS = 64
KEPT_MASKS = 4096


class Guide(Protocol):
    """Follows one row, token by token."""

    def allowed(self) -> Ids | None:
        """Return the token ids that may come next, ascending; None for all."""
        ...

    def push(self, token: int) -> None:
        """Take the next token, one of those allowed."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the text is whole, so that nothing more need be sampled."""
        ...


class Free:
    """Allows everything."""

    finished = False

    def allowed(self) -> Ids | None:
        """Return None: all tokens."""
        return None

    def push(self, token: int) -> None:
        """Take any token."""


class Grammar:
    """Keeps a row within a compiled grammar, which ends with a stop string or with the end-of-text token."""

    def __init__(self, matcher: xgrammar.GrammarMatcher, unpack: Callable[[bytes], Ids], bits: Any) -> None:
        self._matcher = matcher
        self._unpack = unpack
        self._bits = bits  # scratch space, shared by all rows
        self._bytes: NDArray[np.int32] = bits.numpy()

    def allowed(self) -> Ids | None:
        """Return the ids that the grammar allows."""
        self._matcher.fill_next_token_bitmask(self._bits)
        return self._unpack(self._bytes.tobytes())

    def push(self, token: int) -> None:
        """Advance the grammar."""
        if not self._matcher.accept_token(token):
            raise ModelError(f"token {token} breaks the constraint that it was chosen under")

    @property
    def finished(self) -> bool:
        """Whether the grammar has come to its end."""
        return self._matcher.is_terminated()


@dataclass(slots=True)
class _Node:
    """A place in the trie of items; `item` is the number of the item that ends here, or None."""

    children: dict[int, "_Node"] = field(default_factory=dict[int, "_Node"])
    item: int | None = None
    below: set[int] = field(default_factory=set[int])


def item_trie(spelled: list[list[int]]) -> _Node:
    """Return the trie of items, each given by its tokens."""
    root = _Node()
    for number, tokens in enumerate(spelled):
        node = root
        node.below.add(number)
        for token in tokens:
            node = node.children.setdefault(token, _Node())
            node.below.add(number)
        if node.item is not None:
            raise ModelError("two items of a permutation have the same tokens in this model's vocabulary")
        node.item = number
    return root


class Visits:
    """Names every item once: those already named are masked out. Items may take several tokens."""

    def __init__(self, trie: _Node) -> None:
        self._root = self._node = trie
        self._left = set(trie.below)
        self.order: list[int] = []

    def allowed(self) -> Ids | None:
        """Return the tokens that lead to an item that is left."""
        tokens = set(self._next(self._node, self._left))
        if self._node.item in self._left:  # it may end here, and another item begin
            tokens |= set(self._next(self._root, self._left - {self._node.item}))
        return np.array(sorted(tokens), dtype=np.int64)

    def push(self, token: int) -> None:
        """Go down the trie; an item is named when nothing longer is meant."""
        if token not in self._next(self._node, self._left):
            self._name()
        self._node = self._node.children[token]
        if self._node.item in self._left and not self._next(self._node, self._left):
            self._name()

    @property
    def finished(self) -> bool:
        """Whether every item was named."""
        return not self._left

    def _name(self) -> None:
        """Tick off the item that ends here, and start the next one."""
        item = self._node.item
        if item is None:
            raise ModelError("a token breaks the permutation that it was chosen under")
        self._left.remove(item)
        self.order.append(item)
        self._node = self._root

    @staticmethod
    def _next(node: _Node, left: set[int]) -> list[int]:
        return [token for token, child in node.children.items() if not child.below.isdisjoint(left)]


class Guides:
    """Makes the guides of rows for one tokenizer; grammars and masks are kept, because runs ask the same again."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(ends))
        special = set(tokenizer.all_special_ids) - ends
        special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special} - ends
        self.pieces: list[bytes] = info.decoded_vocab
        for token in special | ends:
            self.pieces[token] = b""
        self._special = np.array(sorted(special), dtype=np.int64)
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=2)
        self._bits = xgrammar.allocate_token_bitmask(1, vocabulary)
        self._compiled = functools.lru_cache(KEPT_GRAMMARS)(self._compile)
        self._trie = functools.lru_cache(KEPT_GRAMMARS)(self._spell)
        self._unpack = functools.lru_cache(KEPT_MASKS)(self._ids)

    def guide(self, constraint: Constraint | None, stop: tuple[str, ...]) -> Guide:
        """Return a new guide for one row.

        Raises:
            ModelError: the decoder does not know the pattern's syntax.
        """
        if constraint is None:
            return Free()
        if isinstance(constraint, Permutation):
            return Visits(self._trie(constraint))
        matcher = xgrammar.GrammarMatcher(self._compiled(constraint, stop), terminate_without_stop_token=bool(stop))
        return Grammar(matcher, self._unpack, self._bits)

    def _compile(self, constraint: Choice | Regex, stop: tuple[str, ...]) -> xgrammar.CompiledGrammar:
        """Compile what the constraint allows, followed by one of the stop strings."""
        try:
            if isinstance(constraint, Regex):
                grammar = xgrammar.Grammar.from_regex(without_dots(constraint.pattern))
            else:
                grammar = xgrammar.Grammar.from_ebnf(alternatives(constraint.options))
            if stop:
                grammar = xgrammar.Grammar.concat(grammar, xgrammar.Grammar.from_ebnf(alternatives(stop)))
            return self._compiler.compile_grammar(grammar)
        except RuntimeError as error:
            raise ModelError(f"the decoder cannot keep {constraint}: {str(error).strip()}") from error

    def _spell(self, constraint: Permutation) -> _Node:
        encode: Callable[..., list[int]] = self._tokenizer.encode
        return item_trie([encode(constraint.separator + i, add_special_tokens=False) for i in constraint.items])

    def _ids(self, bits: bytes) -> Ids:
        """Return the ids whose bit is set, without special tokens other than the end of text."""
        ids = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little").nonzero()[0]
        ids = ids[ids < self._vocabulary]
        return np.setdiff1d(ids, self._special, assume_unique=True).astype(np.int64)


def alternatives(texts: tuple[str, ...]) -> str:
    """Return the EBNF of a choice between texts."""
    return "root ::= " + " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)


def without_dots(pattern: str) -> str:
    r"""Replace each `.` outside a class by `[^\n]`: in xgrammar it matches a line break too, in `re` it does not."""
    out: list[str] = []
    in_class = escaped = False
    for character in pattern:
        plain = not escaped
        if plain and not in_class and character == ".":
            character = r"[^\n]"
        elif plain and character == "[":
            in_class = True
        elif plain and character == "]":
            in_class = False
        escaped = plain and character == "\\"
        out.append(character)
    return "".join(out)

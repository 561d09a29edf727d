"""Constraints as constraints on tokens, walked at random: whatever is allowed at each step ends in an allowed text."""

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel
from transformers import PreTrainedTokenizerFast

from opro.constraints import Choice, Constraint, Permutation, Regex
from opro.errors import ModelError
from scorer_models.decoding import Guides, Visits, alternatives, item_trie, without_dots

END = 0
SURROGATES = "surrogatepass"  # xgrammar counts them among the characters; a model's text with one is "not complete"


@pytest.fixture(scope="module")
def guides() -> Guides:
    """Guides for a tokenizer of single bytes and a few longer pieces."""
    pieces = ["<end>", "<special>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "12", "Ġ1", "b=", ",Ġ", "ĊĊ"]
    pieces.extend(["Ġb=", "ye", "yes"])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = [("1", "2"), ("Ġ", "1"), ("b", "="), (",", "Ġ"), ("Ċ", "Ċ"), ("Ġ", "b="), ("y", "e"), ("ye", "s")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", additional_special_tokens=["<special>"]
    )
    return Guides(fast, len(vocabulary), frozenset({END}))


def walk(guides: Guides, constraint: Constraint, stop: tuple[str, ...], seed: int, limit: int = 400) -> str | None:
    """Return the text of a random walk through what is allowed, without its stop string; None if it was too long."""
    choose = random.Random(seed)
    guide = guides.guide(constraint, stop)
    text = b""
    for _ in range(limit):
        allowed = guide.allowed()
        assert allowed is not None
        assert len(allowed) > 0
        token = int(choose.choice(allowed.tolist()))
        if token == END:
            return text.decode(errors=SURROGATES)
        guide.push(token)
        text += guides.pieces[token]
        if guide.finished:
            whole = text.decode(errors=SURROGATES)
            return next((whole.removesuffix(s) for s in stop if whole.endswith(s)), whole)
    return None


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), stop=st.sampled_from([(), ("\n",), ("\n\n", ";")]))
@pytest.mark.parametrize(
    "constraint",
    [
        Regex(r"-?\d{1,3}, b=-?\d{1,3}"),
        Regex(r"[a-c.]{2,5}\.x"),
        Regex(r"a.{1,4}z"),
        Choice(("yes", "yes sir", 'with "quotes" and \\', "é\tü")),
        Permutation(("A", "B", "C", "D")),
        Permutation(("1", "12", "121", "2", "b="), ", "),
    ],
    ids=repr,
)
def test_every_walk_through_what_is_allowed_satisfies_the_constraint(
    guides: Guides, constraint: Constraint, seed: int, stop: tuple[str, ...]
) -> None:
    text = walk(guides, constraint, stop, seed)
    assert text is not None
    assert constraint.allows(text)


@settings(deadline=None)
@given(
    items=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple), min_size=1, max_size=7, unique=True),
    seed=st.integers(0, 1000),
)
def test_a_walk_through_a_trie_names_every_item_once(items: list[tuple[int, ...]], seed: int) -> None:
    choose = random.Random(seed)
    guide = Visits(item_trie([list(item) for item in items]))
    while not guide.finished:
        guide.push(int(choose.choice(guide.allowed().tolist())))
    assert sorted(guide.order) == list(range(len(items)))


def test_special_tokens_are_never_part_of_a_constrained_text(guides: Guides) -> None:
    allowed = guides.guide(Regex(r"[^x]*"), ()).allowed()
    assert allowed is not None
    assert END in allowed
    assert guides.pieces[1] == b""
    assert 1 not in allowed


def test_without_a_constraint_everything_is_allowed(guides: Guides) -> None:
    assert guides.guide(None, ()).allowed() is None


def test_a_pattern_that_the_decoder_cannot_keep_is_refused_with_its_reason(guides: Guides) -> None:
    with pytest.raises(ModelError, match="Lookahead"):
        guides.guide(Regex(r"(?=a)a"), ())


def test_items_that_look_alike_to_the_model_are_refused() -> None:
    with pytest.raises(ModelError, match="same tokens"):
        item_trie([[1, 2], [1, 2]])


@pytest.mark.parametrize(
    ("pattern", "written"),
    [("a.b", r"a[^\n]b"), (r"a\.b", r"a\.b"), ("[.]", "[.]"), (r"[\]].", r"[\]][^\n]"), (r"\\.", r"\\[^\n]")],
)
def test_a_dot_does_not_match_a_line_break(pattern: str, written: str) -> None:
    assert without_dots(pattern) == written
    assert re.compile(written)


def test_alternatives_are_quoted() -> None:
    assert alternatives(('a"b', "é\n")) == 'root ::= "a\\"b" | "é\\n"'
    assert json.loads('"a\\"b"') == 'a"b'

"""Tokens are counted about as real tokenizers do: the figures below were made with them."""

import json

import pytest

from opro.constraints import Weighed
from opro.demand import foreseen
from opro.tokens import prompt_tokens, tokens
from opro.types import Message, Request

INSTRUCTION = (
    "Let's work this out in a step by step way to be sure we have the right answer. Carefully consider every premise "
    "and verify intermediate calculations."
)
TOUR = "<trace>0,13,3,16,19,2,17,5,4,7,18,8,1,9,6,14,11,15,10,12</trace>"
FORMULA = "g * exp(sign(g) * sign(m)) + 0.001 * sqrt(v + 1e-8) / (abs(m) + cos(w))"
TABLE = json.dumps([{"id": i, "name": f"item_{i}", "value": i * 1.5, "tags": ["a", "b"]} for i in range(10)], indent=1)


@pytest.mark.parametrize(
    ("text", "smollm2", "deepseek", "o200k"),
    [(INSTRUCTION, 29, 29, 28), (TOUR, 55, 45, 45), (FORMULA, 42, 35, 34), (TABLE, 446, 422, 422)],
)
def test_tokens_are_counted_about_as_tokenizers_do(text: str, smollm2: int, deepseek: int, o200k: int) -> None:
    for real in (smollm2, deepseek, o200k):
        assert real / 1.3 <= tokens(text) <= 1.3 * real


def test_other_alphabets_take_more_tokens_for_a_letter() -> None:
    assert tokens("请仔细阅读问题") == 7
    assert tokens("вопрос") > tokens("answer")
    assert tokens("") == 0


def test_a_chat_takes_more_than_its_words() -> None:
    turns = (Message("system", "Be brief."), Message("user", "Hello?"))
    assert prompt_tokens(turns) > tokens("Be brief.") + tokens("Hello?")


def test_options_of_several_tokens_are_looked_at_several_times_by_a_server() -> None:
    short = Request(prompt="Is it?", n=2, constraint=Weighed((" yes", " no")))
    long = Request(prompt="Is it?", n=2, constraint=Weighed((" yes, it is", " no")))
    assert foreseen(short, 0, singly=True).likely.requests == 1
    assert foreseen(short, 0, singly=True).likely.read < foreseen(long, 0, singly=True).likely.read
    assert foreseen(long, 0, singly=True).likely.read <= foreseen(long, 0, singly=True).most.read
    assert foreseen(long, 0).likely == foreseen(long, 0).most

"""The grammars that are sent to llama.cpp, read by llama.cpp itself."""

import re
from dataclasses import replace

import pytest

from opro.constraints import Choice, Constraint, Regex
from opro.types import Request, Sample
from scorer_models.openai import OpenAIModel

pytestmark = pytest.mark.model

COUNT = "1\n2\n3\n4\n5\n6\n7\n"
EVERY = "".join(f"\\x{code:02x}" for code in range(1, 128))


@pytest.mark.parametrize(
    "constraint",
    [
        Regex(r"-?\d{1,2}, b=-?\d{1,2}"),
        Regex(r"(\w{1,4} ){2,3}[^\n]{0,5}!"),
        Regex(r"[\]\[\-^\\\"'?a]{1,4}\.\-\\\"\[\]\{"),
        Regex(r"\f\v\x07\x00?\x1b\t\r(a|b|){2}"),
        Regex(rf"[{EVERY}]{{2,3}}"),
        Regex(rf"[^{EVERY}]{{1,2}}"),
        Regex(r"a{2,}b*?c+(?:é|日本|😀)\s?"),
        Regex(r".{3,6}"),
        Choice(("yes", "yes sir", 'a "quoted\\" line\nend', "é")),
    ],
    ids=repr,
)
async def test_llama_cpp_reads_every_grammar_and_keeps_to_it(llama_server: str, constraint: Constraint) -> None:
    model = OpenAIModel.load(f"default-135M@{llama_server}")
    request = Request(prompt="w=", n=4, max_tokens=40, stop=("~~",), constraint=constraint, temperature=1.5)
    generation = await model.generate(request)
    await model.close()
    whole = [sample.text for sample in generation.samples if sample.complete]
    assert whole
    assert [text for text in whole if not constraint.allows(text)] == []


async def test_a_constrained_text_may_end_at_the_stop(llama_server: str) -> None:
    model = OpenAIModel.load(f"default-135M@{llama_server}")
    request = Request(prompt=COUNT, max_tokens=8, temperature=0, stop=("\n",))
    texts = [
        (await model.generate(replace(request, constraint=constraint))).samples[0]
        for constraint in (Regex(r"\d{1,9}"), Choice(("8", "88888888")))
    ]
    await model.close()
    assert texts == [Sample("8")] * 2


async def test_a_dot_matches_no_line_end_as_in_python(llama_server: str) -> None:
    model = OpenAIModel.load(f"default-135M@{llama_server}")
    request = Request(prompt=COUNT.strip(), max_tokens=8, temperature=0, constraint=Regex(".{2,4}"))
    text = (await model.generate(request)).samples[0].text
    await model.close()
    assert "\n" not in text


async def test_a_pattern_without_a_grammar_is_left_to_the_parser(
    llama_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = OpenAIModel.load(f"default-135M@{llama_server}")
    generation = await model.generate(Request(prompt="w=", max_tokens=4, constraint=Regex("(?=1)1")))
    await model.close()
    assert len(generation.samples) == 1
    assert re.search("only checked afterwards", caplog.text)

"""The table of language models that the conformance suite runs over: a name, and how to get the model.

A backend is tested by being listed. A factory gets pytest's `request`, so that it can ask for a fixture (a server, say)
with `request.getfixturevalue`; `marks` say what it needs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from opro.constraints import Choice, Permutation, Regex
from opro.protocols import LanguageModel
from opro.types import Request
from scorer_models.openai import OpenAIModel
from scorer_models.scripted import ScriptedModel


@dataclass(frozen=True, slots=True)
class Entry:
    """One backend under test.

    `seeded` models give the same text for the same seed, whatever they were asked before; `exact` ones also whatever
    they are asked at the same time. A model with `closes` is closed after each test; without, the session shares it.
    """

    make: Callable[[pytest.FixtureRequest], LanguageModel]
    seeded: bool = True
    exact: bool = True
    closes: bool = True
    marks: Sequence[pytest.MarkDecorator] = ()


def obey(request: Request) -> Sequence[str]:
    """Answer as a model would: other words for other seeds and samples, and whatever the constraint asks for."""
    if isinstance(request.constraint, Choice):
        return request.constraint.options
    if isinstance(request.constraint, Permutation):
        return ["".join(request.constraint.separator + item for item in request.constraint.items)]
    if isinstance(request.constraint, Regex):
        return ["12, b=-3"]
    samples = range(request.n) if request.temperature else [0] * request.n
    prompt = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
    return [f" {prompt[-20:]}, seed {request.seed}, sample {i}: 5 and 6 and then there are\nmore" for i in samples]


MODELS: Mapping[str, Entry] = {
    "scripted": Entry(lambda _: ScriptedModel(obey, enforces=frozenset({Regex, Choice, Permutation}))),
    "local": Entry(
        lambda request: request.getfixturevalue("local_model"), exact=False, closes=False, marks=[pytest.mark.model]
    ),
    "local in float32": Entry(
        lambda request: request.getfixturevalue("exact_model"), closes=False, marks=[pytest.mark.model]
    ),
    "openai on llama.cpp": Entry(
        lambda request: OpenAIModel.load(f"default-135M@{request.getfixturevalue('llama_server')}"),
        marks=[pytest.mark.model],
    ),
    "vllm": Entry(lambda request: request.getfixturevalue("vllm_model"), closes=False, marks=[pytest.mark.vllm]),
    "openai on vllm": Entry(
        lambda request: OpenAIModel.load(f"default-135M@{request.getfixturevalue('vllm_server')}"),
        marks=[pytest.mark.vllm],
    ),
}

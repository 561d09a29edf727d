"""What every language model in the table must do. To test another one, list it in models_table.py."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from opro.constraints import Choice, Constraint, Permutation, Regex, Weighed
from opro.protocols import LanguageModel
from opro.types import Message, Request, Style
from scorer_models.local import LocalModel
from tests.conformance.models_table import MODELS

COUNTING = Request(prompt="One, two, three, four,", n=4, max_tokens=12, seed=3)
CONSTRAINTS: dict[str, tuple[Constraint, tuple[str, ...]]] = {
    "pattern up to a stop": (Regex(r"-?\d{1,3}, b=-?\d{1,3}"), ("\n",)),
    "whole pattern": (Regex(r"-?\d{1,3}, b=-?\d{1,3}"), ()),
    "choice": (Choice((" yes", " no", " maybe so")), ()),
    "choice up to a stop": (Choice((" yes", " no", " maybe so")), ("\n", ".")),
    "permutation": (Permutation(("A", "B", "C", "D", "E")), ()),
    "permutation of long names": (Permutation(("12", "1", "Königsberg", "128", "new"), "\n"), ()),
}


def params(*, seeded: bool = False, exact: bool = False) -> list[object]:
    return [
        pytest.param(name, marks=entry.marks, id=name)
        for name, entry in MODELS.items()
        if seeded <= entry.seeded and exact <= entry.exact
    ]


@pytest.fixture(scope="session")
def local_model() -> Iterator[LocalModel]:
    """The default model, loaded once."""
    model = LocalModel.load("")
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def exact_model() -> Iterator[LocalModel]:
    """The default model in float32, loaded once."""
    model = LocalModel.load("@float32")
    yield model
    asyncio.run(model.close())


async def opened(request: pytest.FixtureRequest) -> AsyncIterator[LanguageModel]:
    entry = MODELS[request.param]
    model = entry.make(request)
    yield model
    if entry.closes:
        await model.close()


model = pytest.fixture(params=params())(opened)
seeded = pytest.fixture(params=params(seeded=True))(opened)
exact = pytest.fixture(params=params(seeded=True, exact=True))(opened)


async def texts(model: LanguageModel, request: Request) -> list[str]:
    return [sample.text for sample in (await model.generate(request)).samples]


@pytest.mark.parametrize("n", [1, 2, 7])
async def test_n_samples_come_for_n_asked(model: LanguageModel, n: int) -> None:
    generation = await model.generate(replace(COUNTING, n=n))
    assert len(generation.samples) == n
    assert all(sample.text for sample in generation.samples)


async def test_a_chat_is_answered(model: LanguageModel) -> None:
    chat = (Message("system", "Be brief."), Message("user", "Say a number."))
    assert all(await texts(model, replace(COUNTING, prompt=chat, n=2)))


@pytest.mark.parametrize("name", CONSTRAINTS)
async def test_a_constraint_that_is_enforced_is_kept(model: LanguageModel, name: str) -> None:
    constraint, stop = CONSTRAINTS[name]
    if type(constraint) not in model.enforces:
        pytest.skip("not enforced")
    request = replace(COUNTING, constraint=constraint, stop=stop, max_tokens=60, n=8, temperature=1.5)
    generation = await model.generate(request)
    assert [sample.text for sample in generation.samples if not constraint.allows(sample.text)] == []
    assert all(sample.complete for sample in generation.samples)


async def test_weighed_options_come_in_order_with_log_probabilities_that_fit_what_is_written(
    model: LanguageModel,
) -> None:
    if Weighed not in model.enforces:
        pytest.skip("log-probabilities are not told")
    options = (" five", " seventeen elephants", " seventy\n")
    request = Request(prompt=COUNTING.prompt, n=3, constraint=Weighed(options), max_tokens=24)
    samples = (await model.generate(request)).samples
    assert [sample.text for sample in samples] == list(options)
    weights = [sample.logprob for sample in samples]
    assert all(weight is not None and weight < 0 for weight in weights)
    assert weights[0] == max(weights)
    again = (await model.generate(replace(request, first=1, n=1))).samples
    assert again[0].text == options[1]
    assert again[0].logprob == pytest.approx(weights[1], abs=0.3)  # in bfloat16, in another batch


async def test_usage_is_counted(model: LanguageModel) -> None:
    one = (await model.generate(replace(COUNTING, n=1, prompt="A first text, with nine words in all, here."))).usage
    four = (await model.generate(COUNTING)).usage
    assert one.prompt >= 9
    assert 0 <= four.cached <= four.prompt
    assert one.completion > 0
    assert four.completion > one.completion


async def test_the_same_seed_gives_the_same_text(seeded: LanguageModel) -> None:
    first = await texts(seeded, COUNTING)
    await texts(seeded, replace(COUNTING, prompt="Something else", n=2))
    assert await texts(seeded, COUNTING) == first


async def test_different_seeds_give_different_texts(seeded: LanguageModel) -> None:
    assert await texts(seeded, COUNTING) != await texts(seeded, replace(COUNTING, seed=4))


async def test_samples_of_one_request_differ(model: LanguageModel) -> None:
    assert len(set(await texts(model, replace(COUNTING, n=8)))) > 1


async def test_greedy_samples_are_equal(model: LanguageModel) -> None:
    assert len(set(await texts(model, replace(COUNTING, temperature=0)))) == 1


async def test_a_stop_string_ends_the_text_and_is_no_part_of_it(model: LanguageModel) -> None:
    plain = replace(COUNTING, temperature=0, n=1)
    whole = (await model.generate(plain)).samples[0].text
    stop = whole[4:6]
    sample = (await model.generate(replace(plain, stop=("never said", stop)))).samples[0]
    assert sample.text == whole[: whole.index(stop)]
    assert sample.complete


async def test_max_tokens_cuts_a_text_and_says_so(model: LanguageModel) -> None:
    generation = await model.generate(replace(COUNTING, max_tokens=3, temperature=0))
    assert [sample.complete for sample in generation.samples] == [False] * COUNTING.n
    assert generation.usage.completion <= 3 * COUNTING.n


async def test_a_constrained_text_that_is_cut_is_not_complete(model: LanguageModel) -> None:
    if Regex not in model.enforces:
        pytest.skip("not enforced")
    request = replace(COUNTING, constraint=Regex(r"-?\d{1,3}, b=-?\d{1,3}"), max_tokens=1)
    assert not any(sample.complete for sample in (await model.generate(request)).samples)


async def test_the_same_requests_at_once_give_the_same_texts_again(seeded: LanguageModel) -> None:
    requests = [replace(COUNTING, prompt=f"{COUNTING.prompt} {i},", seed=i, temperature=0.7) for i in range(3)]
    first = await asyncio.gather(*(texts(seeded, request) for request in requests))
    assert await asyncio.gather(*(texts(seeded, request) for request in requests)) == first
    await texts(seeded, replace(COUNTING, prompt=f"{COUNTING.prompt} 1, and something else"))
    assert await asyncio.gather(*(texts(seeded, request) for request in requests)) == first


async def test_concurrent_requests_each_get_the_answer_that_they_get_alone(exact: LanguageModel) -> None:
    requests = [
        replace(COUNTING, prompt=f"{COUNTING.prompt} five, {word},", seed=seed, temperature=0.7)
        for seed, word in enumerate(("six", "seven", "8, 9, 10, 11", "six"))
    ]
    together = await asyncio.gather(*(texts(exact, request) for request in requests))
    alone = [await texts(exact, request) for request in requests]
    assert together == alone


async def test_concurrent_requests_each_get_an_answer_to_their_own_prompt(model: LanguageModel) -> None:
    options = ("red", "green", "blue", "black")
    requests = [replace(COUNTING, prompt="Colour: ", n=i + 1, constraint=Choice((o,))) for i, o in enumerate(options)]
    if Choice not in model.enforces:
        pytest.skip("not enforced")
    answers = await asyncio.gather(*(texts(model, request) for request in requests))
    assert answers == [[option] * (i + 1) for i, option in enumerate(options)]


async def test_a_cancelled_request_leaves_the_others_whole(exact: LanguageModel) -> None:
    long = asyncio.create_task(exact.generate(replace(COUNTING, prompt="Long ago", max_tokens=400)))
    expected = asyncio.create_task(texts(exact, COUNTING))
    await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await expected == await texts(exact, COUNTING)


async def test_it_says_what_it_is(model: LanguageModel) -> None:
    assert model.fingerprint
    assert model.style in Style
    assert model.enforces <= {Regex, Choice, Permutation, Weighed}

"""Asking a scorer model the questions of a task under instructions, all through one queue, and racing them."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluators.answer_booleans import BooleanKind
from evaluators.answer_choices import ChoiceKind
from evaluators.answer_labels import LabelsKind
from evaluators.answers import AnswerKind, Extraction, credit, extract
from evaluators.class_scores import macro_f1
from evaluators.prompting import Layout
from evaluators.task_types import Example
from opro.errors import ContextError
from opro.field import survey
from opro.headway import tell
from opro.paired import accuracy
from opro.protocols import LanguageModel
from opro.racing import Heat, Race, Rules, Standing, State
from opro.types import Answer, Evaluation, Generation, Message, Question, Request

Pair = tuple[str, Example]
"""An instruction and an example."""

REPLY = 200
"""Tokens that a chat model writes about a question, as far as it may: 60 to 310 by task (`tests/bench/replies`)."""

FINAL_REPLY = 50
"""Tokens that it writes where it is asked for the final answer alone."""

_WORDS = "To answer the question, we look at what is given, one thing after the other, and see what follows from it. "


@dataclass(frozen=True, slots=True)
class Quiz:
    """How questions are put to a scorer model, and its replies read."""

    kind: AnswerKind
    layout: Layout
    scorer: LanguageModel | None
    tokens: int
    final: str
    split: str

    def classes(self, examples: Sequence[Example]) -> Mapping[str, str]:
        """Return the gold answers by example where they are classes; empty where they are not.

        The letters of a multiple choice are classes only where each stands for the same option everywhere.
        """
        kind = self.kind
        same = bool(examples) and all(example.options == examples[0].options for example in examples)
        if not isinstance(kind, LabelsKind | BooleanKind) and not (isinstance(kind, ChoiceKind) and same):
            return {}
        golds = {example.id: kind.gold(example) for example in examples}
        return {example: gold for example, gold in golds.items() if gold is not None}

    async def answers(self, pairs: Iterable[Pair]) -> dict[tuple[str, str], Answer]:
        """Return the answer to each pair, by instruction and example id; prompts that begin alike go in a row."""
        ordered = self.in_order(pairs)
        counted = Headway(len(ordered))
        found = await asyncio.gather(*(counted(self.answer(text, example)) for text, example in ordered))
        return {(text, example.id): answer for (text, example), answer in zip(ordered, found, strict=True)}

    def in_order(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Return the pairs by what their prompts begin with, so that a server's prefix cache is of use."""
        instruction_first = self.layout.instruction_first
        groups: dict[str, list[Pair]] = {}
        for text, example in pairs:
            groups.setdefault(text if instruction_first else example.id, []).append((text, example))
        return [pair for group in groups.values() for pair in group]

    async def answer(self, instruction: str, example: Example) -> Answer:
        """Return what the scorer answers to an example under an instruction."""
        try:
            return await self._answer(instruction, example)
        except ContextError as error:
            return Answer(example.id, None, None, example.gold, split=self.split, failure=str(error))

    async def _answer(self, instruction: str, example: Example) -> Answer:
        prompt = self.layout.prompt(example.question, instruction, example.fields)
        generation = await self._asked(prompt)
        usage = generation.usage
        if self.final:
            prompt = self.layout.continued(prompt, generation.samples[0].text, self.final)
            generation = await self._asked(prompt)
            usage += generation.usage
        sample = generation.samples[0]
        read = extract(sample.text, self.kind, example, complete=sample.complete, final=bool(self.final))
        return Answer(
            example.id,
            _score(read, example),
            read.value,
            example.gold,
            flagged=read.disagreement,
            generation=sample.source and sample.source.generation,
            tokens=usage.prompt + usage.completion,
            split=self.split,
            failure=read.failure,
        )

    def questions(self, instruction: str, example: Example) -> Iterator[Question]:
        """Return what will be asked about an example under an instruction; replies, but for their length, are made up.

        A token of theirs is taken to have five characters with its blank.
        """
        prompt = self.layout.prompt(example.question, instruction)
        reply = min(self.tokens, REPLY)
        yield Question(self._request(prompt), reply)
        if self.final:
            said = (_WORDS * (5 * reply // len(_WORDS) + 1))[: 5 * reply]
            behind = self._request(self.layout.continued(prompt, said, self.final))
            yield Question(behind, min(self.tokens, FINAL_REPLY))

    @property
    def presumption(self) -> str:
        """What is taken for granted of replies; nothing where they may not be longer."""
        if self.tokens <= REPLY:
            return ""
        return (
            f"Replies of the scorer are taken to have about {REPLY} tokens, as those of a model that reasons have, also"
            " where a word would do; --set reply_tokens=N limits them."
        )

    async def _asked(self, prompt: str | tuple[Message, ...]) -> Generation:
        if self.scorer is None:
            raise RuntimeError("a scorer model is needed: see `scored_by`")
        return await self.scorer.generate(self._request(prompt))

    def _request(self, prompt: str | tuple[Message, ...]) -> Request:
        stop = () if self.layout.chat else ("\nQ:",)
        return Request(prompt=prompt, max_tokens=self.tokens, temperature=0.0, stop=stop)


class Headway:
    """Counts answers as they come, and tells how many there are of how many at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._done = 0

    async def __call__(self, answer: Awaitable[Answer]) -> Answer:
        """Return the answer, counted."""
        found = await answer
        self._done += 1
        tell(self._done, max(self.most, self._done))
        return found


def _score(read: Extraction, example: Example) -> float | None:
    return None if read.failure else credit(read, example)


def evaluation(
    answers: Sequence[Answer], standing: Standing | None = None, classes: Mapping[str, str] | None = None
) -> Evaluation:
    """Return the share of right answers, or what a race that was left early estimates of it.

    `classes` are the gold answers by example, where these are classes: then macro F1 is a metric as well.
    """
    scores = [answer.score for answer in answers if answer.score is not None]
    failed = len(answers) - len(scores)
    if not scores:
        where = "the only example" if failed == 1 else f"all {failed} examples"
        reason = f"the scoring failed on {where}: {answers[0].failure}"
        return Evaluation(None, reason, metrics={"failed": float(failed)})
    share = accuracy(scores)
    metrics = {"n": float(len(scores)), "low": share.low, "high": share.high, "failed": float(failed)}
    metrics |= {"unread": float(sum(one.extracted is None and not one.failure for one in answers))}
    scored = [one for one in answers if one.score is not None and one.example in (classes or {})]
    if classes and scored:
        metrics["macro_f1"] = macro_f1([classes[one.example] for one in scored], [one.extracted for one in scored])
    if standing is None or standing.state is not State.DROPPED:
        return Evaluation(share.mean, metrics=metrics, answers=tuple(answers))
    metrics |= {"low": standing.low, "high": standing.high, "dropped": 1.0}
    return Evaluation(standing.estimate, feedback=standing.reason, metrics=metrics, answers=tuple(answers))


async def raced(
    quiz: Quiz, texts: Sequence[str], examples: Sequence[Example], past: Sequence[Evaluation], rules: Rules
) -> dict[str, Evaluation]:
    """Return the evaluations of instructions that race over the examples, in their order, beside those of the past.

    No candidate waits for another: whoever has finished a block, and is not dropped, goes on to its next.
    """
    names = [example.id for example in examples]
    full = [_scores(one) for one in past if not one.dropped]
    race = Race(texts, survey(names, full, [_scores(one) for one in past if one.dropped]), rules)
    parts: dict[Heat, list[Answer]] = {}
    flying: dict[asyncio.Task[list[Answer]], Heat] = {}
    counted = Headway(len(texts) * len(examples))
    try:
        while not race.over:
            flying |= _started(quiz, race, race.next_blocks(flying.values()), examples, counted)
            done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                heat = flying.pop(task)
                part = parts[heat] = task.result()
                race.report(heat, [float("nan") if one.score is None else one.score for one in part])
                counted.most = _still(race, texts, examples)
    finally:
        await asyncio.gather(*flying, return_exceptions=True)  # what is asked is paid for: it shall be recorded
    classes = quiz.classes(examples)
    return {text: evaluation(_counted(race, text, parts), race.standings[text], classes) for text in texts}


def _started(
    quiz: Quiz, race: Race, heats: Sequence[Heat], examples: Sequence[Example], counted: "Headway"
) -> Mapping[asyncio.Task[list[Answer]], Heat]:
    """Start heats, and in them all pairs in an order in which prompts that begin alike follow each other."""
    blocks = {heat: [examples[place] for place in race.examples(heat.block)] for heat in heats}
    pairs = quiz.in_order((heat.candidate, example) for heat, block in blocks.items() for example in block)
    asked = {(text, one.id): asyncio.create_task(counted(quiz.answer(text, one))) for text, one in pairs}
    return {
        asyncio.create_task(_all([asked[heat.candidate, one.id] for one in block])): heat
        for heat, block in blocks.items()
    }


def _counted(race: Race, text: str, parts: Mapping[Heat, Sequence[Answer]]) -> list[Answer]:
    """Return the answers on which a candidate's standing rests, however many came behind them."""
    return [answer for block in range(race.counted(text)) for answer in parts[Heat(text, block)]]


def _still(race: Race, texts: Sequence[str], examples: Sequence[Example]) -> int:
    """Return how many answers a race may need at most, those that it has included."""
    standings = [race.standings[text] for text in texts]
    return sum(one.n if one.state is State.DROPPED else len(examples) for one in standings)


async def _all(tasks: Sequence[asyncio.Task[Answer]]) -> list[Answer]:
    return await asyncio.gather(*tasks)


def _scores(one: Evaluation) -> dict[str, float]:
    return {answer.example: answer.score for answer in one.answers if answer.score is not None}

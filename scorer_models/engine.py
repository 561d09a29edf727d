"""From requests to batches: tokenizes prompts, refuses those that do not fit, and survives a lack of memory."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

import torch

from opro.constraints import Weighed
from opro.errors import ContextError, ModelError
from opro.types import Generation, Request
from scorer_models.decoding import Guides
from scorer_models.generation import MANY_ROWS, Decoder, Job
from scorer_models.loading import Loaded
from scorer_models.scales import Load, weigh
from scorer_models.tree import TokenTree
from scorer_models.weighing import Scale, options_of

Answer = Generation | ModelError
W = TypeVar("W")


class Engine:
    """A loaded model that answers requests; used by one thread."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._guides = Guides(loaded.tokenizer, loaded.vocabulary, loaded.ends)
        self._tree = TokenTree(loaded.model)
        self._decoder = self._fresh()

    def answer(self, requests: Sequence[tuple[Request, Callable[[], bool]]]) -> list[Answer]:
        """Return an answer for each request (given with a function that says whether it was cancelled)."""
        answers: dict[int, Answer] = {}
        jobs: dict[int, Job] = {}
        loads: dict[int, Load] = {}
        for number, (request, cancelled) in enumerate(requests):
            try:
                if isinstance(request.constraint, Weighed):
                    loads[number] = self._load(request, cancelled)
                else:
                    jobs[number] = self._job(request, cancelled)
            except ModelError as error:
                answers[number] = error
        if jobs:
            answers.update(zip(jobs, self._run(self._decode, list(jobs.values()), MANY_ROWS), strict=True))
        if loads:
            answers.update(zip(loads, self._run(self._weigh, list(loads.values()), MANY_ROWS), strict=True))
        return [answers[number] for number in range(len(requests))]

    def _decode(self, jobs: Sequence[Job], cap: int) -> Sequence[Answer]:
        return self._decoder.answer(jobs, cap)

    def _weigh(self, loads: Sequence[Load], cap: int) -> Sequence[Answer]:
        return weigh(self._tree, loads, cap)

    def _job(self, request: Request, cancelled: Callable[[], bool]) -> Job:
        """Tokenize a request."""
        prompt = self._tokenize(request)
        room = self._room(prompt)
        self._guides.guide(request.constraint, request.stop)  # a pattern that cannot be kept fails this request alone
        return Job(request, prompt, room, cancelled)

    def _load(self, request: Request, cancelled: Callable[[], bool]) -> Load:
        """Tokenize a prompt with each of its options behind it."""
        scale = Scale.of(self._tokenize(request), [self._tokenize(request, option) for option in options_of(request)])
        self._room([*scale.prompt, *max(scale.options, key=len)][:-1])  # the last token is looked up, and not read
        return Load(request, scale, cancelled)

    def _room(self, tokens: Sequence[int]) -> int:
        """Return how many tokens the window leaves behind these; too few for one is a ContextError."""
        room = self.loaded.window - len(tokens)
        if room < 1:
            raise ContextError(
                f"the prompt has {len(tokens)} tokens, {1 - room} more than the model's window of {self.loaded.window} "
                f"leaves room for: show fewer trials or exemplars",
                excess=1 - room,
            )
        return room

    def _tokenize(self, request: Request, answer: str = "") -> list[int]:
        """Return the tokens of a prompt, and of an answer's beginning behind it."""
        tokenizer = self.loaded.tokenizer
        if isinstance(request.prompt, str):
            ids: list[int] = tokenizer(request.prompt + answer).input_ids
            start = [i for i in (tokenizer.bos_token_id, *sorted(self.loaded.ends)) if i is not None]
            return ids or start[:1]  # an empty prompt is continued from the token that begins a text
        if not tokenizer.chat_template:
            raise ModelError("this model has no chat template: ask it in the continuation style")
        turns = [{"role": message.role, "content": message.content} for message in request.prompt]
        text: str = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return tokenizer(text + answer, add_special_tokens=False).input_ids

    def _run(self, work: Callable[[Sequence[W], int], Sequence[Answer]], jobs: Sequence[W], cap: int) -> list[Answer]:
        """Do a batch of work; when the memory does not suffice, by halves."""
        try:
            return list(work(jobs, cap))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            self._decoder = self._fresh()
            if not _out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(jobs) > 1:
            half = len(jobs) // 2
            return list(chain(self._run(work, jobs[:half], cap), self._run(work, jobs[half:], cap)))
        if cap > 1:
            return self._run(work, jobs, cap // 2)
        return [
            ModelError("the memory does not suffice for one sample of this prompt: shorten it, or take a smaller model")
        ]

    def _fresh(self) -> Decoder:
        return Decoder(self._tree, self._guides, self.loaded.ends)


def _out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; on a CPU torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)

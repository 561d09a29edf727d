"""From requests to batches: tokenizes prompts, refuses those that do not fit, and survives a lack of memory."""

from collections.abc import Callable, Sequence
from itertools import chain

import torch

from opro.errors import ContextError, ModelError
from opro.types import Generation, Request
from scorer_models.decoding import Guides
from scorer_models.generation import MANY_ROWS, Decoder, Job
from scorer_models.loading import Loaded
from scorer_models.tree import TokenTree

Answer = Generation | ModelError


class Engine:
    """A loaded model that answers requests; used by one thread."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._guides = Guides(loaded.tokenizer, loaded.vocabulary, loaded.ends)
        self._decoder = self._fresh()

    def answer(self, requests: Sequence[tuple[Request, Callable[[], bool]]]) -> list[Answer]:
        """Return an answer for each request (given with a function that says whether it was cancelled)."""
        answers: dict[int, Answer] = {}
        jobs: dict[int, Job] = {}
        for number, (request, cancelled) in enumerate(requests):
            try:
                jobs[number] = self._job(request, cancelled)
            except ModelError as error:
                answers[number] = error
        if jobs:
            answers.update(zip(jobs, self._run(list(jobs.values()), MANY_ROWS), strict=True))
        return [answers[number] for number in range(len(requests))]

    def _job(self, request: Request, cancelled: Callable[[], bool]) -> Job:
        """Tokenize a request."""
        prompt = self._tokenize(request)
        room = self.loaded.window - len(prompt)
        if room < 1:
            raise ContextError(
                f"the prompt has {len(prompt)} tokens, {1 - room} more than the model's window of {self.loaded.window} "
                f"leaves room for: show fewer trials or exemplars",
                excess=1 - room,
            )
        self._guides.guide(request.constraint, request.stop)  # a pattern that cannot be kept fails this request alone
        return Job(request, prompt, room, cancelled)

    def _tokenize(self, request: Request) -> list[int]:
        tokenizer = self.loaded.tokenizer
        if isinstance(request.prompt, str):
            ids: list[int] = tokenizer(request.prompt).input_ids
            start = [i for i in (tokenizer.bos_token_id, *sorted(self.loaded.ends)) if i is not None]
            return ids or start[:1]  # an empty prompt is continued from the token that begins a text
        if not tokenizer.chat_template:
            raise ModelError("this model has no chat template: ask it in the continuation style")
        turns = [{"role": message.role, "content": message.content} for message in request.prompt]
        text: str = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return tokenizer(text, add_special_tokens=False).input_ids

    def _run(self, jobs: Sequence[Job], cap: int) -> list[Answer]:
        """Answer a batch; when the memory does not suffice, by halves."""
        try:
            return list(self._decoder.answer(jobs, cap))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            self._decoder = self._fresh()
            if not _out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(jobs) > 1:
            half = len(jobs) // 2
            return list(chain(self._run(jobs[:half], cap), self._run(jobs[half:], cap)))
        if cap > 1:
            return self._run(jobs, cap // 2)
        return [
            ModelError("the memory does not suffice for one sample of this prompt: shorten it, or take a smaller model")
        ]

    def _fresh(self) -> Decoder:
        return Decoder(TokenTree(self.loaded.model), self._guides, self.loaded.ends)


def _out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; on a CPU torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)

"""Replies of a server that speaks OpenAI's protocol: which of their samples can be used, and what they cost."""

from collections.abc import Sequence
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError

from opro.errors import RequestError
from opro.types import Request, Sample, Usage

CHARACTERS = 256
"""No token has more characters; a text with more for each token that was asked for comes from a broken server."""
_TURN_TOKENS = 16  # what a chat template writes around a message, at most
_CHAT_TOKENS = 64  # and what it adds by itself, such as a system prompt
_SANE = 1 << 40  # a count of tokens beyond it is none
_Shape = TypeVar("_Shape", bound=BaseModel)


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Logprobs(BaseModel):
    content: list[object] | None = None


class _Choice(BaseModel):
    index: int = 0
    text: str | None = None
    message: _Message = _Message()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @property
    def said(self) -> str | None:
        """What the model wrote, None for nothing; its refusal to answer is an answer."""
        for text in (self.text, self.message.content, self.message.refusal):
            if text is not None:
                return text
        return None


class Reply(BaseModel):
    """A completion or chat completion, as far as it is used here."""

    choices: list[_Choice]
    usage: object = None

    @property
    def completion(self) -> int:
        """The tokens of all choices, 0 if not told. llama.cpp counts the first's only, but shows a logprob for each."""
        shown = sum(len(choice.logprobs.content or ()) for choice in self.choices if choice.logprobs)
        return max(_count(self.usage, "completion_tokens"), shown)

    def samples(self, request: Request, url: str) -> list[Sample]:
        """Return the texts in order, up to the first that cannot be used; cut before a stop where the server did not.

        Raises:
            RequestError: not even the first can be used.
        """
        made: list[Sample] = []
        wrong = "without choices"
        for choice in sorted(self.choices, key=lambda choice: choice.index):
            wrong = _fault(choice, request.max_tokens, paid=self.completion > 0)
            if wrong:
                break
            made.append(_sample(choice, request.stop))
        if not made:
            raise unusable(f"{url} sent an answer {wrong}: read the server's log")
        return made

    def cost(self, request: Request) -> Usage:
        """Return the tokens used; an upper bound where the server tells none, as no token is shorter than a byte."""
        prompt, completion = _count(self.usage, "prompt_tokens"), self.completion
        return Usage(
            prompt or _most_of_prompt(request),
            completion or sum(_most(choice, request.max_tokens) for choice in self.choices),
            min(prompt, _count(self.usage, "prompt_tokens_details", "cached_tokens")),
            estimated=not (prompt and completion),
        )


def parsed(shape: type[_Shape], content: bytes, url: str) -> _Shape:
    """Return the body of an answer.

    Raises:
        RequestError: it is not what OpenAI's protocol says.
    """
    try:
        return shape.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise unusable(
            f"{url} sent something other than OpenAI's protocol asks for ({place + ': ' if place else ''}"
            f"{first['msg']}): is this the address of such a server, with /v1 at its end?"
        ) from None


def unusable(message: str) -> RequestError:
    """Return the error for an answer that came and cannot be used; it is paid for."""
    return RequestError(message, status=200, charged=True)


def _fault(choice: _Choice, max_tokens: int, *, paid: bool) -> str:
    """Return what makes a choice unusable, "" for nothing. One cut off before it said anything did what was asked."""
    said = choice.said
    if choice.finish_reason != "length" and (said is None or not (said or paid)):
        return f"with {'an empty' if said == '' else 'no'} text (finish_reason {choice.finish_reason})"
    if said is not None and len(said) > CHARACTERS * max_tokens:
        return f"with a text of {len(said)} characters, where {max_tokens} tokens were asked for"
    return ""


def _sample(choice: _Choice, stop: Sequence[str]) -> Sample:
    text = choice.said or ""
    cuts = [text.index(mark) for mark in stop if mark and mark in text]
    return Sample(text[: min(cuts)]) if cuts else Sample(text, complete=choice.finish_reason != "length")


def _count(told: object, *path: str) -> int:
    """Return a count of tokens that a server tells, 0 where it tells none or nonsense."""
    for name in path:
        told = cast(dict[str, object], told).get(name) if isinstance(told, dict) else None
    return told if isinstance(told, int) and 0 <= told < _SANE else 0


def _most(choice: _Choice, max_tokens: int) -> int:
    """Return the most tokens that a choice can have taken, the one that ends it with it."""
    written = len((choice.said or "").encode()) + 1
    return max(written, max_tokens) if choice.finish_reason == "length" else written


def _most_of_prompt(request: Request) -> int:
    if isinstance(request.prompt, str):
        return len(request.prompt.encode()) + _TURN_TOKENS
    return _CHAT_TOKENS + sum(len(turn.content.encode()) + _TURN_TOKENS for turn in request.prompt)

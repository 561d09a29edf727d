"""What comes over the wire from a server that speaks OpenAI's protocol: answers, checked, and errors, explained."""

import email.utils
import re
import time
from collections.abc import Sequence
from typing import TypeVar

import aiohttp
from openai import APIStatusError, HttpxBinaryResponseContent, OpenAIError
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from opro.errors import ModelError
from opro.types import Sample, Usage

FAILURES = (OpenAIError, aiohttp.ClientError)
"""What a call may raise: the SDK's errors, and those of its transport that it lets through."""

_SHOWN = 300  # characters of a server's own words in an error text
_TOO_LONG = re.compile(
    r"context.?(length|size|window)|exceed_context|too many tokens|prompt is too long", re.IGNORECASE
)
_Shape = TypeVar("_Shape", bound=BaseModel)


class RequestError(ModelError):
    """A request failed. `status` is HTTP's, None without an answer; `retry_after` is in seconds, as the server asks."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class _Message(BaseModel):
    content: str | None = None


class _Logprobs(BaseModel):
    content: list[object] | None = None


class _Choice(BaseModel):
    index: int = 0
    text: str | None = None
    message: _Message = _Message()
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Details(BaseModel):
    cached_tokens: NonNegativeInt | None = None


class _Usage(BaseModel):
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0
    prompt_tokens_details: _Details | None = None


class Reply(BaseModel):
    """A completion or chat completion, as far as it is used here."""

    choices: list[_Choice]
    reported: _Usage | None = Field(default=None, alias="usage")

    def samples(self, stop: Sequence[str]) -> list[Sample]:
        """Return the texts in order, cut before the first of `stop`, for not every server does that."""
        return [_sample(choice, stop) for choice in sorted(self.choices, key=lambda choice: choice.index)]

    def usage(self) -> Usage:
        """Return the tokens used. llama.cpp counts those of the first choice only, but shows a logprob for each."""
        reported = self.reported or _Usage()
        shown = sum(len(choice.logprobs.content or ()) for choice in self.choices if choice.logprobs)
        details = reported.prompt_tokens_details or _Details()
        completion = max(reported.completion_tokens, shown)
        return Usage(reported.prompt_tokens, completion, details.cached_tokens or 0)


class Card(BaseModel):
    """What a server tells of a model that it serves."""

    id: str
    aliases: list[str] = []
    owned_by: str | None = None
    created: int | None = None
    root: str | None = None
    meta: dict[str, object] | None = None


class Listing(BaseModel):
    """The answer to GET /models."""

    data: list[Card]


def parsed(shape: type[_Shape], answer: HttpxBinaryResponseContent, url: str) -> _Shape:
    """Return the body of an answer.

    Raises:
        RequestError: it is not what OpenAI's protocol says.
    """
    try:
        return shape.model_validate_json(answer.content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise RequestError(
            f"{url} sent something other than OpenAI's protocol asks for ({place + ': ' if place else ''}"
            f"{first['msg']}): is this the address of such a server, with /v1 at its end?",
            status=answer.response.status_code,
        ) from None


def explained(failure: Exception, url: str) -> RequestError:
    """Return what a failed call means and what to do."""
    if not isinstance(failure, APIStatusError):
        return _unreachable(failure, url)
    status = failure.status_code
    said = spoken(failure)[:_SHOWN]
    said = f" ({said})" if said else ""
    return RequestError(
        f"{url} answered {status}{said}: {_remedy(failure)}",
        status=status,
        retry_after=_retry_after(failure.response.headers.get("retry-after")),
    )


def spoken(failure: APIStatusError) -> str:
    """Return the server's own words. The key is taken out, for there are servers that repeat what they were sent."""
    match failure.body:
        case {"message": str(message)}:
            said = message
        case str(text) if text.lstrip().startswith("<"):  # a web page, of no use in a line of text
            said = ""
        case body:
            said = str(body or "")
    key = failure.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    return said.replace(key, "…") if key else said


def _sample(choice: _Choice, stop: Sequence[str]) -> Sample:
    text = choice.text or choice.message.content or ""
    cuts = [text.index(mark) for mark in stop if mark and mark in text]
    return Sample(text[: min(cuts)]) if cuts else Sample(text, complete=choice.finish_reason != "length")


def _unreachable(failure: Exception, url: str) -> RequestError:
    """Explain a call without an answer. The transport reports refused connections as time-outs: ask for the root."""
    root: BaseException = failure
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    if isinstance(root, TimeoutError):
        return RequestError(f"{url} did not answer in time: is the server overloaded, or the address wrong?")
    reason = " ".join(str(getattr(root, "strerror", None) or root or "").split()) or type(root).__name__
    return RequestError(f"{url} gave no answer ({reason[:_SHOWN]}): is the server running and the address right?")


def too_long(failure: APIStatusError) -> bool:
    """Say whether the prompt and the tokens asked for do not fit into the model's context."""
    return _TOO_LONG.search(f"{spoken(failure)} {failure.type} {failure.code}") is not None


def _remedy(failure: APIStatusError) -> str:
    if too_long(failure):
        return "shorten the prompt, ask for fewer tokens, or serve the model with a larger context"
    match failure.status_code:
        case 401 | 403:
            return "is the key in OPENAI_API_KEY right?"
        case 404 | 405:
            return "does the address end in /v1, and is the model's name right?"
        case 429:
            return "too many requests, or the account's quota is used up; wait or ask less at a time"
        case status if status >= 500:
            return "the server is in trouble; try again later or read its log"
        case _:
            return "the request was refused"


def _retry_after(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which holds a number or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        date = email.utils.parsedate_tz(header)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None

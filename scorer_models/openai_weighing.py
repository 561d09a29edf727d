"""Weighing options on vLLM's server, which tells the log-probabilities of tokens that it is asked for."""

import asyncio
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from opro.types import Generation, Request, Usage
from scorer_models.openai_reply import parsed, unusable
from scorer_models.openai_wire import Refusal, Wire
from scorer_models.weighing import Scale, options_of

_NUMBERED = "token_id:"


class _Tokens(BaseModel):
    """The answer to POST /tokenize."""

    tokens: list[int]


class _Logprobs(BaseModel):
    top_logprobs: list[dict[str, float]]


class _Choice(BaseModel):
    logprobs: _Logprobs


class _Cached(BaseModel):
    cached_tokens: int | None = 0


class _Used(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Cached | None = None


class _Reply(BaseModel):
    """A completion of one token, with the log-probabilities of the tokens that were asked for."""

    choices: list[_Choice]
    usage: _Used = _Used()


class Refused(Exception):  # noqa: N818 - it carries a refusal, which the model explains
    """The server refused a request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.said)
        self.refusal = refusal


async def weighed(wire: Wire, name: str, request: Request) -> Generation:
    """Return the options of a request with their log-probabilities.

    Options of one token each take one request; longer ones one more for each different beginning of them, which finds
    the prompt in the server's cache.

    Raises:
        RequestError: the server does not answer, or does not tell the log-probabilities.
        Refused: it refused a request.
    """
    texts = ("", *options_of(request))
    prompt, *wholes = await asyncio.gather(*(_tokens(wire, name, request, text) for text in texts))
    scale = Scale.of(prompt, wholes)
    first, *others = scale.questions.items()
    answers = [await _told(wire, name, scale.prompt, *first)]
    answers += await asyncio.gather(*(_told(wire, name, scale.prompt, *question) for question in others))
    told = {prefix: numbers for prefix, (numbers, _) in zip(scale.questions, answers, strict=True)}
    return Generation(scale.samples(request, told), sum((usage for _, usage in answers), Usage()))


async def _tokens(wire: Wire, name: str, request: Request, answer: str) -> list[int]:
    """Return the tokens of a prompt with an answer's beginning behind it."""
    body: dict[str, object] = {"model": name}
    if isinstance(request.prompt, str):
        body["prompt"] = request.prompt + answer
    else:
        turns = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
        said = [{"role": "assistant", "content": answer}] if answer else []
        body |= {"messages": [*turns, *said], "add_generation_prompt": not said, "continue_final_message": bool(said)}
    return parsed(_Tokens, await _posted(wire, "/../tokenize", body), wire.url).tokens


async def _told(
    wire: Wire, name: str, prompt: Sequence[int], prefix: Sequence[int], wanted: Sequence[int]
) -> tuple[Mapping[int, float], Usage]:
    """Return the log-probabilities of the wanted tokens after prompt and prefix, and what it took to learn them."""
    body = {
        "model": name,
        "prompt": [*prompt, *prefix],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 1,
        "logprob_token_ids": list(wanted),
        "return_tokens_as_token_ids": True,
    }
    reply = parsed(_Reply, await _posted(wire, "/completions", body), wire.url)
    shown = reply.choices[0].logprobs.top_logprobs[0] if reply.choices else {}
    told = {token: shown[f"{_NUMBERED}{token}"] for token in wanted if f"{_NUMBERED}{token}" in shown}
    if len(told) < len(wanted):
        raise unusable(
            f"{wire.url} does not tell the log-probabilities of tokens that it is asked for (`logprob_token_ids`): a "
            "newer vLLM does"
        )
    used = reply.usage
    cached = used.prompt_tokens_details.cached_tokens if used.prompt_tokens_details else 0
    return told, Usage(used.prompt_tokens, used.completion_tokens, cached or 0)


async def _posted(wire: Wire, path: str, body: Mapping[str, object]) -> bytes:
    answer = await wire.post(path, body)
    if isinstance(answer, Refusal):
        raise Refused(answer)
    return answer

"""Language models behind OpenAI's protocol: hosted ones, and vLLM's, llama.cpp's or any other server of one's own."""

import asyncio
import dataclasses
import random
import re
import time

from openai import APIStatusError, AsyncOpenAI, DefaultAioHttpClient, HttpxBinaryResponseContent

from opro.constraints import Constraint
from opro.types import Generation, Request, Sample, Style, Usage
from scorer_models.openai_habits import Habits
from scorer_models.openai_server import Server, address, api_key, probe, serves
from scorer_models.openai_wire import FAILURES, Reply, RequestError, explained, parsed

__all__ = ["OpenAIModel", "RequestError"]

_SMALL = 3e9  # parameters; below it a model continues a pattern better than it follows an instruction
_STOPS = 4  # OpenAI takes no more; the others are cut here
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)


class OpenAIModel:
    """A model that a server serves: `openai:NAME@URL`, or `openai:NAME` at OpenAI ($OPENAI_API_KEY).

    What the server refuses (n, a seed, a temperature, ...) is found out once, served in another way, and told in
    the log `opro`. A request is sent once: failures are errors, and trying again is a wrapper's work.
    """

    def __init__(self, name: str, server: Server, client: AsyncOpenAI) -> None:
        self._name = name
        self._server = server
        self._client = client
        self._habits = Habits(f"{name} at {server.url}")

    @classmethod
    def load(cls, spec: str) -> "OpenAIModel":
        """Return the model "NAME" at OPENAI_BASE_URL or OpenAI, or "NAME@URL"; the server is asked what it serves.

        Raises:
            ConfigError: the spec is no name and URL.
            ModelError: the server does not answer, refuses the key, or does not serve the model.
        """
        name, url = address(spec)
        key = api_key(url)
        server = probe(name, url, key)
        # aiohttp takes an eighth of the processor time that httpx does
        client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0, http_client=DefaultAioHttpClient())
        return cls(name, server, client)

    def __repr__(self) -> str:
        """Show name and address; no key."""
        return f"OpenAIModel({self._name!r}, {self._server.url!r})"

    @property
    def fingerprint(self) -> str:
        """Name and host, and what the server tells of the weights."""
        return f"openai:{self._name}@{self._server.identity}"

    @property
    def enforces(self) -> frozenset[type[Constraint]]:
        """Choice and Regex on vLLM and llama.cpp, nothing elsewhere."""
        return self._server.kind.enforces

    @property
    def style(self) -> Style:
        """Continuation for a model that the server or its own name says to be small, else chat."""
        size = self._server.parameters or _size(self._name)
        return Style.CONTINUATION if size is not None and size < _SMALL else Style.CHAT

    async def generate(self, request: Request) -> Generation:
        """Return `request.n` samples, from one request where the server can.

        Raises:
            RequestError: the request failed; the message names the remedy.
        """
        started = time.perf_counter()
        # greedy samples are all the same: one is paid for (and vLLM refuses to write more)
        wanted = request.n if request.temperature > 0 else 1
        replies = await self._replies(request, 0, wanted)
        samples: list[Sample] = []
        for reply in replies:
            samples += reply.samples(request.stop)
        samples = samples[:wanted] * (request.n // wanted)
        usage = sum((reply.usage() for reply in replies), Usage())
        return Generation(tuple(samples), usage, time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _replies(self, request: Request, first: int, n: int) -> list[Reply]:
        """Return replies with `n` samples, numbered from `first` so that no two requests get one seed."""
        if n > self._habits.widest:
            return await self._spread(request, first, n)
        sent = self._habits.shaped(self._body(request, first, n))
        try:
            reply = await self._post(sent)
        except APIStatusError as refusal:
            if self._habits.learn(refusal, sent, request.constraint):
                return await self._replies(request, first, n)
            raise self._explained(refusal) from None
        got = len(reply.choices)
        if got >= n:
            return [reply]
        if not got:
            raise RequestError(f"{self._server.url} returned no choices: read the server's log", status=200)
        if got == 1:
            self._habits.ignores_n()
        return [reply, *await self._replies(request, first + got, n - got)]

    async def _spread(self, request: Request, first: int, n: int) -> list[Reply]:
        """Return replies with `n` samples from several requests at once."""
        width = self._habits.widest
        parts = [self._replies(request, first + start, min(width, n - start)) for start in range(0, n, width)]
        # every request ends before an error is raised: none is left running unseen
        results = await asyncio.gather(*parts, return_exceptions=True)
        replies: list[Reply] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            replies += result
        return replies

    def _body(self, request: Request, first: int, n: int) -> dict[str, object]:
        """Return the whole request as this kind of server takes it."""
        body: dict[str, object] = {"model": self._name, "max_tokens": request.max_tokens}
        if isinstance(request.prompt, str) and not self._habits.chats_only:
            body["prompt"] = request.prompt
        elif isinstance(request.prompt, str):
            body["messages"] = [{"role": "user", "content": request.prompt}]
        else:
            body["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
        body |= {"temperature": request.temperature, "seed": _seed(request.seed, first)}
        if n > 1:
            body["n"] = n
        if request.stop:
            body["stop"] = list(request.stop[:_STOPS])
        return body | self._extras(request)

    def _extras(self, request: Request) -> dict[str, object]:
        """Return the server's own parameters, without a constraint that it cannot keep."""
        if request.constraint is not None and self._habits.keeps(request.constraint):
            try:
                return self._server.kind.extras(request)
            except ValueError as error:
                self._habits.frees(request.constraint, str(error))
        return self._server.kind.extras(_unconstrained(request))

    async def _post(self, body: dict[str, object]) -> Reply:
        """Send one request.

        Raises:
            APIStatusError: the server answered with an error, from which something may be learned.
            RequestError: there was no answer, or one that cannot be read.
        """
        path = "/completions" if "prompt" in body else "/chat/completions"
        try:
            answer = await self._client.post(path, body=body, cast_to=HttpxBinaryResponseContent)
        except APIStatusError:
            raise
        except FAILURES as failure:
            raise self._explained(failure) from None
        return parsed(Reply, answer, self._server.url + path)

    def _explained(self, failure: Exception) -> RequestError:
        error = explained(failure, self._server.url)
        if error.status != 404:
            return error
        return RequestError(
            f"{error} {self._name!r} was asked for; {serves(self._server.names, self._name)}", status=404
        )


def _unconstrained(request: Request) -> Request:
    return request if request.constraint is None else dataclasses.replace(request, constraint=None)


def _seed(seed: int, first: int) -> int:
    """Return the seed of a request. Servers count up from it for n samples, so that near seeds would share samples."""
    return random.Random(f"{seed}:{first}").getrandbits(31)


def _size(name: str) -> float | None:
    """Return the parameters that a model's name tells: 1.5e9 for "Qwen2.5-1.5B"."""
    sizes = [float(number) * (1e9 if unit in "bB" else 1e6) for number, unit in _SIZE.findall(name)]
    return max(sizes, default=None)

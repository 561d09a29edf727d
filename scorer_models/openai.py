"""Language models behind OpenAI's protocol: hosted ones, and vLLM's, llama.cpp's or any other server of one's own."""

import dataclasses
import os
import random
import re
import time
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from opro.constraints import Constraint, Weighed
from opro.errors import ConfigError, ContextError, RequestError
from opro.outline import Outline
from opro.types import Generation, Request, Sample, Style
from scorer_models.openai_habits import Habits
from scorer_models.openai_reply import Reply, parsed
from scorer_models.openai_server import OPENAI, Kind, Server, address, api_key, probe, serves
from scorer_models.openai_weighing import Refused, weighed
from scorer_models.openai_wire import Refusal, Wire, explained
from scorer_models.outlines import LARGE, parameters_in, style_of_name

_STOPS = 4  # OpenAI takes no more; the others are cut here
_SEED_BITS = 30  # counting up from a seed stays below 2^31, which every server takes


class OpenAIModel:
    """A model that a server serves: `openai:NAME@URL`, or `openai:NAME` at OpenAI ($OPENAI_API_KEY).

    What the server refuses (n, a seed, a temperature, ...) is found out once, served in another way, and told in
    the log `opro`. A failed request is an error: trying again is a wrapper's work, as is a limit of time.
    """

    class Config(BaseModel):
        """How the server is reached."""

        model_config = ConfigDict(frozen=True, extra="forbid")
        key: str = Field(default="OPENAI_API_KEY", description="Name of the environment variable that holds the key.")

        @field_validator("key")
        @classmethod
        def _is_a_name(cls, key: str) -> str:
            """Refuse what may be the key itself; a ValueError would be shown with the value."""
            if re.fullmatch(r"[A-Z_][A-Z0-9_]*", key) or key in os.environ:
                return key
            raise ConfigError(
                "openai model: `key` is the name of an environment variable, such as OPENAI_API_KEY, and it is given "
                "something else, which is not shown here, for it may be a key: put keys into the environment only"
            )

    def __init__(self, name: str, server: Server, wire: Wire, variable: str) -> None:
        self._name = name
        self._server = server
        self._wire = wire
        self._variable = variable
        self._habits = Habits(f"{name} at {server.url}")

    @classmethod
    def load(cls, spec: str, config: Config | None = None) -> Self:
        """Return the model "NAME" at OPENAI_BASE_URL or OpenAI, or "NAME@URL"; the server is asked what it serves.

        Raises:
            ConfigError: the spec is no name and URL.
            ModelError: the server does not answer, refuses the key, or does not serve the model.
        """
        variable = (config or cls.Config()).key
        name, url = address(spec)
        key = api_key(url, variable)
        return cls(name, probe(name, url, key, variable), Wire(url, key), variable)

    @staticmethod
    def sends(spec: str, config: Config) -> tuple[str, str] | None:
        """Return the variable of the key and the URL that it is sent to; None where neither is named.

        What the environment says, the user says.

        Raises:
            ConfigError: the spec is no name and URL.
        """
        _, url = address(spec)
        usual = config.key == OpenAIModel.Config().key and "@http" not in spec
        return None if usual else (config.key, url)

    @classmethod
    def outline(cls, spec: str, config: Config | None = None) -> Outline:
        """Return what is known of a model without asking its server; one of the user's own may be vLLM.

        Raises:
            ConfigError: the spec is no name and URL.
        """
        del config
        name, url = address(spec)
        host = urlsplit(url).hostname or ""
        kind = Kind.OTHER if host == urlsplit(OPENAI).hostname else Kind.VLLM
        style, remark = style_of_name(name, Style.CHAT)
        return Outline(kind.enforces, style, (name, host), "" if kind is Kind.OTHER else remark)

    def __repr__(self) -> str:
        """Show name and address; no key."""
        return f"OpenAIModel({self._name!r}, {self._server.url!r})"

    @property
    def fingerprint(self) -> str:
        """Name and host, and what the server tells of the weights."""
        return f"openai:{self._name}@{self._server.identity}"

    @property
    def enforces(self) -> frozenset[type[Constraint]]:
        """Choice and Regex on vLLM and llama.cpp, on vLLM Weighed as well, nothing elsewhere."""
        return self._server.kind.enforces

    @property
    def style(self) -> Style:
        """Continuation for a model that the server or its own name says to be small, else chat."""
        size = self._server.parameters or parameters_in(self._name)
        return Style.CONTINUATION if size is not None and size < LARGE else Style.CHAT

    @property
    def served_as(self) -> tuple[str, str]:
        """See Served."""
        return self._name, urlsplit(self._server.url).hostname or ""

    @property
    def widest(self) -> int:
        """How many samples one request returns at most; learned from what the server refuses."""
        return self._habits.widest

    async def generate(self, request: Request) -> Generation:
        """Return what one request brings: at most `widest` samples, and fewer where the server returns fewer.

        It is sent again in another way when the server refuses the way in which it was asked, which costs nothing.

        Raises:
            RequestError: the request failed; the message names the remedy.
            ContextError: the prompt does not fit.
        """
        started = time.perf_counter()
        if isinstance(request.constraint, Weighed):
            try:
                weighing = await weighed(self._wire, self._name, request)
            except Refused as refused:
                raise self._explained(refused.refusal, request) from None
            return dataclasses.replace(weighing, seconds=time.perf_counter() - started)
        while True:
            # greedy samples are all the same: one is paid for (and vLLM refuses to write more)
            n = min(request.n, self._habits.widest) if request.temperature > 0 else 1
            sent = self._habits.shaped(self._body(request, n))
            path = "/completions" if "prompt" in sent else "/chat/completions"
            answer = await self._wire.post(path, sent)
            if isinstance(answer, bytes):
                break
            if not self._habits.learn(answer, sent, request.constraint):
                raise self._explained(answer, request)
        reply = parsed(Reply, answer, self._server.url + path)
        samples = self._samples(reply, request, n)
        usage = reply.cost(request)
        if n > 1 and self._server.kind is Kind.VLLM:  # it tells what one sample found cached: the others' own prompt
            usage = dataclasses.replace(usage, cached=0)
        return Generation(samples, usage, time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    def _samples(self, reply: Reply, request: Request, n: int) -> tuple[Sample, ...]:
        """Return the samples of a reply to a request for `n` choices."""
        samples = reply.samples(request, self._server.url)[:n]
        self._habits.counted(n, len(reply.choices))
        if any(not sample.text and not sample.complete for sample in samples):
            self._habits.silent(request.max_tokens)
        return tuple(samples if request.temperature > 0 else samples * request.n)

    def _body(self, request: Request, n: int) -> dict[str, object]:
        """Return the whole request as this kind of server takes it."""
        body: dict[str, object] = {"model": self._name, "max_tokens": request.max_tokens}
        if isinstance(request.prompt, str) and not self._habits.chats_only:
            body["prompt"] = request.prompt
        elif isinstance(request.prompt, str):
            body["messages"] = [{"role": "user", "content": request.prompt}]
        else:
            body["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
        body |= {"temperature": request.temperature, "seed": _seed(request)}
        if n > 1:
            body["n"] = n
        if request.stop:
            body["stop"] = list(request.stop[:_STOPS])
        return body | self._extras(dataclasses.replace(request, n=n))

    def _extras(self, request: Request) -> dict[str, object]:
        """Return the server's own parameters, without a constraint that it cannot keep."""
        if request.constraint is not None and self._habits.keeps(request.constraint):
            try:
                return self._server.kind.extras(request)
            except ValueError as error:
                self._habits.frees(request.constraint, str(error))
        return self._server.kind.extras(dataclasses.replace(request, constraint=None))

    def _explained(self, refusal: Refusal, request: Request) -> RequestError | ContextError:
        error = explained(refusal, self._server.url, request.max_tokens, self._variable)
        if refusal.status != 404:
            return error
        names = serves(self._server.names, self._name)
        return RequestError(f"{error} {self._name!r} was asked for; {names}", status=404, lasting=True)


def _seed(request: Request) -> int:
    """Return the seed of a request's first sample.

    Servers count up from it for the others, so that a sample's seed depends on its number alone. The hash keeps the
    samples of near seeds apart.
    """
    return random.Random(f"seed:{request.seed}").getrandbits(_SEED_BITS) + request.first

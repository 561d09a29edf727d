"""Which server answers at an address, what it serves, and how it wants to be asked for what OpenAI does not have."""

import asyncio
import logging
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel

from opro.addresses import parts_of
from opro.constraints import Choice, Constraint, Regex, Weighed
from opro.errors import ConfigError, ModelError, RequestError
from opro.types import Request
from scorer_models.gbnf import gbnf
from scorer_models.openai_reply import parsed
from scorer_models.openai_wire import Refusal, Wire, explained, public

_LOG = logging.getLogger("opro")
OPENAI = "https://api.openai.com/v1"
_SECONDS = 5.0  # to say which models are served; a server that hangs is noticed before a run begins
_LISTED = 10  # names shown of the served models
_NO_KEY = "no-key-needed"
_STABLE = ("n_params", "n_vocab", "size", "ftype")  # what llama.cpp tells of the weights, not of the process


class Kind(StrEnum):
    """Servers that can do more than OpenAI's protocol says."""

    VLLM = "vllm"
    LLAMA_CPP = "llamacpp"
    OTHER = "other"

    @property
    def enforces(self) -> frozenset[type[Constraint]]:
        """The kinds of constraint that this server keeps while decoding."""
        match self:
            case Kind.OTHER:
                return frozenset()
            case Kind.LLAMA_CPP:
                return frozenset({Choice, Regex})
            case Kind.VLLM:
                return frozenset({Choice, Regex, Weighed})

    def extras(self, request: Request) -> dict[str, object]:
        """Return what is sent beyond OpenAI's parameters; said even when it is off, for servers have own defaults.

        Raises:
            ValueError: the constraint cannot be put into the server's language.
        """
        if self is Kind.OTHER:
            return {"top_p": request.top_p} if request.top_p < 1 else {}
        truncation = {"top_p": request.top_p, "top_k": request.top_k, "min_p": request.min_p}
        if self is Kind.VLLM:
            return truncation | {"repetition_penalty": 1.0} | _structured(request)
        return truncation | {"repeat_penalty": 1.0} | _grammar(request)


class Card(BaseModel):
    """What a server tells of a model that it serves."""

    id: str
    aliases: list[str] = []
    owned_by: str | None = None
    created: int | None = None
    root: str | None = None
    meta: dict[str, object] | None = None


class _Listing(BaseModel):
    """The answer to GET /models."""

    data: list[Card]


@dataclass(frozen=True)
class Server:
    """A server that was asked what it is: address without credentials, kind, the names it serves, and one model."""

    url: str
    kind: Kind
    names: tuple[str, ...]
    card: Card | None

    @property
    def identity(self) -> str:
        """Where the model is served and what is told of it; no port and no date that changes with a restart."""
        parts = urlsplit(self.url)
        told: Mapping[str, object] = {}
        if self.card and self.kind is Kind.LLAMA_CPP:
            told = {name: (self.card.meta or {}).get(name) for name in _STABLE}
        elif self.card:
            created = None if self.kind is Kind.VLLM else self.card.created
            told = {"owned_by": self.card.owned_by, "root": self.card.root, "created": created}
        facts = [f"{name}={value}" for name, value in told.items() if value is not None]
        return " ".join([f"{parts.hostname}{parts.path}", self.kind.value, *facts])

    @property
    def parameters(self) -> float | None:
        """How many weights the model has, where the server tells."""
        match (self.card.meta if self.card else None) or {}:
            case {"n_params": int(count)}:
                return float(count)
            case _:
                return None


def address(spec: str) -> tuple[str, str]:
    """Return the model's name and the URL of "MODEL" or "MODEL@URL".

    Raises:
        ConfigError: there is no name, or what follows @ is not a URL.
    """
    name, at, rest = spec.partition("@http")
    url = f"http{rest}" if at else os.environ.get("OPENAI_BASE_URL") or OPENAI
    lost = re.search(r"@([\w.-]+:\d+.*)", name)
    if lost:
        raise ConfigError(f"{lost[1]!r} is no URL: write http://{lost[1]}")
    if not name or not parts_of(url).hostname:
        raise ConfigError(f"{spec!r} is no model: write NAME or NAME@URL, such as qwen@http://127.0.0.1:8000/v1")
    return name, url


def api_key(url: str, variable: str) -> str:
    """Return the key for an address from the environment; only OpenAI's own address must have one.

    Raises:
        ModelError: there is none, or it cannot be one.
    """
    key = os.environ.get(variable, "").strip()
    if not key and urlsplit(url).hostname == urlsplit(OPENAI).hostname:
        raise ModelError(f"{OPENAI} needs a key: set {variable}, or name your own server as MODEL@URL")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(f"{variable} is set to something that cannot be a key: it holds blanks or odd characters")
    return key or _NO_KEY


def probe(name: str, url: str, key: str, variable: str) -> Server:
    """Ask a server what it serves. Waits for the answer, in a thread, for an event loop may be running in this one.

    Raises:
        ModelError: it does not answer, refuses the key, or does not serve the model.
    """
    with ThreadPoolExecutor(1) as thread:
        cards = thread.submit(asyncio.run, _cards(Wire(url, key, seconds=_SECONDS), variable)).result()
    shown = public(url)
    names = tuple(card.id for card in cards)
    card = next((card for card in cards if _is(card, name)), None)
    owners = {card.owned_by for card in cards}
    kind = next((kind for kind in (Kind.VLLM, Kind.LLAMA_CPP) if kind.value in owners), Kind.OTHER)
    if card is None and (kind is not Kind.OTHER or shown == OPENAI):
        raise ModelError(f"{shown} does not serve {name!r}; {serves(names, name)}")
    if card is None:  # gateways route names that they do not list: let the first request decide
        _LOG.warning("%s does not list the model %r; %s", shown, name, serves(names, name))
    return Server(shown, kind, names, card)


def serves(names: tuple[str, ...], name: str) -> str:
    """Say which models are served, the most similar names first."""
    near = get_close_matches(name, names, n=_LISTED, cutoff=0.3)
    first = list(dict.fromkeys([*near, *names]))[:_LISTED]
    more = f" and {len(names) - len(first)} more" if len(names) > len(first) else ""
    return f"it serves: {', '.join(first) or 'none'}{more}"


async def _cards(wire: Wire, variable: str) -> list[Card]:
    try:
        answer = await wire.get("/models")
        if isinstance(answer, bytes):
            return parsed(_Listing, answer, f"{wire.url}/models").data
        if answer.status == 404 and await _chats(wire):
            return []
        raise explained(answer, f"{wire.url}/models", 0, variable)
    finally:
        await wire.close()


async def _chats(wire: Wire) -> bool:
    """Say whether the chat endpoint exists; an empty request is refused by every server, and costs nothing."""
    try:
        answer = await wire.post("/chat/completions", {})
    except RequestError:
        return False
    return isinstance(answer, Refusal) and answer.status not in {404, 405}


def _is(card: Card, name: str) -> bool:
    """Say whether a card is of the model; some servers list names with a folder before or a tag behind them."""
    return name in card.aliases or card.id in {name, f"{name}:latest", f"models/{name}"}


def _structured(request: Request) -> dict[str, object]:
    """Return vLLM's parameter for a constraint; it allows the stop text as well, or the model could not end there."""
    stop = request.stop[0] if request.stop else ""
    match request.constraint:
        case Choice(options):
            ended = [option + stop for option in options] if stop else []
            return {"structured_outputs": {"choice": [*options, *ended]}}
        case Regex(pattern):
            ended = f"(?:{pattern})(?:{_quoted(stop)})?" if stop else pattern
            return {"structured_outputs": {"regex": ended}}
        case _:
            return {}


def _grammar(request: Request) -> dict[str, object]:
    """Return llama.cpp's parameters for a constraint, and what makes it count the tokens of n choices."""
    counted: dict[str, object] = {"logprobs": 1 if isinstance(request.prompt, str) else True} if request.n > 1 else {}
    if isinstance(request.constraint, Choice | Regex):
        counted["grammar"] = gbnf(request.constraint, request.stop[0] if request.stop else "")
    return counted


def _quoted(text: str) -> str:
    """Return a pattern that matches the text; re.escape writes blanks and line ends as decoders do not read them."""
    return re.sub(r"[\\.^$*+?{}\[\]|()]", r"\\\g<0>", text).replace("\n", r"\n")

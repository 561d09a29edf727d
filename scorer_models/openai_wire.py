"""The wire to a server that speaks OpenAI's protocol: what is sent, what comes back, and what a failure means.

Plain HTTP, for the protocol is small: a client library takes five times the processor time for a request, and hides
whether a request that failed had been sent, and so may cost money.
"""

import base64
import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from opro.errors import ContextError, RequestError

_SHOWN = 300  # characters of a server's own words in an error text
_KEPT_ALIVE = 4.0  # seconds that an idle connection is used again: servers close them after 5 and more
_HERE = {"localhost", "127.0.0.1", "::1"}
_PASSING = {408, 409, 425, 429}  # refusals that do not last; so are those from 500 on
_LOST = {408, 504, 524}  # somebody's patience ended, while the model may have been writing
_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.IGNORECASE)
_NEVER = re.compile(r"request too large", re.IGNORECASE)  # larger than what may be asked for in a minute
_TOO_LONG = re.compile(
    r"context.?(length|size|window)|maximum model length|exceed_context|too many tokens|prompt is too long",
    re.IGNORECASE,
)
_WINDOW = re.compile(r"(?:context (?:length|size|window)|model length)\D{0,12}?(\d+)|\d tokens > (\d+)", re.IGNORECASE)
_WHOLE = re.compile(r"requested (?:about )?(\d+) tokens")  # prompt and answer together
_PROMPT = re.compile(
    r"(?:resulted in|contains|has|passed) (\d+) (?:input )?tokens|prompt \(length (\d+)|too long: (\d+) tokens"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is none: HTTP's status, the server's own words (no secrets), and the fields of its error."""

    status: int
    said: str = ""
    fields: Mapping[str, object] | None = None
    retry_after: float | None = None
    """Seconds."""

    def field(self, name: str) -> object:
        """Return a field of the error, None where it is missing."""
        return (self.fields or {}).get(name)

    @property
    def too_long(self) -> bool:
        """Whether the prompt and the tokens asked for do not fit into the model's window."""
        told = f"{self.said} {self.field('type')} {self.field('code')}"
        return self.status in {400, 413, 422} and _TOO_LONG.search(told) is not None

    @property
    def used_up(self) -> bool:
        """Whether there is no money left, or no quota, so that waiting is of no use."""
        told = f"{self.said} {self.field('type')} {self.field('code')}"
        return self.status in {402, 403, 429} and _QUOTA.search(told) is not None

    @property
    def lasting(self) -> bool:
        """Whether the same request would be refused again."""
        if self.status < 500:
            return self.status not in _PASSING or self.used_up or _NEVER.search(self.said) is not None
        return self.status == 501


class Wire:
    """Connections to one server, opened when they are needed; used by one event loop.

    There is no limit of connections, and none of time unless `seconds` is given: wrappers set both. Secrets, which are
    the key and what stands before @ in the URL, are sent and never told.
    """

    def __init__(self, url: str, key: str, *, seconds: float | None = None) -> None:
        parts = urlsplit(url)
        self.url = public(url)
        self._query = f"?{parts.query}" if parts.query else ""
        self._seconds = seconds
        user = parts.netloc.rpartition("@")[0]
        basic = base64.b64encode(unquote(user).encode()).decode()
        self._secrets = tuple(filter(None, (key, user, unquote(parts.password or ""))))
        self._headers = {
            "Authorization": f"Basic {basic}" if user else f"Bearer {key}",
            "Content-Type": "application/json",
        }
        self._proxy = _proxy(parts.scheme, parts.hostname or "")
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> bytes | Refusal:
        """Return what the server has at `path`; the rest as `post`."""
        return await self._exchange("GET", path, None)

    async def post(self, path: str, body: Mapping[str, object]) -> bytes | Refusal:
        """Send a body as JSON and return the answer's.

        Cancelling closes the connection.

        Raises:
            RequestError: there was no answer, or only a part of one.
        """
        return await self._exchange("POST", path, json.dumps(body).encode())

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def _exchange(self, method: str, path: str, data: bytes | None) -> bytes | Refusal:
        url = f"{self.url}{path}{self._query}"
        session = self._session = self._session or self._opened()
        try:
            # a redirected POST would become a GET, or take the key to another host
            async with session.request(method, url, data=data, allow_redirects=False) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError) as failure:
            raise self._lost(failure) from None
        if 200 <= answer.status < 300:
            return content
        return self._refusal(answer.status, answer.headers, content)

    def _opened(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_ALIVE),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=self._proxy,
        )

    def _refusal(self, status: int, headers: Mapping[str, str], content: bytes) -> Refusal:
        said, fields = _spoken(content)
        location = headers.get("Location")
        if status < 400 and location:
            said = f"go to {public(location)}"
        return Refusal(status, self._scrubbed(said), fields, waiting(headers))

    def _lost(self, failure: Exception) -> RequestError:
        """Explain a call without an answer. A request that was never sent costs nothing."""
        if isinstance(failure, TimeoutError):
            return RequestError(
                f"{self.url} did not answer in time: is it overloaded, or the address wrong?", charged=True
            )
        told = failure.strerror if isinstance(failure, OSError) else str(failure)
        reason = " ".join(self._scrubbed(told or "").split())[:_SHOWN] or type(failure).__name__
        return RequestError(
            f"{self.url} gave no answer ({reason}): is the server running and the address right?",
            lasting=isinstance(failure, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL),
            charged=not isinstance(
                failure, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | aiohttp.InvalidURL
            ),
        )

    def _scrubbed(self, text: str) -> str:
        """Return the text without secrets, for there are servers that repeat what they were sent."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for a host; this machine is reached without one."""
    return None if host in _HERE or proxy_bypass(host) else getproxies().get(scheme)


def public(url: str) -> str:
    """Return the URL without user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


def explained(refusal: Refusal, url: str, room: int, key: str) -> RequestError | ContextError:
    """Return what a refusal of `room` tokens means and what to do; `key` is the name of the key's variable."""
    said = f" ({refusal.said[:_SHOWN]})" if refusal.said else ""
    message = f"{url} answered {refusal.status}{said}: {_remedy(refusal, key)}"
    if refusal.too_long:
        return ContextError(message, excess=excess(refusal, room))
    return RequestError(
        message,
        status=refusal.status,
        retry_after=refusal.retry_after,
        lasting=refusal.lasting,
        charged=refusal.status in _LOST,
    )


def excess(refusal: Refusal, room: int) -> int | None:
    """Return by how many tokens the prompt and `room` more are too long, None where the server tells no numbers."""
    match refusal.fields:
        case {"n_ctx": int(window), "n_prompt_tokens": int(prompt)}:  # llama.cpp
            whole = prompt + room
        case _:
            window, whole, prompt = (_number(form, refusal.said) for form in (_WINDOW, _WHOLE, _PROMPT))
            if whole is None and prompt is not None:
                whole = prompt + room
    return whole - window if whole is not None and window is not None and whole > window else None


def waiting(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of the header Retry-After, which holds a number or a date, or of OpenAI's in milliseconds."""
    for name, unit in (("Retry-After-Ms", 1e-3), ("Retry-After", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        try:
            seconds = float(told) * unit
        except ValueError:
            seconds = _until(told)
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _until(told: str) -> float:
    """Return the seconds until a date, not a number where it is none."""
    try:
        return email.utils.parsedate_to_datetime(told).timestamp() - time.time()
    except (ValueError, OverflowError):
        return math.nan


def _number(form: re.Pattern[str], said: str) -> int | None:
    found = form.search(said)
    return int(next(filter(None, found.groups()))) if found else None


def _spoken(content: bytes) -> tuple[str, Mapping[str, object]]:
    """Return the words and the fields of an error, in whichever form a server sends it."""
    text = content.decode(errors="replace").strip()
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        return ("" if text.startswith("<") else text), {}  # a web page is of no use in a line of text
    match body:
        case {"error": dict()}:
            fields = cast(dict[str, dict[str, object]], body)["error"]
        case {"error": str(said)} | str(said):
            return said, {}
        case dict():
            fields = cast(dict[str, object], body)
        case _:
            return text, {}
    message = fields.get("message") or fields.get("detail") or (json.dumps(fields) if fields else "")
    return str(message), fields


def _remedy(refusal: Refusal, key: str) -> str:
    if refusal.too_long:
        return "shorten the prompt, ask for fewer tokens, or serve the model with a larger context"
    if refusal.used_up:
        return "the account's quota is used up: raise its limit or pay, then resume"
    match refusal.status:
        case 401 | 403:
            return f"is {key} right?"
        case 404 | 405:
            return "does the address end in /v1, and is the model's name right?"
        case 429:
            return "too many requests; wait or ask less at a time"
        case status if status >= 500:
            return "the server is in trouble; try again later or read its log"
        case status if status < 400:
            return "give the address that it names"
        case _:
            return "the request was refused"

"""A model that says what it was told to say: the test double, shipped for tests of your own."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from opro.constraints import Constraint
from opro.errors import ModelError
from opro.types import Generation, Message, Request, Sample, Style, Usage

Reply = Callable[[Request], Sequence[str]]


class ScriptedModel:
    """Says what it is told to: `scripted:FILE` goes round the lines of a file; in Python also a function.

    With a list, a request gets the next `n` replies, whatever its prompt, so that two models made alike and asked alike
    answer alike. Stop strings and `max_tokens` (counted in words) cut replies as a real model would.

    Attributes:
        requests: what was asked, in order.
    """

    def __init__(
        self,
        reply: Reply | Sequence[str],
        *,
        delay: float = 0.0,
        enforces: frozenset[type[Constraint]] = frozenset(),
        style: Style = Style.CONTINUATION,
        fingerprint: str = "",
    ) -> None:
        if not callable(reply) and not reply:
            raise ModelError("a scripted model needs at least one reply")
        self.requests: list[Request] = []
        self.enforces = enforces
        self.style = style
        self.fingerprint = fingerprint or _fingerprint(reply)
        self._reply = reply
        self._delay = delay
        self._said = 0

    @classmethod
    def load(cls, path: str) -> Self:
        r"""Return the model of a text file that holds one reply a line; `\n` stands for a line break.

        Raises:
            ModelError: the file cannot be read, or is empty.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"scripted:{path} needs a text file with one reply a line: {error}") from error
        return cls([line.replace("\\n", "\n") for line in lines])

    async def generate(self, request: Request) -> Generation:
        """Return the next replies."""
        self.requests.append(request)
        texts = self._texts(request)
        await asyncio.sleep(self._delay)
        samples = tuple(_cut(text, request) for text in texts)
        usage = Usage(_words(request.prompt), sum(len(sample.text.split()) for sample in samples))
        return Generation(samples, usage, self._delay)

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def _texts(self, request: Request) -> list[str]:
        """Return `request.n` texts; those of a function are repeated when they are fewer.

        A function is asked for all samples up to the last, so that it need not know that they may come in parts.
        """
        if callable(self._reply):
            texts, start = self._reply(replace(request, n=request.first + request.n, first=0)), request.first
            if not texts:
                raise ModelError("the scripted reply is empty")
        else:
            texts, start = self._reply, self._said
            self._said += request.n
        return [texts[(start + i) % len(texts)] for i in range(request.n)]


def _cut(text: str, request: Request) -> Sample:
    """Return the reply up to the first stop string and no longer than `max_tokens` words."""
    places = [place for stop in request.stop if (place := text.find(stop)) >= 0]
    text = text[: min(places, default=len(text))]
    head = re.match(rf"(?:\s*\S+){{0,{request.max_tokens}}}", text)
    if head is None or not text[head.end() :].strip():
        return Sample(text)
    return Sample(head[0], complete=False)


def _words(prompt: str | tuple[Message, ...]) -> int:
    if isinstance(prompt, str):
        return len(prompt.split())
    return sum(len(message.content.split()) for message in prompt)


def _fingerprint(reply: Reply | Sequence[str]) -> str:
    if callable(reply):
        return f"scripted function {getattr(reply, '__name__', type(reply).__name__)}"
    return "scripted sha256:" + hashlib.sha256("\0".join(reply).encode()).hexdigest()

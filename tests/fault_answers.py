"""What the fault server answers: the texts as a function of the request, and what a fault leaves of them."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

Body = dict[str, Any]
Text = Callable[[str, Random], str]
"""From a prompt and the sample's own generator to what the sample says."""

HUGE = 2 << 20  # characters
BYTES_A_TOKEN = 4
TOKENS_A_MESSAGE = 4


class Fault(StrEnum):
    """What may happen to a request."""

    BUSY = "busy"  # 429
    BUSY_WAIT = "busy-wait"  # 429 with Retry-After
    ERROR_500 = "error-500"
    ERROR_502 = "error-502"
    ERROR_503 = "error-503"
    RESET = "reset"  # the connection is lost after the request was read
    HANG = "hang"  # no answer, ever
    DRIP = "drip"  # the answer comes whole, but in pieces
    TRUNCATED = "truncated"  # half of the JSON
    HTML = "html"  # a web page, with status 200
    FEWER = "fewer"  # choices than were asked for, where more than one was
    EMPTY = "empty"  # texts that cost nothing
    NULL = "null"  # content
    HUGE = "huge"  # texts of 2 MB
    NOT_UTF8 = "not-utf8"
    NO_USAGE = "no-usage"

    @property
    def charged(self) -> bool:
        """Whether a provider would ask money for the request."""
        return self not in (Fault.BUSY, Fault.BUSY_WAIT, Fault.ERROR_500, Fault.ERROR_502, Fault.ERROR_503)


@dataclass(frozen=True)
class Written:
    """What a request is answered without a fault."""

    texts: list[str]
    reasons: list[str]
    prompt_tokens: int
    completion_tokens: int


def pairs(prompt: str, random: Random) -> str:
    """Solve linear regression by guessing, near the last pair of the prompt as a fair model would."""
    known = re.findall(r"w=(-?\d+), b=(-?\d+)", prompt)
    w, b = (int(number) + random.randint(-4, 4) for number in (known[-1] if known else (15, 15)))
    return f"{w}, b={b}\n\n" if prompt.endswith("w=") else f"Let me try another pair.\n[{w}, {b}]"


def instructions(prompt: str, random: Random) -> str:
    """Write an instruction where one is asked for, and else a number as the answer to a question."""
    if "instruction" not in prompt.lower():
        return f"I think about it. The answer is {random.randint(0, 20)}."
    manner = random.choice(("Think", "Reason", "Calculate", "Work"))
    return f"<INS>{manner} step by step, and check {random.randint(2, 9)} times.</INS>"


TEXTS: dict[str, Text] = {"pairs": pairs, "instructions": instructions}


def tokens(text: str) -> int:
    """Return how many tokens a text has here: never more than bytes."""
    return math.ceil(len(text.encode()) / BYTES_A_TOKEN)


def write(body: Body, text: Text) -> Written:
    """Return the answer; sample i of a prompt is a function of the prompt and seed + i, greedily of the prompt."""
    messages = body.get("messages") or [{"content": body.get("prompt", "")}]
    prompt = "\n".join(message["content"] for message in messages)
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 256
    texts: list[str] = []
    reasons: list[str] = []
    spent = 0
    for i in range(body.get("n") or 1):
        number = body.get("seed", 0) + i if body.get("temperature", 1) else "greedy"
        said = text(prompt, Random(f"{number}:{prompt}"))
        cuts = [said.index(stop) for stop in body.get("stop") or () if stop in said]
        said = said[: min(cuts)] if cuts else said
        whole = tokens(said) <= limit
        texts.append(said if whole else said.encode()[: limit * BYTES_A_TOKEN].decode(errors="ignore"))
        reasons.append("stop" if whole else "length")
        spent += min(tokens(said) + 1, limit)  # the token that ends it is paid for as well
    asked = sum(tokens(message["content"]) + TOKENS_A_MESSAGE for message in messages)
    return Written(texts, reasons, asked, spent)


def damaged(written: Written, fault: Fault | None) -> Written:
    """Return what a fault leaves of an answer, as far as it is a matter of the texts."""
    n = len(written.texts)
    if fault is Fault.FEWER and n > 1:
        kept = max(1, n // 2)
        spent = sum(tokens(text) + 1 for text in written.texts[:kept])
        return Written(
            written.texts[:kept], written.reasons[:kept], written.prompt_tokens, min(spent, written.completion_tokens)
        )
    if fault in (Fault.EMPTY, Fault.NULL):
        return Written([""] * n, ["stop"] * n, written.prompt_tokens, 0)
    if fault is Fault.HUGE:
        return Written(["word " * (HUGE // 5)] * n, written.reasons, written.prompt_tokens, written.completion_tokens)
    return written


def encoded(written: Written, path: str, fault: Fault | None) -> bytes:
    """Return the body of the HTTP answer."""
    said = [None if fault is Fault.NULL else text for text in written.texts]
    contents = [{"message": {"role": "assistant", "content": t}} if "chat" in path else {"text": t} for t in said]
    made = [
        {"index": i, "finish_reason": reason} | content
        for i, (content, reason) in enumerate(zip(contents, written.reasons, strict=True))
    ]
    whole: dict[str, object] = {"object": "chat.completion", "choices": made}
    if fault is not Fault.NO_USAGE:
        whole["usage"] = {
            "prompt_tokens": written.prompt_tokens,
            "completion_tokens": written.completion_tokens,
            "total_tokens": written.prompt_tokens + written.completion_tokens,
        }
    data = json.dumps(whole).encode()
    if fault is Fault.TRUNCATED:
        return data[: len(data) // 2]
    return data.replace(b'"choices": [{', b'"choices": [{"name": "\xff\xfe", ') if fault is Fault.NOT_UTF8 else data

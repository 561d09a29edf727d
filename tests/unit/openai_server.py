"""A server on the loopback interface that speaks OpenAI's protocol as a test tells it, and what uses it."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from opro.errors import RequestError
from opro.types import Generation, Message, Request
from scorer_models.openai import OpenAIModel

CHAT = (Message("system", "Be brief."), Message("user", "Hello?"))
Body = dict[str, Any]


@dataclass
class Answer:
    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(message: str, status: int = 400, **fields: object) -> Answer:
    return Answer({"error": {"message": message, "type": "invalid_request_error", **fields}}, status)


def choices(path: str, body: Body, texts: list[str | None] | None = None, **fields: object) -> Answer:
    """Answer as a server that does all that is asked of it; every sample tells its seed, as real servers count it."""
    texts = texts if texts is not None else [f"seed {body.get('seed', 0) + i}" for i in range(body.get("n", 1))]
    made = [
        {"index": i, "finish_reason": "stop"} | ({"message": {"content": t}} if "chat" in path else {"text": t})
        for i, t in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 2 * len(texts), "prompt_tokens_details": {"cached_tokens": 3}}
    return Answer({"choices": made, "usage": usage} | fields)


class Server:
    """A server that keeps what it was asked, and answers as the test says."""

    def __init__(self) -> None:
        self.owner = "someone"
        self.models: object = None
        self.reply: Callable[[str, Body], Answer] = choices
        self.asked: list[tuple[str, Body]] = []
        self.keys: list[str | None] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.host}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def bodies(self) -> list[Body]:
        return [body for _, body in self.asked]

    def answer(self, target: str, body: Body | None) -> Answer:
        path = urlsplit(target).path  # a proxy is sent a whole URL
        if path == "/v1/models" and body is None:
            card = {"id": "tiny", "object": "model", "owned_by": self.owner, "created": 5}
            return self.models if isinstance(self.models, Answer) else Answer({"data": [card, {"id": "other"}]})
        if body is None or path not in {"/v1/completions", "/v1/chat/completions"}:
            return refusal("no such page", 404)
        self.asked.append((path, body))
        return self.reply(path, body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send(outer.answer(self.path, None))

            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                self.send(outer.answer(self.path, json.loads(self.rfile.read(size))))

            def send(self, answer: Answer) -> None:
                outer.keys.append(self.headers["authorization"])
                data = answer.bytes()
                self.send_response(answer.status)
                for name, value in {
                    "content-type": answer.kind,
                    "content-length": str(len(data)),
                    **answer.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = answer.headers.get("connection") == "close"

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


async def generate(server: Server, *requests: Request) -> list[Generation]:
    """Return what one model returns for the requests, one after the other."""
    model = OpenAIModel.load(f"tiny@{server.url}")
    try:
        return [await model.generate(request) for request in requests]
    finally:
        await model.close()


async def failure(server: Server, request: Request | None = None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await generate(server, request or Request(prompt="x"))
    return caught.value


def once(refused: Callable[[Body], bool], answer: Answer) -> Callable[[str, Body], Answer]:
    """Refuse the bodies that `refused` names."""
    return lambda path, body: answer if refused(body) else choices(path, body)

"""A stub of an OpenAI-compatible server on 127.0.0.1: a function of the test stands in for the model.

The client, what it sends, and the HTTP between them are real.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """The requests so far, and where they went."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def serve(model: Callable[[dict[str, Any]], Any]) -> Iterator[Received]:
    """``model`` gets the body of a request and returns the text of the answer, a message (dict), or (status, body[,
    headers]).
    """
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.bodies.append(body)
            received.headers.append({name.lower(): value for name, value in self.headers.items()})
            found = model(body)
            status, reply, headers = (*found, {})[:3] if isinstance(found, tuple) else (200, get_reply(found), {})
            data = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    received.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


def get_reply(message: str | dict[str, Any]) -> dict[str, Any]:
    """The body of an answer: one token a word."""
    shown = {"role": "assistant", **(message if isinstance(message, dict) else {"content": message})}
    count = len(str(shown.get("content") or "").split())
    return {
        "id": "stub",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [{"index": 0, "finish_reason": "stop", "message": shown}],
        "usage": {"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count},
    }

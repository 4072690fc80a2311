"""What stands in front of a served model: who gets through, and that nobody blocks the others."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import httpx
import pytest
from asynchronous import run_async
from gaslamp.core.ports import get_number, get_private_port, hold_port
from gaslamp.export.llamacpp import front
from gaslamp.export.llamacpp.front import BODY_BYTES, CONNECTIONS, Head, Refused, check, parse_head

PAGE = "http://127.0.0.1:7000"
GO_ON = Event()


class Inner(BaseHTTPRequestHandler):
    """Says what came; /slow begins an answer and ends it when the test says so."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        if self.path == "/slow":
            self.wfile.write(b"first ")
            GO_ON.wait(90)
        self.wfile.write(b"last")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = json.dumps({"path": self.path, "bytes": len(body), "key": self.headers["Authorization"]})
        self.send_response(201)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """No lines between those of the tests."""


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The front as it is started, before a server that is none of llama.cpp's."""
    inner = ThreadingHTTPServer(("127.0.0.1", 0), Inner)
    Thread(target=inner.serve_forever, daemon=True).start()
    with hold_port(get_private_port(), tries=1) as held:
        port, number = get_number(held), held.fileno()
        command = [sys.executable, "-I", "-S", front.__file__, str(number), str(inner.server_port), PAGE]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(number,))
    with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:  # until it listens
        assert client.get(f"http://127.0.0.1:{port}/health", timeout=90).text == "last"
    yield port, process
    assert process.stdin
    process.stdin.close()
    assert process.wait(90) == 0, "it ends with the server that holds the other end"
    inner.shutdown()


OWN = "127.0.0.1:8081"
CASES: list[tuple[dict[str, str], int]] = [
    ({"host": OWN}, 0),
    ({"host": "localhost:9000"}, 0),
    ({"host": "localhost"}, 0),
    ({"host": OWN, "origin": f"http://{OWN}"}, 0),
    ({"host": OWN, "origin": PAGE}, 0),
    ({"host": "LOCALHOST.evil.example"}, 403),
    ({"host": "127.0.0.1.nip.io:8081"}, 403),
    ({"host": "evil.example:8081"}, 403),
    ({"host": "evil.example#127.0.0.1:8081"}, 403),
    ({"host": ""}, 403),
    ({}, 403),
    ({"host": OWN, "origin": "http://evil.example"}, 403),
    ({"host": OWN, "origin": "null"}, 403),
    ({"host": OWN, "origin": ""}, 403),
    ({"host": OWN, "origin": "http://127.0.0.1:3000"}, 403),
    ({"host": OWN, "content-length": str(BODY_BYTES)}, 0),
    ({"host": OWN, "content-length": str(BODY_BYTES + 1)}, 413),
    ({"host": OWN, "content-length": "9" * 15}, 413),
    ({"host": OWN, "content-length": "9" * 400}, 400),
    ({"host": OWN, "content-length": "-1"}, 400),
    ({"host": OWN, "content-length": "1_0"}, 400),
    ({"host": OWN, "content-length": "٣"}, 400),
    ({"host": OWN, "transfer-encoding": "chunked"}, 411),
]


@pytest.mark.parametrize(("fields", "status"), CASES)
def test_who_gets_through(fields: dict[str, str], status: int) -> None:
    head = Head("POST / HTTP/1.1", list(fields.items()))
    if not status:
        assert check(head, PAGE) == int(fields.get("content-length", 0))
        return
    with pytest.raises(Refused) as caught:
        check(head, PAGE)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["host", "origin", "content-length"])
def test_a_field_that_stands_twice_is_refused(name: str) -> None:
    fields = {"host": OWN, "origin": PAGE, "content-length": "0"}
    with pytest.raises(Refused):
        check(Head("GET / HTTP/1.1", [*fields.items(), (name, fields[name])]), PAGE)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        b"A B C\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="not a request"):
        parse_head(data)


def test_requests_pass_whole(served: tuple[int, subprocess.Popen[bytes]]) -> None:
    url = f"http://127.0.0.1:{served[0]}/v1/chat?a=b"
    body = b"x" * 3_000_000
    answer = httpx.post(url, content=body, headers={"Authorization": "Bearer k"}, trust_env=False, timeout=90)
    assert answer.status_code == 201
    assert answer.json() == {"path": "/v1/chat?a=b", "bytes": len(body), "key": "Bearer k"}
    refused = httpx.get(url, headers={"Origin": "http://evil.example"}, trust_env=False)
    assert refused.status_code == 403 and "other sites" in refused.text


def test_an_answer_comes_as_it_is_made(served: tuple[int, subprocess.Popen[bytes]]) -> None:
    with httpx.stream("GET", f"http://127.0.0.1:{served[0]}/slow", trust_env=False, timeout=90) as answer:
        parts = answer.iter_bytes()
        assert next(parts) == b"first "
        GO_ON.set()
        assert b"".join(parts) == b"last"


def test_half_open_connections_block_nobody(served: tuple[int, subprocess.Popen[bytes]]) -> None:
    """More of them than there is room for: the oldest give way."""
    held = [socket.create_connection(("127.0.0.1", served[0])) for _ in range(CONNECTIONS + 40)]
    try:
        for number, one in enumerate(held):
            one.sendall(b"GET /health HTTP/1.1\r\nHost: " if number % 2 else b"")
        assert httpx.get(f"http://127.0.0.1:{served[0]}/health", trust_env=False, timeout=90).text == "last"
    finally:
        for one in held:
            one.close()


def test_a_silent_client_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the head and in the body."""
    monkeypatch.setattr(front, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(front, "BODY_SECONDS", 0.05)

    async def see() -> list[bytes]:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        inner = await asyncio.start_server(take, "127.0.0.1", 0)
        outer = front.Front(0, inner.sockets[0].getsockname()[1], None)
        server = await asyncio.start_server(outer.serve, "127.0.0.1", 0)
        found = []
        async with inner, server:
            for sent in (b"", b"GET", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(sent)
                found.append(await asyncio.wait_for(reader.read(), 90))
                writer.close()
        return found

    assert run_async(see) == [b"", b"", b""]

"""A small server in front of llama-server: who may ask, how much, and for how long a connection may say nothing.

llama-server has a thread for each connection and no limit for one that sends half a request: two hundred of those, and
/health answers no more. It looks at neither ``Host`` nor ``Origin``, so that a site with a name that points to
127.0.0.1 reaches it. This program reads the head of each request, refuses what is wrong, passes the rest through, one
request a connection, and ends with the server. Standard library only: it starts in a twentieth of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

HEAD_BYTES, HEAD_SECONDS = 65_536, 10.0
BODY_BYTES, BODY_SECONDS = 33_554_432, 30.0
"""Of a request: a conversation with images fits. The seconds are those without a byte."""
CONNECTIONS = 128
"""At a time; one more takes the place of the oldest that has not sent its head."""
NAMES = ("127.0.0.1", "localhost")


class Head(NamedTuple):
    """The head of a request: its first line, and its fields with names in lower case."""

    line: str
    fields: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The value of a field; None: it is not there. Twice is as bad as a wrong value: an empty text."""
        values = [value for key, value in self.fields if key == name]
        return values[0] if len(values) == 1 else "" if values else None


class Refused(Exception):
    """What is wrong with a request: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def parse_head(data: bytes) -> Head:
    """Raises Refused for what is no head of HTTP/1."""
    lines = data.decode("latin-1").split("\r\n")[:-2]
    pairs = [line.partition(":") for line in lines[1:]]
    if not lines or len(lines[0].split(" ")) != 3 or not all(name.strip() == name and name for name, _, _ in pairs):
        raise Refused(400, "not a request")
    if not all(colon for _, colon, _ in pairs) or not lines[0].split(" ")[2].startswith("HTTP/1."):
        raise Refused(400, "not a request")
    return Head(lines[0], [(name.lower(), value.strip()) for name, _, value in pairs])


def check(head: Head, page: str | None) -> int:
    """How many bytes of body follow.

    Args:
        head: of the request.
        page: another address whose pages may use this server.

    Raises:
        Refused: for another name than this machine's, a foreign page, a body without a length or of too many bytes.
    """
    host, origin, length = head.get("host"), head.get("origin"), head.get("content-length")
    if not host or host.rpartition(":")[0] not in NAMES and host not in NAMES:
        raise Refused(403, "this server answers to 127.0.0.1 and localhost only")
    if origin is not None and origin not in (f"http://{host}", page):
        raise Refused(403, "pages of other sites may not use this server")
    if head.get("transfer-encoding") is not None:
        raise Refused(411, "send the body with its Content-Length")
    if length is not None and not (length.isascii() and length.isdigit() and len(length) < 16):
        raise Refused(400, "Content-Length is no number")
    if int(length or 0) > BODY_BYTES:
        raise Refused(413, f"the request is larger than {BODY_BYTES // 2**20} MiB")
    return int(length or 0)


class Front:
    """Serves a listening socket with what answers at the port ``inner`` of 127.0.0.1."""

    def __init__(self, held: socket.socket, inner: int, page: str | None) -> None:
        self.held, self.inner, self.page = held, inner, page
        self.waiting: dict[asyncio.StreamWriter, None] = {}  # without a head yet, the oldest first
        self.count = 0

    async def run(self, ended: Callable[[], object]) -> None:
        """Serve until ``ended`` returns, which may take a thread."""
        server = await asyncio.start_server(self.serve, sock=self.held, limit=HEAD_BYTES, backlog=512)
        async with server:
            await asyncio.get_running_loop().run_in_executor(None, ended)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.count += 1
        self.waiting[writer] = None
        if self.count > CONNECTIONS:
            next(iter(self.waiting)).transport.abort()
        try:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                await self.answer(reader, writer)
        finally:
            self.waiting.pop(writer, None)
            self.count -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(BODY_SECONDS):
                    await writer.wait_closed()
            writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Check the request and pass it on, or say why not."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                try:
                    head = parse_head(await reader.readuntil(b"\r\n\r\n"))
                except asyncio.LimitOverrunError:
                    raise Refused(431, "the head of the request is too long") from None
            size = check(head, self.page)
        except Refused as refused:
            text = f"{refused.reason}\n".encode()
            line = f"HTTP/1.1 {refused.status} Refused\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            writer.write(f"{line}Content-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
            return
        self.waiting.pop(writer, None)
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.inner)
        except OSError:  # it still loads the model
            writer.write(b"HTTP/1.1 503 Loading\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        try:
            kept = [(name, value) for name, value in head.fields if name not in ("connection", "keep-alive", "expect")]
            lines = [head.line, *(f"{name}: {value}" for name, value in kept), "connection: close", "", ""]
            inner_writer.write("\r\n".join(lines).encode("latin-1"))
            if (head.get("expect") or "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self.pass_body(reader, inner_writer, size)
            await self.pass_answer(reader, writer, inner_reader)
        finally:
            inner_writer.transport.abort()

    async def pass_body(self, reader: asyncio.StreamReader, inner: asyncio.StreamWriter, size: int) -> None:
        """The ``size`` bytes of the body; a client that stops sending loses its connection."""
        while size:
            async with asyncio.timeout(BODY_SECONDS):
                part = await reader.read(min(size, HEAD_BYTES))
            if not part:
                raise EOFError
            size -= len(part)
            inner.write(part)
            await inner.drain()

    async def pass_answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: asyncio.StreamReader
    ) -> None:
        """The answer, as it comes; llama-server stops computing when the client is gone."""

        async def pump() -> None:
            while part := await inner.read(HEAD_BYTES):
                writer.write(part)
                async with asyncio.timeout(BODY_SECONDS):
                    await writer.drain()

        answer, gone = asyncio.create_task(pump()), asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and not gone.result():
                return
            await answer
        finally:
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


def main(held: int, inner: int, page: str | None) -> None:
    """Serve the socket with the number ``held`` until standard input ends: the server holds its other end."""
    asyncio.run(Front(socket.socket(fileno=held), inner, page).run(sys.stdin.buffer.read))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)

"""Holds a connection to an MCP server for the driver mcp, between the steps of a run: the machine lives as long as it.

    python -m gaslamp.remote.mcp_holder SOCKET TOOL PROGRAM [ARGUMENT ...]

It listens on a Unix socket. A request is one line of JSON, ``{"code": ..., "seconds": ...}`` or ``{"stop": true}``, the
reply is another, ``{"text": ...}`` or ``{"error": ...}``. It ends when it is stopped, when the server ends, or when
nobody has called for IDLE seconds.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio.abc import SocketStream

IDLE = 1800.0
CONNECT = "open_colab_browser_connection"
"""The tool of colab-mcp that opens a browser and waits for a click."""
ENDING = "execute_code"
"""How the tool that runs a cell is called where none is named: runtime_execute_code in colab-mcp."""
MOST = 1 << 30


def get_texts(value: object) -> Iterator[str]:
    """All that a cell printed, from what a tool returned: outputs of a notebook, or text, or JSON inside of text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from get_texts(one)
    elif isinstance(value, dict):
        for key in ("result", "outputs", "text", "data", "text/plain", "ename", "evalue"):
            if key in value:
                yield from get_texts(value[key])


def read_result(structured: object, texts: list[str]) -> str:
    """What the cell printed."""
    if structured is not None:
        return "\n".join(get_texts(structured))
    found = []
    for text in texts:
        try:
            found += list(get_texts(json.loads(text)))
        except ValueError:
            found.append(text)
    return "\n".join(found)


async def hold(place: str, tool: str, command: list[str]) -> str | None:
    """Start the server, connect, and answer until it is stopped; what is wrong with the server, or ``None``.

    Args:
        place: of the socket.
        tool: that runs a cell; empty: the first whose name ends with ENDING.
        command: of the server.
    """
    import anyio
    from mcp import Client, StdioServerParameters, stdio_client

    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        names = [one.name for one in (await client.list_tools()).tools]
        if CONNECT in names:
            await client.call_tool(CONNECT, {})
            names = [one.name for one in (await client.list_tools()).tools]
        chosen = tool or next((name for name in names if name.endswith(ENDING)), "")
        if chosen not in names:
            listed = ", ".join(names) or "none"
            return f"the server has no tool {tool or f'that ends with {ENDING}'}; it has: {listed}"
        done, last = anyio.Event(), [anyio.current_time()]

        async def answer(stream: SocketStream) -> None:
            async with stream:
                request = json.loads(await read_line(stream))
                last[0] = anyio.current_time()
                reply: dict[str, str] = {}
                if request.get("stop"):
                    done.set()
                else:
                    try:
                        with anyio.fail_after(float(request["seconds"])):
                            result = await client.call_tool(chosen, {"code": request["code"]})
                        texts = [block.text for block in result.content if block.type == "text"]
                        printed = read_result(result.structured_content, texts)
                        reply = {"error": printed} if result.is_error else {"text": printed}
                    except Exception as error:  # whatever the server does: the step says it
                        reply = {"error": f"{type(error).__name__}: {error}"}
                await stream.send(json.dumps(reply).encode() + b"\n")

        listener = await anyio.create_unix_listener(place, mode=0o600)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer)
            while not done.is_set() and anyio.current_time() - last[0] < IDLE:
                with anyio.move_on_after(5):
                    await done.wait()
            group.cancel_scope.cancel()
    return None


async def read_line(stream: SocketStream) -> bytes:
    """All bytes to the end of the line."""
    found = b""
    while not found.endswith(b"\n"):
        found += await stream.receive()
    return found


def main() -> None:
    """Hold the connection; the last line of the log says why that does not work."""
    import anyio

    try:
        problem = anyio.run(hold, sys.argv[1], sys.argv[2], sys.argv[3:])
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        problem = f"{type(error).__name__}: {error}"
    sys.exit(problem)


if __name__ == "__main__":
    main()

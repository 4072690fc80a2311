"""STAND-IN for colab-mcp --enable-runtime: a real MCP server over stdio with the same tool, on a real kernel here."""

from __future__ import annotations

import queue
import sys
from typing import Any

from jupyter_client.manager import start_new_kernel
from mcp.server.mcpserver import MCPServer

server = MCPServer("runtime")
manager, client = start_new_kernel(kernel_name="python3", cwd=sys.argv[1])


@server.tool(name="runtime_execute_code")
def execute_code(code: str) -> list[dict[str, Any]]:
    """Outputs of a cell, as colab-mcp returns them; like there, a cell that is silent for ten seconds is given up."""
    outputs: list[dict[str, Any]] = []
    wanted = client.execute(code)
    while True:
        try:
            message = client.get_iopub_msg(timeout=10)
        except queue.Empty:
            raise TimeoutError("Timeout waiting for output") from None
        if message["parent_header"].get("msg_id") != wanted:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind in ("stream", "error"):
            outputs.append({"output_type": kind, **content})
        elif kind == "status" and content["execution_state"] == "idle":
            return outputs


try:
    server.run("stdio")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)

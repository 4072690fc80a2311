"""A labelled stand-in for colab-mcp (mcp_server.py): a real MCP server over stdio, backed by a real kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("mcp_server.py")


@contextmanager
def stand(folder: Path) -> Iterator[dict[str, object]]:
    """The section ``remote`` for the contract test."""
    pytest.importorskip("mcp")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("project", "there"):
            (folder / name).mkdir()
        patch.chdir(folder / "project")
        yield {"driver": "mcp", "mcp_command": [sys.executable, "-P", str(SERVER), str(folder / "there")]}

"""A llama-server that outlives the command that started it: its state file, its key, start and stop."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from gaslamp.core.files import read_json
from gaslamp.export.llamacpp.process import find_process, stop_process
from gaslamp.export.llamacpp.server import LlamaServer, ServerState
from gaslamp.export.llamacpp.toolchain import Toolchain

SERVED, SERVED_BASE = Path("outputs") / "serve.json", Path("outputs") / "serve_base.json"
"""State files of what `make deploy` or `make serve` started in the project folder: the tuned model, the base model."""


def make_key_file(path: Path) -> str:
    """Write a new random API key to ``path``, readable by its owner only, and return the key."""
    key = secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(key + "\n")
    return key


def start_background(
    toolchain: Toolchain, model: Path, *, state_file: Path, log: Path, port: int | socket.socket, **options: object
) -> ServerState:
    """Start a server that outlives this process; one that ``state_file`` records is stopped first.

    Args:
        toolchain: contents of toolchain.json.
        model: GGUF file.
        state_file: receives the state of the server.
        log: receives everything llama-server prints; its size is bounded.
        port: on 127.0.0.1, or a listening socket that holds it.
        options: fields of ServerOptions.
    """
    stop_background(state_file)
    server = LlamaServer(toolchain, model, log=log, port=port, **options)
    state = server.start(state_file)
    server.http.close()
    return state


def read_state(state_file: Path) -> ServerState | None:
    """The state in ``state_file`` when its process still runs, else None."""
    if not Path(state_file).is_file():
        return None
    state: ServerState = read_json(state_file)
    return state if find_process(state["pid"], state["created"]) else None


def stop_background(state_file: Path) -> bool:
    """Stop the server recorded in ``state_file`` and delete the file; False when none was running."""
    state = read_state(state_file)
    if state:
        stop_process(state["pid"], state["created"])
        if "front" in state:  # it ends with the server; its port must be free when this returns
            number, created = state["front"]
            stop_process(int(number), created)
    Path(state_file).unlink(missing_ok=True)
    return state is not None

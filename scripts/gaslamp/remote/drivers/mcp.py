"""A kernel behind an MCP server, such as colab-mcp: any tool that runs Python and returns what it printed."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import gaslamp
from gaslamp.config.slices import Slice
from gaslamp.core.artefact import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.liveness import is_alive
from gaslamp.environment.findings import Problem
from gaslamp.remote.driver import Lease, RemoteError
from gaslamp.remote.kernel import KernelMachine
from gaslamp.remote.place import FOLDER, get_folder_name, get_used

TITLE = "a notebook kernel behind an MCP server"
RELEASES = True
BEGIN = 180.0  # seconds for the server to start; colab-mcp waits a minute for a click in the browser
LOG = "mcp.log"
EXAMPLE = "[uvx, git+https://github.com/googlecolab/colab-mcp, --enable-runtime]"


def find_problems(settings: Slice) -> list[Problem]:
    """No server is named, or its program or the library is missing."""
    command = settings.remote.mcp_command
    if not command:
        return [Problem("remote.mcp_command is not set", f"set remote.mcp_command in config.yaml: {EXAMPLE}")]
    problems = []
    if shutil.which(os.path.expanduser(command[0])) is None:
        problems.append(
            Problem(f"remote.mcp_command names {command[0]}, which is no program here", "install it, or write its path")
        )
    if find_spec("mcp") is None:
        problems.append(Problem("the package mcp is not installed", f"{sys.executable} -m pip install mcp"))
    if settings.remote.hf_token:
        problems.append(
            Problem(
                "remote.hf_token is true, and an MCP server may log all that it runs",
                "set remote.hf_token: false and log in over there, or take another driver",
            )
        )
    return problems


def open(settings: Slice, lease: Lease | None, keep: Callable[[Lease], None]) -> McpMachine:
    """The server that holds the machine of ``lease``, or a new one."""
    folder = f"{settings.remote.folder}/{get_folder_name(Path.cwd())}"
    if lease is not None:
        machine = McpMachine(lease)
        machine.enter(folder)
        return machine
    if problems := find_problems(settings):
        raise GaslampError(problems[0].cause, problems[0].fix)
    command = [os.path.expanduser(settings.remote.mcp_command[0]), *settings.remote.mcp_command[1:]]
    place = Path(tempfile.mkdtemp(prefix="gl-mcp-")) / "socket"  # the path of a socket has at most 107 characters
    log = FOLDER / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "PYTHONPATH": str(Path(gaslamp.__file__).parents[1])}
    with log.open("wb") as handle:
        holder = subprocess.Popen(
            [sys.executable, "-m", "gaslamp.remote.mcp_holder", str(place), settings.remote.mcp_tool or "", *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,  # it outlives this step: the machine goes away with it
        )
    details = {"socket": str(place), "pid": str(holder.pid), "begun": str(time.time())}
    name = f"{Path(command[0]).name}-{secrets.token_hex(4)}"
    words = f"the machine of {shlex.join(settings.remote.mcp_command)[:80]}"
    machine = McpMachine(
        Lease(driver="mcp", name=name, machine=words, folder="", started=now(), details=details), holder
    )
    keep(machine.lease)
    try:
        machine.wait(log)
        machine.enter(folder)
    except BaseException:
        machine.release()
        raise
    return machine


class McpMachine(KernelMachine):
    """The kernel behind a holder (mcp_holder.py)."""

    waits = 4.0  # colab-mcp gives up a cell that is silent for ten seconds

    def __init__(self, lease: Lease, holder: subprocess.Popen[bytes] | None = None) -> None:
        super().__init__(lease)
        self._holder = holder

    def wait(self, log: Path) -> None:
        """Wait until the holder listens."""
        end = time.monotonic() + BEGIN
        while not Path(self.lease.details["socket"]).exists():
            if not self._is_there() or time.monotonic() > end:
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise GaslampError(
                    f"the MCP server did not start: {' | '.join(said[-3:]) or 'it said nothing'}",
                    f"see {log}; the command is remote.mcp_command in config.yaml",
                    "colab-mcp opens a browser and waits a minute for your click",
                )
            time.sleep(0.05)

    def _is_there(self) -> bool:
        if self._holder is not None:
            return self._holder.poll() is None
        details = self.lease.details
        return is_alive(int(details["pid"]), float(details["begun"]))

    def _call(self, request: dict[str, object], seconds: float) -> dict[str, str]:
        """One request to the holder."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(seconds)
                connection.connect(self.lease.details["socket"])
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    line = stream.readline()
        except TimeoutError:
            raise RemoteError(
                "network", f"{self.lease.machine} did not answer within {seconds:.0f} s", "run the same command"
            ) from None
        except OSError:
            line = b""
        if not line:
            raise RemoteError(
                "lost",
                f"the MCP server of {self.lease.name} has ended, and its machine with it",
                "run the same command: a new machine goes on from the last checkpoint that came home",
                f"see {FOLDER / LOG}",
            )
        reply: dict[str, str] = json.loads(line)
        return reply

    def _execute(self, code: str, seconds: float) -> str:
        reply = self._call({"code": code, "seconds": seconds + 30}, seconds + 60)
        if "error" in reply:
            if "ModuleNotFoundError" in reply["error"]:
                return reply["error"]
            raise RemoteError(
                "network", f"{self.lease.machine}: {reply['error'][-300:]}", "run the same command: it goes on"
            )
        return reply["text"]

    def _send_secret(self, text: str, path: str) -> None:
        """In a cell, which a server may log: ``find_problems`` refuses a config that would send a secret."""
        self._ask("write", path=path, data=base64.b64encode(text.encode()).decode("ascii"))

    def release(self) -> str:
        """End the server, which gives its machine back."""
        used = f"{self.lease.machine} was used for {get_used(self.lease.started)}"
        try:
            self._call({"stop": True}, 30)
        except RemoteError as error:
            if error.kind != "lost":
                raise
        end = time.monotonic() + 60
        while self._is_there() and time.monotonic() < end:
            time.sleep(0.05)
        if self._is_there():
            raise RemoteError("network", f"the MCP server {self.lease.name} does not end", "run make remote-stop again")
        shutil.rmtree(Path(self.lease.details["socket"]).parent, ignore_errors=True)
        return f"{used}; its MCP server has ended, which gives it back"

"""A llama-server process on 127.0.0.1 with a client, for as long as a ``with`` statement lasts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NotRequired, TypedDict

import httpx
import psutil

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.core.guard import Guard
from gaslamp.core.ports import get_number, get_private_port, hold_port
from gaslamp.export.llamacpp import front, log_pump
from gaslamp.export.llamacpp.client import LlamaClient
from gaslamp.export.llamacpp.process import stop_process
from gaslamp.export.llamacpp.toolchain import Toolchain

SCHEMA_VERSION = 1
HEALTH_SECONDS = 600.0
BATCH_PARALLEL = 4
"""Slots for bulk work where speed counts more than exact repeatability.

Measured on two cores, 135M q8_0, 86-token prompts with a shared start, answers of about 20 tokens, 2 threads:
3.0 rows/s with 1 slot, 3.6 with 2, 4.3 with 4, 4.3 with 8, 3.8 with 16. One thread halves it. Rounding depends on how
many answers are computed together, so a few greedy answers change (1 or 2 of 32 with 2 to 8 slots, 14 of 32 with 16):
results that must be exactly repeatable, as in an evaluation, need ``parallel=1``, which is the default.
"""


class ServerState(TypedDict):
    """A server process, as written to the state file of one in the background."""

    schema_version: int
    pid: int
    created: float  # start time of the process: with the pid it identifies it
    port: int
    url: str
    alias: str
    model: str
    log: str
    command: list[str]
    front: NotRequired[list[float]]  # number and start time of the process in front of it


@dataclass(frozen=True)
class ServerOptions:
    """How a model is served.

    With an adapter each request may name its own scale, and llama-server's prompt cache does not record with which
    scale a prompt was read: it is keyed by tokens alone, and a request that names no scale reuses what another scale
    left in its slot. So both caches are off by default then; a request that names scale and ``cache_prompt`` is safe.
    """

    alias: str = "model"  # model name in the API
    context: int = 4096  # tokens of a conversation, prompt and answer together
    parallel: int = 1  # slots: conversations answered at the same time
    threads: int | None = None  # compute threads; None: llama-server's own choice (physical cores)
    lora: Path | None = None  # adapter GGUF applied to the model
    lora_scale: float = 1.0  # for requests that name no scale; 1 as trained, 0 off
    mmproj: Path | None = None  # vision tower of a vision model
    pooling: str | None = None  # mean or last: the server returns one vector for a text, and generates nothing
    origin: str | None = None  # address whose pages may read the answers; None: the server's own
    page: Path | None = None  # folder of a chat page to serve at ``/``
    api_key_file: Path | None = None  # with the key that clients must send; its mode is set to 600

    def get_command(self, toolchain: Toolchain, model: Path, port: int, public: int | None = None) -> list[str]:
        """The command line of llama-server; ``public`` is the port that clients see, where that is another one."""
        command = [toolchain["tools"]["llama-server"], "--host", "127.0.0.1", "--port", str(port)]
        command += ["--model", str(model), "--alias", self.alias.replace(",", " ")]  # a comma would begin another name
        command += ["--ctx-size", str(self.context * self.parallel), "--parallel", str(self.parallel)]
        # Without an explicit origin llama-server lets any web page that the user visits read its answers.
        command += ["--cors-origins", self.origin or f"http://127.0.0.1:{public or port}", "--no-cors-credentials"]
        if self.origin:  # another server's page sends the key; the default "*" does not cover that header
            command += ["--cors-headers", "Authorization, Content-Type"]
        command += ["--jinja", "--no-slots", "--metrics", "--offline", "--no-kv-unified"]
        if self.threads:
            command += ["--threads", str(self.threads), "--threads-batch", str(self.threads)]
        if self.lora:
            command += ["--lora-scaled", f"{self.lora}:{self.lora_scale:g}", "--cache-ram", "0", "--no-cache-prompt"]
        if self.mmproj:
            command += ["--mmproj", str(self.mmproj)]
        if self.pooling:
            # A conversation is read to its end: by default an answer at its end would be one to be continued.
            command += ["--no-prefill-assistant", "--embeddings", "--pooling", self.pooling]
            # Each text is read in one batch, so a batch is as long as the context.
            command += ["--batch-size", str(self.context), "--ubatch-size", str(self.context)]
        command += ["--path", str(self.page)] if self.page else ["--no-ui"]
        if self.api_key_file:
            command += ["--api-key-file", str(self.api_key_file)]
        return command


class LlamaServer(LlamaClient):
    """One llama-server process and its client; use it in a ``with`` statement.

    Args:
        toolchain: contents of toolchain.json.
        model: GGUF file.
        log: receives everything llama-server prints.
        port: on 127.0.0.1, or a listening socket that holds it and is closed here; None takes any free one.
        options: fields of ServerOptions.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        model: Path,
        *,
        log: Path,
        port: int | socket.socket | None = None,
        **options: Any,
    ) -> None:
        self.options = ServerOptions(**options)
        self.toolchain = toolchain
        self.model = Path(model)
        self.port = port
        self.log = Path(log)
        self.state: ServerState | None = None
        self.pump: subprocess.Popen[bytes] | None = None
        self.front: subprocess.Popen[bytes] | None = None
        self.guard: Guard | None = None

    def __enter__(self) -> LlamaServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, state_file: Path | None = None) -> ServerState:
        """Start llama-server and wait until it is healthy.

        Args:
            state_file: with it the server outlives this process, which else takes it along however it ends, its log
                is bounded (``log_pump``), and requests are checked first (``front``). It is written before the wait
                begins, so that an interrupted start can be stopped too.

        Raises:
            GaslampError: a file is missing, the port is taken, or the server ends or does not load the model.
        """
        options = self.options
        for path in (self.model, options.lora, options.mmproj, options.page, options.api_key_file):
            if path is not None and not Path(path).exists():
                raise GaslampError(f"{path} is missing", "run snakemake again: it rebuilds what is missing")
        detached = state_file is not None
        held = (
            hold_port(self.port or get_private_port(), tries=1)
            if not isinstance(self.port, socket.socket)
            else self.port
        )
        port = get_number(held)
        key = ""
        if options.api_key_file:
            os.chmod(options.api_key_file, 0o600)
            key = Path(options.api_key_file).read_text(encoding="utf-8").split("\n")[0].strip()
        inner = get_private_port() if detached else port
        command = options.get_command(self.toolchain, self.model, inner, port)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # llama.cpp reads options from such variables too: only those of the command line count
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LLAMA_", "AIP_"))}
        watched, alive = os.pipe()  # the server holds one end as long as it lives, its front waits at the other
        if not detached:
            held.close()  # llama-server takes no socket: it binds the port itself
        with held, self._open_log(detached) as sink, os.fdopen(watched, "rb"), os.fdopen(alive, "wb"):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=detached,
                env=environment,
                pass_fds=(alive,) if detached else (),
            )
            if detached:
                self.front = subprocess.Popen(
                    [
                        sys.executable,
                        "-I",
                        "-S",
                        front.__file__,
                        str(held.fileno()),
                        str(inner),
                        *filter(None, [options.origin]),
                    ],
                    pass_fds=(held.fileno(),),
                    stdin=watched,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        self.process = process
        self.guard = None if detached else Guard(process.pid)
        self.state = {
            "schema_version": SCHEMA_VERSION,
            "pid": process.pid,
            "created": psutil.Process(process.pid).create_time(),
            "port": port,
            "url": f"http://127.0.0.1:{port}",
            "alias": options.alias,
            "model": str(self.model),
            "log": str(self.log),
            "command": command,
        }
        if self.front:
            self.state["front"] = [self.front.pid, psutil.Process(self.front.pid).create_time()]
        super().__init__(self.state["url"], key, options.parallel, options.lora is not None, self.log)
        try:
            if state_file:
                write_json(state_file, self.state)
            self._wait()
        except BaseException:
            self.stop()
            if state_file:
                Path(state_file).unlink(missing_ok=True)
            raise
        return self.state

    def _open_log(self, bounded: bool) -> IO[Any]:
        """Where the server prints to: the log file itself, or the program that keeps the log of a long run small."""
        if not bounded:
            return self.log.open("w", encoding="utf-8")
        command = [sys.executable, "-I", "-S", log_pump.__file__, str(self.log), str(log_pump.LIMIT)]
        self.pump = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        assert self.pump.stdin is not None
        return self.pump.stdin

    def _wait(self) -> None:
        """Wait until /health reports ok; raises GaslampError with llama-server's last lines when the process ends."""
        deadline = time.monotonic() + HEALTH_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                if self.pump:
                    self.pump.wait(timeout=30)  # it ends with the server: then the last lines are in the file
                raise _explain(self.process.returncode, self.log)
            if self.front and self.front.poll() is not None:
                raise GaslampError(
                    f"the program in front of llama-server ended (exit {self.front.returncode})", "run the same command"
                )
            try:
                if self.http.get("/health", timeout=2.0).status_code == 200 and self.process.poll() is None:
                    return  # alive: it is our process that answered
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.05)
        raise GaslampError(
            f"llama-server did not load {self.model} within {HEALTH_SECONDS:.0f} s",
            "close other programs and run the same command",
            f"the model does not fit this machine: choose a smaller one, or a smaller context; see {self.log}",
        )

    def find_crash(self) -> GaslampError | None:
        """The error of the server process when it has ended."""
        return _explain(self.process.returncode, self.log) if self.process.poll() is not None else None

    def stop(self) -> None:
        """Stop exactly the process that ``start`` started; a second call does nothing."""
        if not self.state:
            return
        self.http.close()
        stop_process(self.state["pid"], self.state["created"])
        self.process.wait(timeout=30)
        for helper in (self.pump, self.front):
            if helper:
                helper.wait(timeout=30)
        if self.guard:
            self.guard.close()
        self.state = None


def _explain(code: int, log: Path) -> GaslampError:
    """The error for a llama-server that ended: its own last lines and what they usually mean."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line.lower() for word in ("error", "failed", "invalid", "couldn"))]
    text = " | ".join((errors or lines)[-4:])[-700:]
    lower = text.lower()
    fix = f"read the end of {log}"
    if code in (-9, 137) or "alloc" in lower or "out of memory" in lower:
        fix = "the machine is out of memory: close other programs, lower the context, or choose a smaller model"
    elif code in (-4, 132):
        fix = "the tools were built for another processor: delete the llama.cpp folder in the cache and run again"
    elif "bind" in lower or "address already in use" in lower:
        fix = "another program took the port: run the same command again, a free one is chosen"
    elif "unknown model architecture" in lower or "magic" in lower or "load model" in lower:
        fix = "the GGUF file is damaged or newer than these tools: delete it and run the same command, it is made again"
    return GaslampError(
        f"llama-server ended (exit {code}): {text or 'it printed nothing'}", fix, f"the complete output is in {log}"
    )

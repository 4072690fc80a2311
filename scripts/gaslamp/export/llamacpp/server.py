"""llama-server on 127.0.0.1: started, asked and stopped, as a context manager or left running in the background."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx
import psutil

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.ports import get_private_port
from gaslamp.export.llamacpp import log_pump

SCHEMA_VERSION = 1
FIRST_PORT = 8081
HEALTH_SECONDS = 600.0
BATCH_PARALLEL = 4
"""Slots for bulk work where speed counts more than exact repeatability.

Measured on two cores, 135M q8_0, 86-token prompts with a shared start, answers of about 20 tokens, 2 threads:
3.0 rows/s with 1 slot, 3.6 with 2, 4.3 with 4, 4.3 with 8, 3.8 with 16. One thread halves it. Rounding depends on how
many answers are computed together, so a few greedy answers change (1 or 2 of 32 with 2 to 8 slots, 14 of 32 with 16):
figures that must come out the same again, as in an evaluation, need ``parallel=1``, which is the default.
"""

Messages = Sequence[dict[str, Any]]
"""A conversation: ``[{"role": "user", "content": "..."}, ...]``."""


def get_free_port(first: int = FIRST_PORT, tries: int = 100) -> int:
    """The first port from ``first`` on that can be bound on 127.0.0.1. Raises GaslampError when none can."""
    for port in range(first, min(first + tries, 65536)):
        if is_free(port):
            return port
    raise GaslampError(
        f"no free port from {first} to {first + tries - 1} on 127.0.0.1",
        "stop the servers you no longer need (make stop in their projects) and run the same command",
    )


def is_free(port: int) -> bool:
    """Whether ``port`` can be bound on 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def make_key_file(path: Path) -> str:
    """Write a new random API key to ``path``, readable by its owner only, and return the key."""
    key = secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(key + "\n")
    return key


def get_command(
    toolchain: dict[str, Any],
    model: Path,
    port: int,
    *,
    alias: str,
    context: int = 4096,
    parallel: int = 1,
    threads: int | None = None,
    lora: Path | None = None,
    lora_scale: float = 1.0,
    mmproj: Path | None = None,
    pooling: str | None = None,
    page: Path | None = None,
    api_key_file: Path | None = None,
) -> list[str]:
    """The command line of llama-server; ``context`` is tokens a conversation, ``context * parallel`` in all.

    With ``pooling`` it gives vectors instead of answers, and reads each text at once, so a batch is as long as the context.

    With ``lora`` each request may name its own scale, and llama-server's memory of earlier prompts does not know with which
    scale they were read: its cache of prompts in memory is keyed by tokens alone, and a request that names no scale takes over
    what another scale left in its slot. So both are off by default; a request that names scale and ``cache_prompt`` is safe.
    """
    command = [toolchain["tools"]["llama-server"], "--host", "127.0.0.1", "--port", str(port)]
    command += ["--model", str(model), "--alias", alias.replace(",", " ")]  # a comma would begin another name
    command += ["--ctx-size", str(context * parallel), "--parallel", str(parallel)]
    # Without an explicit origin llama-server lets any web page that the user visits read its answers.
    command += ["--cors-origins", f"http://127.0.0.1:{port}", "--no-cors-credentials"]
    command += ["--jinja", "--no-slots", "--metrics", "--offline", "--no-kv-unified"]
    if threads:
        command += ["--threads", str(threads), "--threads-batch", str(threads)]
    if lora:
        command += ["--lora-scaled", f"{lora}:{lora_scale:g}", "--cache-ram", "0", "--no-cache-prompt"]
    if mmproj:
        command += ["--mmproj", str(mmproj)]
    if (
        pooling
    ):  # a conversation is read to its end: the server would else take an answer at its end for one to go on with
        command += ["--no-prefill-assistant"]
        command += ["--embeddings", "--pooling", pooling, "--batch-size", str(context), "--ubatch-size", str(context)]
    command += ["--path", str(page)] if page else ["--no-ui"]
    if api_key_file:
        command += ["--api-key-file", str(api_key_file)]
    return command


class LlamaServer:
    """One llama-server process and a client of it; use it in a ``with`` statement.

    Args:
        toolchain: what ``ensure_toolchain`` returned.
        model: GGUF file.
        alias: model name in the API.
        context: tokens a conversation may hold (prompt and answer together).
        parallel: conversations answered at the same time.
        port: port on 127.0.0.1; None takes any free one.
        lora: adapter GGUF laid over the model.
        lora_scale: how strongly, for requests that do not say; 1 as trained, 0 not at all.
        mmproj: the part of a vision model that reads images.
        pooling: how the vectors of a text's tokens become one (mean, last): it then gives vectors and answers nothing.
        page: folder of a chat page to serve at ``/``.
        api_key_file: file with the key that clients must send; its mode is set to 600.
        log: receives everything llama-server prints.
        threads: compute threads; llama-server's own choice (physical cores) when None.
    """

    def __init__(
        self,
        toolchain: dict[str, Any],
        model: Path,
        *,
        alias: str = "model",
        context: int = 4096,
        parallel: int = 1,
        port: int | None = None,
        lora: Path | None = None,
        lora_scale: float = 1.0,
        mmproj: Path | None = None,
        pooling: str | None = None,
        page: Path | None = None,
        api_key_file: Path | None = None,
        log: Path,
        threads: int | None = None,
    ) -> None:
        self.options: dict[str, Any] = {
            "alias": alias,
            "context": context,
            "parallel": parallel,
            "threads": threads,
            "lora": lora,
            "lora_scale": lora_scale,
            "mmproj": mmproj,
            "pooling": pooling,
            "page": page,
            "api_key_file": api_key_file,
        }
        self.toolchain = toolchain
        self.model = Path(model)
        self.parallel = parallel
        self.asked_port = port
        self.log = Path(log)
        self.state: dict[str, Any] = {}
        self.pump: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LlamaServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, state_file: Path | None = None) -> dict[str, Any]:
        """Start llama-server and wait until it answers; returns its state (pid, port, url ...).

        With ``state_file`` the server outlives this process, its log is bounded (``log_pump``), and the file is there before
        the wait begins, so that an interrupted start can be stopped too.
        """
        for path in (self.model, *(self.options[name] for name in ("lora", "mmproj", "page", "api_key_file"))):
            if path is not None and not Path(path).exists():
                raise GaslampError(f"{path} is missing", "run snakemake again: it rebuilds what is missing")
        port = self.asked_port or get_private_port()
        if not is_free(port):
            raise GaslampError(
                f"port {port} on 127.0.0.1 is taken by another program",
                "stop that program (make stop when it is this project's server), or choose another port",
            )
        key = ""
        if key_file := self.options["api_key_file"]:
            os.chmod(key_file, 0o600)
            key = Path(key_file).read_text(encoding="utf-8").split("\n")[0].strip()
        command = get_command(self.toolchain, self.model, port, **self.options)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        detached = state_file is not None
        # llama.cpp takes options from such variables too: what runs is what stands in the command
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LLAMA_", "AIP_"))}
        with self._open_log(detached) as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=detached, env=environment
            )
        self.process = process
        self.state = {
            "schema_version": SCHEMA_VERSION,
            "pid": process.pid,
            "created": psutil.Process(process.pid).create_time(),
            "port": port,
            "url": f"http://127.0.0.1:{port}",
            "alias": self.options["alias"],
            "model": str(self.model),
            "log": str(self.log),
            "command": command,
        }
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=self.parallel + 2)
        # trust_env: a proxy of the user's must not come between us and our own process.
        self.client = httpx.Client(
            base_url=self.state["url"], headers=headers, timeout=600.0, limits=limits, trust_env=False
        )
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
        """Where the server prints to: the log file itself, or the program that keeps it small while the server runs for days."""
        if not bounded:
            return self.log.open("w", encoding="utf-8")
        command = [sys.executable, "-I", "-S", log_pump.__file__, str(self.log), str(log_pump.LIMIT)]
        self.pump = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        assert self.pump.stdin is not None
        return self.pump.stdin

    def _wait(self) -> None:
        """Wait until /health says ok; raises GaslampError with llama-server's last lines when the process ends."""
        deadline = time.monotonic() + HEALTH_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                if self.pump:
                    self.pump.wait(timeout=30)  # it ends with the server: then the last lines are in the file
                raise _explain(self.process.returncode, self.log)
            try:
                if self.client.get("/health", timeout=2.0).status_code == 200 and self.process.poll() is None:
                    return  # alive: it is our process that answered
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.05)
        raise GaslampError(
            f"llama-server did not load {self.model} within {HEALTH_SECONDS:.0f} s",
            "close other programs and run the same command",
            f"the model does not fit this machine: choose a smaller one, or a smaller context; see {self.log}",
        )

    def stop(self) -> None:
        """Stop exactly the process that ``start`` started; a second call does nothing."""
        if not self.state:
            return
        self.client.close()
        stop_process(self.state["pid"], self.state["created"])
        self.process.wait(timeout=30)
        if self.pump:
            self.pump.wait(timeout=30)
        self.state = {}

    # ------------------------------------------------------------------------------------------------ requests

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self.client.post(path, json=body)
        except httpx.TransportError as error:
            if self.process.poll() is not None:
                raise _explain(self.process.returncode, self.log) from error
            raise GaslampError(
                f"llama-server did not answer {path}: {error or type(error).__name__}",
                "run the same command again",
                f"a very long answer on a slow machine: lower max_tokens; see {self.log}",
            ) from error
        if answer.status_code != 200:
            raise GaslampError(
                f"llama-server refused {path}: {_get_message(answer)}",
                "a prompt that is too long needs a larger context; otherwise see what it names",
                f"the chat template and the messages do not match; see {self.log}",
            )
        value: dict[str, Any] = answer.json()
        return value

    def chat(
        self,
        messages: Messages,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: list[str] | None = None,
        lora: float | None = None,
        top_p: float = 1.0,
        tools: Any = None,
        ids: bool = False,
    ) -> dict[str, Any]:
        """Answer one conversation; ``lora`` is the scale of the adapter for this request. Drawn answers (temperature above 0) are cut by ``top_p`` alone.

        With ``tools`` the answer is the whole text as the model wrote it: the chat endpoint would take calls out of it.

        Returns text, finish_reason ("stop" or "length"), prompt_tokens, completion_tokens and timings (llama-server's,
        milliseconds and tokens/s); with ``ids`` also the tokens that end a character: text does not tell bytes that are no text.
        """
        if tools:
            return self.complete(
                self.tokenize(self.apply_template(messages, tools)), max_tokens, temperature, seed, stop, top_p
            )
        body: dict[str, Any] = {"messages": list(messages), "max_tokens": max_tokens, "temperature": temperature}
        body |= {"seed": seed, "cache_prompt": lora is not None or not self.options["lora"]} | (
            {"stop": stop} if stop else {}
        )
        body |= {"top_p": top_p, "top_k": 0, "min_p": 0.0} if temperature else {}
        if ids:  # they come with their probabilities, of which one is asked for
            body |= {"logprobs": True, "top_logprobs": 1}
        if lora is not None:
            body["lora"] = [{"id": 0, "scale": lora}]
        value = self._post("/v1/chat/completions", body)
        choice, usage = value["choices"][0], value["usage"]
        written = {"ids": [token["id"] for token in (choice.get("logprobs") or {}).get("content", ())]} if ids else {}
        return written | {
            "text": choice["message"].get("content") or "",
            "finish_reason": choice["finish_reason"],
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "timings": value.get("timings", {}),
        }

    def complete(
        self,
        prompt: str | list[int],
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: list[str] | None = None,
        top_p: float = 1.0,
    ) -> dict[str, Any]:
        """Continue a ready-made prompt (text or token ids), with no chat template; returns what ``chat`` returns."""
        body: dict[str, Any] = {"prompt": prompt, "n_predict": max_tokens, "temperature": temperature, "seed": seed}
        body |= {"top_p": top_p, "top_k": 0, "min_p": 0.0} if temperature else {}
        value = self._post(
            "/completion", body | {"cache_prompt": not self.options["lora"]} | ({"stop": stop} if stop else {})
        )
        return {
            "text": value["content"],
            "finish_reason": "length" if value.get("stop_type") == "limit" else "stop",
            "prompt_tokens": value["tokens_evaluated"],
            "completion_tokens": value["tokens_predicted"],
            "timings": value.get("timings", {}),
        }

    def embed(self, texts: Sequence[list[int]], together: int = 64) -> list[list[float]]:
        """One vector a text (token ids), as the model gives it: not brought to length 1. Needs ``pooling``."""
        found: list[list[float]] = []
        for start in range(0, len(texts), together):
            part = list(texts[start : start + together])
            # the answer of this endpoint is a list, and not necessarily in the order of the texts
            answers: Any = self._post("/embedding", {"content": part, "embd_normalize": -1})
            vectors = {answer["index"]: answer["embedding"] for answer in answers}
            found += [vectors[n][0] for n in range(len(part))]
        return found

    def get_media_marker(self) -> str:
        """What stands in a rendered prompt where a picture is; another word at each start."""
        marker: str = self.client.get("/props").raise_for_status().json()["media_marker"]
        return marker

    def apply_template(self, messages: Messages, tools: Any = None, generate: bool = True) -> str:
        """The text that the model's own chat template makes of ``messages`` and ``tools``; ``generate``: up to where an answer begins."""
        body = (
            {"messages": list(messages)}
            | ({"tools": tools} if tools else {})
            | ({} if generate else {"add_generation_prompt": False})
        )
        text: str = self._post("/apply-template", body)["prompt"]
        return text

    def tokenize(self, text: str, add_special: bool = False, parse_special: bool = True) -> list[int]:
        """Token ids of ``text``; ``add_special`` adds BOS, ``parse_special`` reads ``<|im_end|>`` as one token."""
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        tokens: list[int] = self._post("/tokenize", body)["tokens"]
        return tokens

    def generate_batch(
        self,
        conversations: Sequence[Messages],
        max_tokens: int,
        on_done: Callable[[int, dict[str, Any]], None] | None = None,
        workers: int | None = None,
        tools: Sequence[Any] | None = None,
        **settings: Any,
    ) -> list[dict[str, Any]]:
        """Answer many conversations, ``workers`` at a time (default: one per slot), in the order given; ``tools`` are those of each.

        ``on_done(index, answer)`` is called from worker threads as answers come in. The first error ends the batch.
        """

        def answer(item: tuple[int, Messages]) -> dict[str, Any]:
            result = self.chat(item[1], max_tokens, **settings, **({"tools": tools[item[0]]} if tools else {}))
            if on_done:
                on_done(item[0], result)
            return result

        pool = ThreadPoolExecutor(max_workers=workers or self.parallel)
        try:
            return list(pool.map(answer, enumerate(conversations)))
        finally:
            pool.shutdown(cancel_futures=True)


# ------------------------------------------------------------------------------------------- processes and their state


def start_detached(
    toolchain: dict[str, Any], model: Path, *, state_file: Path, log: Path, **options: Any
) -> dict[str, Any]:
    """Start a server that outlives this process; ``options`` are LlamaServer's. Its state goes to ``state_file``.

    A server that an earlier call left in ``state_file`` is stopped first.
    """
    stop_detached(state_file)
    server = LlamaServer(toolchain, model, log=log, **options)
    state = server.start(state_file)
    server.client.close()
    return state


def read_state(state_file: Path) -> dict[str, Any] | None:
    """The state in ``state_file`` when its process still runs, else None."""
    if not Path(state_file).is_file():
        return None
    state: dict[str, Any] = read_json(state_file)
    return state if find_process(state["pid"], state["created"]) else None


def stop_detached(state_file: Path) -> bool:
    """Stop the server named in ``state_file`` and delete the file; False when none was running."""
    state = read_state(state_file)
    if state:
        stop_process(state["pid"], state["created"])
    Path(state_file).unlink(missing_ok=True)
    return state is not None


def find_process(pid: int, created: float) -> psutil.Process | None:
    """The running process ``pid`` that was created at ``created``; None when it ended or the number was reused."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def stop_process(pid: int, created: float) -> bool:
    """End process ``pid`` if it is the one created at ``created`` (terminate, after 10 s kill); else do nothing."""
    process = find_process(pid, created)
    if process is None:
        return False
    try:
        process.terminate()
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)
    except psutil.NoSuchProcess:
        pass  # it ended by itself meanwhile
    return True


def _get_message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code} {answer.text[:200]}"


def _explain(code: int, log: Path) -> GaslampError:
    """The error for a llama-server that ended: its own last lines and what they usually mean."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in ("error", "failed", "invalid", "couldn"))]
    text = " | ".join((telling or lines)[-4:])[-700:]
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
        f"llama-server ended (exit {code}): {text or 'it printed nothing'}",
        fix,
        f"all it printed is in {log}",
    )

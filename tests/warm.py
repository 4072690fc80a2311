"""Python programs with their imports done: a process that forks for each command.

Every command is the command line itself in a process of its own: its folder, environment, arguments, streams, exit
code. What the fork skips is the start of Python and the import of big packages: Snakemake and pandas are 2 of 2.7 s of
a dry run, torch and transformers 5 of 6 s of llama.cpp's converter, TRL and what it loads 7 of 9 s of a training of the
tiny model. Nothing of gaslamp is loaded before it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

READ_AT_IMPORT = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "DATASETS_", "TRL_", "ACCELERATE_", "TORCH", "PYTHON")
"""Variables that a package reads when it is loaded: a command that has others needs a Python of its own."""
SET_LATER = {"TRL_EXPERIMENTAL_SILENCE": "1", "TRANSFORMERS_OFFLINE": "1"}  # by a step itself, and for the converter
WARM = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", **SET_LATER}  # the first two: ``tiny.get_environ``
CONVERTERS = ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py")


class Server:
    """The waiting process of a kind, ``snakemake``, ``steps`` or ``converter``; it ends with its starter."""

    def __init__(self, kind: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))  # a socket's path is short
        self.address = self.folder / "socket"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHONPATH")} | WARM
        self.settings = {key: value for key, value in environ.items() if key.startswith(READ_AT_IMPORT)}
        self.process = subprocess.Popen(
            [sys.executable, __file__, kind, str(self.address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self.process.stdout and self.process.stdout.readline(), "the warm process did not start"

    def run(
        self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float, python: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command in ``cwd`` with exactly the environment ``env``.

        Args:
            arguments: what follows the program's name.
            cwd: folder of the command.
            env: all of its environment variables.
            timeout: seconds.
            python: what it takes for its own interpreter, e.g. for the steps of a graph.

        Raises:
            subprocess.TimeoutExpired: after ``timeout`` seconds; the command is killed.
        """
        assert "PYTHONPATH" not in env, "it counts at the start of Python: tiny.start_snakemake"
        job = {"arguments": arguments, "cwd": str(cwd), "env": env, "python": str(python or "")}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, "rb") as nothing:
            code = ask(self.address, job, (nothing.fileno(), out.fileno(), err.fileno()), timeout)
            out.seek(0), err.seek(0)
            texts = [file.read().decode("utf-8", errors="replace") for file in (out, err)]
        if code is None:
            raise subprocess.TimeoutExpired(arguments, timeout, *texts)
        return subprocess.CompletedProcess(arguments, code, *texts)

    def write_program(self) -> Path:
        """A program that stands in for Python: ``PROGRAM script.py ARGUMENTS`` runs the script in the warm process."""
        program = self.folder / "python"
        program.write_text(
            f"#!{sys.executable} -IS\nimport sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
            f"import warm\nwarm.forward({str(self.address)!r}, {sys.executable!r}, {self.settings!r})\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
        return program


@cache
def get_server(kind: str = "snakemake") -> Server:
    """The server of this process, started at first use."""
    return Server(kind)


@cache
def get_step_python() -> Path:
    """The interpreter of the steps of a graph: it has loaded what trains and evaluates."""
    return get_server("steps").write_program()


def ask(address: Path, job: dict[str, Any], streams: tuple[int, ...], timeout: float | None) -> int | None:
    """Run a command in a warm process with these streams (0, 1, 2); its exit code, None: it took too long."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(address))
        socket.send_fds(wire, [b"."], streams)
        wire.sendall(json.dumps({**job, "timeout": timeout}).encode() + b"\n")
        with wire.makefile("rb") as stream:
            answer = stream.readline()
    assert answer, "the warm process ended by itself"
    code: int | None = json.loads(answer)["code"]
    return code


def forward(address: str, python: str, settings: dict[str, str]) -> None:
    """Run the command line of this process in a warm one, and end as it does.

    Args:
        address: socket of the warm process.
        python: the real interpreter, for what that process cannot do.
        settings: what it had of READ_AT_IMPORT when it was started.
    """
    needed = {key: value for key, value in os.environ.items() if key.startswith(READ_AT_IMPORT)}
    if not sys.argv[1:2] or not sys.argv[1].endswith(".py") or {**SET_LATER, **needed} != settings:
        os.execv(python, [python, *sys.argv[1:]])
    job = {"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "python": ""}
    code = ask(Path(address), job, (0, 1, 2), None)
    assert code is not None
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _become(kind: str, job: dict[str, Any], streams: list[int]) -> None:
    """The child: turn into the command; never returns."""
    code = 70
    try:
        for number, opened in enumerate(streams):
            os.dup2(opened, number)
            os.close(opened)
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
        sys.executable = job["python"] or sys.executable
        if kind == "snakemake":
            sys.argv = ["snakemake", *job["arguments"]]
            from snakemake.cli import main

            main()
        else:
            import runpy

            if kind == "steps":
                _convert_here()
            sys.argv = job["arguments"]
            sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
            runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        import atexit

        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _convert_here() -> None:
    """llama.cpp's converters, which a step starts with its own interpreter, run in the warm process too."""
    start = subprocess.Popen.__init__
    program = str(Path(sys.argv[2]).parent / "python")

    def start_warm(self: Any, args: Any, *more: Any, **options: Any) -> None:
        words = [args] if isinstance(args, (str, Path)) else list(args)
        if words[0] == sys.executable and len(words) > 1 and Path(words[1]).name in CONVERTERS:
            args = [program, *words[1:]]
        start(self, args, *more, **options)

    subprocess.Popen.__init__ = start_warm  # type: ignore[method-assign]


def _answer(kind: str, wire: socket.socket) -> None:
    """A process for one command: starts it, waits, and answers with its exit code (None: it was killed as too slow).

    It is killed too when whoever waits for it is gone.
    """
    import psutil

    _, streams, _, _ = socket.recv_fds(wire, 1, 3)
    with wire, wire.makefile("rb") as stream:
        job = json.loads(stream.readline())
        pid = os.fork()
        if not pid:
            wire.close()
            _become(kind, job, streams)
        for opened in streams:
            os.close(opened)
        child, code = psutil.Process(pid), None
        end = time.monotonic() + (job["timeout"] or math.inf)
        while time.monotonic() < end:
            with contextlib.suppress(psutil.TimeoutExpired):
                code = child.wait(0.02)
                break
            if select.select([wire], [], [], 0)[0]:
                break
        if code is None:
            for process in [*child.children(recursive=True), child]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            child.wait()
        with contextlib.suppress(OSError):
            wire.sendall(json.dumps({"code": code}).encode() + b"\n")


def load(kind: str) -> None:
    """Import what the commands of a kind need, without starting a thread."""
    if kind == "snakemake":
        import orjson  # noqa: F401
        import pandas  # noqa: F401
        import pulp  # noqa: F401
        import smart_open  # noqa: F401
        import snakemake.cli

        with contextlib.suppress(SystemExit):  # loads the plug-ins of Snakemake
            snakemake.cli.parse_args(["--dry-run"])
        return
    import torch  # noqa: F401
    from transformers import AutoConfig, AutoTokenizer  # noqa: F401

    if kind == "steps":
        import datasets  # noqa: F401
        import jinja2  # noqa: F401
        import numpy  # noqa: F401
        import orjson  # noqa: F401
        import pandas  # noqa: F401
        import psutil  # noqa: F401
        import rich.progress  # noqa: F401
        import yaml  # noqa: F401
        from peft import LoraConfig, PeftModel  # noqa: F401
        from pydantic import BaseModel, TypeAdapter, model_validator  # noqa: F401
        from transformers import AutoModelForCausalLM, GenerationConfig, LlamaForCausalLM, Trainer  # noqa: F401
        from trl import DPOTrainer, GRPOTrainer, SFTTrainer  # noqa: F401


def serve(kind: str, address: str) -> None:
    """Answer each command at the socket ``address`` with its exit code, until stdin ends."""
    load(kind)
    sys.path[0] = str(Path(sys.executable).parent)  # as for the program itself
    gc.collect()
    gc.freeze()  # else the first collection of every child copies all pages
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(16)
        print("ready", flush=True)
        while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
            assert listening in ready
            wire, _ = listening.accept()
            with wire:
                if not os.fork():
                    listening.close()
                    _answer(kind, wire)
                    os._exit(0)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    shutil.rmtree(Path(address).parent, ignore_errors=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])

"""Python programs with their imports done: a process that forks for each command.

Every command is the command line itself in a process of its own: its folder, environment, arguments, exit code. What
the fork skips is the start of Python and the import of big packages: Snakemake and pandas are 2 of 2.7 s of a dry run,
torch and transformers 5 of 6 s of llama.cpp's converter. Nothing of gaslamp is loaded before it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any


class Server:
    """The waiting process of a kind, ``snakemake`` or ``converter``; it ends with the one that started it."""

    def __init__(self, kind: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))  # a socket's path is short
        self.address = self.folder / "socket"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHONPATH")}
        self.process = subprocess.Popen(
            [sys.executable, __file__, kind, str(self.address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self.process.stdout and self.process.stdout.readline(), "the warm process did not start"

    def run(
        self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """The command in ``cwd`` with exactly the environment ``env``.

        Raises:
            subprocess.TimeoutExpired: after ``timeout`` seconds; the command is killed.
        """
        assert "PYTHONPATH" not in env, "it counts at the start of Python: tiny.start_snakemake"
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            code = ask(self.address, arguments, cwd, env, timeout, out, err)
            texts = [file.read_text(encoding="utf-8", errors="replace") for file in (out, err)]
        if code is None:
            raise subprocess.TimeoutExpired(arguments, timeout, *texts)
        return subprocess.CompletedProcess(arguments, code, *texts)

    def write_program(self) -> Path:
        """A program that stands in for Python: ``PROGRAM script.py ARGUMENTS`` runs the script in the warm process."""
        program = self.folder / "python"
        program.write_text(
            f"#!{sys.executable} -IS\nimport sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
            f"import warm\nwarm.forward({str(self.address)!r})\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
        return program


@cache
def get_server(kind: str = "snakemake") -> Server:
    """The server of this process, started at first use."""
    return Server(kind)


def ask(
    address: Path, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float, out: Path, err: Path
) -> int | None:
    """Run a command in a warm process, which writes to ``out`` and ``err``; its exit code, None: it took too long."""
    job = {"arguments": arguments, "cwd": str(cwd), "env": env, "out": str(out), "err": str(err), "timeout": timeout}
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(address))
        with wire.makefile("rw", encoding="utf-8") as stream:
            print(json.dumps(job), file=stream, flush=True)
            answer = stream.readline()
    assert answer, "the warm process ended by itself"
    code: int | None = json.loads(answer)["code"]
    return code


def forward(address: str) -> None:
    """Run the command line of this process in a warm one, and end as it does."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        code = ask(Path(address), sys.argv[1:], Path.cwd(), dict(os.environ), 600, out, err)
        for file, stream in ((out, sys.stdout), (err, sys.stderr)):
            shutil.copyfileobj(file.open(encoding="utf-8", errors="replace"), stream)
    sys.stdout.flush()
    os._exit(124 if code is None else code if code >= 0 else 128 - code)


def _become(kind: str, job: dict[str, Any]) -> None:
    """The child: turn into the command; never returns."""
    code = 70
    try:
        for number, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, job["out"], os.O_WRONLY | os.O_CREAT),
            (2, job["err"], os.O_WRONLY | os.O_CREAT),
        ):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
        if kind == "snakemake":
            sys.argv = ["snakemake", *job["arguments"]]
            from snakemake.cli import main

            main()
        else:
            import runpy

            sys.argv = job["arguments"]
            sys.path[0] = str(Path(sys.argv[0]).parent)
            runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
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


def _wait(pid: int, seconds: float) -> int | None:
    """The exit code of a child; None, and the child killed, when it takes longer."""
    import psutil

    child = psutil.Process(pid)
    try:
        return child.wait(seconds)
    except psutil.TimeoutExpired:
        for process in [*child.children(recursive=True), child]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        child.wait()
        return None


def serve(kind: str, address: str) -> None:
    """Answer each command at the socket ``address`` with its exit code, until stdin ends."""
    if kind == "snakemake":
        import pandas  # noqa: F401
        import pulp  # noqa: F401
        import snakemake.cli

        with contextlib.suppress(SystemExit):  # loads the plug-ins of Snakemake
            snakemake.cli.parse_args(["--dry-run"])
    else:
        import torch  # noqa: F401
        from transformers import AutoConfig, AutoTokenizer  # noqa: F401
    sys.path[0] = str(Path(sys.executable).parent)  # as for the program itself
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
            assert listening in ready
            wire, _ = listening.accept()
            with wire, wire.makefile("rw", encoding="utf-8") as stream:
                job = json.loads(stream.readline())
                pid = os.fork()
                if not pid:
                    _become(kind, job)
                print(json.dumps({"code": _wait(pid, job["timeout"])}), file=stream, flush=True)
    shutil.rmtree(Path(address).parent, ignore_errors=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])

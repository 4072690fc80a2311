"""Snakemake with its imports done: a process that forks for each command, which saves half of a dry run.

Every command is the command line itself in a process of its own: its folder, environment, arguments, exit code. What
the fork skips is the start of Python and the import of Snakemake and pandas; nothing of gaslamp is loaded before it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any


class Server:
    """The waiting process; it ends with the one that started it."""

    def __init__(self) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHONPATH")}
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def run(
        self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """``snakemake ARGUMENTS`` in ``cwd`` with exactly the environment ``env``.

        Raises:
            subprocess.TimeoutExpired: after ``timeout`` seconds; the command is killed.
        """
        assert "PYTHONPATH" not in env, "it counts at the start of Python: tiny.start_snakemake"
        assert self.process.stdin and self.process.stdout
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            job = {"arguments": arguments, "cwd": str(cwd), "env": env, "out": str(out), "err": str(err)}
            print(json.dumps({**job, "timeout": timeout}), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
            assert answer, "the warm Snakemake ended by itself"
            texts = [file.read_text(encoding="utf-8", errors="replace") for file in (out, err)]
        code = json.loads(answer)["code"]
        if code is None:
            raise subprocess.TimeoutExpired(["snakemake", *arguments], timeout, *texts)
        return subprocess.CompletedProcess(["snakemake", *arguments], code, *texts)


@cache
def get_server() -> Server:
    """The server of this process, started at first use."""
    return Server()


def _become(job: dict[str, Any]) -> None:
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
        sys.argv = ["snakemake", *job["arguments"]]
        from snakemake.cli import main

        code = 0
        main()
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


def serve() -> None:
    """Answer each line of stdin, a command, with a line of stdout, its exit code."""
    import pandas  # noqa: F401
    import pulp  # noqa: F401
    import snakemake.cli

    with contextlib.suppress(SystemExit):  # loads the plug-ins of Snakemake
        snakemake.cli.parse_args(["--dry-run"])
    sys.path[0] = str(Path(sys.executable).parent)  # as for the program itself
    for line in sys.stdin:
        job = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            _become(job)
        print(json.dumps({"code": _wait(pid, job["timeout"])}), flush=True)


if __name__ == "__main__":
    serve()

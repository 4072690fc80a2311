"""The code in the completion passes the row's tests, in a process with limits on time, memory and files, no network.

It keeps accidents and bad habits of a model in: no network, no environment variables, an empty folder. It does not
stop an attacker: the code runs as you and can read what you can read.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable

from gaslamp.data.rows import Message, Row

FIRST_FOR = ("tests",)  # columns of prompts for which it is the reward to start with
TITLE = "the code passes the tests"
EXAMPLE = {
    "completion": "```python\ndef double(x):\n    return 2 * x\n```",
    "row": {"columns": {"tests": "assert double(2) == 4\nassert double('a') == 'aa'"}},
    "score": 1.0,
}
TIMEOUT = 120.0


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    column: str = "tests",
    seconds: float = 5.0,
    memory_mb: int = 512,
    all_or_nothing: bool = False,
    network: bool = False,
) -> float:
    """Share of the tests that pass, 0 when the code does not run.

    Args:
        prompt, completion: the last fenced block of the completion is the code, or all of it when there is none.
        row: its column ``column`` has the tests as Python; each statement on the top level (an assert, a test function)
            is one test.
        seconds: of processor and wall clock, for the code and all tests together.
        memory_mb: address space of the process.
        all_or_nothing: 1 for all tests, else 0.
        network: true leaves the network open.

    Raises:
        ValueError: no tests, tests that are no Python, or a machine that cannot cut the network.
    """
    tests = row.get("columns", {}).get(column)
    if not tests or not str(tests).strip():
        raise ValueError(f"the row has no tests: put Python into its column '{column}'")
    try:
        parts = _split(str(tests))
    except SyntaxError as error:
        raise ValueError(f"the row's tests are no Python (line {error.lineno}: {error.msg})") from None
    blocks = re.findall(r"```(?:python|py)?[ \t]*\n(.*?)```", completion, re.DOTALL)
    passed = _run(blocks[-1] if blocks else completion, parts, seconds, memory_mb, network)
    return float(passed == len(parts)) if all_or_nothing else passed / len(parts)


def _split(tests: str) -> list[str]:
    """One piece of code for each test; imports and helper functions stand before all of them."""
    import ast

    tree = ast.parse(tests)
    helpers, parts = [], []
    for node in tree.body:
        code = ast.unparse(node)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            parts.append(f"{code}\n{node.name}()")
        elif isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign):
            helpers.append(code)
        else:
            parts.append(code)
    if not parts:
        raise ValueError("the row's tests hold no test: an assert, or a function whose name begins with test")
    return ["\n".join([*helpers, part]) for part in parts]


# The program that runs inside. It reports each passed test through a pipe of its own, apart from what the code prints;
# code that ends the process, or hangs, leaves the count as it is.
_INSIDE = """
import json, os, sys
channel = int(sys.argv[1])
code, tests = json.load(sys.stdin)
space = {"__name__": "solution"}
exec(compile(code, "solution.py", "exec"), space)
for number, test in enumerate(tests):
    try:
        exec(compile(test, "test.py", "exec"), dict(space))
    except Exception:
        continue
    os.write(channel, b"1")
"""


def _run(code: str, tests: list[str], seconds: float, memory_mb: int, network: bool) -> int:
    block = None if network else _get_network_block()
    read, write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="gaslamp-code-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _INSIDE, str(write)],
            cwd=folder,
            env={"HOME": folder, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(write,),
            start_new_session=True,
            preexec_fn=lambda: _limit(seconds, memory_mb, block),  # noqa: PLW1509 - the worker has one thread
        )
        os.close(write)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(json.dumps([code, tests]).encode(), timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # children that the code left, too
            process.wait()
        os.set_blocking(read, False)
        try:
            reported = os.read(read, 65536)
        except BlockingIOError:
            reported = b""
        finally:
            os.close(read)
    return min(reported.count(b"1"), len(tests))


def _limit(seconds: float, memory_mb: int, block: Callable[[], None] | None) -> None:
    """In the new process, before Python starts again."""
    for what, value in (
        (resource.RLIMIT_CPU, max(1, round(seconds))),
        (resource.RLIMIT_AS, memory_mb << 20),
        (resource.RLIMIT_FSIZE, 16 << 20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (value, value))
        except (ValueError, OSError):  # macOS has no limit of the address space
            if what != resource.RLIMIT_AS:
                raise
    if block:
        block()


def _get_network_block() -> Callable[[], None]:
    """A function that cuts a process off the network for good: a seccomp filter on ``socket`` and ways around it.

    Raises:
        ValueError: not Linux on x86-64 or arm64.
    """
    # audit architecture; numbers of socket, io_uring_setup, setsid, setpgid (the last two: no child leaves the group
    # that is killed)
    known = {"x86_64": (0xC000003E, (41, 425, 112, 109)), "aarch64": (0xC00000B7, (198, 425, 157, 154))}
    if sys.platform != "linux" or platform.machine() not in known:
        raise ValueError(
            f"the network of a process cannot be cut on {sys.platform} {platform.machine()}: set the option "
            "network: true, in a container without network"
        )
    architecture, calls = known[platform.machine()]
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06
    kill, refuse, allow = 0x80000000, 0x00050000 | 1, 0x7FFF0000
    program = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (above, 0, 1, 0x40000000),
        (give, 0, 0, kill),
    ]  # x32 has other numbers
    for call in calls:
        program += [(equal, 0, 1, call), (give, 0, 0, refuse)]
    program.append((give, 0, 0, allow))
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))

    def block() -> None:
        header = struct.pack("HL", len(program), ctypes.addressof(buffer))
        # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, header, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp is not available")

    return block

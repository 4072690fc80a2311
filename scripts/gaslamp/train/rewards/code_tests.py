"""The code in the completion passes the row's tests, in processes with limits and without network (train/sandbox.py).

Each test runs in a process of its own, which begins with the code. It reports by a number that it alone was given, over
a pipe that the other tests do not have. Among the tests are some that must fail: code that reports success by itself,
in whatever way, passes these too, and scores 0.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from functools import cache

from gaslamp.data.rows import Message, Row
from gaslamp.train.sandbox import make_confinement

FIRST_FOR = ("tests",)  # columns of prompts for which it is the reward to start with
TITLE = "the code passes the tests"
EXAMPLE = {
    "completion": "```python\ndef double(x):\n    return 2 * x\n```",
    "row": {"columns": {"tests": "assert double(2) == 4\nassert double('a') == 'aa'"}},
    "score": 1.0,
}
TIMEOUT = 120.0
DECOYS = 2
"""Tests that must fail, among those of a row."""
LONGEST = 1_000_000
"""Characters of code that are run: the rest of the row's answer is no code either."""


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


# The program that runs inside. It never runs the code itself: a child for each test does, which has no other pipe than
# its own and no other number. Whatever the code prints goes nowhere.
_INSIDE = """
import json, os, select, sys
channel, seconds = int(sys.argv[1]), float(sys.argv[2])
code, tests = json.load(sys.stdin)
passed = []
for number, (test, token) in enumerate(tests):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(channel)
        os.close(read)
        del passed
        space = {"__name__": "solution"}
        try:
            exec(compile(code, "solution.py", "exec"), space)
            exec(compile(test, "test.py", "exec"), space)
        except BaseException:
            os._exit(1)
        os.write(write, token.encode())
        os._exit(0)
    os.close(write)
    said = b""
    while select.select([read], [], [], seconds)[0]:
        part = os.read(read, 4096)
        said += part
        if not part or len(said) > 4096:
            break
    os.close(read)
    try:
        os.kill(child, 9)
    except ProcessLookupError:
        pass
    os.waitpid(child, 0)
    os.write(channel, f"{number} {int(said == token.encode())}\\n".encode())
"""


def _run(code: str, tests: list[str], seconds: float, memory_mb: int, network: bool) -> int:
    """How many of the tests pass; 0 for code that also passes a test that must fail."""
    decoys = [f"assert {secrets.randbelow(10**6)} == {10**6}" for _ in range(DECOYS)]
    order = [*range(len(tests)), *range(-DECOYS, 0)]
    random.SystemRandom().shuffle(order)
    given = [((tests + decoys)[number], secrets.token_hex(16)) for number in order]
    read, write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="gaslamp-code-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _INSIDE, str(write), str(seconds)],
            cwd=folder,
            env={"HOME": folder, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(write,),
            start_new_session=True,
            preexec_fn=make_confinement(folder, seconds, memory_mb, network, _say_once),  # noqa: PLW1509 - one thread
        )
        os.close(write)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(json.dumps([code[:LONGEST], given]).encode(), timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # children that the code left, too
            process.wait()
        os.set_blocking(read, False)
        try:
            reported = os.read(read, 65536).decode()
        except BlockingIOError:
            reported = ""
        finally:
            os.close(read)
    passed = [order[int(line.split()[0])] for line in reported.splitlines() if line.endswith(" 1")]
    return 0 if any(number < 0 for number in passed) else len(passed)


@cache
def _say_once(text: str) -> None:
    """Into the log of the step, once in a process."""
    print(f"code_tests: {text}", file=sys.stderr, flush=True)

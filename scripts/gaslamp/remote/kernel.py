"""A machine that is reached through a notebook kernel: every call is a short cell that asks ``kernel_side.py`` there.

Drivers differ in how a cell gets there (``_execute``) and, if they have a quicker way than cells, how files do
(``_send``, ``_fetch``). A cell never runs long: a program is waited for in several calls, since clients stop listening
to a cell that is silent, and machines are lost that look idle.
"""

from __future__ import annotations

import base64
import errno
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gaslamp.core.files import sha256_bytes, sha256_path
from gaslamp.remote import kernel_side
from gaslamp.remote.arrivals import FIX, OTHER, ForeignFile
from gaslamp.remote.driver import CommandFailed, Lease, RemoteError

PART = 16 << 20  # bytes of a file that travel at once: whole parts are held in memory, in base64
CELL = 256 << 10  # bytes that a cell carries
WAIT = 20.0  # seconds that a cell waits for a program
TRIES = 3  # for a part that arrives damaged


class KernelMachine:
    """One machine behind a kernel. ``lease.folder`` is set by ``enter``."""

    part = PART
    waits = WAIT

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._module = f"gaslamp_side_{sha256_path(kernel_side.__file__)[:12]}"

    # ------------------------------------------------------------------------------------ what a driver brings

    def _execute(self, code: str, seconds: float) -> str:
        """Run a cell and return what it printed.

        Args:
            code: Python.
            seconds: how long the cell itself may take.

        Raises:
            RemoteError: the way there or the machine failed; an exception in the cell is none, it prints no answer.
        """
        raise NotImplementedError

    def _send(self, source: Path, path: str) -> None:
        """Send one part, whose folder is there, as the file ``path`` (absolute)."""
        self._send_cell(source, path)

    def _fetch(self, path: str, target: Path) -> None:
        """Bring one part home."""
        target.write_bytes(self._read(path, 0))

    def _send_secret(self, text: str, path: str) -> None:
        """Send text that no log may hold, here or there, as the file ``path``."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------ the calls

    def enter(self, folder: str) -> None:
        """Send kernel_side.py and make the project's folder; a relative one is below the kernel's.

        Args:
            folder: of the project over there.
        """
        code = Path(kernel_side.__file__).read_text(encoding="utf-8")
        load = (
            f"import sys, types\nmodule = types.ModuleType({self._module!r})\n"
            f"exec(compile({code!r}, {self._module!r}, 'exec'), module.__dict__)\n"
            f"sys.modules[{self._module!r}] = module"
        )
        found = self._request("enter", json.dumps({"do": "enter", "folder": self.lease.folder or folder}), load)
        self.lease.folder = found["folder"]
        self.lease.details.setdefault("host", found["host"])

    def _ask(self, do: str, **arguments: object) -> Any:
        """One request to kernel_side.py, and its answer."""
        return self._request(do, json.dumps({"do": do, **arguments}))

    def _request(self, do: str, request: str, load: str = "") -> Any:
        """The same as text; ``load`` is code that runs before it."""
        call = f"import {self._module}; {self._module}.answer({request!r})"
        printed = self._execute(f"{load}\n{call}" if load else call, self.waits + 10)
        lines = [line for line in printed.splitlines() if line.startswith(kernel_side.MARK)]
        if not lines:
            if not load and "ModuleNotFoundError" in printed:  # the kernel was started again
                self.enter("")
                return self._request(do, request)
            raise RemoteError(
                "network",
                f"the kernel of {self.lease.machine} gave no answer to '{do}': {printed.strip()[-300:] or 'nothing'}",
                "run the same command: it goes on",
                "another program uses the same kernel",
            )
        answer = json.loads(lines[-1].removeprefix(kernel_side.MARK))
        if answer["errno"] in (errno.ENOSPC, errno.EDQUOT):
            raise RemoteError(
                "disk",
                f"the disk of {self.lease.machine} is full: {answer['why']}",
                "take a machine with a larger disk, or lower train.checkpoints.keep, then run the same command",
            )
        if answer["errno"] is not None:
            raise CommandFailed([do], answer["errno"], answer["why"])
        return answer["value"]

    def _send_cell(self, source: Path, path: str) -> None:
        """Send a file inside a cell."""
        self._ask("write", path=path, data=base64.b64encode(source.read_bytes()).decode("ascii"))

    def _get_path(self, name: str) -> str:
        return f"{self.lease.folder}/{name}"

    def run(self, command: Sequence[str], timeout: float, stdin: str = "") -> list[str]:
        """Run a program in the project's folder there."""
        given = self._get_path(f".calls/stdin-{time.time_ns()}") if stdin else None
        if given:
            self._ask("enter", folder=self._get_path(".calls"))
            self._send_secret(stdin, given)
        end = time.monotonic() + timeout
        done = self._ask(
            "run", command=list(command), folder=self.lease.folder, seconds=min(self.waits, timeout), stdin=given
        )
        while done["code"] is None:
            if time.monotonic() > end:
                self._ask("end", pid=done["pid"])
                raise RemoteError(
                    "network",
                    f"{' '.join(command[:4])} did not end within {timeout:.0f} s on {self.lease.machine}",
                    "run the same command: it goes on",
                )
            done = self._ask("wait", pid=done["pid"], place=done["place"], seconds=self.waits)
        if done["out"] is None or done["err"] is None:
            for name in ("out", "err"):
                with tempfile.TemporaryDirectory(prefix="gaslamp-out-") as here:
                    whole = Path(here) / name
                    self.get(f"{done['place'].removeprefix(self.lease.folder).lstrip('/')}/{name}", whole)
                    done[name] = whole.read_text(encoding="utf-8", errors="replace")
            self._ask("remove", path=done["place"])
        if done["code"]:
            raise CommandFailed(command, done["code"], done["out"] + done["err"])
        return str(done["out"]).splitlines()

    def start(self, command: Sequence[str], log: str) -> str:
        """Start a program in a session of its own there."""
        pid = self._ask("start", command=list(command), folder=self.lease.folder, log=self._get_path(log))
        return f"{pid} {log}"

    def alive(self, handle: str) -> bool:
        """Whether it runs."""
        pid, _, log = handle.partition(" ")
        return pid.isdigit() and bool(self._ask("alive", pid=int(pid), log=self._get_path(log)))

    def read(self, name: str, offset: int) -> bytes:
        """The bytes from ``offset`` on."""
        return self._read(self._get_path(name), offset)

    def _read(self, path: str, offset: int) -> bytes:
        found = bytearray()
        while piece := base64.b64decode(self._ask("read", path=path, offset=offset + len(found), most=CELL)):
            found += piece
            if len(piece) < CELL:
                break
        return bytes(found)

    def put(self, source: Path, name: str) -> None:
        """Send a file, a large one in parts; those that are there from an earlier call are not sent again."""
        if source.stat().st_size <= CELL:
            self._send_cell(source, self._get_path(name))
            return
        whole = sha256_path(source)
        folder, target = self._get_path(f".parts/{whole}"), self._get_path(name)
        with source.open("rb") as handle:
            blocks = iter(lambda: handle.read(self.part), b"")
            parts = [(f"part-{number:05d}", sha256_bytes(block)) for number, block in enumerate(blocks)]

        def send(wanted: list[str]) -> None:
            for number, (part, _) in enumerate(parts):
                if part in wanted:
                    with source.open("rb") as handle, tempfile.NamedTemporaryFile(prefix="gaslamp-part-") as piece:
                        handle.seek(number * self.part)
                        piece.write(handle.read(self.part))
                        piece.flush()
                        self._send(Path(piece.name), f"{folder}/{part}")

        self._repeat(lambda: self._ask("join", parts=parts, folder=folder, path=target), send, name)

    def get(self, name: str, target: Path) -> None:
        """Bring a file home, a large one in parts; those that came in an earlier call are not fetched again."""
        found = self._ask("fetch", path=self._get_path(name), most=CELL)
        if found is None:
            raise CommandFailed(["get", name], 1, f"{self._get_path(name)} is not there")
        target.parent.mkdir(parents=True, exist_ok=True)
        if found["data"] is not None:
            whole = target.with_name(f".{target.name}.new")
            whole.write_bytes(base64.b64decode(found["data"]))
            whole.replace(target)
            return
        there = self._get_path(f".parts/get-{sha256_bytes(name.encode())[:16]}")
        parts = self._ask("split", path=self._get_path(name), folder=there, most=self.part)
        if any(part != f"part-{number:05d}" for number, (part, _) in enumerate(parts)):
            raise ForeignFile(
                f"{self.lease.machine} names other parts of {name} than those that were requested", FIX, OTHER
            )
        here = target.with_name(f".{target.name}.parts")
        here.mkdir(exist_ok=True)

        def find_wrong() -> list[str]:
            return [part for part, sha in parts if not (here / part).is_file() or sha256_path(here / part) != sha]

        def fetch(wanted: list[str]) -> None:
            for part in wanted:
                self._fetch(f"{there}/{part}", here / part)

        self._repeat(find_wrong, fetch, name)
        whole = here / "whole"
        with whole.open("wb") as handle:
            for part, _ in parts:
                with (here / part).open("rb") as piece:
                    shutil.copyfileobj(piece, handle)
        whole.replace(target)
        shutil.rmtree(here)
        self._ask("remove", path=there)

    def _repeat(self, find_wrong: Callable[[], list[str]], move: Callable[[list[str]], None], name: str) -> None:
        """Move the parts that are missing or damaged until none is."""
        for _ in range(TRIES):
            if not (wrong := find_wrong()):
                return
            move(wrong)
        if find_wrong():
            raise RemoteError(
                "network",
                f"{name} arrives damaged: after {TRIES} transfers its hash is still another one",
                "run the same command: the parts that arrived are kept",
            )

    def close(self) -> None:
        """End the connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

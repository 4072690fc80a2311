"""A program at a terminal of its own, as a person sits at it: what it prints is awaited, then answers are typed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 90  # seconds; the machine may be busy
HESITATION = 5  # seconds until Ctrl-C is pressed again
KEYS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    """A running program.

    Attributes:
        text: all that it printed, without colours, in one line: where a line breaks depends on the window.
    """

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._own, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.text, self._raw = "", b""
        self._seen = 0

    def expect(self, wanted: str) -> None:
        """Wait until the program has printed ``wanted`` since the last answer."""
        end = time.monotonic() + PATIENCE
        while wanted not in self.text[self._seen :]:
            if not self._read(end):
                raise AssertionError(f"{wanted!r} was not printed:\n{self.text[self._seen :]}")
        self._seen = self.text.index(wanted, self._seen) + len(wanted)

    def answer(self, text: str) -> None:
        """Type a line."""
        os.write(self._own, f"{text}\n".encode())

    def interrupt(self, wanted: str) -> None:
        """What Ctrl-C sends, again and again until the program has printed ``wanted``.

        A signal between readline's prompt and its wait for a key is seen at the next key or signal only: a person
        presses again. What is printed in between may be the rest of the prompt: it does not count as an answer.
        """
        for _ in range(PATIENCE // HESITATION):
            self._process.send_signal(signal.SIGINT)
            end = time.monotonic() + HESITATION
            while wanted not in self.text[self._seen :] and (left := end - time.monotonic()) > 0:
                if select.select([self._own], [], [], left)[0] and not self._read(time.monotonic() + PATIENCE):
                    return  # it ended
            if wanted in self.text[self._seen :]:
                return

    def close(self) -> int:
        """Read to the end and return the exit code."""
        end = time.monotonic() + PATIENCE
        while self._read(end):
            pass
        os.close(self._own)
        return self._process.wait(PATIENCE)

    def _read(self, end: float) -> bool:
        """Take in what is there; False at the end of the output."""
        while time.monotonic() < end:
            if select.select([self._own], [], [], 0.2)[0]:
                try:
                    data = os.read(self._own, 65536)
                except OSError:  # Linux: the other end is closed
                    return False
                self._raw += data
                self.text = " ".join(KEYS.sub("", self._raw.decode(errors="replace")).split())
                return bool(data)
        self._process.kill()
        raise AssertionError(f"the program did not end or answer:\n{self.text}")

"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from gaslamp.core.files import write_text


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    """As root, a file in the place of /dev/null would replace the device for every program."""
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "line\n")
    reader.join(timeout=90)
    assert read == ["line\n"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_file_is_replaced_whole_and_nothing_is_left_next_to_it(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "old\n")
    before = file.stat().st_ino
    write_text(file, "new\n")
    assert file.read_text() == "new\n" and file.stat().st_ino != before and os.listdir(tmp_path) == ["a.txt"]

"""``make data`` as a person types it, at a pseudo-terminal: the question is answered, and the data phase goes on."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import tiny
import yaml
from test_spreadsheets import write_xlsx

LIMIT = 180  # seconds


def talk(command: list[str], cwd: Path, answers: dict[str, str]) -> tuple[int, str]:
    """Run a command at a pseudo-terminal and type each answer when its words are on the screen: exit code, screen."""
    terminal, own = pty.openpty()
    environ = {
        **tiny.get_environ(cwd.parent / "gaslamp_home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "dumb",
    }
    process = subprocess.Popen(command, cwd=cwd, env=environ, stdin=own, stdout=own, stderr=own, close_fds=True)
    os.close(own)
    screen, waiting, end = "", dict(answers), time.monotonic() + LIMIT
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            screen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # Linux: the other end is closed
            break
        for words, answer in list(waiting.items()):
            if words in screen:
                del waiting[words]
                os.write(terminal, answer.encode() + b"\n")
    os.close(terminal)
    if process.poll() is None:
        process.wait(timeout=90)
    assert waiting == {}, f"{list(waiting)} never came:\n{screen}"
    return process.returncode, screen.replace("\r\n", "\n")


def test_a_spreadsheet_whose_columns_are_not_certain_is_settled_by_one_number(tmp_path: Path, tiny_model: Path) -> None:
    project = tiny.bake(tmp_path / "projects", "embedded:orders_json", tiny_model, tiny.SETTINGS)
    rows = [[f"remark {n} of a guest", f"refund {n} was paid"] for n in range(60)]
    write_xlsx(project / "data/raw/notes.xlsx", {"Notes": [["alpha", "beta"], *rows]})
    code, screen = talk(["make", "data"], project, {"which one?": "2"})
    assert code == 0, screen
    assert "data.source is now data/raw/notes.xlsx" in screen and "what the columns mean is not certain" in screen
    config = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    card = json.loads((project / "data/card.json").read_text(encoding="utf-8"))
    assert (
        config["data"]["meaning"] not in ("auto", None) and f"data.meaning is now {config['data']['meaning']}" in screen
    )
    assert card["decisions"][0]["value"] == config["data"]["meaning"] and card["rows"]["read"] == 60
    assert card["source"] == "data/raw/notes.xlsx" and (project / "data/report.html").is_file()
    assert f"train.max_length {card['max_length']}" in screen and "rows of general chat data to train" in screen
    code, screen = talk(["make", "data"], project, {})
    assert code == 0 and "which one?" not in screen and "Nothing to be done" in screen, (
        "the question does not come again"
    )

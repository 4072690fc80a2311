"""What the cells of a generated notebook do: set up, verify, train, poll, final. It came there with the bundle.

The work is that of ``scripts/answer_remote.py``, as on every other machine: the cells only call it, with the
interpreter of the training. Standard library only: it runs in the notebook's kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Values = dict[str, Any]  # JSON

FOLDER = Path(__file__).resolve().parents[3]
ANSWER = "scripts/answer_remote.py"
PLAN = FOLDER / ".gaslamp" / "there" / "plan.json"
EVERY = 10.0  # seconds between two polls
NEWS = 3.0  # and while there is something to show


def _run(command: list[str], stdin: str = "") -> Values:
    """Run a program in the project's folder, show what it prints, and return its last line of ours.

    Raises:
        RuntimeError: it ended with another exit code than 0, or printed no such line.
    """
    process = subprocess.Popen(
        command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdin and process.stdout
    process.stdin.write(stdin)
    process.stdin.close()
    found: dict[str, Any] = {}
    for line in process.stdout:
        if line.startswith('{"gaslamp"'):
            found = json.loads(line)
        else:
            print(line, end="", flush=True)
    if process.wait():
        raise RuntimeError(f"{' '.join(command[1:3])} ended with {process.returncode}: see the lines above")
    return found


def _answer(*arguments: str, stdin: str = "") -> Values:
    found = _run([_read_plan()["python"], ANSWER, *arguments], stdin)
    if not found:
        raise RuntimeError(f"{arguments[0]} gave no answer: see the lines above")
    return found


def _show(line: Values) -> None:
    """``SETUP_OK: {...}``"""
    print(f"{line.pop('gaslamp')}: {json.dumps(line)}", flush=True)


def _read_plan() -> Values:
    plan: dict[str, Any] = json.loads(PLAN.read_text(encoding="utf-8"))
    return plan


def set_up(plan: Values) -> None:
    """Make the environment of the training, or take the interpreter that the plan names; prints SETUP_OK.

    Args:
        plan: what ``drivers/notebook.py`` wrote into the cell: python, backend, extras, alone, job, key, command,
            model, checkpoints, metrics, outputs, need_gb.

    Raises:
        RuntimeError: this machine cannot train with that backend; the lines above say why.
    """
    # what needs no packages is checked before they are installed
    look = ["scripts/detect_system.py", "--fit-for", plan["backend"], "--need-gb", str(plan["need_gb"])]
    _run([sys.executable, *look])
    if not plan["python"]:
        venv = f"../environment-{plan['backend']}"
        flags = ["--extras", *plan["extras"], *(["--alone"] if plan["alone"] else []), "--command", "this cell"]
        _run([sys.executable, "scripts/install_packages.py", "--venv", venv, *flags])
        plan["python"] = str((FOLDER / venv / "bin" / "python").absolute())
    PLAN.parent.mkdir(parents=True, exist_ok=True)
    PLAN.write_text(json.dumps(plan), encoding="utf-8")
    _show(_answer("setup"))


def verify(hf_token: str = "") -> None:
    """Check GPU, disk and packages, and get the base model; prints VERIFY_OK.

    Args:
        hf_token: for a gated model; it is written nowhere. A cell is saved with its source: pass what getpass read.
    """
    plan = _read_plan()
    _show(_answer("verify", "--backend", plan["backend"]))
    if plan["model"]:
        fetch = ["scripts/fetch_model.py", "--config", plan["config"], "--out", plan["model"]]
        fetch += ["--log", "logs/fetch_model.log"]
        _show(_answer("model", "--facts", plan["model"], "--", *fetch, stdin=hf_token + "\n"))


def train() -> None:
    """Start the training in the background, unless it runs or has ended; prints TRAINING_STARTED."""
    plan = _read_plan()
    job = _answer("find", *_get_flags(plan))
    if job["key"] != plan["key"] or job["state"] not in ("running", "finished"):
        log = FOLDER / ".gaslamp" / "there" / plan["job"] / "output.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [plan["python"], ANSWER, "supervise", "--job", plan["job"], "--key", plan["key"], "--"]
        with log.open("ab") as handle:
            subprocess.Popen(
                [*command, *plan["command"]],
                cwd=FOLDER,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,  # interrupting a cell does not end it
            )
        while job["key"] != plan["key"] or job["state"] == "none":
            time.sleep(0.2)
            job = _answer("find", *_get_flags(plan))
    _show({"gaslamp": "TRAINING_STARTED", "job": plan["job"], "state": job["state"]})


def poll() -> None:
    """Show the training's progress until it ends; the cell can be interrupted and run again.

    Raises:
        RuntimeError: the training failed; the lines above say why.
    """
    plan, seen = _read_plan(), 0
    while True:
        news = _answer("poll", *_get_flags(plan), "--output-from", str(seen))
        print(news["output"], end="", flush=True)
        seen, job = news["output_to"], news["job"]
        if job["state"] != "running" and not news["output"]:
            break
        if job["state"] == "running":
            time.sleep(NEWS if news["output"] else EVERY)
    _show({"gaslamp": "POLL", "done": job["state"] == "finished", "state": job["state"], "step": job["step"]})
    if job["state"] != "finished":
        raise RuntimeError(
            f"the training {job['state']}: see the lines above; the cell before this one starts it again"
        )


def final() -> str:
    """Pack what comes home and offer it for download; prints FINAL. Returns the archive's path.

    Its name has its hash: an archive that came only in part is not taken at home.
    """
    plan = _read_plan()
    packed = _answer("pack", "--job", plan["job"], "--", *plan["outputs"])
    missing = [name for name in plan["outputs"][:-1] if not (FOLDER / name).exists()]
    if missing:
        raise RuntimeError(f"{', '.join(missing)} is not there: the training has not ended")
    archive = FOLDER.parent / f"gaslamp-{plan['key']}-{packed['sha256'][:16]}.tar"
    shutil.copyfile(FOLDER / packed["name"], archive)
    _show(
        {"gaslamp": "FINAL", "archive": archive.name, "size": packed["size"], "files": packed["files"], "error": None}
    )
    try:
        from google.colab import files
    except ImportError:
        print(f"download {archive} from here (it is in the file list of the notebook)")
    else:
        files.download(os.fspath(archive))
    return os.fspath(archive)


def _get_flags(plan: Values) -> list[str]:
    flags = ["--job", plan["job"], "--backend", plan["backend"]]
    return [*flags, "--checkpoints", plan["checkpoints"], "--metrics", plan["metrics"]] if plan["metrics"] else flags

"""A notebook for Colab, or any other page with a GPU: a person uploads it, runs it, and downloads the result."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.backends import get_backend
from gaslamp.config.slices import Slice
from gaslamp.core.console import get_size, say
from gaslamp.core.files import JsonObject, read_json, sha256_path, sha256_text, write_json
from gaslamp.environment.findings import Problem
from gaslamp.remote import notebook_open
from gaslamp.remote.setup import get_needed_disk
from gaslamp.remote.task import read_task

TITLE = "a notebook that you run in a browser"
RELEASES = False
MANUAL = True
EMBEDDED = 8_000_000  # bytes of a bundle that travel inside of the notebook
NAME = "train.ipynb"
RECORD = "notebook.json"
DOWNLOADS = Path("Downloads")  # below the home folder


def find_problems(settings: Slice) -> list[Problem]:
    """Only what needs a connection while it runs."""
    remote = settings.remote
    there = [key for key in ("evaluate", "export") if getattr(remote, key) == "there"]
    if there:
        keys = " and ".join(f"remote.{key}" for key in there)
        return [Problem(f"a notebook only trains, and {keys} says there", f"set {keys}: here, or take another driver")]
    return []


def hand_over(settings: Slice, bundle: Path, command: Sequence[str], folder: Path) -> str:
    """Write the notebook into ``folder``, with the bundle in it when that is small."""
    digest = sha256_path(bundle)
    plan = get_plan(settings, bundle, command, digest)
    is_inside = bundle.stat().st_size <= EMBEDDED
    data = base64.b64encode(bundle.read_bytes()).decode("ascii") if is_inside else ""
    write_json(folder / NAME, get_notebook(plan, digest, data))
    write_json(folder / RECORD, {"key": plan["key"]})
    more = [] if is_inside else [f"   its first cell wants {bundle.absolute()} ({get_size(bundle.stat().st_size)}) too"]
    runtime = "Runtime, Change runtime type, choose a GPU" if plan["backend"] == "cuda" else "any runtime will do"
    return "\n".join(
        [
            f"1. open https://colab.research.google.com, Upload, and choose {(folder / NAME).absolute()}",
            *more,
            f"2. {runtime}; then Runtime, Run all",
            f"3. the last cell downloads gaslamp-{plan['key']}-....tar: leave it in ~/{DOWNLOADS}, or put it into",
            f"   {folder.absolute()}",
            "It is waited for here. Ctrl-C ends the waiting, the same command goes on with it.",
        ]
    )


def find_archive(settings: Slice, folder: Path) -> Path | None:
    """The archive of this notebook whose bytes have the hash in its name."""
    if not (folder / RECORD).is_file():
        return None
    record: JsonObject = read_json(folder / RECORD)
    places = [folder, Path.cwd(), Path.home() / DOWNLOADS]
    found = {file for place in places if place.is_dir() for file in place.glob(f"gaslamp-{record['key']}-*.tar")}
    for file in sorted(found, key=lambda file: file.stat().st_mtime, reverse=True):
        mark = f"{file} {file.stat().st_size}"
        if record.get("wrong") == mark:
            continue
        if sha256_path(file)[:16] == file.name.removeprefix(f"gaslamp-{record['key']}-")[:16]:
            return file
        say(f"{file} is not whole (its hash is another one): download it again, if it is no longer being downloaded")
        record["wrong"] = mark
        write_json(folder / RECORD, record)
    return None


def get_plan(settings: Slice, bundle: Path, command: Sequence[str], digest: str) -> JsonObject:
    """What the cells do: notebook_side.set_up."""
    task = read_task(command)
    name = settings.remote.backend if settings.remote.backend != "auto" else "cuda"
    backend = get_backend(name)
    alone = hasattr(backend, "VENV")
    with tarfile.open(bundle) as archive:
        inside = set(archive.getnames())
    model = task.get("--model") or ""
    return {
        "key": sha256_text(json.dumps([digest, list(command)]))[:12],
        "python": settings.remote.python,
        "backend": name,
        "extras": [backend.EXTRA] if alone or backend.EXTRA == "cpu" else ["cpu", backend.EXTRA],
        "alone": alone,
        "need_gb": get_needed_disk(),
        "job": task.name,
        "command": list(command),
        "config": task.get("--config"),
        "model": "" if model in inside else model,
        "checkpoints": task.get("--checkpoints") or "",
        "metrics": task.get("--metrics") or "",
        "outputs": [*task.outputs, task.get("--metrics") or ""],
    }


def get_notebook(plan: JsonObject, digest: str, data: str) -> JsonObject:
    """The notebook, in version 4.5 of the format.

    Args:
        plan: of get_plan.
        digest: sha256 of the bundle.
        data: the bundle in base64, or empty.
    """
    opened = Path(notebook_open.__file__).read_text(encoding="utf-8")
    folder = f"gaslamp-{plan['key']}"
    cells = [
        ("bundle", "The project", f"{opened}\n\nopen_bundle({folder!r}, {digest!r}, {data!r})"),
        (
            "setup",
            "Packages: some minutes",
            f"from gaslamp.remote import notebook_side\n\nnotebook_side.set_up({plan!r})",
        ),
        ("verify", "The machine and the base model", "notebook_side.verify()"),
        ("train", "The training, in the background", "notebook_side.train()"),
        ("poll", "Its progress; the cell ends with it", "notebook_side.poll()"),
        ("final", "The result: download it and leave this page", "notebook_side.final()"),
    ]
    intro = "# Training\n\nWritten by gaslamp. Run all cells; each of them can be run again."
    if plan["model"]:
        intro += (
            " For a gated base model change the third cell to "
            "`import getpass; notebook_side.verify(getpass.getpass())`: it takes your token, which a cell would keep."
        )
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "accelerator": "GPU" if plan["backend"] == "cuda" else "NONE",
        },
        "cells": [
            {"cell_type": "markdown", "id": "intro", "metadata": {}, "source": intro},
            *(
                {
                    "cell_type": "code",
                    "id": name,
                    "metadata": {"cellView": "form"},
                    "execution_count": None,
                    "outputs": [],
                    "source": f"# @title {title}\n{source}",
                }
                for name, title, source in cells
            ),
        ],
    }

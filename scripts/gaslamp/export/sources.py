"""What every exporter is given, and how files get from here to there."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.core.contracts import Ladder, Parity
from gaslamp.core.errors import GaslampError


@dataclass(frozen=True)
class Sources:
    """The artefacts and facts of a run, by path."""

    model: Path  # model.json of the base
    adapters: Path  # PEFT folder (or the whole model, with train.adapter: none)
    merged: Path
    template: Path  # data/template.json
    card: Path  # data/card.json
    train: Path  # train.json
    compare: Path  # compare.json
    gguf: Path  # folder of the GGUF files, with ladder.json, parity.json and Modelfile


def put(source: Path, target: Path) -> None:
    """``source`` at ``target`` as well: a hard link where the disk can (no second copy of large files), else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def require_parity(parity: Parity, what: str) -> None:
    """Raise GaslampError when the gate failed and nobody said to go on."""
    if parity.passed or parity.override:
        return
    failed = next((check for check in parity.checks if not check.passed), None)
    raise GaslampError(
        f"the parity check did not pass, so there is nothing to {what}: {parity.summary}",
        (failed and failed.cause) or "read parity.json: it names the first difference",
        "export: {parity: warn} in config.yaml goes on all the same, and says so",
    )


def get_context(settings: Any, merged: Path) -> int:
    """Tokens of a conversation for a server: deploy.context, but no more than the model was made for."""
    from gaslamp.core.files import read_json

    config = read_json(merged / "config.json")
    most = {**config, **(config.get("text_config") or {})}.get("max_position_embeddings")
    return min(settings.deploy.context, int(most)) if most else int(settings.deploy.context)


def get_recommended(gguf: Path) -> Path:
    """The GGUF file that the ladder recommends."""
    ladder = Ladder.read(gguf / "ladder.json")
    return gguf / next(level.file for level in ladder.levels if level.level == ladder.recommended)


def check_script(file: Path, folder: Path) -> list[str]:
    """What is wrong with a start script: its syntax, or a path in it that does not exist (relative to ``folder``)."""
    import re
    import subprocess

    done = subprocess.run(["sh", "-n", str(file)], capture_output=True, text=True, check=False)
    problems = [f"{file}: {done.stderr.strip()}"] if done.returncode else []
    for path in re.findall(r"(?:^|[ =])(\.\.?/[\w./-]+)", file.read_text(encoding="utf-8")):
        if not (folder / path).exists():
            problems.append(f"{file}: {path} does not exist")
    return problems

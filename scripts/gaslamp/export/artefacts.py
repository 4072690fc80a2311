"""The files of a run that exporters read, and what several of them do with these files."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.contracts import Ladder, Parity
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json


@dataclass(frozen=True)
class RunFiles:
    """The artefacts and facts of a run, by path."""

    model: Path  # model.json of the base model
    adapters: Path  # PEFT folder (or the whole model, with train.adapter: none)
    merged: Path  # folder of the merged model
    template: Path  # data/template.json
    card: Path  # data/card.json
    train: Path  # train.json
    compare: Path  # compare.json
    gguf: Path  # folder of the GGUF files, with ladder.json, parity.json and Modelfile


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source`` where the disk supports it (no second large file), else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def require_parity(parity: Parity, what: str) -> None:
    """Refuse a model that the parity gate did not pass, unless export.parity is warn.

    Args:
        parity: contents of parity.json.
        what: verb for the message: ship, serve, push.

    Raises:
        GaslampError: the gate failed.
    """
    if parity.passed or parity.override:
        return
    failed = next((check for check in parity.checks if not check.passed), None)
    cause = f"; usually {failed.cause}" if failed and failed.cause else ""
    fix = (failed and failed.fix) or "read parity.json: it names the first difference"
    # what is wrong before the conversion is wrong in the merged model too
    is_of_gguf = failed is not None and failed.artefact not in ("adapter", "merged") and "[merged]" not in fix
    without = "where it fails again: export: {formats: [merged]} ships without GGUF; or " if is_of_gguf else ""
    raise GaslampError(
        f"the parity check failed, so there is nothing to {what}: {parity.summary}{cause}",
        fix,
        f"{without}export: {{parity: warn}} in config.yaml: {what} it anyway (the override is recorded)",
    )


def get_context(settings: Slice, merged: Path) -> int:
    """Tokens of a conversation for a server: deploy.context, but no more than the model was made for."""
    config = read_json(merged / "config.json")
    most = {**config, **(config.get("text_config") or {})}.get("max_position_embeddings")
    return min(settings.deploy.context, int(most)) if most else int(settings.deploy.context)


def get_recommended(gguf: Path) -> Path:
    """The GGUF file that the ladder recommends, in the folder ``gguf``."""
    ladder = Ladder.read(gguf / "ladder.json")
    return gguf / next(level.file for level in ladder.levels if level.level == ladder.recommended)

"""vLLM: scripts that start it on the merged model, or on the base with the adapter beside it. vLLM itself needs an NVIDIA GPU."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Parity
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.export.sources import Sources, check_script, get_context, require_parity

REQUIRES: tuple[str, ...] = ()
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for --max-lora-rank."""


def export(sources: Sources, settings: Any, out: Path) -> None:
    """Write start.sh, start_adapter.sh where there is an adapter, and the arguments as JSON."""
    require_parity(Parity.read(sources.gguf / "parity.json"), "serve")
    model = ModelFacts.read(sources.model)
    common = ["--dtype", "auto", "--host", "127.0.0.1", "--max-model-len", str(get_context(settings, sources.merged))]
    name = settings.project.name
    commands = {"start": ["vllm", "serve", "../../merged", "--served-model-name", name, *common]}
    config = sources.adapters / "adapter_config.json"
    if config.is_file():
        rank = read_json(config)["r"]
        allowed = next((size for size in RANKS if size >= rank), None)
        if allowed is None:
            raise GaslampError(
                f"vLLM serves adapters up to rank {RANKS[-1]}, this one has {rank}",
                "serve the merged model: take a lower train.lora.r",
            )
        lora = ["--enable-lora", "--lora-modules", f"{name}=../../adapters", "--max-lora-rank", str(allowed)]
        base = model.source if model.source.count("/") == 1 and not Path(model.source).exists() else model.path
        commands["start_adapter"] = [
            "vllm",
            "serve",
            base,
            *(["--revision", model.revision] if model.revision else []),
            *common,
            *lora,
        ]
    for script, command in commands.items():
        write_script(out / f"{script}.sh", command, "VLLM_API_KEY", 8000, "pip install vllm", '--port "${PORT:-8000}"')
    write_json(out / "arguments.json", commands)
    verify(out)
    say(f"{out}: {', '.join(f'{script}.sh' for script in commands)}")


def write_script(file: Path, command: list[str], key: str, port: int, install: str, more: str) -> None:
    """A start script: it goes to its own folder, asks for a key in the environment, and replaces itself by the server."""
    lines = [
        "#!/bin/sh",
        f"# Serves the model on 127.0.0.1:{port} with an OpenAI-compatible API. Install first: {install}",
        f"# {key}=<a secret of yours> PORT={port} sh {file.name}",
        "set -eu",
        'cd "$(dirname "$0")"',
        f': "${{{key}:?set it to a secret: whoever has it may use the model}}"',
        f"export {key}",
        f"exec {shlex.join(command)} {more}",
    ]
    write_text(file, "\n".join(lines) + "\n")
    file.chmod(0o755)


def verify(folder: Path) -> None:
    """The scripts parse, and the files they name are there. Raises GaslampError otherwise."""
    if problems := [problem for file in sorted(folder.glob("*.sh")) for problem in check_script(file, folder)]:
        raise GaslampError("; ".join(problems), "run snakemake again: it rebuilds what is missing")

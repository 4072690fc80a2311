"""vLLM: scripts that start it on the merged model, or on base and adapter. vLLM itself needs an NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Parity
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.export.artefacts import RunFiles, get_context, require_parity
from gaslamp.export.hub_card import is_hub_name
from gaslamp.export.start_script import verify_scripts, write_script

TITLE = "a script that starts vLLM"
REQUIRES: tuple[str, ...] = ()
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM accepts for --max-lora-rank."""


def export(run: RunFiles, settings: Slice, out: Path) -> None:
    """Write start.sh, start_adapter.sh where there is an adapter, and the arguments as JSON."""
    require_parity(Parity.read(run.gguf / "parity.json"), "serve")
    model = ModelFacts.read(run.model)
    common = ["--dtype", "auto", "--host", "127.0.0.1", "--max-model-len", str(get_context(settings, run.merged))]
    name = settings.project.name
    commands = {"start": ["vllm", "serve", "../../merged", "--served-model-name", name, *common]}
    config = run.adapters / "adapter_config.json"
    if config.is_file():
        rank = read_json(config)["r"]
        allowed = next((size for size in RANKS if size >= rank), None)
        if allowed is None:
            raise GaslampError(
                f"vLLM serves adapters up to rank {RANKS[-1]}, this one has {rank}",
                "serve the merged model: take a lower train.lora.r",
            )
        lora = ["--enable-lora", "--lora-modules", f"{name}=../../adapters", "--max-lora-rank", str(allowed)]
        base = model.source if is_hub_name(model.source) else model.path
        commands["start_adapter"] = [
            "vllm",
            "serve",
            base,
            *(["--revision", model.revision] if model.revision and base == model.source else []),
            *common,
            *lora,
        ]
    for script, command in commands.items():
        write_script(out / f"{script}.sh", command, "VLLM_API_KEY", 8000, "pip install vllm", '--port "${PORT:-8000}"')
    write_json(out / "arguments.json", commands)
    verify(out)
    say(f"{out}: {', '.join(f'{script}.sh' for script in commands)}")


def verify(folder: Path) -> None:
    """The scripts parse, and the files they name exist. Raises GaslampError otherwise."""
    verify_scripts(folder)

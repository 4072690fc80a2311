"""MLX: the merged model in Apple's format, 16-bit, 8-bit and 4-bit, for mlx_lm and LM Studio."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.console import get_size, say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.environment.python_env import get_train_python
from gaslamp.export.artefacts import RunFiles

TITLE = "Apple's MLX"
NEEDS_ANSWERS = True  # not for models that return scores or vectors
REQUIRES: tuple[str, ...] = ("mlx_lm",)
BITS = (16, 8, 4)
SCRIPT = Path(__file__).parents[3] / "convert_mlx.py"
AGREE = 0.05
"""Largest difference of next-token probabilities between the 16-bit copy and the merged model."""


def find_python() -> str | None:
    """An interpreter that has mlx-lm: of .venv-mlx, or this one."""
    import importlib.util

    found = get_train_python(None, registry.find_with("backends", "EXTRA", "mlx"))
    return found if found != sys.executable or importlib.util.find_spec("mlx_lm") else None


def find_problems() -> list[tuple[str, str]]:
    """What is missing for this format, as (problem, fix); called by the preflight."""
    return (
        []
        if find_python()
        else [
            (
                "the format 'mlx' needs mlx-lm, which is not installed",
                "make mlx (an environment of its own, .venv-mlx), or take mlx out of export.formats",
            )
        ]
    )


def export(run: RunFiles, settings: Slice, out: Path) -> None:
    """Convert the merged folder to ``out``/16bit, 8bit and 4bit; each is loaded again with mlx_lm and prompted.

    It runs in .venv-mlx. The configs have the base of the rotary positions where mlx-lm reads it
    (gaslamp.train.mlx.checkpoints).

    Raises:
        GaslampError: mlx-lm is not installed, or cannot convert this model.
    """
    python = find_python()
    if python is None:
        raise GaslampError(*find_problems()[0])
    command = [
        python,
        str(SCRIPT),
        "--merged",
        str(run.merged),
        "--template",
        str(run.template),
        "--out",
        str(out),
        "--bits",
        *map(str, BITS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    print(done.stdout, done.stderr, sep="\n")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise GaslampError(
            f"mlx-lm did not convert {run.merged}: {last[:300]}",
            "read the log of this step",
            "this architecture is not in mlx-lm: take mlx out of export.formats",
        )
    verify(out)
    for name, facts in read_json(out / "mlx.json").items():
        say(f"mlx {name}: {get_size(facts['size_bytes'])}, {facts['bits_per_weight']} bits a weight, loads with mlx_lm")


def verify(folder: Path) -> None:
    """Every folder was loaded by mlx_lm and ran, and the quantized ones are small. Raises GaslampError otherwise."""
    facts = read_json(folder / "mlx.json")
    for bits in BITS:
        own = facts.get(f"{bits}bit")
        if not own or not (folder / f"{bits}bit" / "config.json").is_file():
            raise GaslampError(f"{folder} has no {bits}-bit model", "delete it and run snakemake again")
        if bits < 16 and not bits <= own["bits_per_weight"] < bits + 2:
            raise GaslampError(
                f"{folder}/{bits}bit takes {own['bits_per_weight']} bits a weight",
                "please report this: it is a bug in the mlx exporter",
            )
        if bits == 16 and own["difference"] > AGREE:
            raise GaslampError(
                f"the MLX copy differs from the merged model (next-token probabilities by {own['difference']:.2g})",
                "please report this: it is a bug in the mlx exporter",
            )

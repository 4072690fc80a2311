"""MLX: the merged model in Apple's format. Its arguments are known, running it is not built yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.errors import GaslampError
from gaslamp.export import Sources

REQUIRES: tuple[str, ...] = ("mlx_lm",)
BUILT = False
REASON = "converting needs Apple silicon and comes with the mac backend; the merged folder can be converted there by hand"


def get_arguments(merged: Path, out: Path, bits: int | None = 4) -> list[str]:
    """The command that converts the merged folder on a Mac; ``bits`` None keeps 16 bit."""
    command = ["python", "-m", "mlx_lm", "convert", "--hf-path", str(merged), "--mlx-path", str(out)]
    return [*command, *(["--quantize", "--q-bits", str(bits)] if bits else [])]


def export(sources: Sources, settings: Any, out: Path) -> None:
    """Refused by name, with the command to run on a Mac."""
    raise GaslampError(
        f"the format mlx is not built yet: {REASON}",
        f"take mlx out of export.formats; on a Mac run: {' '.join(get_arguments(sources.merged, out))}",
    )


def verify(folder: Path) -> None:
    """Nothing is written, so there is nothing to check. Raises GaslampError."""
    raise GaslampError(f"the format mlx is not built yet: {REASON}", "take mlx out of export.formats")

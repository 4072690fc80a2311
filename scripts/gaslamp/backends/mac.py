"""Train on Apple silicon with MLX. Not built yet: declared, so that the preflight can refuse it by name."""

from __future__ import annotations

from typing import Any

BUILT = False
REASON = "MLX training on Apple silicon comes with a later version"
EXTRA = "mlx"
REQUIRES = ("mlx", "mlx_lm", "transformers")
METHODS = ("sft",)


def find_machine_problems(system: dict[str, Any]) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["is_apple_silicon"]:
        return []
    here = f"{system['os']} {system['arch']}"
    return [(f"this is {here}, not a Mac with Apple silicon", "use snakemake --profile cpu, or run the project on such a Mac")]

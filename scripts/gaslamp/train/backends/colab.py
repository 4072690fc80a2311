"""Train on a Google Colab machine. Not built yet: declared, so that the preflight refuses it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gaslamp.config.slices import Slice
    from gaslamp.environment.system import System

BUILT = False
REASON = "driving a Colab machine comes with a later version"
EXTRA = "colab"
REQUIRES = ("transformers", "tokenizers")
METHODS = ("sft",)
MACHINE = "a Google Colab machine"
REMOTE = True
DRIVER = "ssh"
QUANTIZES = True
UNUSED_SETTINGS = ("engine", "quantization", "choose")


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["colab_cli"]:
        return []
    return [
        (
            "no colab command on the PATH, which drives the Colab machine",
            "install google-colab-cli (Python 3.12+), or use snakemake --profile cpu",
        )
    ]


def find_setting_warnings(settings: Slice) -> list[tuple[str, str]]:
    """Settings that work there, but not well, each with what to do."""
    from gaslamp.train.unsloth import find_dropout_warnings

    return find_dropout_warnings(settings.train)

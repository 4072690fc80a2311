"""The round trip to a Google Colab machine: push, train, poll, pull. Not built yet: each step fails with the reason."""

from __future__ import annotations

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError

STEPS = ("push", "train", "poll", "pull")


def run_step(step: str) -> None:
    """Run one of STEPS on the Colab machine.

    Raises:
        GaslampError: always, until the remote machine is built.
    """
    reason = registry.get("backends", "colab").REASON
    raise GaslampError(f"the Colab step '{step}' is not built yet: {reason}", "use snakemake --profile cpu")

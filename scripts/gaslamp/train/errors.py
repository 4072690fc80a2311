"""Errors of a training that both engines raise."""

from __future__ import annotations

from gaslamp.core.errors import GaslampError
from gaslamp.core.finding import Finding


def get_loss_error(step: int, loss: float, checkpoint: str) -> GaslampError:
    """The error for a loss that is NaN or infinite.

    Args:
        step: optimizer step, from 1; 0 before the first.
        loss: the value.
        checkpoint: which checkpoint is kept, in words.
    """
    return GaslampError(
        f"the loss became {loss} at step {step}; training stopped, {checkpoint}",
        "lower train.learning_rate (a third of it), or raise train.warmup_steps",
        "float16 overflowed: set train.dtype to bfloat16 or float32",
    )


def get_finding_error(finding: Finding, steps: int, checkpoint: str) -> GaslampError:
    """The error for a training that ended early because a finding is certain.

    Args:
        finding: what was found.
        steps: that were planned.
        checkpoint: which checkpoint is kept, in words.
    """
    changes = {change.key: change.value for remedy in finding.remedies[:1] for change in remedy.changes}
    texts = [remedy.text for remedy in finding.remedies]
    by_hand = "; `make try N=1` makes this change and trains again as a new run" if changes else ""
    return GaslampError(
        f"training stopped at step {finding.step} of {steps}: {finding.title} ({finding.seen}); {checkpoint}",
        (texts[0] if texts else finding.cause) + by_hand,
        "; or ".join([*texts[1:], "to go on all the same from that checkpoint, set diagnose.stop: false"]),
        settings=changes,
    )


def get_no_rows_error(max_length: int) -> GaslampError:
    """The error for a training whose rows are all longer than ``train.max_length`` (tokens)."""
    return GaslampError(
        f"no training row is left: every one is longer than train.max_length = {max_length} tokens",
        "raise train.max_length; data/card.json has the lengths of the rows",
    )

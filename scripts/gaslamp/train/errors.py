"""Errors of a training that both engines raise."""

from __future__ import annotations

from gaslamp.core.errors import GaslampError


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


def get_no_rows_error(max_length: int) -> GaslampError:
    """The error for a training whose rows are all longer than ``train.max_length`` (tokens)."""
    return GaslampError(
        f"no training row is left: every one is longer than train.max_length = {max_length} tokens",
        "raise train.max_length; data/card.json has the lengths of the rows",
    )

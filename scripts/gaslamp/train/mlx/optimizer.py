"""Optimizer and learning rate on MLX, as PyTorch and transformers compute them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gaslamp.train.mlx.types import Array, Optimizer
from gaslamp.train.types import TrainSettings


def get_schedule(train: TrainSettings, steps: int) -> Callable[[Array], Array]:
    """The learning rate as a function of the optimizer step (an array, from 0): warm-up from 0, then as scheduled.

    Args:
        train: settings.
        steps: of the whole training.
    """
    import mlx.core as mx

    rate, kind = train.learning_rate, train.scheduler
    warmup = 0 if kind == "constant" else min(train.warmup_steps, max(1, steps // 2))

    def schedule(step: Any) -> Any:
        now = step.astype(mx.float32)
        share = mx.clip((now - warmup) / max(1, steps - warmup), 0, 1)
        factor = {"cosine": 0.5 * (1 + mx.cos(math.pi * share)), "linear": 1 - share}.get(kind, mx.array(1.0))
        return rate * (mx.where(now < warmup, now / warmup, factor) if warmup else factor)

    return schedule


def get_optimizer(train: TrainSettings, steps: int) -> Optimizer:
    """AdamW as in PyTorch (MLX's has no bias correction by default), clipped gradients, their norm in its state."""
    import mlx.core as mx
    import mlx.optimizers as optim

    class ClippedAdamW(optim.AdamW):  # type: ignore[misc]
        def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
            gradients, norm = optim.clip_grad_norm(gradients, train.max_grad_norm)
            result = super().apply_gradients(gradients, parameters)
            self.state["grad_norm"] = norm
            return result

    optimizer = ClippedAdamW(
        get_schedule(train, steps), betas=[0.9, train.adam_beta2], weight_decay=train.weight_decay, bias_correction=True
    )
    optimizer.state["grad_norm"] = mx.array(0.0)
    return optimizer

"""Checkpoints that a training with MLX resumes from: adapter, optimizer, random state and step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.train.checkpoints import get_step, record_hashes
from gaslamp.train.mlx.types import Array, Model, Optimizer

KEPT = 2  # checkpoints
STATE_FILES = ("adapters.safetensors", "optimizer.safetensors", "state.json")


def save_checkpoint(folder: Path, step: int, model: Model, optimizer: Optimizer) -> None:
    """Write a complete checkpoint under its name at once, and remove the oldest.

    Args:
        folder: of all checkpoints of this training.
        step: optimizer steps done.
        model: with its adapter.
        optimizer: with its state.
    """
    import mlx.core as mx
    from mlx.utils import tree_flatten

    checkpoint = folder / f"checkpoint-{step}"
    unfinished = folder / f".checkpoint-{step}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    mx.save_safetensors(str(unfinished / "adapters.safetensors"), get_weights(model))
    mx.save_safetensors(str(unfinished / "optimizer.safetensors"), dict(tree_flatten(optimizer.state)))
    write_json(unfinished / "state.json", {"global_step": step, "random": get_random_state()})
    shutil.rmtree(checkpoint, ignore_errors=True)
    record_hashes(unfinished)
    os.replace(unfinished, checkpoint)
    for old in sorted(folder.glob("checkpoint-*"), key=get_step)[:-KEPT]:
        shutil.rmtree(old)


def restore_checkpoint(checkpoint: Path, model: Model, optimizer: Optimizer) -> int:
    """Set adapter, optimizer and random state as they were saved; returns the step."""
    import mlx.core as mx
    from mlx.utils import tree_unflatten

    model.load_weights(list(mx.load(str(checkpoint / "adapters.safetensors")).items()), strict=False)
    state = mx.load(str(checkpoint / "optimizer.safetensors"))
    if state:
        optimizer.state = tree_unflatten(list(state.items()))
    saved = read_json(checkpoint / "state.json")
    mx.random.seed(saved["random"])
    return int(saved["global_step"])


def get_weights(model: Model) -> dict[str, Array]:
    """The adapter's arrays by MLX's names."""
    from mlx.utils import tree_flatten

    return dict(tree_flatten(model.trainable_parameters()))


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint of MLX unusable, or ``None``: missing files, unreadable tensors, another step."""
    from safetensors import SafetensorError, safe_open

    missing = [name for name in STATE_FILES if not (checkpoint / name).is_file()]
    if missing:
        return f"no {', '.join(missing)}"
    try:
        for name in STATE_FILES[:2]:
            with safe_open(checkpoint / name, framework="np") as tensors:
                if not list(tensors.keys()):
                    return f"no tensors in {name}"
        step = read_json(checkpoint / "state.json")["global_step"]
    except (SafetensorError, ValueError, KeyError, GaslampError) as error:
        return f"unreadable: {error}"
    return None if checkpoint.name == f"checkpoint-{step}" else f"it records step {step}"


def get_random_state() -> int:
    """The key of MLX's random state as one number for ``mx.random.seed``: the state itself cannot be written."""
    import mlx.core as mx

    high, low = mx.random.state[0].tolist()
    return (int(high) << 32) + int(low)

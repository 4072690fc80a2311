"""Experiment trackers (TensorBoard, MLflow, Trackio, Weights & Biases): where they keep their files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.console import say

if TYPE_CHECKING:
    from gaslamp.train.plan import Plan


@contextmanager
def keep_trackers_local(plan: Plan) -> Iterator[None]:
    """Let trackers write next to this run's metrics, on this machine, unless the environment says otherwise."""
    folder = (plan.metrics.parent / "trackers").absolute()
    named = plan.settings.train.report_to
    places = {
        "TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",  # MLflow refuses its old store of plain files
        "MLFLOW_EXPERIMENT_NAME": "gaslamp",
        "TRACKIO_DIR": str(folder / "trackio"),
        "WANDB_DIR": str(folder),
        "WANDB_PROJECT": "gaslamp",
    }
    if "wandb" in named and not has_wandb_key():
        places["WANDB_MODE"] = "offline"
        if "WANDB_MODE" not in os.environ:
            say(
                "wandb: no key, so the run stays on this machine; "
                f"`wandb login`, then `wandb sync {folder / 'wandb'}/offline-run-*` sends it"
            )
    ours = {name: place for name, place in places.items() if named and name not in os.environ}
    if ours:
        folder.mkdir(parents=True, exist_ok=True)
    os.environ |= ours
    try:
        yield
    finally:
        for name, end in (("mlflow", "end_run"), ("wandb", "finish")):  # also of a training that was stopped
            if name in named and name in sys.modules:
                getattr(sys.modules[name], end)()
        for name in ours:
            del os.environ[name]


def has_wandb_key() -> bool:
    """Whether Weights & Biases would find a key: in the environment, or where `wandb login` writes it."""
    files = [Path(os.environ.get("NETRC", "~/.netrc")).expanduser(), Path("~/_netrc").expanduser()]
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("//")[2].partition("/")[0]
    return bool(os.environ.get("WANDB_API_KEY")) or any(
        host in file.read_text(encoding="utf-8") for file in files if file.is_file()
    )

"""The order in which a practitioner would pick base models, and what keeps one from being picked at all.

Standard library only.
"""

from __future__ import annotations

import math
import os
from typing import Literal

from gaslamp.environment.training_ways import Demand
from gaslamp.models.catalogue import BaseModel

Fits = Literal["fits", "tight", "exceeds"]
FITS: tuple[Fits, ...] = ("fits", "tight", "exceeds")
PATIENCE = 3.0
"""Hours of training above which a smaller model is the better first try."""
ON_A_PROCESSOR = 0.8
"""Billions of parameters up to which a whole run is done on a processor: it also answers the test rows with the model
before, after, and in each of the quantized files, which takes longer than the training."""
TIERS = {1: (5.0, 3.5), 2: (12.0, 8.0), 3: (math.inf, 27.0)}
"""Tier -> billions of parameters below which a model belongs to it, and how many are usual there.

1: a laptop or a free Colab T4; 2: an L4, 24 GB, a Mac with 32 GB; 3: an A100 and more.
"""
PREFERRED = (2, 1, 3)
"""Tiers in the order that a practitioner tries them, as far as they fit: 7 to 9 billion parameters first."""
TOO_LARGE = "too large for this machine in any way"
MIXTURE = "a mixture of experts, which was not trained with gaslamp yet"


def get_tier(model: BaseModel) -> int:
    """1 to 3: the class of hardware that a model of this size belongs to (TIERS)."""
    return next(tier for tier, (bound, _) in TIERS.items() if model.worth / 1e9 < bound)


def has_token() -> bool:
    """Whether this person has logged in to the hub: gated models want that."""
    home = os.environ.get("HF_HOME") or os.path.join(os.path.expanduser("~"), ".cache", "huggingface")
    return bool(os.environ.get("HF_TOKEN")) or os.path.isfile(os.path.join(home, "token"))


def find_obstacle(
    model: BaseModel, fits: Fits, needs_hub: bool, disk_gb: float, free_gb: float | None, offline: str
) -> str:
    """Why a model cannot be had and trained here, or does not end as a file that runs; empty when it can.

    Args:
        model: of the catalogue.
        fits: its memory in that of the machine.
        needs_hub: it has to be downloaded from there; an embedded model comes from the package index.
        disk_gb: what a run writes, the download included.
        free_gb: on the disk; ``None``: not known.
        offline: why the hub cannot be reached; empty when it can.
    """
    if fits == "exceeds":
        return TOO_LARGE
    if model.mixture:
        return MIXTURE
    if not model.gguf:
        return "llama.cpp does not convert it, so it would not end as a file that runs"
    if model.gated and needs_hub and not has_token():
        return "the hub wants an accepted licence and a token (HF_TOKEN)"
    if free_gb is not None and disk_gb > free_gb:
        return f"needs {disk_gb:.0f} GB of disk, {free_gb:.0f} GB are free"
    return offline if needs_hub else ""


def explain_slow(model: BaseModel, profile: str, hours: float | None) -> str:
    """Why a smaller model is the better first try here; empty when this one is quick enough."""
    if hours is not None and hours > PATIENCE:
        return "slow here"
    if profile == "cpu" and model.worth / 1e9 > ON_A_PROCESSOR:
        return "a whole run is slow on a processor"  # it answers the test rows with each of its files
    return ""


def get_rank(
    model: BaseModel, wanted: Demand, *, profile: str, fits: Fits, hours: float | None, obstacle: str, lacks_hub: bool
) -> tuple[float, ...]:
    """What comes first.

    A run of it is possible, it is done in time, it fits, it knows the languages; then the usual tier, about the size
    that is usual there, a chat template that was tried, no gate, newer, larger. What lacks nothing but the hub comes
    next, what only another machine can train comes last.

    Args:
        model: of the catalogue.
        wanted: what should be trained.
        profile: that trains it.
        fits, hours: of the training.
        obstacle: of ``find_obstacle``.
        lacks_hub: the obstacle is that the hub cannot be reached.
    """
    is_slow = bool(explain_slow(model, profile, hours))
    first = (
        0 if not obstacle else 1 if lacks_hub else 3 if fits == "exceeds" else 2,
        not (wanted.is_trial and model.embedded),
        is_slow,
        FITS.index(fits),
        sum(not model.knows(code) for code in wanted.languages),
        wanted.method == "embedding" and "embedding" not in model.abilities,
    )
    if fits == "exceeds" or is_slow:
        return (*first, model.parameters)
    tier = get_tier(model)
    _, usual = TIERS[tier]
    return (
        *first,
        PREFERRED.index(tier),
        -min(0, round(math.log2(model.worth / 1e9 / usual))),
        model.template is None and model.embedded is None,
        model.gated,
        -_get_month(model.released),
        -model.parameters,
    )


def _get_month(released: str) -> int:
    """``2026-03-02`` as a number that grows month by month."""
    year, month = released.split("-")[:2]
    return int(year) * 12 + int(month)

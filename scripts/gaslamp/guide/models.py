"""Which base model: one that this machine can get and train, and what would be better elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gaslamp.config.base_models import EMBEDDED

SMALL_VISION = "HuggingFaceTB/SmolVLM-256M-Instruct"


@dataclass(frozen=True)
class Need:
    """What a base model must do."""

    method: str
    profile: str
    rows: int | None = None
    tokens: int = 0  # of a usual row
    languages: tuple[str, ...] = ()
    vision: bool = False


@dataclass(frozen=True)
class Candidate:
    """A base model for this machine.

    Attributes:
        source: the value of model.source.
        fits: fits, tight or exceeds.
        billions: parameters.
        hours, memory_gb, download_gb: None: not known.
        price: in words; empty: nothing to pay.
        settings: keys of config.yaml that make it fit.
    """

    source: str
    fits: str
    billions: float
    reason: str
    hours: float | None = None
    memory_gb: float | None = None
    download_gb: float | None = None
    price: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def list_candidates(need: Need, system: Mapping[str, Any]) -> list[Candidate]:
    """Base models for a need, as a practitioner would pick them: the first that fits is recommended.

    Args:
        need: what the model must do.
        system: outputs/env/system.json.
    """
    if need.vision:
        return [Candidate(SMALL_VISION, "fits", 0.256, "the smallest vision model that trains on this machine")]
    name = next(iter(EMBEDDED))
    return [
        Candidate(
            f"embedded:{name}", "fits", 0.135, "small enough for any machine, and it comes from the package index"
        )
    ]


def get_tier(billions: float) -> tuple[str, str]:
    """The tier of a size, and what it costs; the embedded model is below the first."""
    if billions < 5:
        return "1", "up to 4 billion parameters: a laptop, a PC, a Mac or a free Colab GPU; nothing to pay"
    if billions < 14:
        return "2", "5 to 13 billion parameters: a GPU of 24 GB or a Mac of 32 GB; rented, 0.30 to 1 dollar a run"
    return "3", "14 billion parameters and more: a GPU of 80 GB; rented, 2 to 10 dollars a run and more"


def find_best(candidates: Sequence[Candidate]) -> Candidate | None:
    """The first that fits, else the first that is tight; None when none does."""
    by_fit = {fits: next((one for one in candidates if one.fits == fits), None) for fits in ("fits", "tight")}
    return by_fit["fits"] or by_fit["tight"]

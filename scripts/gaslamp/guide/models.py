"""Which base model: one that this machine can get and train, and what would be better elsewhere.

The figures are those of `make advise` (environment/advise.py); here is only what a first project should take of them.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from gaslamp.environment.advise import PATIENCE, Advice, get_advice
from gaslamp.environment.machines import Machine, get_machine

HUB = "https://huggingface.co"
WAIT = 4  # seconds for an answer of the hub
ON_A_PROCESSOR = 0.8
"""Billions of parameters up to which a whole run is done on a processor: it also answers the test rows with the model
before, after, and in each of the quantized files, which takes longer than the training."""
ROWS, TOKENS = 1000, 512
"""Where nothing is known of the data: the figures are then for every 1,000 rows."""
PICTURE_TOKENS = 300  # about how many a picture adds to a row


class Wanted(TypedDict):
    """What get_advice and get_elsewhere are called with."""

    method: str
    languages: tuple[str, ...]
    rows: int
    tokens: int
    needs: frozenset[str]


@dataclass(frozen=True)
class Need:
    """What a base model must do.

    Attributes:
        method: name of the training method.
        profile: of this machine.
        rows: of the data; None when unknown.
        tokens: of a long row; 0 when unknown.
        languages: codes.
        vision: whether rows hold pictures.
        is_trial: the data is an embedded set, which is there to try things out.
    """

    method: str
    profile: str
    rows: int | None = None
    tokens: int = 0
    languages: tuple[str, ...] = ()
    vision: bool = False
    is_trial: bool = False

    @property
    def wanted(self) -> Wanted:
        """As get_advice and get_elsewhere take it."""
        return {
            "method": self.method,
            "languages": self.languages or ("en",),
            "rows": self.rows or ROWS,
            "tokens": (self.tokens or TOKENS) + (PICTURE_TOKENS if self.vision else 0),
            "needs": frozenset({"vision"} if self.vision else ()),
        }


@dataclass(frozen=True)
class Choice:
    """The base model that is recommended, and the others.

    Attributes:
        best: None when nothing fits.
        reason: why this one, and what would be better.
        usable: all that this machine can get and train, as a practitioner would pick them.
        advice: on every model that the method can train.
    """

    best: Advice | None
    reason: str
    usable: list[Advice] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)


def choose(need: Need, system: Machine, offline: str = "") -> Choice:
    """The base model for a need on a machine.

    Args:
        need: what it must do.
        system: outputs/env/system.json.
        offline: why the hub cannot be reached; empty when it can.
    """
    system, where = get_target(system, need.profile)
    advice = list_advice(need, system)
    usable = [one for one in advice if _is_usable(one, system, offline)]
    embedded = next((one for one in usable if one.model.embedded), None)
    quick = [one for one in usable if one.hours is None or one.hours <= PATIENCE]
    if need.profile == "cpu":
        quick = [one for one in quick if one.model.worth / 1e9 <= ON_A_PROCESSOR]
    if embedded and need.is_trial:
        return Choice(embedded, "learns the embedded data in minutes, without a download", usable, advice)
    if not usable and offline:  # nothing is here already: what would be taken with the hub, and that it is needed
        online = choose(need, system)
        return Choice(online.best, f"{online.reason}; {offline}, and it has to be downloaded once", [], advice)
    if not quick:
        best = embedded or next(iter(sorted(usable, key=lambda one: one.model.parameters)), None)
        return Choice(best, _explain_rest(best, offline), usable, advice)
    best = quick[0]
    if offline and best.model.embedded:
        return Choice(best, f"comes from the package index: {offline}", usable, advice)
    return Choice(best, _explain(best, where), usable, advice)


def get_target(system: Machine, profile: str) -> tuple[Machine, str]:
    """The machine that a profile trains on, and its name: this one, or a usual one when the profile is none of here."""
    if profile == "cuda":
        if system.get("gpus"):
            return system, "this GPU"
        return {**get_machine("t4"), "is_rented": False}, "a T4, as Colab has it"
    if profile in ("mac", "mps"):
        return (system, "this Mac") if system.get("is_apple_silicon") else (get_machine("mac16"), "a Mac with 16 GB")
    return system, "this processor"


def list_advice(need: Need, system: Machine) -> list[Advice]:
    """What `make advise` says for a need."""
    return get_advice(system, profile=need.profile, **need.wanted)


def _is_usable(one: Advice, system: Machine, offline: str) -> bool:
    """Whether a model can be had and trained here, and ends as a file that runs."""
    model = one.model
    if one.fits == "exceeds" or model.mixture or not model.gguf:
        return False
    if model.gated and not has_token() and one.download_gb:
        return False
    if offline and one.download_gb:
        return False
    free = system.get("disk_free_gb")  # not known of a machine elsewhere
    return free is None or one.disk_gb + one.download_gb <= float(free)


def has_token() -> bool:
    """Whether this person has logged in to the hub: gated models want that."""
    home = os.environ.get("HF_HOME") or os.path.join(os.path.expanduser("~"), ".cache", "huggingface")
    return bool(os.environ.get("HF_TOKEN")) or os.path.isfile(os.path.join(home, "token"))


def _explain(best: Advice, where: str) -> str:
    limits = ["memory", "time"] + (["download"] if best.download_gb else [])
    missing = "; ".join(part for part in best.reason.split("; ") if part.startswith(("does not list", "writes ")))
    return (
        f"{best.model.size} parameters, the first choice for {where} by {', '.join(limits)}"
        f"{f'; {missing}' if missing else ''}"
    )


def _explain_rest(best: Advice | None, offline: str) -> str:
    if best is None:
        return f"nothing that is known fits{f': {offline}' if offline else ' memory and disk of this machine'}"
    slow = best.hours is not None and best.hours > PATIENCE
    return (offline or "the smallest that fits") + ("; even so the training is slow here" if slow else "")


def find_offline() -> str:
    """Why the hub cannot be reached; empty when it answers."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
        return "the hub is switched off here (HF_HUB_OFFLINE)"
    answered = threading.Event()

    def call() -> None:
        try:
            request = urllib.request.Request(os.environ.get("HF_ENDPOINT", HUB), method="HEAD")
            urllib.request.urlopen(request, timeout=WAIT).close()
        except urllib.error.HTTPError:
            pass  # it answers
        except (OSError, ValueError):
            return
        answered.set()

    caller = threading.Thread(target=call, daemon=True)  # looking a name up may hang longer than any timeout
    caller.start()
    caller.join(WAIT)
    return "" if answered.is_set() else "the model hub does not answer from here"


def show_cost(one: Advice | None) -> str:
    """Hours, memory, download, disk and price of a training in one line; what is not known is left out."""
    if one is None:
        return ""
    parts = []
    if one.hours is not None:
        parts.append(f"about {_show_hours(one.hours)} of training")
    parts.append(f"{one.memory_gb:.1f} GB of memory")
    parts.append(f"{one.download_gb:.1f} GB to download" if one.download_gb else "no download")
    parts.append(f"{one.disk_gb:.1f} GB of disk")
    parts.append("nothing to pay" if not one.price else f"{one.price:.2f} dollars")
    return ", ".join(parts)


def _show_hours(hours: float) -> str:
    if hours >= 2:
        return f"{hours:.1f} hours"
    minutes = max(1, round(60 * hours))
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def find_by_source(advice: Sequence[Advice], source: str) -> Advice | None:
    """The advice on the model that ``model.source`` names."""
    return next((one for one in advice if source in (one.model.source, one.model.id)), None)

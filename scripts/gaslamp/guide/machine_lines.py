"""The lines of the plan that follow from the machine: profile and base model, with its cost and alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gaslamp.config.edit import CHOSEN
from gaslamp.environment.system import describe_hardware
from gaslamp.guide.models import Candidate, find_best
from gaslamp.guide.options import get_options
from gaslamp.guide.plan import Alternative, Line, Situation


def get_profile(system: Mapping[str, Any]) -> tuple[str, str]:
    """The profile for a machine, and why."""
    if system.get("gpus"):
        return "cuda", f"an NVIDIA GPU: {system['gpus'][0]['name']}"
    if system.get("is_apple_silicon"):
        return "mac", f"{system.get('apple_chip') or 'Apple silicon'} with {system['memory_gb']:g} GB"
    return "cpu", f"no GPU here: {describe_hardware(system)}"


def choose_profile(now: Situation) -> Line:
    found, reason = get_profile(now.system)
    wanted = now.wanted.get("profile")
    if wanted and wanted != found:
        reason = f"{CHOSEN}; this machine would take {found}"
    return Line("profile", wanted or found, reason, {"backend": wanted or found}, get_options("profile"), bool(wanted))


def choose_model(now: Situation, candidates: list[Candidate]) -> tuple[Line, Candidate | None]:
    options = tuple(one.source for one in candidates if one.fits != "exceeds")
    best = find_best(candidates)
    if wanted := now.wanted.get("base model"):
        known = next((one for one in candidates if one.source == wanted), None)
        settings = {"model.source": wanted, **(known.settings if known else {})}
        reason = CHOSEN + (
            f"; {known.reason}" if known else "; make run looks at its size before it downloads anything"
        )
        return Line("base model", wanted, reason, settings, options, fixed=True), known
    if best is None:
        source = candidates[0].source
        reason = f"no model that is known fits this machine for this method; {candidates[0].reason}"
        return Line("base model", source, reason, {"model.source": source}, options), candidates[0]
    return Line("base model", best.source, best.reason, {"model.source": best.source, **best.settings}, options), best


def show_cost(chosen: Candidate | None) -> str:
    """Hours, memory, download and price of a run in one line; what is not known is left out."""
    if chosen is None:
        return ""
    parts = []
    if chosen.hours is not None:
        parts.append(
            f"about {max(1, round(60 * chosen.hours))} minutes"
            if chosen.hours < 1.5
            else f"about {chosen.hours:.1f} hours"
        )
    if chosen.memory_gb is not None:
        parts.append(f"{chosen.memory_gb:.1f} GB of memory")
    if chosen.download_gb is not None:
        parts.append(f"{chosen.download_gb:.1f} GB to download")
    if parts or chosen.price:
        parts.append(chosen.price or "nothing to pay")
    return ", ".join(parts)


def list_alternatives(candidates: list[Candidate], chosen: Candidate | None) -> list[Alternative]:
    """Smaller and faster, better elsewhere, as much as this machine can: those that there are."""
    if chosen is None:
        return []
    fitting = [one for one in candidates if one.fits != "exceeds" and one.source != chosen.source]
    smaller = [one for one in fitting if one.billions < chosen.billions]
    larger = [one for one in fitting if one.billions > chosen.billions]
    beyond = [one for one in candidates if one.fits == "exceeds" and one.billions > chosen.billions]
    found = []
    if smaller:
        one = max(smaller, key=lambda one: one.billions)
        found.append(Alternative("smaller and faster", {"base model": one.source}, _describe(one)))
    if beyond:
        one = min(beyond, key=lambda one: one.billions)
        reason = f"{one.source}: {show_cost(one)}; a GPU that is rented, over SSH or in Colab"
        found.append(Alternative("better, needs a GPU", {"base model": one.source}, reason))
    if larger:
        one = max(larger, key=lambda one: one.billions)
        found.append(Alternative("as much as this machine can", {"base model": one.source}, _describe(one)))
    return found


def _describe(one: Candidate) -> str:
    return f"{one.source}: {show_cost(one) or one.reason}"

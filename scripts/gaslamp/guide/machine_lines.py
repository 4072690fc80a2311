"""The lines of the plan that follow from the machine: profile, base model and tier, with its cost and alternatives."""

from __future__ import annotations

from typing import Any

from gaslamp.config.edit import CHOSEN
from gaslamp.environment.advise import Advice
from gaslamp.environment.elsewhere import get_elsewhere
from gaslamp.environment.profile import choose_profile as choose_for_machine
from gaslamp.environment.system import describe_hardware
from gaslamp.environment.training_ways import Demand
from gaslamp.guide.models import COLAB, SSH, Choice, describe_unlisted, estimate_with, find_by_source, show_cost
from gaslamp.guide.options import get_options
from gaslamp.guide.plan import Alternative, Line, Situation

LISTED = 12  # models that a line offers
ON_A_MAC = 8.0  # billions of parameters up to which a Mac is a good place to train
SMALLER, ELSEWHERE, LARGEST = "smaller and faster", "better, needs a GPU", "as much as this machine can"
TODO = {
    COLAB: "make run PROFILE=colab trains there, with a Google account and the colab command",
    SSH: "rent it, name it in config.yaml (remote.host), then make run PROFILE=ssh",
}
"""Profile of a machine elsewhere -> what a person has to do for it."""
TIERS = {
    1: "up to 5 billion parameters: a laptop, a Mac or Colab's free GPU; nothing to pay",
    2: "5 to 12 billion parameters: a GPU with 24 GB or a Mac with 32 GB; rented, 0.30 to 1 dollar a run",
    3: "12 billion parameters and more: a GPU with 80 GB; rented, 2 to 10 dollars a run and more",
}


def choose_profile(now: Situation, method: str) -> Line:
    """The profile for the detected machine, or the one that a person wants."""
    found = choose_for_machine(now.system, method)
    wanted = now.wanted.get("profile")
    reason = found.reason if found.name != "cpu" else f"{found.reason}: {describe_hardware(now.system)}"
    if wanted and wanted != found.name:
        reason = f"{CHOSEN}; this machine would take {found.name}"
    name = wanted or found.name
    settings: dict[str, Any] = {"backend": name}
    if name in TODO:  # what is too large for this machine to train is too large to answer and convert here
        settings |= {"remote.evaluate": "there", "remote.export": "there"}
        reason = f"{reason}; {TODO[name]}"
    return Line("profile", name, reason, settings, get_options("profile"), bool(wanted))


def choose_model(now: Situation, choice: Choice, demand: Demand, profile: str) -> tuple[Line, Advice | None]:
    """The base model, and the advice on it where its size is known."""
    options = tuple(one.model.source for one in choice.usable[:LISTED])
    if wanted := now.wanted.get("base model"):
        known = find_by_source(choice.advice, wanted)
        reason = f"{CHOSEN}; {known.reason}" if known else CHOSEN
        if known is None and (own := describe_unlisted(wanted, demand)):
            known, origin = estimate_with(now, own, demand, profile, {}), "name" if own.shape.guessed else "files"
            fit = known.reason if known else f"{demand.method} cannot train it"
            reason = f"{CHOSEN}; {own.size} parameters by its {origin}; {fit}"
        elif known is None:
            reason = f"{CHOSEN}; make run looks at its size before it downloads it"
        return Line("base model", wanted, reason, _get_settings(wanted, known), options, fixed=True), known
    best = choice.best
    if best is None:
        first = choice.advice[0] if choice.advice else None
        source = first.model.source if first else "embedded:smollm2-135m-instruct"
        return Line("base model", source, choice.reason, {"model.source": source}, options), first
    return Line("base model", best.model.source, choice.reason, _get_settings(best.model.source, best), options), best


def _get_settings(source: str, advice: Advice | None) -> dict[str, Any]:
    """What config.yaml has to say for a model."""
    train = (advice.settings.get("train") or {}) if advice else {}
    return {"model.source": source, **{f"train.{key}": value for key, value in train.items()}}


def choose_tier(one: Advice) -> Line:
    """The tier of the base model, which says what such models usually need."""
    return Line("tier", str(one.tier), TIERS[one.tier])


def list_alternatives(choice: Choice, chosen: Advice | None, demand: Demand, profile: str) -> list[Alternative]:
    """Smaller and faster, better on a GPU elsewhere, as much as this machine can: always the three, in this order.

    One that there is not has no changes, and its reason says why.
    """
    size = chosen.model.worth if chosen else 0
    smaller = [one for one in choice.usable if one.model.worth <= size / 2]
    larger = [one for one in choice.usable if one.model.worth >= 2 * size]
    return [
        _describe(SMALLER, smaller[0])
        if smaller
        else Alternative(SMALLER, {}, "no model that can be had here is half as large or smaller"),
        _find_elsewhere(choice, size, demand, profile),
        _describe(LARGEST, max(larger, key=lambda one: (one.model.worth, one.model.released)))
        if larger
        else Alternative(LARGEST, {}, "the plan has it already: nothing twice as large can be had and trained here"),
    ]


def _describe(title: str, one: Advice) -> Alternative:
    lacks = [part for part in one.reason.split("; ") if part.startswith("does not list")]
    reason = "; ".join([f"{one.model.source}: {show_cost(one)}", *lacks])
    return Alternative(title, {"base model": one.model.source}, reason)


def suggest_colab(profile: str, one: Advice | None, is_rewarded: bool) -> list[str]:
    """Why an NVIDIA GPU, such as Colab's, suits better than this Mac; nothing where the Mac does well.

    Args:
        profile: of the plan.
        one: advice on its base model.
        is_rewarded: the method samples answers and learns from their scores.
    """
    if profile not in ("mac", "mps") or one is None:
        return []
    reasons = []
    if one.model.worth > ON_A_MAC * 1e9:
        reasons.append(f"a model of more than {ON_A_MAC:g} billion parameters trains slowly on a Mac")
    if one.fits != "fits":
        fit = "is tight on" if one.fits == "tight" else "exceeds"
        reasons.append(f"{one.memory_gb:.1f} GB of memory {fit} this Mac, which gives a training {one.room_gb:.1f} GB")
    if is_rewarded:
        reasons.append("the answers that rewards score are sampled with vLLM on an NVIDIA GPU alone, and slowly here")
    if not reasons:
        return []
    return [f"A GPU of Colab or of a rented machine suits better (another way, b): {'; '.join(reasons)}."]


def _find_elsewhere(choice: Choice, size: int, demand: Demand, profile: str) -> Alternative:
    """The cheapest machine elsewhere with a model at least twice as large, and what a person has to do for it."""
    if profile in (COLAB, SSH):
        return Alternative(ELSEWHERE, {}, "the plan is for a machine elsewhere already")
    place = next((one for one in get_elsewhere(choice.advice, demand) if one.advice.model.worth >= 2 * size), None)
    if place is None:
        return Alternative(ELSEWHERE, {}, "no machine that is rented by the hour makes much more of this task")
    source, (remote, todo) = place.advice.model.source, describe_way(place.way)
    reason = f"{source} on {place.title}: {show_cost(place.advice)}; {todo}"
    return Alternative(f"{ELSEWHERE} ({place.way})", {"base model": source, "profile": remote}, reason)


def describe_way(way: str) -> tuple[str, str]:
    """The profile that trains elsewhere, and what a person has to do for it.

    Args:
        way: ``Elsewhere.way``.
    """
    remote = COLAB if way == "Colab" else SSH
    if remote in get_options("profile"):
        return remote, TODO[remote]
    return "cuda", "copy the project to it, there: make setup EXTRA=cuda, make run PROFILE=cuda"

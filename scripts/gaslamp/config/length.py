"""``train.max_length: auto``: the data phase decides the number and writes it to data/card.json.

A step that reads ``train.max_length`` gets the card and calls ``settle_length`` on its settings. What reads the key of
settings that were not settled gets an error from ``Slice``, never the word ``auto``.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gaslamp.config.methods import (
    get_artefact,
    get_method,
    get_options,
    get_preset,
    is_multimodal,
    is_packing_allowed,
)
from gaslamp.config.slices import AUTO, Slice, change_train
from gaslamp.core.contracts import Card
from gaslamp.core.decisions import Decision, find_decision
from gaslamp.core.files import JsonObject, read_json

CARD = Path("data/card.json")
"""The data card, relative to the project folder."""


def is_length_open(settings: Slice) -> bool:
    """Whether ``train.max_length`` is ``auto`` in settings that have the key."""
    train = settings.dump().get("train") or {}
    return bool(train.get("max_length") == AUTO)


def settle_length(settings: Slice, card: Path | None) -> Slice:
    """The settings with the number of tokens that the data phase decided, where ``train.max_length`` is ``auto``.

    Args:
        settings: of a step; returned as they are when they name a number.
        card: data/card.json; ``None``: left open, for steps that do not read the key.

    Raises:
        GaslampError: the card is missing or of another version.
    """
    if card is None or not is_length_open(settings):
        return settings
    return set_length(settings, Card.read(card).max_length)


def set_length(settings: Slice, tokens: int) -> Slice:
    """The settings with ``train.max_length: tokens``."""
    return change_train(settings, {"max_length": tokens})


def get_length_decisions(settings: Slice, card: Path | None) -> list[Decision]:
    """What the data phase decided about ``train.max_length``, with the reason; empty where a number is set."""
    if card is None or not is_length_open(settings):
        return []
    decision = find_decision(Card.read(card).decisions, "max_length")
    return [decision] if decision else []


def assume_length(settings: Slice, card: Path = CARD) -> tuple[Slice, list[Decision]]:
    """The settings with a number for ``train.max_length: auto`` before the data phase, and where it is from.

    Args:
        settings: with backend, method and train; returned as they are when they name a number.
        card: of the last data phase, where there was one; it counts when it decided for the same method.
    """
    if not is_length_open(settings):
        return settings, []
    train = settings.dump()["train"]
    facts = read_json(card) if card.is_file() else {}
    known = (facts.get("provenance") or {}).get("settings") or {}
    if known.get("method") == settings.method and (known.get("train") or {}).get("max_length") == AUTO:
        value, reason = int(facts["max_length"]), f"decided by the last data phase ({card})"
    else:
        value = get_span(settings.method, train).preset
        reason = f"preset of {settings.method}, until the data phase decides by the rows"
    return set_length(settings, value), [Decision(name="max_length", value=value, reason=reason)]


class Span(NamedTuple):
    """What the settings say about the number that ``auto`` becomes, before any row is read."""

    room: int  # tokens that a row needs besides its own: of the completion that is sampled
    least: int  # tokens that it is not below, whatever the rows have; 0: the rows decide
    preset: int  # of the method
    why: str  # reason for ``least``; empty where it is 0
    cuts: bool  # documents are cut into pieces of this length: the preset, however long they are


def get_span(method: str, train: JsonObject) -> Span:
    """The span of a method.

    Args:
        method: its name.
        train: section ``train`` as plain values, or the part of it that is known.

    Raises:
        GaslampError: ``train.options`` does not fit the method.
    """
    preset = int(get_preset(method, str(train.get("adapter", "lora")))["max_length"])
    cuts = bool(getattr(get_method(method), "CUTS_LONG_ROWS", False))
    packs = is_packing_allowed(method) and (train.get("packing") or "packing" in (train.get("choose") or ()))
    reasons = {
        "documents are cut into pieces of this length": cuts,
        "rows are packed, and a sequence should hold several": packs,
        "the tokens of images come on top of those of the words": is_multimodal(method),
        "the model will be given other texts than these": get_artefact(method) == "encoder",
    }
    why = next((reason for reason, applies in reasons.items() if applies), "")
    room = getattr(get_options(method, train.get("options") or {}), "room", 0)
    return Span(room, preset if why else 0, preset, why, cuts)

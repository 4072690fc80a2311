"""Entries of one project: each has an id that names what it is about, so that a rerun replaces its own entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gaslamp.core.files import sha256_text
from gaslamp.memory.cleaning import clean
from gaslamp.memory.entry import BODY, TITLE, Entry
from gaslamp.memory.recipes import Value

KEEP = "keep_project_only"
DURABLE = ("high", "durable", "promote")
RECURRING = ("high", "recurring", "promote")


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters, cut at a word, and before a bracket that would stay open."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    cut = cut.rsplit(" ", 1)[0] if " " in cut else cut
    open_at = cut.rfind("(")
    if open_at > limit // 2 and ")" not in cut[open_at:]:
        cut = cut[:open_at]
    return cut.rstrip(" ,;:.") + "…"


@dataclass(frozen=True)
class Maker:
    """Makes the entries of one project."""

    slug: str
    date: str
    run: str = "main"

    def make(
        self,
        kind: str,
        section: int,
        title: str,
        body: str = "",
        judged: tuple[str, str, str] = DURABLE,
        about: str = "",
        when: str | None = None,
        steps: Sequence[str] = (),
        settings: Mapping[str, Value] | None = None,
        measured: Mapping[str, float | str] | None = None,
    ) -> Entry:
        """One entry.

        Args:
            kind: ``user``, ``lessons`` or ``skills``.
            section: of the roadbook that it comes from.
            title, body: cut to what an entry may hold, after they were cleaned of secrets and paths.
            judged: priority, durability and decision.
            about: what it is about, for its id; empty: the title.
            when: condition of a skill.
            steps: steps of a skill.
            settings: what a recipe sets where the condition holds.
            measured: figures behind it.
        """
        identity = f"{self.slug}:section_{section}:{sha256_text(kind + (about or title))[:8]}"
        priority, durability, decision = judged
        return Entry.model_validate(
            {
                "kind": kind,
                "candidate_id": identity,
                "title": shorten(clean(title), TITLE),
                "body": shorten(clean(body), BODY),
                "when": when,
                "steps": list(steps),
                "settings": dict(settings or {}),
                "measured": dict(measured or {}),
                "source": {"project": self.slug, "run": self.run},
                "date": self.date,
                "priority": priority,
                "durability": durability,
                "decision": decision,
                "source_candidates": [identity],
            }
        )

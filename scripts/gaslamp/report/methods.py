"""What the pages say about the method of a run: read from its plug-in, so that no page lists methods by name."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.config.methods import get_method, get_pooling, is_multimodal
from gaslamp.core import registry


@dataclass(frozen=True)
class MethodText:
    """What a page may say about one method.

    Attributes:
        name: as in the config.
        title: the task in words, such as "preference optimization".
        reason: why this method suits its rows; completes "because ...".
        learn: how it works, as a paragraph of Markdown; empty for a method that this version does not know.
        reference: what the reference of a test row is, such as "expected" or "preferred answer".
        panels: ids of its charts, apart from those that every training has; ``reward:*`` is one for each reward.
        main_panels: ids of the charts that a small screen shows first.
        artefact: what training makes: ``causal_lm``, ``classifier`` or ``encoder``.
        pooling: how token vectors become one; ``None`` for a language model.
        multimodal: whether its model reads images.
        audio: whether its model writes audio tokens instead of words.
    """

    name: str
    title: str
    reason: str = "config.yaml names it"
    learn: str = ""
    reference: str = "expected"
    panels: tuple[str, ...] = ("loss",)
    main_panels: tuple[str, ...] = ("loss", "grad_norm")
    artefact: str = "causal_lm"
    pooling: str | None = None
    multimodal: bool = False
    audio: bool = False


def describe_method(name: str) -> MethodText:
    """The texts of the method ``name``; one that this version does not know (an old recording) gets the defaults."""
    if name not in registry.names("methods"):
        return MethodText(name, name)
    plugin = get_method(name)
    return MethodText(
        name=name,
        title=getattr(plugin, "TITLE", name.upper()),
        reason=getattr(plugin, "REASON", f"the data holds {plugin.NEEDS}"),
        learn=getattr(plugin, "LEARN", "").strip(),
        reference=getattr(plugin, "REFERENCE_LABEL", MethodText.reference),
        panels=getattr(plugin, "PANELS", MethodText.panels),
        main_panels=getattr(plugin, "MAIN_PANELS", MethodText.main_panels),
        artefact=plugin.ARTEFACT,
        pooling=get_pooling(name),
        multimodal=is_multimodal(name),
        audio="speech" in plugin.KINDS,
    )

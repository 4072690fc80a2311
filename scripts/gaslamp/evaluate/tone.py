"""The colour of a verdict, the same on every page that shows one."""

from __future__ import annotations

from gaslamp.core.contracts import Compare
from gaslamp.evaluate.gate import FEW_ROWS

TONES = {"better": "good", "no clear difference": "even", "worse": "bad"}
"""Verdict of compare.json -> class of pages/base.css."""


def get_tone(compare: Compare) -> str:
    """``good``, ``even``, ``bad``; ``few`` where too few test rows answered for any verdict to stand."""
    return "few" if compare.metrics[0].tuned.n < FEW_ROWS else TONES[compare.verdict]

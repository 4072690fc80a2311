"""The evaluation page."""

from __future__ import annotations

from pathlib import Path

from gaslamp.contracts import Compare, Verdict
from gaslamp.files import write_text


def write_page(compare: Compare, gate: Verdict, out: Path, images: Path) -> None:
    """Write outputs/<run>/eval/report.html."""
    write_text(out, "<!doctype html><title>Evaluation</title>\n")

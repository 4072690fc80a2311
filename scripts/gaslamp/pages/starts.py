"""What was trained before and is a part of the model that a run starts from, as pages say it."""

from __future__ import annotations

from gaslamp.core.contracts import Start
from gaslamp.pages.numbers import format_score


def describe_start(start: Start) -> str:
    """One trained result in one line of plain text: no path of this machine."""
    method = f" ({start.method})" if start.method else ""
    if start.metric and start.score and start.base_score:
        before, after = (format_score(one, start.unit) for one in (start.base_score, start.score))
        outcome = f": {start.metric} {before} before, {after} after, {start.verdict}"
    else:
        outcome = "" if start.method else ": not evaluated by gaslamp"
    template = f", chat template {start.template_sha256[:12]}" if start.template_sha256 else ""
    return f"{start.label}{method}{outcome}; weights {start.adapter_sha256[:12]}{template}"

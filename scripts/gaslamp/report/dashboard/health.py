"""What is said below a chart: the finding that the training logged for it, else its figures, without any judgement.

The findings are those of ``train/findings/``, with their statistics and thresholds; no screen judges a curve by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gaslamp.report.dashboard.trainings import Training
from gaslamp.train.diagnose import get_panel
from gaslamp.train.history import get_smoothed

EARLY = 5
"""Steps before which there is nothing to say."""
SHARES = ("clipped", "accuracy", "rm_accuracy", "token_accuracy")
"""Charts of shares, shown in percent."""


@dataclass(frozen=True)
class Health:
    """What the last steps look like; an empty level and text where nothing can be said."""

    level: Literal["", "ok", "watch", "bad"] = ""
    text: str = ""


def judge(panel: str, curve: str, training: Training) -> Health:
    """What to say below one chart.

    Args:
        panel: id of the chart.
        curve: name of its first curve.
        training: what was logged.
    """
    for finding in training.get_findings():
        if get_panel(finding.name) == panel.partition(":")[0]:
            remedies = [remedy.text for remedy in finding.remedies[:1]]
            text = "; ".join([f"{finding.title}: {finding.seen}", *remedies])
            return Health("watch" if finding.severity == "hint" else "bad", text)
    series = training.series.get(curve)
    known = [value for value in series.values if value == value] if series else []
    if series and series.broken:
        return Health("bad", "it became NaN or infinite")
    if len(known) < EARLY:
        return Health("ok", "too few steps yet") if panel == "loss" and known else Health()
    if panel == "memory":
        return Health("ok", f"{known[-1]:.2f} GB at most")
    if panel in SHARES:
        return Health("ok", f"{100 * get_smoothed(known):.0f} % lately")
    return Health("ok", f"{known[0]:.3g} at first, {get_smoothed(known):.3g} lately")

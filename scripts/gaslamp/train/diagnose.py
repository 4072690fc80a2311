"""What is wrong with a training, from what it logged: every plug-in of ``findings/`` looks at the history.

Each file of ``findings/`` is one finding. It has TITLE, CAUSE, SEVERITY, PANEL (the chart that shows it) and
``find(history, limits) -> Seen | None``; optional are LIMIT (its threshold in section ``diagnose``), STOPS (a training
that has it is ended early) and RULES_OUT (what no advice may do).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core import registry
from gaslamp.core.finding import Direction, Finding, Limit, Remedy, Severity, sort_findings
from gaslamp.train.history import History, build_history
from gaslamp.train.validation import FEW

if TYPE_CHECKING:
    from gaslamp.core.files import JsonObject

KIND = "findings"


@dataclass(frozen=True)
class Seen:
    """What a plug-in saw.

    Attributes:
        text: with figures, as a phrase without a full stop.
        figures: the numbers of the text by name.
        remedies: what to try, the likeliest gain first.
        step: at which it showed; ``None``: the last one.
        severity: where it is another one than the plug-in's.
        rows: ids of rows that show it, worst first.
        validated: the validation loss shows it: where that is of few rows, it is a hint and rules nothing out.
    """

    text: str
    figures: dict[str, float] = field(default_factory=dict)
    remedies: list[Remedy] = field(default_factory=list)
    step: int | None = None
    severity: Severity | None = None
    rows: list[str] = field(default_factory=list)
    validated: bool = False


def get_plugins() -> list[tuple[str, ModuleType]]:
    """Name and module of every finding, the project's own among them."""
    return [(name, registry.get(KIND, name)) for name in registry.names(KIND)]


def stops(finding: Finding) -> bool:
    """Whether a training with this finding has nothing to gain from going on."""
    return finding.severity == "certain" and bool(getattr(registry.get(KIND, finding.name), "STOPS", False))


def get_urgent() -> list[str]:
    """Names of the findings for which a training ends early."""
    return [name for name, plugin in get_plugins() if getattr(plugin, "STOPS", False)]


def diagnose(history: History, limits: Diagnose, only: Iterable[str] | None = None) -> list[Finding]:
    """The findings of a training so far, the most certain first.

    Args:
        history: what was logged.
        limits: section ``diagnose`` of the config.
        only: names of the plug-ins to ask; ``None``: all.
    """
    names = set(registry.names(KIND) if only is None else only)
    found = []
    for name, plugin in get_plugins():
        if name in names and (seen := plugin.find(history, limits)) is not None:
            found.append(build_finding(name, plugin, seen, history, limits))
    return sort_findings(found)


def build_finding(name: str, plugin: ModuleType, seen: Seen, history: History, limits: Diagnose) -> Finding:
    """The finding of one plug-in, with what its file says about it."""
    rules_out: dict[str, Direction] = getattr(plugin, "RULES_OUT", {})
    key: str | None = getattr(plugin, "LIMIT", None)
    severity, text = seen.severity or plugin.SEVERITY, seen.text
    if seen.validated and 0 < history.valid_rows < FEW:
        severity, rules_out, text = "hint", {}, f"{text}; only {history.valid_rows} validation rows say so"
    return Finding(
        name=name,
        title=plugin.TITLE,
        severity=severity,
        seen=text,
        figures=seen.figures,
        rows=seen.rows,
        cause=plugin.CAUSE,
        remedies=seen.remedies,
        rules_out=rules_out,
        step=history.step if seen.step is None else seen.step,
        limit=Limit(key=f"diagnose.{key}", value=float(getattr(limits, key))) if key else None,
    )


def get_panel(name: str) -> str:
    """The chart that shows a finding; ``loss`` for one that this version does not know."""
    return str(getattr(registry.get(KIND, name), "PANEL", "loss")) if name in registry.names(KIND) else "loss"


def diagnose_events(events: list[JsonObject], limits: Diagnose) -> list[Finding]:
    """The findings in the events of one training (``read_events``)."""
    return diagnose(build_history(events), limits)

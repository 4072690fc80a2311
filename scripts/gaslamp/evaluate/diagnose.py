"""What is wrong with the answers of a trained model: every plug-in of ``answer_findings/`` looks at the evaluation.

Each file is one finding, in the form of those of a training (``train/diagnose.py``): TITLE, CAUSE, SEVERITY and
``find(answers, limits) -> Seen | None``; optional are LIMIT (its threshold in ``diagnose.answers``) and RULES_OUT.
"""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core import registry
from gaslamp.core.finding import Finding, Limit, sort_findings
from gaslamp.evaluate.evaluated import Evaluated

KIND = "answer_findings"
ROWS = 100  # ids of a finding; the page shows the group


def diagnose_answers(answers: Evaluated, limits: AnswerLimits) -> list[Finding]:
    """The findings of an evaluation, the most certain first.

    Args:
        answers: rows, answers and scores.
        limits: section ``diagnose.answers`` of the config.
    """
    found = []
    for name in registry.names(KIND):
        plugin = registry.get(KIND, name)
        seen = plugin.find(answers, limits)
        if seen is None:
            continue
        key: str | None = getattr(plugin, "LIMIT", None)
        found.append(
            Finding(
                name=name,
                title=plugin.TITLE,
                severity=seen.severity or plugin.SEVERITY,
                seen=seen.text,
                figures=seen.figures,
                rows=seen.rows[:ROWS],
                cause=plugin.CAUSE,
                remedies=seen.remedies,
                rules_out=getattr(plugin, "RULES_OUT", {}),
                limit=Limit(key=f"diagnose.answers.{key}", value=float(getattr(limits, key))) if key else None,
            )
        )
    # what base and tuned share says nothing about the training: that they are the same comes first
    return sort_findings(sorted(found, key=lambda finding: finding.name != "unchanged"))

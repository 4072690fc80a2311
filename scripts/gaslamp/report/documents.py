"""What `make doctor` and `make reproduce` say to programs."""

from __future__ import annotations

from gaslamp.core.document import Document, Part
from gaslamp.report.reproduce.comparison import Check


class FindingPart(Part):
    """One section of the report of `make doctor`, without tokens and home folders."""

    title: str
    text: str
    is_problem: bool


class DoctorDocument(Document):
    """``make doctor JSON=1``; the exit code is 1 when there is a problem."""

    project: str | None
    findings: list[FindingPart]
    problems: list[str]  # titles


class ReproductionDocument(Document):
    """``make reproduce JSON=1``; the exit code is 1 when something differs or the run did not end."""

    project: str  # its folder
    outcome: str  # reproduced, data reproduced, differs
    checks: list[Check]
    notes: list[str]
    run_exit_code: int
    report: str  # reproduction.md

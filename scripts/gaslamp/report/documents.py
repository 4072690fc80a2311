"""What `make doctor` and `make reproduce` say to programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from gaslamp.core.document import Document, Part
from gaslamp.report.reproduce.comparison import Check
from gaslamp.report.verify import Link


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


class LinkPart(Part):
    """One record of a run, and the files that it names."""

    record: str
    fits: list[str]
    gone: list[str]  # not there any more; intermediate ones may be removed
    wrong: list[str]  # a sentence for each file that is another one now


class VerifiedDocument(Document):
    """``make verify JSON=1``. With a ``problem`` the exit code is 1."""

    run: str
    links: list[LinkPart]  # in the order in which the records were made
    problem: str  # the first file that does not fit; empty: all do

    @classmethod
    def make(cls, run: str, links: Sequence[Link]) -> Self:
        """Of what was recomputed."""
        first = next((text for link in links for text in link.wrong), "")
        return cls(run=run, links=[LinkPart(**asdict(link)) for link in links], problem=first)

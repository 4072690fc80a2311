"""Named checks of the data: what a plug-in in checks/ gets and yields, how findings are counted,
and when they stop the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from gaslamp.config.edit import write_scalar
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.readers.chunks import write_place
from gaslamp.data.rows import Row, get_row
from gaslamp.models.masks import Pieces

STAGES = ("read", "row", "encoded", "set")
EXAMPLES = 3  # places that are named when every row has the same problem
KEPT = 20  # findings of one check that are kept with their place; the rest is counted


@dataclass(frozen=True)
class Finding:
    """One thing wrong at one place; ``fix`` only where it differs from the check's own FIX."""

    place: str  # "orders.csv, line 3"
    text: str
    fix: str = ""
    settings: JsonObject = field(default_factory=dict)  # config keys whose values avoid it


@dataclass(slots=True)  # not frozen: that would take three times as long to make, a million times
class Sample:
    """One converted row as checks see it; ids and trained only from the stage ``encoded`` on."""

    place: str
    row: Row
    split: str = ""  # train, valid or test, from the stage ``encoded`` on
    ids: Sequence[int] = ()
    trained: Sequence[int] = ()  # 1 for each id that carries loss, else 0
    pieces: list[Pieces] | None = None  # the rendered text of each training sequence, from ``encoded`` on
    is_plain: bool = (
        False  # a conversation of texts, user and assistant in turns: some row checks have nothing to look for
    )


class Samples(Sequence[Sample]):
    """The samples of a chunk of rows, each made when it is needed:
    most checks have nothing to look for in most rows.
    """

    def __init__(self, label: str, rows: list[Any]) -> None:
        """Rows are tuples of number, row, and whatever; the last is rows.is_plain."""
        self._label, self._rows = label, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]  # no slices
        number, row, *_, plain = self._rows[index]
        return Sample(write_place(self._label, number), get_row(row), is_plain=plain)

    def get_unusual(self) -> Iterator[Sample]:
        """Those that are not plain."""
        return (self[index] for index, row in enumerate(self._rows) if not row[-1])


def get_unusual(samples: Iterable[Sample]) -> Iterable[Sample]:
    """The samples that are not plain conversations (rows.is_plain), for checks that plain ones always pass."""
    return (
        samples.get_unusual() if isinstance(samples, Samples) else (sample for sample in samples if not sample.is_plain)
    )


@dataclass(frozen=True)
class Facts:
    """What a check may need besides the rows."""

    kind: str
    method: str
    max_length: int
    options: JsonObject = field(default_factory=dict)  # data.checks.<name>.options over the plug-in's OPTIONS
    stop_ids: tuple[int, ...] = ()
    bos_id: int | None = None
    folder: str = ""  # where the image paths of rows start
    shared: JsonObject = field(
        default_factory=dict
    )  # what several checks of one stage need; row checks find the JSON of the rows in "json"
    room: int = 0  # tokens of max_length that a row must leave free, for a completion
    thinking: str = "keep"  # of the template: thoughts that are left out by choice are not lost
    limit: str = ""  # why no more than max_length, where train.max_length is auto


@dataclass
class Check:
    """A plug-in of checks/ with the severity and threshold of the config, and what it found."""

    name: str
    plugin: ModuleType
    severity: str  # block | warn | off
    max_percentage: float
    options: JsonObject
    count: int = 0
    seen: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def stage(self) -> str:
        """When the check runs: ``row``, ``encoded`` or ``set``."""
        return str(self.plugin.STAGE)

    @property
    def percentage(self) -> float:
        """Findings for 100 rows that were looked at."""
        return 100.0 * self.count / self.seen if self.seen else 0.0

    @property
    def blocks(self) -> bool:
        """Whether its findings stop the run."""
        return self.verdict == "blocked"

    @property
    def verdict(self) -> str:
        """passed | noted (found, within the limit) | fixed | warning | blocked | off."""
        if self.severity == "off":
            return "off"
        if not self.count:
            return "passed"
        if self.fixes_rows:
            return "fixed"
        if self.percentage <= self.max_percentage:
            return "noted"
        return "blocked" if self.severity == "block" else "warning"

    @property
    def fixes_rows(self) -> bool:
        """Whether the config asks the plug-in to fix what it finds (options: redact or repair) and it can."""
        return bool(self.options.get("redact") or self.options.get("repair")) and hasattr(self.plugin, "fix")

    def get_facts(self, facts: Facts) -> Facts:
        """``facts`` with the options of this check."""
        return replace(facts, options=self.options)

    def add(self, findings: Iterable[Finding], seen: int = 0) -> None:
        """Count findings among ``seen`` further rows; the first ones are kept."""
        self.seen += seen
        for finding in findings:
            self.count += 1
            if len(self.findings) < KEPT:
                self.findings.append(finding)

    def dump(self) -> JsonObject:
        """As it stands in the card."""
        return {
            "name": self.name,
            "title": self.plugin.TITLE,
            "severity": self.severity,
            "max_percentage": self.max_percentage,
            "verdict": self.verdict,
            "seen": self.seen,
            "count": self.count,
            "percentage": round(self.percentage, 4),
            "findings": [{"place": f.place, "text": f.text, "fix": f.fix or self.plugin.FIX} for f in self.findings],
        }


def load_checks(settings: JsonObject) -> dict[str, Check]:
    """Every check with the config's word about it.

    Args:
        settings: data.checks of the config: name -> severity, max_percentage, options; each may be absent.
    """
    checks = {}
    for name in registry.names("checks"):
        plugin = registry.get("checks", name)
        own = settings.get(name, {})
        severity, limit = own.get("severity"), own.get("max_percentage")
        checks[name] = Check(
            name,
            plugin,
            severity or plugin.SEVERITY,
            plugin.MAX_PERCENTAGE if limit is None else limit,
            {**getattr(plugin, "OPTIONS", {}), **(own.get("options") or {})},
        )
    return checks


def run_checks(checks: dict[str, Check], stage: str, samples: object, seen: int, facts: Facts) -> None:
    """Call every check of ``stage`` that is not off.

    Args:
        checks: from load_checks; each takes up what it finds.
        stage: row and encoded come once a batch, set once for everything.
        samples: a list of Sample (row, encoded), or anything that can be iterated several times (set).
        seen: how many samples these are.
        facts: kind, method, limits; each check gets it with its own options.
    """
    for check in checks.values():
        if check.stage == stage and check.severity != "off":
            check.add(check.plugin.check(samples, check.get_facts(facts)), seen)


def get_messages(checks: dict[str, Check]) -> Iterator[str]:
    """One sentence for each check that warns, or would block above its limit;
    what warns only above a limit is on the data page.
    """
    for check in checks.values():
        if check.verdict == "warning" or (check.verdict == "noted" and check.severity == "block"):
            first = check.findings[0]
            yield f"{check.plugin.TITLE}: {check.count} ({check.percentage:.3g} %), first {first.place}: {first.text}"
        elif check.verdict == "fixed":
            done = "redacted" if check.options.get("redact") else "repaired"
            yield f"{check.plugin.TITLE}: {done} in {check.count} rows"


def describe_findings(check: Check) -> list[str]:
    """The findings of a check, a line each; one line for rows with the same problem, with all places that are known."""
    texts = {re.sub(r"\d+|'[^']*'", "", finding.text) for finding in check.findings}
    if len(texts) == 1 and check.count > EXAMPLES and check.count >= 0.95 * check.seen:
        places = "; ".join(finding.place for finding in check.findings[:EXAMPLES])
        every = "every row" if check.count >= check.seen else f"{check.count} of {check.seen} rows"
        if check.count > len(check.findings):  # the others are only counted
            every += f" (the same in the first {len(check.findings)})"
        return [f"    - {every}: {check.findings[0].text} ({places} ...)"]
    places_of: dict[str, list[str]] = {}
    for finding in check.findings:
        places_of.setdefault(finding.text, []).append(finding.place)
    lines = []
    for text, found in places_of.items():
        if len(found) <= EXAMPLES:
            lines += [f"    - {place}: {text}" for place in found]
        else:
            lines.append(f"    - {len(found)} rows: {text} ({'; '.join(found)})")
    more = check.count - len(check.findings)
    return [*lines, f"    ... and {more} more"] if more > 0 else lines


def stop_on_blocks(checks: dict[str, Check]) -> None:
    """Raise one GaslampError that lists the findings of every blocking check; return when there is none."""
    blocking = [check for check in checks.values() if check.blocks]
    if not blocking:
        return
    total = sum(check.count for check in blocking)
    lines = [f"{'1 problem' if total == 1 else f'{total} problems'} in the data; nothing was written"]
    fixes = []
    settings: JsonObject = {}
    for check in blocking:
        limit = f", {check.max_percentage:g} % are allowed" if check.max_percentage else ""
        if len(blocking) > 1 or limit:
            lines.append(f"    {check.plugin.TITLE} (check {check.name}, {check.count} of {check.seen} rows{limit})")
        lines += describe_findings(check)
        fixes.append(next((finding.fix for finding in check.findings if finding.fix), check.plugin.FIX))
        settings |= next((finding.settings for finding in check.findings if finding.settings), {})
    limits = _get_limits(blocking)
    permission = _get_permission(blocking, limits) if limits else None
    fix = "; ".join(dict.fromkeys(fixes))
    raise GaslampError(
        "\n".join(lines), fix, permission, settings=settings, allows={"data.checks": limits} if limits else None
    )


def _get_limits(blocking: list[Check]) -> JsonObject:
    """What allows all that blocks, as data.checks; empty where no setting can."""
    if any(check.count >= check.seen or not getattr(check.plugin, "ALLOWABLE", True) for check in blocking):
        return {}  # to leave every row out is no fix
    limits: JsonObject = {}
    for check in blocking:
        allowed = min(100.0, round(check.percentage + 0.005, 2))
        limits[check.name] = {"max_percentage": int(allowed) if allowed == int(allowed) else allowed}
    return limits


def _get_permission(blocking: list[Check], limits: JsonObject) -> str:
    """What allows all that blocks, as the line of config.yaml."""
    dropped = [check.plugin.TITLE for check in blocking if getattr(check.plugin, "DROPS", False)]
    left = "such rows" if len(dropped) == len(blocking) else ", ".join(dropped)
    return (
        f"allow it{f' ({left} are left out)' if dropped else ''}: in the section data of config.yaml write "
        f"checks: {write_scalar(limits)} in place of checks: {{}} (or add to the checks that stand there)"
    )

"""Write docs/findings.md from the plug-ins that find what is wrong with a training and with its answers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.config.sections.diagnose import AnswerLimits, Diagnose  # noqa: E402
from gaslamp.config.sections.fields import Section  # noqa: E402
from gaslamp.core import registry  # noqa: E402
from gaslamp.core.finding import SEVERITIES  # noqa: E402
from gaslamp.pages.markdown import escape_cell  # noqa: E402

HEAD = """# Findings

<!-- written by scripts/dev/write_findings.py from the plug-ins; a test compares -->

What a training is looked at for, while it trains and at its end. *certain*: no healthy training looks like this, and
the training ends early (`diagnose.stop`); *likely*: nearly always a fault; *hint*: worth a look. Thresholds are keys of
`diagnose` in config.yaml. Each finding says what was seen, with figures, and proposes changes that contradict no other
finding: no overfitted training gets the advice to take more epochs. A finding of your own is one file:
[extend.md](extend.md).

"""
TABLE = """| finding | what was seen | usual cause | severity | threshold |
|---|---|---|---|---|
"""
ANSWERS = """
## Answers of the evaluation

The same for the test rows after training; thresholds are keys of `diagnose.answers`. They stand on top of the
evaluation page, with their rows.

"""


def render() -> str:
    """The page."""
    return HEAD + _list("findings", Diagnose()) + ANSWERS + _list("answer_findings", AnswerLimits())


def _list(kind: str, limits: Section) -> str:
    rows = []
    for name in registry.get_library_names(kind):
        plugin = registry.get(kind, name)
        key = getattr(plugin, "LIMIT", None)
        limit = f"`{key}: {getattr(limits, key):g}`" if key else ""
        cells = [f"`{name}`", escape_cell(plugin.TITLE), escape_cell(plugin.CAUSE), plugin.SEVERITY, limit]
        rows.append((SEVERITIES.index(plugin.SEVERITY), name, f"| {' | '.join(cells)} |"))
    return TABLE + "\n".join(row for _, _, row in sorted(rows)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "findings.md", help="the page")
    args = parser.parse_args()
    args.out.write_text(render(), encoding="utf-8")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()

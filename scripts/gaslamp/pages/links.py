"""Links between the pages of a run: they work where a page lies in its project."""

from __future__ import annotations

import os
from pathlib import Path

PAGES = (
    ("Data", "data/report.html"),
    ("Evaluation", "outputs/{run}/eval/report.html"),
    ("Report", "outputs/{run}/report.html"),
    ("Demo", "demos/{run}/index.html"),
)


def get_links(page: Path) -> list[tuple[str, str]]:
    """Title and address, relative to ``page``, of every other page of its run.

    Args:
        page: ``outputs/<run>/...``; elsewhere there are no links.
    """
    parts = page.parts
    if "outputs" not in parts[:-2]:
        return []
    place = len(parts) - 1 - parts[::-1].index("outputs")
    own, run = Path(*parts[place:]), parts[place + 1]
    pages = [(title, Path(path.format(run=run))) for title, path in PAGES]
    return [(title, Path(os.path.relpath(path, own.parent)).as_posix()) for title, path in pages if path != own]

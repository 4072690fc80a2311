"""A share of the training rows (``train.share``), for a learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gaslamp.core.console import say
from gaslamp.core.files import sha256_text
from gaslamp.data.rows import Row


def take_share(rows: Sequence[Row], share: float) -> list[Row]:
    """The rows that are learnt, in their order; one row at least.

    Which they are depends on their ids alone, so that a smaller share is a part of a larger one and a row more in the
    file changes little.

    Args:
        rows: training rows.
        share: above 0, to 1.
    """
    count = min(len(rows), max(1, math.ceil(round(len(rows) * share, 6))))
    if count == len(rows):
        return list(rows)
    chosen = set(sorted(range(len(rows)), key=lambda n: (sha256_text(str(rows[n]["id"])), n))[:count])
    say(f"train.share {share:g}: {count} of {len(rows)} training rows")
    return [row for n, row in enumerate(rows) if n in chosen]

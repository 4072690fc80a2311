"""The answer matches a regular expression.

Options: ``pattern`` (Python's syntax), or ``column`` (the user's column with a pattern for each row); ``whole`` (true:
    the whole answer, false, the default: a part of it). Without a pattern the reference is the pattern.
"""

import re

from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row

TITLE = "has the right form"
BINARY = True
REFERENCE = False


def score(
    answer: str,
    reference: str,
    *,
    row: Row,
    pattern: str | None = None,
    column: str | None = None,
    whole: bool = False,
) -> float | None:
    """1 when it matches; ``None`` for a row without a pattern."""
    wanted = pattern or (str(row.get("columns", {}).get(column, "")) if column else re.escape(reference))
    if not wanted:
        return None
    try:
        found = re.fullmatch(wanted, answer.strip()) if whole else re.search(wanted, answer)
    except re.error as error:
        raise GaslampError(
            f"{wanted!r} is no regular expression: {error}", "correct eval.options.regex in config.yaml"
        ) from error
    return float(found is not None)

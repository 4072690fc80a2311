"""The answer contains what it must: the reference, or the words of an option or of a column of the row.

Options: ``words`` (a list, for all rows), ``column`` (the user's column, words separated by |), ``every`` (true: all of
    them; false, the default: one is enough), ``case`` (true: capitals count).
"""

from gaslamp.data.rows import Row

TITLE = "contains what it must"
BINARY = True


def score(
    answer: str,
    reference: str,
    *,
    row: Row,
    words: list[str] | None = None,
    column: str | None = None,
    every: bool = False,
    case: bool = False,
) -> float | None:
    """1 when it does; ``None`` for a row without anything to look for."""
    wanted = words or (str(row.get("columns", {}).get(column, "")).split("|") if column else [reference])
    wanted = [word.strip() for word in wanted if word.strip()]
    if not wanted:
        return None
    if not case:
        answer, wanted = answer.casefold(), [word.casefold() for word in wanted]
    found = [word in answer for word in wanted]
    return float(all(found) if every else any(found))

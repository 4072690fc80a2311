"""The answer makes the right tool calls: names and arguments equal those of the reference, as JSON; none where none is
due.

Options: ``ordered`` (false, the default: several calls may come in any order). The report says what was wrong: names,
arguments, calls that are missing or too many.
"""

from collections import Counter
from collections.abc import Sequence

from gaslamp.data.rows import Row, ToolCall
from gaslamp.evaluate.metrics.json_match import is_same
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.tool_calls import get_reference_calls

TITLE = "right tool call"
BINARY = True
TOOL_CALLS = True


def is_same_call(given: ToolCall, wanted: ToolCall) -> bool:
    """The same name, and arguments that are equal as JSON: their order does not count."""
    return given["name"] == wanted["name"] and is_same(given["arguments"], wanted["arguments"])


def score(answer: str, reference: str, *, row: Row, prediction: Prediction, ordered: bool = False) -> float | None:
    """1 when the calls are those of the reference, else 0; ``None`` for a row without calls and without tools."""
    wanted, given = get_reference_calls(row), list(prediction.get("tool_calls", []))
    if not wanted and not row.get("tools"):
        return None
    if len(given) != len(wanted):
        return 0.0
    if ordered:
        return float(all(is_same_call(a, b) for a, b in zip(given, wanted, strict=True)))
    for call in wanted:  # equality is transitive: which of equal calls is taken does not matter
        place = next((n for n, other in enumerate(given) if is_same_call(other, call)), None)
        if place is None:
            return 0.0
        given.pop(place)
    return 1.0


def report(rows: Sequence[Row], predictions: Sequence[Prediction], values: Sequence[float]) -> dict[str, float | int]:
    """Shares of rows with the right names, and how many rows lack a call, have too many,
    or have one where none is due.
    """
    named = missing = extra = 0
    pairs = [(get_reference_calls(row), p.get("tool_calls", [])) for row, p in zip(rows, predictions, strict=True)]
    due = [(wanted, given) for wanted, given in pairs if wanted]
    for wanted, given in due:
        names, found = Counter(call["name"] for call in wanted), Counter(call["name"] for call in given)
        named += names == found
        missing += len(given) < len(wanted)
        extra += len(given) > len(wanted)
    unwanted = sum(bool(given) for wanted, given in pairs if not wanted)
    right = sum(value == 1 for (wanted, _), value in zip(pairs, values, strict=True) if wanted) if due else 0
    result: dict[str, float | int] = {}
    if due:
        result |= {"right names": round(named / len(due), 4), "right names and arguments": round(right / len(due), 4)}
    result |= {"rows with too few calls": missing, "rows with too many calls": extra}
    if len(due) < len(rows):
        result["calls where none is due"] = unwanted
    return result

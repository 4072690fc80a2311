"""How much of the tool calls is right: half for the right name, half for the right arguments.

A call without arguments counts as a whole; calls that the reference does not have lower the score.
"""

from gaslamp.data.rows import Row, ToolCall
from gaslamp.evaluate.metrics.json_match import is_same
from gaslamp.evaluate.metrics.tool_call import is_same_call
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.tool_calls import get_reference_calls

TITLE = "tool call, in parts"
BINARY = False
TOOL_CALLS = True


def get_share(given: ToolCall, wanted: ToolCall) -> float:
    """0 for another name; else half, and half of the share of right arguments among all arguments of both."""
    if given["name"] != wanted["name"]:
        return 0.0
    if is_same_call(given, wanted):
        return 1.0
    mine, theirs = given["arguments"], wanted["arguments"]
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return 0.5
    right = sum(key in mine and is_same(mine[key], value) for key, value in theirs.items())
    return 0.5 + 0.5 * right / len(mine.keys() | theirs.keys())


def score(answer: str, reference: str, *, row: Row, prediction: Prediction) -> float | None:
    """0 to 1; ``None`` for a row without calls and without tools."""
    wanted, given = get_reference_calls(row), list(prediction.get("tool_calls", []))
    if not wanted:
        return float(not given) if row.get("tools") else None
    total, most = 0.0, max(len(wanted), len(given))
    for call in sorted(wanted, key=lambda call: -max((get_share(other, call) for other in given), default=0.0)):
        shares = [get_share(other, call) for other in given]
        if not shares or max(shares) == 0:
            continue
        total += max(shares)
        given.pop(shares.index(max(shares)))
    return total / most

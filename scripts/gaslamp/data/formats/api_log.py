"""Logs of an API: what was requested and what was answered, as the bodies of requests and responses.

Answers that were cut off, held back or failed are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable

from gaslamp.data.cells import find_column, first_value
from gaslamp.data.envelopes import is_request, is_response, read_request, read_response
from gaslamp.data.formats import messages
from gaslamp.data.rows import Row, SourceRow

KIND = "conversation"
ORDER = 20
EXAMPLE = (
    '{"request": {"messages": [{"role": "user", "content": "2 + 2?"}]}, "response": {"choices": [{"message": '
    '{"role": "assistant", "content": "4"}, "finish_reason": "stop"}]}}'
)
REQUIRED = ("request", "response")
OPTIONAL = ("system", "tools")
READ_ANYWAY = ()
REQUESTS = ("request", "request_body", "body", "messages", "input", "prompt", "contents")
TEXTS = ("prompt", "input")
RESPONSES = ("response", "response_body", "choices", "output", "completion", "candidates", "result")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column of requests and one of responses."""
    response = _find(columns, rows, RESPONSES, is_response)
    others = [column for column in columns if column != response]
    request = response and (_find(others, rows, REQUESTS, is_request) or _find(others, rows, TEXTS, is_text))
    if not request or not response:
        return None
    mapping = {"request": request, "response": response}
    for role, names in (("system", messages.SYSTEM), ("tools", messages.TOOLS)):
        if found := find_column(columns, names):
            mapping[role] = found
    return mapping


def is_text(value: object) -> bool:
    """Whether a cell is a prompt of one text."""
    return isinstance(value, str) and bool(value.strip())


Test = Callable[[object], bool]


def _find(columns: list[str], rows: list[SourceRow], names: tuple[str, ...], test: Test) -> str | None:
    found = (find_column(columns, (name,)) for name in names)
    return next((column for column in found if column and test(first_value(rows, column))), None)


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The messages of the request and the answer of the response.

    Raises:
        LeftOut: the answer was cut off, or the request failed.
        ValueError: says what is wrong with the row.
    """
    answer = read_response(row.get(mapping["response"]), mapping["response"])
    requested = read_request(row.get(mapping["request"]), mapping["request"])
    turns = requested["messages"]
    own = {role: row.get(mapping[role]) for role in OPTIONAL if role in mapping}
    return messages.convert({**own, **requested, "messages": [*turns, *answer]}, {"messages": "messages"})

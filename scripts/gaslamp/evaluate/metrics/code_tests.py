"""The code in the answer passes the row's tests, run in a process apart with limits on time and memory and no network.

Options: ``column`` (of the row, with the tests in Python; default tests), ``seconds``, ``memory_mb``.
"""

from gaslamp.data.rows import Row, get_prompt
from gaslamp.train.rewards import code_tests

TITLE = "code passes its tests"
BINARY = True
REFERENCE = False


def score(
    answer: str,
    reference: str,
    *,
    row: Row,
    column: str = "tests",
    seconds: float = 5.0,
    memory_mb: int = 512,
) -> float | None:
    """1 when every test passes, else 0; ``None`` for a row without tests."""
    if not row.get("columns", {}).get(column):
        return None
    return float(
        code_tests.score(
            get_prompt(row), answer, row, column=column, seconds=seconds, memory_mb=memory_mb, all_or_nothing=True
        )
    )

"""Turns in an order that no chat template means: two users in a row, an answer before the question,
a system prompt in the middle.
"""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample, get_unusual
from gaslamp.data.rows import Message, Row

TITLE = "turns out of order"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
FIX = (
    "turns go system (if any), user, assistant, user, assistant ...; tool turns follow the call they answer; merge "
    "or delete the turn that is too much"
)
ROLES = ("system", "user", "assistant", "tool")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """The first turn that is out of order, of each row that has one."""
    for sample in get_unusual(samples):
        if problem := find_problem(sample.row):
            yield Finding(sample.place, problem)


def find_problem(row: Row) -> str | None:
    """What is wrong with the order of a row's turns, or ``None``."""
    if "messages" in row:
        return _walk(row["messages"], "user", end="assistant")
    if "prompt" not in row:
        return None
    prompt = row["prompt"]
    problem = _walk(prompt, "user", end="user")
    for key in ("chosen", "rejected", "completion"):
        if problem is None and key in row:
            problem = _walk(
                row[key], "assistant", end="assistant", called=bool(prompt and prompt[-1].get("tool_calls"))
            )
            problem = f"{key}: {problem}" if problem else None
    return problem


def _walk(messages: list[Message], first: str, end: str, called: bool = False) -> str | None:
    roles = [str(message["role"]) for message in messages]
    if unknown := sorted(set(roles) - set(ROLES)):
        return f"unknown role {', '.join(unknown)} (known: {', '.join(ROLES)})"
    shown = ", ".join(roles if len(roles) <= 6 else [*roles[:6], "..."])
    expected, may_answer = {first}, called
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if role == "system" and number == 1 and first == "user":
            continue
        if role == "tool":
            if not may_answer:
                return f"turn {number} is of a tool that nobody called (turns: {shown})"
            expected = {"assistant"}
        elif role not in expected:
            wanted = " or ".join(sorted(expected))
            return f"turn {number} is of {role}, but {wanted} should follow (turns must alternate: {shown})"
        else:
            expected = {"assistant"} if role == "user" else {"user"}
            may_answer = bool(message.get("tool_calls"))
    if not roles or roles == ["system"]:
        return "there is no turn"
    # a prompt may also end with what a tool returned
    if roles[-1] != end and not (end == "user" and roles[-1] == "tool"):
        return f"the last turn must be of {end} (turns: {shown})"
    return None

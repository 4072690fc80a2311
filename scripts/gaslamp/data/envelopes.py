"""What was requested of an API and what it answered, out of the bodies of a log.

OpenAI (chat, responses, batches, completions), Anthropic, Gemini, Bedrock, Cohere and Ollama.
"""

from __future__ import annotations

from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_json
from gaslamp.data.rows import LeftOut
from gaslamp.data.turns import is_turn, is_turns

WRAPPERS = ("body", "request", "response", "params", "result", "kwargs")
"""Keys around a body, in batches and in logs of proxies."""
REQUESTED = ("messages", "contents", "input", "prompt")
SYSTEMS = ("system", "systemInstruction", "system_instruction", "instructions")
TOOLS = ("tools", "toolConfig", "tool_config", "functions")
CUT = ("length", "max_tokens", "MAX_TOKENS", "model_length", "incomplete")
"""Why an answer ended before its end."""
BLOCKED = ("content_filter", "SAFETY", "RECITATION", "error")


def unwrap(value: object) -> Any:
    """The body inside a cell: parsed, without what batches and proxies put around it."""
    value = parse_json(value)
    for _ in range(4):
        if not isinstance(value, dict) or any(key in value for key in (*REQUESTED, "choices", "candidates", "output")):
            return value
        inner = next((value[key] for key in WRAPPERS if value.get(key) is not None), None)
        if inner is None:
            return value
        value = parse_json(inner)
    return value


def is_request(value: object) -> bool:
    """Whether a cell is what an API was requested: a body, or the turns alone."""
    body = unwrap(value)
    if is_turns(body):
        return True
    return isinstance(body, dict) and any(
        is_turns(body.get(key)) or isinstance(body.get(key), str) for key in REQUESTED
    )


def is_response(value: object) -> bool:
    """Whether a cell is what an API answered."""
    body = unwrap(value)
    if isinstance(body, list):  # choices, or the items of OpenAI's responses
        first = body[0] if body and isinstance(body[0], dict) else {}
        return ("message" in first and "index" in first) or ("finish_reason" in first) or _is_items(body)
    if not isinstance(body, dict):
        return False
    found = any(isinstance(body.get(key), list) and body[key] for key in ("choices", "candidates"))
    message, output = body.get("message"), body.get("output")
    inner = isinstance(message, dict) and is_turn(message)
    inner = inner or (isinstance(output, dict) and isinstance(output.get("message"), dict)) or _is_items(output)
    return found or inner or (body.get("role") == "assistant" and "content" in body)


def _is_items(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "type" in item for item in value)


def read_request(value: object, column: str) -> JsonObject:
    """A request as a row with messages, system and tools.

    Raises:
        ValueError: it holds no messages.
    """
    body = unwrap(value)
    if is_turns(body) or isinstance(body, str):
        body = {"messages": body}
    requested = next((body[key] for key in REQUESTED if body.get(key)), None) if isinstance(body, dict) else None
    if isinstance(requested, str) and not is_turns(requested):
        requested = [{"role": "user", "content": requested}]
    requested = parse_json(requested)
    if not isinstance(requested, list) or not requested:
        raise ValueError(f"column '{column}' holds no request with messages")
    result: JsonObject = {"messages": requested}
    for role, names in (("system", SYSTEMS), ("tools", TOOLS)):
        if (given := next((body[key] for key in names if body.get(key)), None)) is not None:
            result[role] = given
    return result


def read_response(value: object, column: str) -> list[Any]:
    """The turns of a response: one, or the items of OpenAI's responses.

    Raises:
        LeftOut: the request failed, or the answer was cut off.
        ValueError: it holds no answer, several, or a piece of one.
    """
    outer = parse_json(value)
    failed = outer.get("error") if isinstance(outer, dict) else None
    status = outer.get("status_code") if isinstance(outer, dict) else None
    if failed or (isinstance(status, int) and status >= 400):
        raise LeftOut(f"column '{column}' holds an error instead of an answer")
    body = unwrap(outer)
    if isinstance(body, dict) and body.get("error"):
        raise LeftOut(f"column '{column}' holds an error instead of an answer")
    choices = body if isinstance(body, list) and not _is_items(body) else None
    if isinstance(body, dict):
        choices = next((body[key] for key in ("choices", "candidates") if isinstance(body.get(key), list)), None)
    if choices is None:
        return _read_single(body, column)
    if len(choices) != 1:
        raise ValueError(f"column '{column}' holds {len(choices)} answers: keep the one that should be learnt")
    choice = choices[0]
    refuse_cut(choice, column)
    if not isinstance(choice, dict) or "delta" in choice:
        raise ValueError(f"column '{column}' holds a piece of a streamed answer: join the pieces of each answer")
    turn = next((choice[key] for key in ("message", "content", "text") if choice.get(key) is not None), None)
    if isinstance(turn, str):
        return [{"role": "assistant", "content": turn}]
    if not isinstance(turn, dict):
        raise ValueError(f"column '{column}' holds no answer")
    return [turn if "role" in turn else {**turn, "role": "assistant"}]


def _read_single(body: Any, column: str) -> list[Any]:
    """The turns of a response that is no list of choices."""
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise ValueError(f"column '{column}' holds no answer")
    refuse_cut(body, column)
    output = body.get("output")
    if isinstance(output, list) and _is_items(output):
        return output
    turn = output.get("message") if isinstance(output, dict) else body.get("message", body)
    if not isinstance(turn, dict) or "content" not in turn:
        raise ValueError(f"column '{column}' holds no answer")
    return [{key: item for key, item in turn.items() if key in ("role", "content", "tool_calls", "thinking")}]


def refuse_cut(answer: object, column: str) -> None:
    """Raise when an answer did not come to its end.

    Raises:
        LeftOut: it was cut off, or held back.
    """
    if not isinstance(answer, dict):
        return
    names = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason", "status")
    reason = next((answer[key] for key in names if isinstance(answer.get(key), str)), "")
    if reason in CUT:
        raise LeftOut(f"column '{column}': the answer was cut off ({reason})")
    if reason in BLOCKED:
        raise LeftOut(f"column '{column}': the answer was held back ({reason})")

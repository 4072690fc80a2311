"""Messages of LangChain as turns with a role: as its functions, its serializer and its models write them."""

from __future__ import annotations

from gaslamp.core.files import JsonObject

ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}
KEPT = ("content", "name", "tool_call_id")


def is_langchain(value: JsonObject) -> bool:
    """Whether an object is a message of LangChain: a type that is a speaker, or a class, and a content."""
    return "role" not in value and "from" not in value and get_type(value) in ROLES and _get_fields(value) is not None


def _get_fields(value: JsonObject) -> JsonObject | None:
    """The fields of a message: behind ``data``, behind ``kwargs`` as the serializer writes them, or the message."""
    fields = next((value[key] for key in ("data", "kwargs") if isinstance(value.get(key), dict)), value)
    return fields if "content" in fields else None


def get_type(value: JsonObject) -> str:
    """The speaker of a message, as ``type`` names it (``human``) or its class (``HumanMessage``)."""
    fields = _get_fields(value) or {}
    path = value.get("id")
    written = str(path[-1]) if isinstance(path, list) and path else ""
    kind = value.get("type") if not written else fields.get("type") or written
    return str(kind or "").removesuffix("MessageChunk").removesuffix("Message").lower()


def read_langchain(value: JsonObject) -> JsonObject:
    """A message of LangChain as a turn {role, content, ...}; what its library adds (ids, token counts) is left out."""
    fields = _get_fields(value) or {}
    more = fields.get("additional_kwargs")
    more = more if isinstance(more, dict) else {}
    turn = {"role": ROLES[get_type(value)], **{key: fields[key] for key in KEPT if fields.get(key) is not None}}
    calls = fields.get("tool_calls") or more.get("tool_calls")
    if calls:
        turn["tool_calls"] = calls
    if thought := more.get("reasoning_content"):
        turn["reasoning_content"] = thought
    return {"content": "", **turn}

"""How a chat template writes tool calls, learnt by rendering a known call, and how calls are read back from generated
text.

No list of models: two probe calls are rendered with the recorded template, and the text between their name and
arguments shows which of three ways it writes them:

    object      a JSON object with name and arguments: Hermes, Qwen, Llama 3.1, Mistral to v7
    arguments   the name, something between, a JSON object of the arguments: Mistral from v11, DeepSeek, functionary
    fields      the name, then each argument by itself: XML tags, or Python's f(key="value")
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Message, Row, ToolCall, get_answer, get_calls, get_prompt

Render = Callable[[list[Message], bool, list[JsonObject] | None], str]
"""(messages, whether the model's answer is to begin at the end, tools) -> text."""

NAME, KEYS, VALUES, NUMBERS = "gaslampname", ("gaslampone", "gaslamptwo"), ("valueone", "valuetwo"), (61413, 72524)
_IDENTIFIER = r"[A-Za-z_][\w.\-]*"
_DECODER = json.JSONDecoder(strict=False)


def read_calls(message: Message) -> list[ToolCall]:
    """The calls of a message, arguments that are JSON text parsed."""
    return [{"name": call["name"], "arguments": _parse_arguments(call["arguments"])} for call in get_calls(message)]


def get_reference_calls(row: Row) -> list[ToolCall]:
    """The calls that answer a row; empty when its reference is text, or when it has none."""
    answer = get_answer(row)
    return read_calls(answer) if answer else []


def render_answer(render: Render, row: Row) -> str:
    """The reference answer of a row as the template writes it, with what it puts around the calls and at the end."""
    answer, tools = get_answer(row), row.get("tools")
    if answer is None:
        return ""
    prompt = render(get_prompt(row), True, tools)
    whole = render([*get_prompt(row), answer], False, tools)
    # a template that rewrites the prompt: everything that the answer added to the text
    return whole[len(prompt) :] if whole.startswith(prompt) else whole[-max(1, len(whole) - len(prompt)) :]


@dataclass(frozen=True)
class CallSyntax:
    """How one template writes calls; ``kind`` is object, arguments or fields."""

    kind: str
    name_key: str = ""
    arguments_key: str = ""
    opening: str = ""  # fields: right before the name
    between: str = ""  # arguments, fields: after the name
    assign: str = ""  # fields: between key and value
    closing: str = ""  # fields: after each value
    following: str = ""  # fields: from there to the next key

    def parse(self, text: str, tools: list[JsonObject] | None = None) -> list[ToolCall]:
        """The calls in a generated text, in order; what cannot be read is no call.

        Args:
            text: with special tokens where the tokenizer has them; a text without them is read as well where JSON
                holds name and arguments.
            tools: of the row. Templates that write values without JSON leave 5 and "5" alike: the tool's schema
                decides.
        """
        text = text.rpartition("</think>")[2]
        if self.kind == "object":
            return [call for value in _find_objects(text) for call in self._read_object(value)]
        if self.kind == "arguments":
            return list(self._find_named(text))
        if self.between.startswith("(") and self.assign.startswith("="):
            return list(_find_python_calls(text))
        return list(self._find_fields(text, _get_text_keys(tools or [])))

    def _read_object(self, value: object) -> Iterator[ToolCall]:
        if isinstance(value, dict):
            if isinstance(name := value.get(self.name_key), str) and self.arguments_key in value:
                yield {"name": name, "arguments": _parse_arguments(value[self.arguments_key])}
            else:
                for part in value.values():
                    yield from self._read_object(part)
        elif isinstance(value, list):
            for part in value:
                yield from self._read_object(part)

    def _find_named(self, text: str) -> Iterator[ToolCall]:
        # servers leave special tokens out of the text: then the arguments follow the name directly
        between = re.escape(self.between) if self.between in text else r"\s*"
        place = 0
        while found := re.compile(rf"({_IDENTIFIER}){between}(?=\{{)").search(text, place):
            try:
                arguments, place = _DECODER.raw_decode(text, found.end())
            except (ValueError, RecursionError):
                place = found.end()
                continue
            yield {"name": found[1], "arguments": arguments}

    def _find_fields(self, text: str, text_keys: set[tuple[str, str]]) -> Iterator[ToolCall]:
        for found in re.finditer(re.escape(self.opening) + rf"({_IDENTIFIER})", text):
            arguments: dict[str, object] = {}
            rest = text[found.end() :]
            while rest.startswith(self.between if not arguments else self.following):
                rest = rest[len(self.between if not arguments else self.following) :]
                key, assign, rest = rest.partition(self.assign)
                value, closing, rest = rest.partition(self.closing)
                if not assign or not closing:
                    break
                arguments[key] = value if (found[1], key) in text_keys else _read_value(value)
            yield {"name": found[1], "arguments": arguments}


def _get_text_keys(tools: list[JsonObject]) -> set[tuple[str, str]]:
    """(tool, key) of all arguments that are text by their schema."""
    found = set()
    for tool in tools:
        function = tool.get("function", tool)
        parameters = function.get("parameters") or {}
        for key, schema in (parameters.get("properties") or parameters).items():
            if isinstance(schema, dict) and schema.get("type") in ("string", "str"):
                found.add((str(function.get("name")), str(key)))
    return found


def _read_value(text: str) -> object:
    """JSON, or Python's True, False and None, as templates write them; all else is text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text
    return value


def learn_call_syntax(render: Render) -> CallSyntax | None:
    """How a template writes calls; ``None`` when it writes none, or writes them in a way that cannot be read back.

    Args:
        render: the recorded template, with the tools of each call.
    """
    text = _render_probe(render, VALUES)
    if text is None or NAME not in text:
        return None
    for value in _find_objects(text):
        for item in _walk(value):
            name_key = next((key for key, part in item.items() if part == NAME), None)
            keys = [key for key, part in item.items() if set(_as_dict(part)) == set(KEYS)]
            if name_key and keys:
                return CallSyntax("object", name_key, keys[0])
    before, _, after = text.rpartition(NAME)
    for value in _find_objects(after):
        if isinstance(value, dict) and set(value) == set(KEYS):
            return CallSyntax("arguments", between=after[: after.index("{")])
    return _learn_fields(render, before, after)


def _learn_fields(render: Render, before: str, after: str) -> CallSyntax | None:
    cut = re.fullmatch(_around(*KEYS, *VALUES), after, re.DOTALL)
    numbers = (_render_probe(render, NUMBERS) or "").rpartition(NAME)[2]
    plain = re.fullmatch(_around(*KEYS, *map(str, NUMBERS)), numbers, re.DOTALL)
    opening = re.search(r"\S*$", before.rstrip(" "))
    if not cut or not plain or not cut[2] or cut[2] != cut[4]:
        return None
    if cut[1].startswith("(") and plain[2] == "=":
        return CallSyntax("fields", between=cut[1], assign=plain[2])
    closing = _common(cut[3], cut[5])
    if not closing or not opening or not opening[0]:
        return None
    return CallSyntax(
        "fields", opening=opening[0], between=cut[1], assign=cut[2], closing=closing, following=cut[3][len(closing) :]
    )


def _around(one: str, two: str, first: str, second: str) -> str:
    """A pattern of the text before, between and after two keys and their values."""
    return rf"(.*?){one}(.*?){first}(.*?){two}(.*?){second}(.*)"


def _common(one: str, other: str) -> str:
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _render_probe(render: Render, values: tuple[object, object]) -> str | None:
    """A call with two arguments as the template writes it, from the question on; ``None`` when it refuses calls."""
    question = "gaslampquestion"
    kind = "string" if isinstance(values[0], str) else "integer"
    schema = {"type": "object", "properties": {key: {"type": kind, "description": "d"} for key in KEYS}}
    tools = [{"type": "function", "function": {"name": NAME, "description": "d", "parameters": schema}}]
    arguments = dict(zip(KEYS, values, strict=True))
    for given in (arguments, json.dumps(arguments)):  # some templates take arguments as an object, some as text
        call = {"id": "gaslamp01", "type": "function", "function": {"name": NAME, "arguments": given}}
        answer = {"role": "assistant", "content": "", "tool_calls": [call]}
        try:
            text = render([{"role": "user", "content": question}, answer], False, tools)
        except Exception:  # noqa: BLE001, S112 - a template may raise anything on what it does not take
            continue
        return text.rpartition(question)[2]
    return None


def _find_objects(text: str) -> Iterator[object]:
    """The JSON objects and lists of objects in a text, outermost only, in order."""
    place = 0
    while found := re.compile(r"[\[{]").search(text, place):
        try:
            value, place = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            place = found.start() + 1
            continue
        yield value


def _walk(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(part)


def _find_python_calls(text: str) -> Iterator[ToolCall]:
    """Calls that Python's grammar reads: ``f(key="value", other=[1, 2])``."""
    place = 0
    while found := re.compile(rf"({_IDENTIFIER})\(").search(text, place):
        place = found.end()
        for end in re.finditer(r"\)", text[found.end() :]):
            source = text[found.start() : found.end() + end.end()]
            try:
                tree = ast.parse(source.strip(), mode="eval").body
                assert isinstance(tree, ast.Call) and not tree.args
                arguments = {word.arg or "": _evaluate(word.value) for word in tree.keywords}
            except (SyntaxError, ValueError, AssertionError, RecursionError, MemoryError):
                continue
            place = found.end() + end.end()
            yield {"name": found[1], "arguments": arguments}
            break


def _evaluate(node: ast.expr) -> object:
    """A literal, with JSON's names of the three constants too."""
    if isinstance(node, ast.Name) and node.id in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[node.id]
    value: object = ast.literal_eval(node)
    return value


def _parse_arguments(value: object) -> object:
    """Arguments that are JSON text as the value they mean; other text stays."""
    if isinstance(value, str):
        try:
            parsed: object = json.loads(value, strict=False)
        except (ValueError, RecursionError):
            return value
        return parsed
    return {} if value is None else value


def _as_dict(value: object) -> dict[str, object]:
    parsed = _parse_arguments(value)
    return parsed if isinstance(parsed, dict) else {}

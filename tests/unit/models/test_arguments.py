"""Arguments of tool calls: every number as the row has it, and JSON text byte for byte where a template takes text."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.data.calls import read_calls
from gaslamp.data.rows import format_calls, get_calls, get_reference
from gaslamp.evaluate.tool_calls import get_reference_calls
from gaslamp.models.arguments import parse_arguments, restore, shape_arguments
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import Renderer

TEXT = '{"to":"Zo\\u00eb", "amount":1.50, "id": 12345678901234567890123, "rates": [1e5, -0, {"k": 0.10}]}'
OBJECT = '{"to": "Zoë", "amount": 1.50, "id": 12345678901234567890123, "rates": [1e5, -0, {"k": 0.10}]}'
PROPERTIES = {key: {"type": "string", "description": "d"} for key in ("to", "amount", "id", "rates")}
SCHEMA = {"type": "object", "properties": PROPERTIES}
TOOLS = [{"type": "function", "function": {"name": "pay", "description": "d", "parameters": SCHEMA}}]
WANTED = {
    "qwen3": TEXT,
    "qwen3_vl": TEXT,
    "deepseekv3": TEXT,
    "qwen2_5": OBJECT,
    "llama3_1": OBJECT,
    "llama3_2": OBJECT,
    "gptoss": OBJECT,
    "gemma4": '{amount:1.50,id:12345678901234567890123,rates:[1e5,-0,{k:0.10}],to:<|"|>Zoë<|"|>}',
    "qwen3_5_think": "<parameter=amount>\n1.50\n</parameter>\n<parameter=id>\n12345678901234567890123\n</parameter>",
    "glm4moe": "<arg_key>amount</arg_key>\n<arg_value>1.50</arg_value>\n<arg_key>id</arg_key>",
    "lfm2_2_5": "amount=1.50, id=12345678901234567890123, rates=[1e5, -0, {'k': 0.10}]",
}
LLAMA_LIKE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}"
    "{{ c.function | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    return load_tokenizer(str(tiny.write_checkpoint(folder, tiny.CHATML)))


def get_template(name: str) -> str:
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    return (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def render(tokenizer: Any, template: str, arguments: object) -> str:
    calls = read_calls([{"id": "abcdefghi", "function": {"name": "pay", "arguments": arguments}}], "messages", 2)
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": calls}]
    saved = json.loads(json.dumps(messages))  # as the row stands on disk
    return Renderer(tokenizer, template, []).render(saved, False, TOOLS)


@pytest.mark.parametrize("name", WANTED)
def test_every_number_stands_in_the_text_as_it_was_written(tokenizer: Any, name: str) -> None:
    text = render(tokenizer, get_template(name), TEXT)
    assert WANTED[name] in text.rpartition("pay")[2] and "80461725" not in text


@pytest.mark.parametrize("name", ["qwen3", "qwen2_5", "llama3_1"])
def test_plain_arguments_are_rendered_as_ever(tokenizer: Any, name: str) -> None:
    given = {"city": "Oslo", "days": [1, 2.5], "now": None}
    for arguments in (given, json.dumps(given)):
        text = render(tokenizer, get_template(name), arguments)
        assert '{"city": "Oslo", "days": [1, 2.5], "now": null}' in text.rpartition("pay")[2]


def test_a_template_that_dumps_the_whole_call_gets_an_object(tokenizer: Any) -> None:
    assert f'{{"name": "pay", "arguments": {OBJECT}}}' in render(tokenizer, LLAMA_LIKE, TEXT)


def test_arguments_that_say_all_are_objects_on_disk_and_others_text() -> None:
    def keep(arguments: object) -> object:
        return read_calls([{"name": "pay", "arguments": arguments}], "m", 1)[0]["function"]["arguments"]

    assert keep('{"a": 1.5, "b": "é"}') == {"a": 1.5, "b": "é"} == keep({"a": 1.5, "b": "é"})
    for text in ('{"a":1}', '{"a": 1.50}', '{"b": "\\u00e9"}', '{"a": 1}\n', '{"a": 1e3}', TEXT):
        assert keep(text) == text


def test_the_reference_of_a_call_is_its_text_and_its_score_the_values() -> None:
    calls = read_calls([{"name": "pay", "arguments": TEXT}], "m", 1)
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": calls}]}
    assert get_reference(row) == f'{{"name": "pay", "arguments": {TEXT}}}'
    assert get_reference_calls(row) == [{"name": "pay", "arguments": json.loads(TEXT)}]
    two = [*get_calls(row["messages"][1]), {"name": "f", "arguments": {"a": [1]}}]
    assert json.loads(format_calls(two)) == [
        {"name": "pay", "arguments": json.loads(TEXT)},
        {"name": "f", "arguments": {"a": [1]}},
    ]


def test_stand_ins_are_replaced_and_nothing_else_is() -> None:
    call = {"function": {"name": "f", "arguments": '{"a": 1.50, "b": [2.0, 1.50]}'}}
    literals: list[str] = []
    shaped = shape_arguments([{"role": "assistant", "content": "", "tool_calls": [call]}], False, True, literals)
    dumped = json.dumps(shaped[0]["tool_calls"][0]["function"]["arguments"])
    assert literals == ["1.50", "1.50"] and restore(dumped, literals) == '{"a": 1.50, "b": [2.0, 1.50]}'
    assert restore("8046172500007 and 80461725000001", literals) == "8046172500007 and 80461725000001"
    assert parse_arguments([{"role": "assistant", "tool_calls": [call]}])[0]["tool_calls"][0]["function"] == {
        "name": "f",
        "arguments": {"a": 1.5, "b": [2.0, 1.5]},
    }

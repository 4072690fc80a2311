"""Tool calls: how a template writes them is learnt from the template, read back from answers, and scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Compare
from gaslamp.core.files import read_jsonl, write_jsonl
from gaslamp.evaluate.compare import compare_models
from gaslamp.evaluate.default_metrics import get_default_metrics
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.prompts import get_row_prompts
from gaslamp.evaluate.run import evaluate_model
from gaslamp.evaluate.tool_calls import CallSyntax, get_reference_calls, learn_call_syntax, render_answer
from gaslamp.models.fetch import fetch_model
from gaslamp.models.loading import load_model
from gaslamp.models.template import Renderer, build_template
from tiny import write_checkpoint

TURNS = """{%- for m in messages %}
{%- if m.role == 'assistant' and m.tool_calls %}{{ CALLS }}
{%- else %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}
{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"""
TOOLS = """{%- if tools %}{{ '<|im_start|>system\\n# Tools\\n' }}{%- for t in tools %}{{ t | tojson + '\\n' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}{%- endif %}"""
# the ways in which chat templates of well-known families write a call, in the turns of ChatML
CALLS = {
    "hermes": """{{ '<|im_start|>assistant\\n' + m.content }}{%- for c in m.tool_calls %}{%- set f = c.function %}
{{- '<tool_call>\\n{"name": "' + f.name + '", "arguments": ' + f.arguments | tojson + '}\\n</tool_call>' }}
{%- if not loop.last %}{{ '\\n' }}{%- endif %}{%- endfor %}{{ '<|im_end|>\\n' }}""",
    "llama": """{%- if m.tool_calls | length != 1 %}{{ raise_exception('one call at once') }}{%- endif %}
{%- set f = m.tool_calls[0].function %}{{ '<|im_start|>assistant\\n' }}
{{- '{"name": "' + f.name + '", "parameters": ' + f.arguments | tojson + '}<|im_end|>\\n' }}""",
    "mistral": """{{ '<|im_start|>assistant\\n[TOOL_CALLS] [' }}{%- for c in m.tool_calls %}
{%- if c.id is not defined or c.id | length != 9 %}{{ raise_exception('ids have 9 letters') }}{%- endif %}
{{- '{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments | tojson + ', "id": "' + c.id + '"}' }}
{%- if not loop.last %}{{ ', ' }}{%- endif %}{%- endfor %}{{ ']<|im_end|>\\n' }}""",
    "mistral_args": """{{ '<|im_start|>assistant\\n' }}{%- for c in m.tool_calls %}
{{- '[TOOL_CALLS]' + c.function.name + '[ARGS]' + c.function.arguments | tojson }}{%- endfor %}{{ '<|im_end|>\\n' }}""",
    "deepseek": """{{ '<|im_start|>assistant\\n<calls>' }}{%- for c in m.tool_calls %}
{{- '<call>function<sep>' + c.function.name + '\\n```json\\n' + c.function.arguments | tojson + '\\n```<end>' }}
{%- endfor %}{{ '</calls><|im_end|>\\n' }}""",
    "xml": """{{ '<|im_start|>assistant\\n' }}{%- for c in m.tool_calls %}
{{- '<tool_call>\\n<function=' + c.function.name + '>\\n' }}{%- for key, value in c.function.arguments | items %}
{{- '<parameter=' + key + '>\\n' }}{{ value if value is string else value | tojson }}{{ '\\n</parameter>\\n' }}
{%- endfor %}{{ '</function>\\n</tool_call>' }}{%- endfor %}{{ '<|im_end|>\\n' }}""",
    "python": """{{ '<|im_start|>assistant\\n[' }}{%- for c in m.tool_calls %}{{ c.function.name + '(' }}
{%- for key, value in c.function.arguments | items %}{{ key + '=' }}{{ value | tojson }}
{%- if not loop.last %}{{ ', ' }}{%- endif %}{%- endfor %}{{ ')' }}{%- if not loop.last %}{{ ', ' }}{%- endif %}
{%- endfor %}{{ ']<|im_end|>\\n' }}""",
}
SINGLE = ("llama",)  # templates that write one call a turn
ARGUMENTS: list[dict[str, Any]] = [
    {"city": "Zürich", "days": 3, "units": "°C"},
    {"text": 'he said "no", {then} [left] at 5 <b>', "ratio": 0.5, "exact": True, "note": None},
    {"filter": {"price": {"max": 12}, "tags": ["a", "b, c"]}, "path": "C:\\temp\nnext line"},
    {},
]


def make_call(name: str, arguments: Any, number: int = 0) -> dict[str, Any]:
    return {"id": f"call{number:05}", "type": "function", "function": {"name": name, "arguments": arguments}}


def make_row(number: int, calls: list[dict[str, Any]], question: str = "what is the weather") -> dict[str, Any]:
    names = sorted({call["function"]["name"] for call in calls}) or ["weather"]
    return {
        "id": f"r{number}",
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "", "tool_calls": calls},
        ],
        "tools": [{"type": "function", "function": {"name": name, "parameters": {}}} for name in names],
    }


def render_with(style: str, checkpoint: Path) -> Renderer:
    template = TOOLS + TURNS.replace("{{ CALLS }}", CALLS[style])
    from gaslamp.models.loading import load_tokenizer

    return Renderer(load_tokenizer(checkpoint), template, ["<|im_end|>"])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("calls") / "model")


@pytest.mark.parametrize("style", CALLS)
def test_calls_are_read_back_from_what_the_template_writes(style: str, checkpoint: Path) -> None:
    render = render_with(style, checkpoint).render
    syntax = learn_call_syntax(render)
    assert syntax is not None
    metric = Metric.get("tool_call")
    rows = [make_row(n, [make_call("get_weather", value)]) for n, value in enumerate(ARGUMENTS)]
    if style not in SINGLE:
        rows.append(make_row(9, [make_call(f"tool_{n}", value, n) for n, value in enumerate(ARGUMENTS)]))
    for row in rows:
        text = render_answer(render, row)
        assert text.endswith("<|im_end|>\n") and "get_weather" in text or "tool_3" in text
        calls = syntax.parse(text.removesuffix("\n").removesuffix("<|im_end|>"))
        assert metric.score(row, {"text": text, "tool_calls": calls}) == 1.0, (style, calls)
        assert [call["name"] for call in calls] == [call["name"] for call in get_reference_calls(row)]
        assert calls == get_reference_calls(row), "values as they are"


def test_values_without_json_are_read_by_the_schema_of_the_tool(checkpoint: Path) -> None:
    render = render_with("xml", checkpoint).render
    syntax = learn_call_syntax(render)
    assert syntax is not None
    values = {"zip": "0151", "count": 151, "exact": False, "note": None, "list": [1, "b"]}
    row = make_row(0, [make_call("find", values)])
    row["tools"][0]["function"]["parameters"] = {
        "properties": {"zip": {"type": "string"}, "count": {"type": "integer"}}
    }
    assert syntax.parse(render_answer(render, row), row["tools"]) == [{"name": "find", "arguments": values}]
    python = render_answer(render, row).replace("false", "False").replace("null", "None")
    assert syntax.parse(python, row["tools"]) == [{"name": "find", "arguments": values}]


@pytest.mark.parametrize("style", CALLS)
def test_other_text_holds_no_call(style: str, checkpoint: Path) -> None:
    syntax = learn_call_syntax(render_with(style, checkpoint).render)
    assert syntax is not None
    for text in (
        "",
        "It rains.",
        '{"city": "Oslo"}',
        "f(x) = {1, 2}",
        "<tool_call>\n{",
        '<think>{"name": "f",',
        "[1, 2]",
    ):
        assert syntax.parse(text) == [], text


def test_a_template_without_calls_has_no_syntax(checkpoint: Path) -> None:
    plain = TURNS.replace("{{ CALLS }}", "{{ m.content + '<|im_end|>' }}")
    tokenizer = render_with("hermes", checkpoint).tokenizer
    assert learn_call_syntax(Renderer(tokenizer, plain, ["<|im_end|>"]).render) is None
    refusing = TURNS.replace("{{ CALLS }}", "{{ raise_exception('no tools') }}")
    assert learn_call_syntax(Renderer(tokenizer, refusing, ["<|im_end|>"]).render) is None


def test_thoughts_before_the_call_are_not_calls() -> None:
    syntax = CallSyntax("object", "name", "arguments")
    text = '<think>maybe {"name": "a", "arguments": {}}</think>\n{"name": "b", "arguments": "{\\"x\\": 1}"}'
    assert syntax.parse(text) == [{"name": "b", "arguments": {"x": 1}}]


# ------------------------------------------------------------------------------------------------------------- scores

WANTED = make_row(0, [make_call("weather", {"city": "Oslo", "days": 2}), make_call("time", {})])


@pytest.mark.parametrize(
    ("calls", "exact", "parts"),
    [
        ([("weather", {"city": "Oslo", "days": 2}), ("time", {})], 1.0, 1.0),
        ([("time", {}), ("weather", {"days": 2.0, "city": "Oslo"})], 1.0, 1.0),
        ([("weather", {"city": "Oslo", "days": "2"}), ("time", {})], 0.0, (0.75 + 1) / 2),
        ([("weather", {"city": "Oslo", "days": 3}), ("time", {})], 0.0, (0.75 + 1) / 2),
        ([("weather", {"city": "Oslo", "days": True}), ("time", {})], 0.0, (0.75 + 1) / 2),
        ([("weather", {"city": "Oslo", "days": 2, "x": 1}), ("time", {})], 0.0, (0.5 + 1 / 3 + 1) / 2),
        ([("weather", {"city": "Oslo", "days": 2})], 0.0, 0.5),
        ([("weather", {"city": "Oslo", "days": 2}), ("time", {}), ("time", {})], 0.0, 2 / 3),
        ([("rain", {"city": "Oslo", "days": 2}), ("time", {})], 0.0, 0.5),
        ([], 0.0, 0.0),
    ],
)
def test_names_and_arguments_count(calls: list[tuple[str, Any]], exact: float, parts: float) -> None:
    prediction: Any = {"text": "", "tool_calls": [{"name": name, "arguments": value} for name, value in calls]}
    assert Metric.get("tool_call").score(WANTED, prediction) == exact
    assert Metric.get("tool_call_parts").score(WANTED, prediction) == pytest.approx(parts)


def test_the_order_counts_when_the_config_says_so() -> None:
    calls = [{"name": "time", "arguments": {}}, {"name": "weather", "arguments": {"city": "Oslo", "days": 2}}]
    assert Metric.get("tool_call", {"ordered": True}).score(WANTED, {"text": "", "tool_calls": calls}) == 0.0
    assert Metric.get("tool_call", {"ordered": True}).score(WANTED, {"text": "", "tool_calls": calls[::-1]}) == 1.0


def test_text_metrics_do_not_score_calls_and_silence_is_wrong() -> None:
    silent: Any = {"text": "", "stopped": True}
    assert Metric.get("tool_call").score(WANTED, silent) == 0.0
    assert Metric.get("exact_match").score(WANTED, silent) is None
    text = {"id": "t", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    assert Metric.get("exact_match").score(text, {"text": "hello"}) == 1.0
    assert Metric.get("tool_call").score(text, {"text": "hello"}) is None, "no tools, no calls"
    idle = text | {"tools": WANTED["tools"]}
    assert Metric.get("tool_call").score(idle, {"text": "hello"}) == 1.0, "no call where none is due"
    assert Metric.get("tool_call").score(idle, {"text": "", "tool_calls": [{"name": "time", "arguments": {}}]}) == 0.0
    assert get_default_metrics([WANTED, WANTED]) == ["tool_call", "tool_call_parts"]
    assert get_default_metrics([WANTED, WANTED, text])[:2] == ["tool_call", "tool_call_parts"]
    assert get_default_metrics([WANTED, text, text])[0] == "exact_match"


def test_the_report_says_what_is_wrong() -> None:
    right = [{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}, {"name": "time", "arguments": {}}]
    named = [{"name": "weather", "arguments": {}}, {"name": "time", "arguments": {}}]
    predictions: list[Any] = [{"tool_calls": calls} for calls in (right, named, right[:1], [*right, *right])] + [{}]
    rows, metric = [WANTED] * 5, Metric.get("tool_call")
    values = metric.score_all(rows, predictions)
    assert values == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert metric.report(rows, predictions, values) == {
        "right names": 0.4,
        "right names and arguments": 0.2,
        "rows with too few calls": 2,
        "rows with too many calls": 1,
    }


# --------------------------------------------------------------------------------------------- a model that learns it


def test_a_model_that_learned_calls_is_better_than_one_that_did_not(tmp_path: Path) -> None:
    """Really trained: the tiny model on rows whose answers are calls, evaluated with all defaults."""
    import torch

    source = write_checkpoint(tmp_path / "source", TOOLS + TURNS.replace("{{ CALLS }}", CALLS["hermes"]))
    fetch_model(Config.model_validate({"model": {"source": str(source)}}).model, tmp_path / "model.json")
    cities = ("Oslo", "Rome")
    rows = [make_row(n, [make_call("w", {"c": cities[n % 2]}, n)], f"{cities[n % 2]} {n}?") for n in range(24)]
    template = build_template(source, rows[0]["messages"])
    template.write(tmp_path / "template.json")
    renderer = Renderer.load(source, template)
    torch.manual_seed(0)
    model = load_model(source, "float32").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    encoded = [renderer.encode(row["messages"], row["tools"]) for row in rows]
    width = max(len(row.ids) for row in encoded)
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in encoded])
    labels = torch.tensor([row.labels + [-100] * (width - len(row.ids)) for row in encoded])
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in encoded])
    for _ in range(80):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path / "tuned")
    write_jsonl(tmp_path / "test.jsonl", rows)
    limit = get_row_prompts(rows, renderer.tokenize, None, renderer.render)[0].max_tokens
    assert limit >= max(len(row.ids) - row.trained.index(True) for row in encoded), "room for the longest call"
    config = Config.model_validate({"eval": {"retention": False}})
    keys = ("eval", "diagnose.answers", "data.slice", "method", "train.rewards", "train.options", "train.max_length")
    settings = parse_slice(get_slice(config, *keys))
    for who, adapters in (("base", None), ("tuned", tmp_path / "tuned")):
        out = tmp_path / f"{who}.jsonl"
        files = (tmp_path / "model.json", adapters, tmp_path / "test.jsonl", tmp_path / "template.json")
        evaluate_model(settings, *files, out)
    outputs = {name: tmp_path / name for name in ("compare", "verdict", "report", "side_by_side", "page")}
    compare_models(settings, tmp_path / "base.jsonl", tmp_path / "tuned.jsonl", tmp_path / "test.jsonl", outputs)
    compare = Compare.read(outputs["compare"])
    assert [metric.name for metric in compare.metrics] == ["tool_call", "tool_call_parts"]
    assert compare.metrics[0].base.value == 0.0 and compare.metrics[0].tuned.value > 0.9
    assert compare.verdict == "better" and compare.stop_rate["tuned"] == 1.0
    assert json.loads(compare.examples[0].reference) == {"name": "w", "arguments": {"c": "Oslo"}}
    assert json.loads(compare.examples[0].tuned) == {"name": "w", "arguments": {"c": "Oslo"}}
    predictions = list(read_jsonl(tmp_path / "tuned.jsonl"))
    assert predictions[1]["tool_calls"] == [{"name": "w", "arguments": {"c": "Rome"}}]

"""Every plug-in keeps its kind's contract; a new file in a plug-in folder is tested without an edit here."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import math
import re
from pathlib import Path
from types import ModuleType

import pytest
from gaslamp.config.backends import is_remote
from gaslamp.config.presets import choose_by_size
from gaslamp.config.schema import Config
from gaslamp.config.sections.diagnose import AnswerLimits, Diagnose
from gaslamp.config.sections.train import AUTO, Train
from gaslamp.config.slices import parse_slice
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.finding import SEVERITIES
from gaslamp.data import rows
from gaslamp.data.checking import STAGES, Facts
from gaslamp.data.meaning import find_format
from gaslamp.data.meaning.readings import get_mapped_columns
from gaslamp.evaluate.metric import MODEL_OUTPUTS, Metric
from gaslamp.report.dashboard.panels import PANELS
from gaslamp.train.history import History
from gaslamp.train.method import (
    ARTEFACTS,
    find_option_problems,
    get_adapters,
    get_options,
    get_preset,
    get_sized_keys,
)

ROOT = Path(__file__).parents[2]
KINDS = ("backends", "methods", "formats", "metrics", "exporters", "embedded", "checks", "findings", "answer_findings")
ALL = [(kind, name) for kind in KINDS for name in registry.names(kind)]
SIZES = {"135M": 134_515_008, "1B": 1_235_814_400, "8B": 8_030_261_248, "32B": 32_763_876_352}
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "mlx", "mlx_lm", "unsloth", "pandas", "numpy"}


ASK, ANSWER = [{"role": "user", "content": "q"}], [{"role": "assistant", "content": "a"}]
GOOD: dict[str, rows.Row] = {
    "conversation": {"messages": [*ASK, *ANSWER]},
    "preference": {"prompt": ASK, "chosen": ANSWER, "rejected": [{"role": "assistant", "content": "b"}]},
    "rating": {"prompt": ASK, "completion": ANSWER, "label": True},
    "pair": {"anchor": "a", "positive": "b"},
    "speech": {"audio": "a.wav", "transcript": "a"},
    "text": {"text": "words"},
    "prompt": {"prompt": ASK, "answer": "a"},
}


def get(kind: str, name: str) -> ModuleType:
    return registry.get(kind, name)


def get_parameters(module: ModuleType, function: str) -> list[str]:
    return list(inspect.signature(getattr(module, function)).parameters)


def test_there_are_plugins_of_every_kind() -> None:
    assert all(registry.names(kind) for kind in KINDS)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(GaslampError) as caught:
        registry.get("methods", "stf")
    assert "there is no method 'stf'" in caught.value.cause and "did you mean 'sft'?" in caught.value.fix
    with pytest.raises(GaslampError) as caught:
        registry.get("metrics", "../config")
    assert "choose from" in caught.value.fix


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_says_what_it_is_and_loads_light(kind: str, name: str) -> None:
    module = get(kind, name)
    assert (module.__doc__ or "").strip(), "a docstring says what it is"
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for node in top
        for alias in node.names
    }
    assert not names & HEAVY, "heavy imports belong inside functions"


@pytest.mark.parametrize("name", registry.names("backends"))
def test_backend(name: str) -> None:
    module = get("backends", name)
    assert isinstance(module.BUILT, bool) and bool(module.REASON) != module.BUILT, "what is not built says why"
    assert module.EXTRA and module.REQUIRES and set(module.METHODS) <= set(registry.names("methods"))
    assert get_parameters(module, "find_machine_problems") == ["system"]
    if is_remote(name):
        assert module.DRIVER in registry.names("drivers"), "the driver that reaches its machine"
    elif module.BUILT:
        assert get_parameters(module, "train") == ["plan", "events"] and get_parameters(module, "prepare_process") == [
            "settings"
        ]


@pytest.mark.parametrize("name", registry.names("methods"))
def test_method(name: str) -> None:
    module = get("methods", name)
    assert module.KINDS and set(module.KINDS) <= set(rows.KINDS) and module.NEEDS
    assert module.ARTEFACT in ARTEFACTS and set(get_adapters(name)) <= {"lora", "none"}
    assert isinstance(module.METRICS, tuple) and set(module.DEFAULT_METRICS) <= set(registry.names("metrics"))
    assert get_parameters(module, "get_trainer") == ["context"] and get_parameters(module, "validate") == ["row"]
    for kind in module.KINDS:
        assert module.validate(GOOD[kind]) == []


@pytest.mark.parametrize("name", registry.names("methods"))
def test_preset_and_options_of_a_method(name: str) -> None:
    """The preset is a train section of the config that is in range; every option says why and is used by itself."""
    for adapter, parameters in itertools.product(get_adapters(name), SIZES.values()):
        preset = get_preset(name, adapter, parameters)
        assert preset["learning_rate"] and set(preset) <= set(Train.model_fields)
        Train.model_validate(preset)
        sections = [
            Config.model_validate(
                {"method": name, "backend": backend, "train": {"adapter": adapter, "max_length": None}}
            ).model_dump()
            for backend in registry.get_library_names("backends")
        ]
        assert all({**one["train"], "choose": None} == {**sections[0]["train"], "choose": None} for one in sections), (
            "a preset goes by method and model; the backend has no say"
        )
        filled, decisions = choose_by_size(
            parse_slice(json.dumps({"method": name, "train": sections[0]["train"]})), parameters
        )
        assert {key: getattr(filled.train, key) for key in preset} == preset
        assert get_sized_keys(name, adapter) <= set(AUTO), "known only when the model is: the data phase cannot read it"
        assert {one.name for one in decisions} == get_sized_keys(name, adapter) and all(one.reason for one in decisions)
    rates = [get_preset(name, "lora", parameters)["learning_rate"] for parameters in SIZES.values()]
    assert rates == sorted(rates, reverse=True), "a larger model never takes more"
    settings = get("methods", name).Settings
    assert get_options(name, {}) == settings()
    assert all(field.description for field in settings.model_fields.values())
    assert [path for path, _ in find_option_problems(name, {"nothing_of_that_name": 1})] == [("nothing_of_that_name",)]


def show_rates(name: str, adapter: str) -> list[str]:
    """The learning rate for each size, as docs/methods.md writes it."""
    parts = [f"{get_preset(name, adapter, size)['learning_rate']:e}".split("e") for size in SIZES.values()]
    return [f"{float(mantissa):g}e{int(exponent)}" for mantissa, exponent in parts]


@pytest.mark.parametrize("name", registry.names("methods"))
def test_page_of_a_method(name: str) -> None:
    """One screen: when to choose it, a row that a format reads, the preset as it is, every setting,
    what healthy values are, the cost.
    """
    module, page = get("methods", name), (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}: ") and page.count("\n") <= 60
    assert [part for part in ("## Data", "## Settings", "## Healthy values", "## Cost") if part not in page] == []
    preset = get_preset(name)
    mantissa, exponent = f"{preset['learning_rate']:e}".split("e")
    rate = f"{float(mantissa):g}e{int(exponent)}"
    assert f"learning rate {rate}" in page and f"batch {preset['batch_size']}" in page
    linked = [
        page,
        *(
            (ROOT / "docs" / "methods" / f"{other}.md").read_text(encoding="utf-8")
            for other in ("sft", "grpo")
            if f"[{other}](" in page
        ),
    ]
    absent = [option for option in module.Settings.model_fields if not any(f"`{option}`" in text for text in linked)]
    assert absent == [], "every setting is described, here or on the page that it links"
    if "## Data\n\n```json\n" in page:
        example = page.partition("```json\n")[2].partition("\n```")[0]
        assert find_format([json.loads(example)], kinds=module.KINDS)[1].KIND in module.KINDS
    overview = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    full = ", ".join(show_rates(name, "none")) if "none" in get_adapters(name) else "-"
    line = (
        f"\\| `{name}` \\| {rate} \\| .* \\| {preset['batch_size']} x {preset['gradient_accumulation']} \\| .* \\| "
        f"{preset['max_length']} \\| {preset['warmup_steps']} \\|"
    )
    assert f"(methods/{name}.md)" in overview and re.search(line, overview), "docs/methods.md has the preset"
    assert f"| `{name}` | {' | '.join(show_rates(name, 'lora'))} | {full} |" in overview, "and the one of each size"


def test_sft_checks_the_order_of_turns() -> None:
    good = GOOD["conversation"]["messages"]
    validate = get("methods", "sft").validate
    assert validate({"messages": [{"role": "system", "content": ""}, *good]}) == []
    assert all(
        validate({"messages": bad})
        for bad in (good[:1], good[1:], [*good, good[0]], [{"role": "judge", "content": "x"}, good[1]])
    )


def test_sft_takes_calls_of_tools() -> None:
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
    }
    validate = get("methods", "sft").validate
    assert (
        validate({"messages": [*ASK, call, {"role": "tool", "content": "3"}, {"role": "tool", "content": ""}, *ANSWER]})
        == []
    )
    assert validate({"messages": [*ASK, call]}) == [], "to call is an answer too"
    assert validate({"messages": [*ASK, {"role": "tool", "content": "3"}, *ANSWER]}), "nobody called"
    assert validate({"messages": [*ASK, call, *ANSWER]}), "a call without an answer of the tool"


@pytest.mark.parametrize("name", registry.names("formats"))
def test_format_reads_its_own_example(name: str) -> None:
    module = get("formats", name)
    row = json.loads(module.EXAMPLE)
    mapping = module.detect(list(row), [row])
    assert mapping and set(get_mapped_columns(mapping)) <= set(row) and set(module.REQUIRED) <= set(mapping)
    converted = module.convert(row, mapping)
    assert rows.get_kind(converted) == module.KIND
    if module.KIND == "conversation":
        assert get("methods", "sft").validate(converted) == []


@pytest.mark.parametrize("name", registry.names("formats"))
def test_format_leaves_strange_columns_alone(name: str) -> None:
    module = get("formats", name)
    assert not module.detect(["a", "b"], [{"a": "1", "b": "2"}])


@pytest.mark.parametrize("name", registry.names("formats"))
def test_format_names_what_is_missing(name: str) -> None:
    module = get("formats", name)
    row = json.loads(module.EXAMPLE)
    mapping = module.detect(list(row), [row])
    with pytest.raises(ValueError, match=r"column|turn"):
        module.convert({}, mapping)


@pytest.mark.parametrize("name", registry.names("formats"))
def test_the_right_format_is_found_by_itself(name: str) -> None:
    """Several may fit (Alpaca's input and output are a pair too):
    the order of the search decides for the more special.
    """
    row = json.loads(get("formats", name).EXAMPLE)
    assert find_format([row])[0] == name


@pytest.mark.parametrize("name", registry.names("checks"))
def test_check(name: str) -> None:
    module = get("checks", name)
    assert (
        module.TITLE
        and module.FIX
        and module.SEVERITY in ("block", "warn", "off")
        and 0 <= module.MAX_PERCENTAGE <= 100
    )
    assert module.STAGE in STAGES
    if module.STAGE != "read":  # what the pipeline itself finds has no function
        assert get_parameters(module, "check") == ["samples", "facts"]
        assert list(module.check([], Facts("conversation", "sft", 512, dict(getattr(module, "OPTIONS", {}))))) == []


@pytest.mark.parametrize("name", registry.names("findings"))
def test_finding(name: str) -> None:
    module = get("findings", name)
    assert module.TITLE[0].islower() and module.CAUSE and module.SEVERITY in SEVERITIES and module.PANEL in PANELS
    assert getattr(module, "LIMIT", "stop") in Diagnose.model_fields
    assert all(direction in ("raise", "lower") for direction in getattr(module, "RULES_OUT", {}).values())
    assert not getattr(module, "STOPS", False) or module.SEVERITY == "certain", "only what is certain may stop a run"
    assert get_parameters(module, "find") == ["history", "limits"]
    assert module.find(History("sft"), Diagnose()) is None, "nothing is wrong with what has not begun"


@pytest.mark.parametrize("name", registry.names("answer_findings"))
def test_answer_finding(name: str) -> None:
    module = get("answer_findings", name)
    assert module.TITLE[0].islower() and module.CAUSE and module.SEVERITY in SEVERITIES
    assert getattr(module, "LIMIT", "one_answer") in AnswerLimits.model_fields
    assert all(direction in ("raise", "lower") for direction in getattr(module, "RULES_OUT", {}).values())
    assert get_parameters(module, "find") == ["answers", "limits"]


METRIC_ROW = {
    "id": "a",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": '{"a": [1, "two"]}'}],
    "columns": {"must": "two", "choices": "x|y"},
}
MEASURED = {
    "likelihood": {
        name: {"logp": -3.0, "tokens": 4}
        for name in ("reference", "text", "completion", "chosen", "choice:x", 'choice:{"a": [1, "two"]}')
    }
    | {"rejected": {"logp": -9.0, "tokens": 4}},
    "retrieval": {"rank": 2, "of": 9},
}


def make_prediction(text: str) -> dict[str, object]:
    return {"id": "a", "kind": "test", "text": text, "stopped": True, "tokens": 3, "seconds": 0.1, **MEASURED}


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_metric(name: str) -> None:
    """A metric says what it is; one that judges texts gives a finite number for any text,
    and the best one for the right text.
    """
    metric = Metric.get(name)
    assert metric.title and isinstance(metric.module.BINARY, bool) and metric.higher in (True, False, None)
    assert set(metric.needs) <= set(MODEL_OUTPUTS) and metric.unit in (
        "share",
        "number",
        "points",
        "seconds",
        "tokens",
        "nats",
    )
    with pytest.raises(GaslampError, match="has no option nonsense"):
        Metric.get(name, {"nonsense": 1})
    if not hasattr(metric.module, "score"):
        assert callable(getattr(metric.module, "score_set", None) or getattr(metric.module, "score_pairs", None))
        return
    right = [
        {**METRIC_ROW, "messages": [METRIC_ROW["messages"][0], {"role": "assistant", "content": text}]}
        for text in ('{"a": 1}', '["x", 2]', "12")
    ]
    found = [
        value
        for row in right
        if (value := metric.score(row, make_prediction(row["messages"][-1]["content"]))) is not None
    ]
    assert all(math.isfinite(value) for value in found)
    texts = ("", " ", "{", "no", "\x00", "é" * 5000, "[" * 100_000, "NaN", '{"a": [1, "two"]}')
    values = [metric.score(METRIC_ROW, make_prediction(text)) for text in texts]
    assert all(value is None or math.isfinite(value) for value in values), "any text may come out of a model"
    if (
        metric.needs == ("answer",)
        and getattr(metric.module, "REFERENCE", True)
        and "row" not in inspect.signature(metric.module.score).parameters
    ):
        best = 1.0 if metric.higher else 0.0
        assert found and all(value == best for value in found)
        assert all(value is None or value != best for value in values[:-1]), "only the right text is right"


@pytest.mark.parametrize(
    "name", [name for name in registry.names("metrics") if hasattr(get("metrics", name), "report")]
)
def test_report_of_a_metric_is_json(name: str) -> None:
    module = get("metrics", name)
    predictions = [{**make_prediction(text), "rewards": {"short": 1.0}} for text in ("", '{"a": [1, "two"]}', "no")]
    text = json.dumps(module.report([METRIC_ROW] * 3, predictions, [0.0, 1.0, 0.0]), allow_nan=False)
    assert json.loads(text)


@pytest.mark.parametrize("name", registry.names("exporters"))
def test_exporter(name: str) -> None:
    module = get("exporters", name)
    assert isinstance(module.REQUIRES, tuple) and callable(module.export) and callable(module.verify)


@pytest.mark.parametrize("name", registry.names("embedded"))
def test_embedded_set_is_the_same_every_time(name: str) -> None:
    module = get("embedded", name)
    made = list(module.generate())
    assert made == list(module.generate()) and len(made) > 100 and module.DESCRIPTION
    assert {row["split"] for row in made} == {"train", "valid", "test"}

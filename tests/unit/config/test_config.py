"""The config: every problem at once, each with its line and what was probably meant; nothing bent into shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from gaslamp.config.base_models import find_vision_tower_problem
from gaslamp.config.load import load_config
from gaslamp.config.page import render_config_page
from gaslamp.config.schema import Config, get_schema
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.errors import GaslampError

ROOT = Path(__file__).resolve().parents[3]


def load(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(yaml.safe_load(text) or {}, file, tmp_path)


def get_problems(tmp_path: Path, text: str) -> list[str]:
    """Each problem as ``line N: ...``."""
    with pytest.raises(GaslampError) as caught:
        load(tmp_path, text)
    lines = caught.value.cause.splitlines()
    lines = lines if len(lines) == 1 else [line.strip().removeprefix("- ") for line in lines[1:]]
    return [line.replace(f"{tmp_path / 'config.yaml'}, ", "") for line in lines]


def test_empty_config_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Config()


def test_every_problem_is_listed_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "backnd: cpu",  # 1
            "train:",  # 2
            "  learning_rte: 1.0",  # 3
            "  batch_size: 0",  # 4
            "  lora:",  # 5
            "    dropot: 0.1",  # 6
            "export:",  # 7
            "  levels: [q8_0, q9]",  # 8
        ]
    )
    problems = get_problems(tmp_path, text)
    assert [problem.split(":")[0] for problem in problems] == ["line 1", "line 3", "line 4", "line 6", "line 8"]
    assert problems[0].endswith("unknown key 'backnd'; did you mean 'backend'?")
    assert problems[1].endswith("unknown key 'train.learning_rte'; did you mean 'learning_rate'?")
    assert "train.batch_size = 0: input should be greater than or equal to 1" in problems[2]
    assert problems[3].endswith("did you mean 'dropout'?")
    assert 'export.levels.1 = "q9"' in problems[4] and "q4_k_m" in problems[4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("learning_rate: 0.1", "line 1: unknown key 'learning_rate'; it belongs in train"),
        ("train:\n  r: 8", "line 2: unknown key 'train.r'; it belongs in train.lora"),
        (
            "data:\n  zzzz: 8",
            "line 2: unknown key 'data.zzzz'; known here: source, sql, subset, hub_split, revision, format, columns, "
            "meaning",
        ),
        ("eval:", "line 1: the section 'eval' is empty; indent its keys below it, or delete the line"),
        ("train:\n  batch_size: true", "line 2: train.batch_size = true: input should be a valid integer"),
        ("train:\n  batch_size: '4'", 'line 2: train.batch_size = "4": input should be a valid integer'),
        ("train:\n  max_steps: 60.5", "line 2: train.max_steps = 60.5: input should be a valid integer"),
        ("train:\n  learning_rate: .nan", "line 2: train.learning_rate"),
        ("train:\n  max_grad_norm: .inf", "line 2: train.max_grad_norm"),
        ("run: 2024", "line 1: run = 2024: input should be a valid string: put it in quotes"),
        ("run: ../up", 'line 1: run = "../up": string should match pattern'),
        ("run: env", 'line 1: run = "env": outputs/env holds the facts of the machine'),
        ("backend: gpu", "line 1: backend = \"gpu\": there is no backend 'gpu'; did you mean 'cpu'?"),
        ("method: dppo", "line 1: method = \"dppo\": there is no method 'dppo'; did you mean '"),
        ("eval:\n  gate: off", "line 2: eval.gate = false: input should be 'block' or 'warn'"),
        ("data:\n  source: rows.csv", "line 2: rows.csv: no such file or folder (looked in "),
        ("data:\n  source: empty.csv", "line 2: empty.csv is empty (0 bytes)"),
        ("data:\n  source: folder", "line 2: the folder folder has no files"),
        ("data:\n  source: embedded:nope", "line 2: there is no embedded data set 'nope'; choose from: "),
        ("data:\n  format: zzzz", "line 2: there is no format 'zzzz'; choose from: "),
        ("data:\n  split: {valid: 0.5, test: 0.5}", "line 2: valid and test together take more than 0.9"),
        ("model:\n  source: embedded:nope", "line 2: there is no embedded model 'nope'; choose from: "),
        ("model:\n  source: ./nowhere", "line 2: ./nowhere is not a model folder: "),
        ("model:\n  source: folder/model", "line 2: folder/model: no such folder (looked in "),
        ("model:\n  source: gpt2", "line 2: 'gpt2' is neither embedded:NAME, a folder that exists, nor a hub id"),
        ("model:\n  adapter: /nowhere", "line 2: /nowhere: no such folder; correct model.adapter"),
        (
            "model:\n  adapter: style\nexport:\n  formats: [gguf, lora_gguf]",
            "line 4: an adapter of this run belongs to what was merged before it, which is on this machine "
            "alone: put merged or gguf in place of lora_gguf",
        ),
        ("eval:\n  metrics: [nope]", "line 2: there is no metric 'nope'; choose from: "),
        ("export:\n  levels: [q8_0, q8_0]", "line 2: a level is listed twice"),
        ("deploy:\n  level: q2_k", "line 2: 'q2_k' is not made: export.levels has q8_0, q6_k, q5_k_m, q4_k_m, q3_k_m"),
        ("train_python: ./nowhere/python", "line 1: ./nowhere/python: no such program"),
        (
            "method: dpo\ntrain:\n  options: {bta: 0.1}",
            "line 3: the method dpo has no option 'bta'; did you mean 'beta'?",
        ),
        (
            "method: dpo\ntrain:\n  options:\n    beta: 9.5",
            "line 4: train.options.beta = 9.5: input should be less than or equal to 5 (",
        ),
        (
            "method: orpo\ntrain:\n  adapter: none",
            "line 3: the method orpo trains an adapter only; full fine-tuning works with cpt, dpo",
        ),
        ("method: dpo\ntrain:\n  packing: true", "line 3: the method dpo cannot pack rows; cpt, sft can"),
        ("run: a\nmethod: sft\nrun: b", "line 3: 'run' appears a second time, first in line 1"),
        ("1: x", "line 1: "),
        ("train:\n  lora:\n    target_modules: []", "line 3: train.lora.target_modules = []: name at least one module"),
        ("train:\n  lora: {target_modules: [q_proj, '']}", "line 2: train.lora.target_modules = "),
        (
            "train:\n  lora:\n    target_modules: (q",
            'line 3: train.lora.target_modules = "(q": not a regular expression',
        ),
        ("train:\n  seed: 4294967296", "line 2: train.seed = 4294967296: input should be less than 4294967296"),
        (f"run: {'a' * 65}", "line 1: run = "),
        ("eval:\n  options:\n    nope: {}", "line 3: there is no metric 'nope'"),
        (
            "eval:\n  options:\n    exact_match: {foo: 1}",
            "line 3: the metric exact_match has no option foo: eval.options.exact_match in config.yaml takes: ",
        ),
        ("eval:\n  retention_file: own.jsonl", "line 2: "),
        ("data:\n  source: .", "line 2: the folder . holds this project itself"),
        ("data:\n  source: /", "line 2: the folder / holds this project itself"),
        ('data:\n  system: "a\\ud800"', "line 2: character 2 is half of a character (U+D800)"),
        ('project:\n  name: "a\\e[31m"', "line 2: character 2 is a control character (U+001B): remove it"),
    ],
)
def test_one_problem(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "own.jsonl").write_text("{}")
    (tmp_path / "style").mkdir()
    (tmp_path / "style/adapter_config.json").write_text("{}")
    (tmp_path / "style/adapter_model.safetensors").touch()
    problems = get_problems(tmp_path, text)
    assert len(problems) == 1 and problems[0].startswith(problem), problems


def test_vision_towers_that_llama_cpp_does_not_convert(tmp_path: Path) -> None:
    """Refused by name before anything is trained, unless the run ends with the merged model."""
    (tmp_path / "llava").mkdir()
    config = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {"model_type": "clip_vision_model"}}
    (tmp_path / "llava" / "config.json").write_text(json.dumps(config))
    text = "method: vision_sft\nmodel:\n  source: ./llava\n"
    problems = get_problems(tmp_path, text)
    assert (
        len(problems) == 1
        and "a LLaVA with the vision tower of Pixtral only, and this one has clip_vision_model" in problems[0]
    )
    assert "set export.formats to [merged]" in problems[0]
    assert load(tmp_path, f"{text}export:\n  formats: [merged]\n").method == "vision_sft"
    assert find_vision_tower_problem({**config, "vision_config": {"model_type": "pixtral"}}) is None
    assert "vision tower of InternVLForConditionalGeneration" in (
        find_vision_tower_problem({"architectures": ["InternVLForConditionalGeneration"]}) or ""
    )


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    problems = get_problems(tmp_path, f"model:\n  source: {tmp_path}\n")
    assert problems == [f"line 2: {tmp_path} is not a model folder: {tmp_path / 'config.json'} is missing"]


def test_conflicts_are_listed_together(tmp_path: Path) -> None:
    problems = get_problems(tmp_path, "data:\n  source: a.csv\nmodel:\n  source: ./b\ndeploy:\n  level: q5_0\n")
    assert [problem.split(":")[0] for problem in problems] == ["line 2", "line 4", "line 6"]


def test_conflicts_are_listed_with_misspelt_keys(tmp_path: Path) -> None:
    problems = get_problems(
        tmp_path,
        "data:\n  source: a.csv\n  sytem: x\ntrain:\n  epochs: many\n  lora: {r: 0}\neval: 3\nexport: {levels: [q9]}\n",
    )
    assert [problem.split(":")[0] for problem in problems] == [
        "line 2",
        "line 3",
        "line 5",
        "line 6",
        "line 7",
        "line 8",
    ]


def test_every_error_has_a_fix(tmp_path: Path) -> None:
    for text in ("nope: 1", "data:\n  source: nowhere.csv"):
        with pytest.raises(GaslampError) as caught:
            load(tmp_path, text)
        assert caught.value.fix.startswith(f"edit {tmp_path / 'config.yaml'}") and caught.value.code == 1


@pytest.mark.parametrize(("text", "value"), [("2e-4", 2e-4), ("2.0e-4", 2e-4), ("1E-3", 1e-3), ("1", 1.0)])
def test_learning_rates_as_people_write_them(tmp_path: Path, text: str, value: float) -> None:
    """PyYAML reads 2e-4 as text; no other text becomes a number."""
    assert load(tmp_path, f"train:\n  learning_rate: {text}").train.learning_rate == value


def test_data_that_stands_there_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    config = load(tmp_path, f"data:\n  source: rows.csv\nmodel:\n  source: {tmp_path / 'model'}\n")
    assert config.data.source == "rows.csv"


def test_hub_ids_are_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, "model:\n  source: org/name-1.5B\n").model.source == "org/name-1.5B"


def test_a_slice_has_the_declared_keys_and_no_other() -> None:
    text = get_slice(Config(), "train.lora.r", "data.system", "export")
    assert json.loads(text) == {
        "train": {"lora": {"r": 16}},
        "data": {"system": None},
        "export": Config().export.model_dump(),
    }
    settings = parse_slice(text)
    assert settings.train.lora.r == 16 and settings.dump() == json.loads(text)
    with pytest.raises(AttributeError, match="train.lora.alpha is not in this step's settings"):
        _ = settings.train.lora.alpha
    with pytest.raises(AttributeError, match="eval is not in this step's settings"):
        _ = settings.eval


def test_settings_typed_by_hand_are_checked() -> None:
    with pytest.raises(GaslampError, match="unknown key 'train.epoch'; did you mean 'epochs'"):
        parse_slice('{"train": {"epoch": 1}}')


def test_slices_survive_any_text() -> None:
    values: dict[str, Any] = {"data": {"system": 'it\'s "x" \\ {y} ü\n'}}
    text = get_slice(Config.model_validate(values), "data.system")
    assert parse_slice(text).data.system == values["data"]["system"]


def test_schema_file_is_up_to_date() -> None:
    file = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert json.loads(file.read_text(encoding="utf-8")) == get_schema(), "run: make schema"


def test_config_page_is_up_to_date() -> None:
    file = ROOT / "docs" / "config.md"
    assert file.read_text(encoding="utf-8") == render_config_page(), "run: make schema"


def test_every_key_has_a_description() -> None:
    schema = get_schema()
    for section in (schema, *schema["$defs"].values()):
        for key, value in section["properties"].items():
            assert value.get("description"), key


def test_null_is_the_preset_of_the_method(tmp_path: Path) -> None:
    """What the config leaves open the method says; a slice hands the values on, and only the requested ones."""
    sft, dpo = (
        load(tmp_path, f"method: {name}\ntrain:\n  batch_size: 3\n  max_length: null\n") for name in ("sft", "dpo")
    )
    assert (sft.train.adam_beta2, sft.train.batch_size, sft.train.max_length) == (0.95, 3, 512)
    assert (dpo.train.gradient_accumulation, dpo.train.batch_size, dpo.train.max_length) == (4, 3, 1024)
    assert dpo.train.options["beta"] == 0.1, "with the defaults of the method's own settings"
    assert json.loads(get_slice(dpo, "train.max_length")) == {"train": {"max_length": 1024}}
    with pytest.raises(AttributeError, match="not in this step's settings"):
        parse_slice(get_slice(dpo, "train.max_length")).train.learning_rate  # noqa: B018


@pytest.mark.parametrize("word", ["auto", "null", "~"])
def test_what_goes_by_the_size_of_the_model_stays_open(tmp_path: Path, word: str) -> None:
    """`auto` is null. The config cannot know the size; a number is a number."""
    text = f"train:\n  learning_rate: {word}\n  warmup_steps: {word}\n  gradient_accumulation: 3\n"
    train = load(tmp_path, text).train
    assert (train.learning_rate, train.warmup_steps, train.gradient_accumulation) == (None, None, 3)
    handed_on = json.loads(get_slice(load(tmp_path, text), "train"))["train"]
    assert handed_on["learning_rate"] is None and handed_on["batch_size"] == 2
    with pytest.raises(GaslampError, match="line 2: train.learning_rate"):
        load(tmp_path, "train:\n  learning_rate: automatic\n")


def test_a_key_with_its_section_in_front_says_where_it_stands() -> None:
    """Errors name keys so (`set data.checks: ...`), and people paste that below the rest of the file."""
    with pytest.raises(GaslampError) as caught:
        load_config({"backend": "cpu", "data.checks": {}})
    assert "it stands below the line `data:` that is there, indented by two spaces: `checks: ...`" in str(caught.value)

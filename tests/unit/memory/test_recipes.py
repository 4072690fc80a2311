"""Recipes that act: their conditions, which of them fit, what they write into config.yaml, and how it is taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from gaslamp.config.edit import get_line, put_line, remove_comment, write_scalar
from gaslamp.core.errors import GaslampError
from gaslamp.memory.apply import apply_memory, read_applied, undo
from gaslamp.memory.conditions import Facts, parse
from gaslamp.memory.defaults import get_defaults
from gaslamp.memory.recipes import get_matching
from gaslamp.memory.situation import get_situation, get_template_words

ROOT = Path(__file__).parents[3]
FACTS: Facts = {
    "task": "sft",
    "hardware": "cpu",
    "model": "SmolLM2-360M",
    "model_size": 360e6,
    "template": ("chatml", "sha-0a1b2c3d"),
    "rows": 500.0,
    "memory_gb": None,
}


def write_memory(home: Path, *recipes: dict[str, Any]) -> Path:
    entries = [
        {"candidate_id": f"cafe:section_6:0000000{n}", "title": "t", "date": "2026-11-20", "body": "why.", **recipe}
        for n, recipe in enumerate(recipes)
    ]
    home.mkdir(exist_ok=True)
    (home / "skills.json").write_text(json.dumps({"entries": entries}), encoding="utf-8")
    return home


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("task=sft", 1),
        ("task = sft AND hardware=cpu AND model_size<=1B AND rows>=500", 4),
        ("TASK=SFT and Model=smollm2-360m", 2),
        ("task=dpo", 0),
        ("task!=dpo", 1),
        ("template=chatml", 1),
        ("template=sha-0a1b2c3d", 1),
        ("template!=chatml", 0),
        ("model_size<360M", 0),
        ("model_size<=0.36B", 1),
        ("model_size>359999K", 1),
        ("rows=500", 1),
        ("rows!=500", 0),
        ("memory_gb<=16GB", 0),  # unknown: neither this
        ("memory_gb>16", 0),  # nor that
        ("domain!=legal", 0),
        ("task=dpo OR task=sft AND rows>=500", 2),
        ('model="SmolLM2-360M"', 1),
    ],
)
def test_conditions(condition: str, holds: int) -> None:
    assert len(parse(condition).get_match(FACTS)) == holds


@pytest.mark.parametrize(
    ("condition", "column", "words"),
    [
        ("", 1, "a name is expected"),
        ("task", 5, "is expected, not 'the end'"),
        ("task=", 6, "a value is expected"),
        ("task=sft AND", 13, "a name is expected"),
        ("task=sft rows>=5", 10, "AND or OR is expected, not 'rows'"),
        ("task=sft AND modelsize<=1B", 14, "did you mean 'model_size'"),
        ("task>=sft", 5, "compare it with = or !="),
        ("rows>=many", 7, "rows is a number, alone or with K, M"),
        ("model_size<=1GB", 13, "alone or with K, M, B, not '1GB'"),
        ("memory_gb<=16M", 12, "alone or with GB"),
        ("rows>=500T", 7, "not '500T'"),
        ('task="sft', 6, "not closed"),
        ("task=AND", 6, "a value is expected"),
        ("task == sft", 7, "a value is expected, not '='"),
        ("__import__('os').system('x')", 1, "unknown name"),
    ],
)
def test_a_wrong_condition_names_its_column(condition: str, column: int, words: str) -> None:
    with pytest.raises(GaslampError) as caught:
        parse(condition)
    assert f"column {column}: " in caught.value.cause and words in caught.value.cause


def test_the_better_fitting_recipe_decides_and_nothing_unsafe_is_taken(tmp_path: Path) -> None:
    problems: list[str] = []
    home = write_memory(
        tmp_path / "home",
        {"when": "task=sft", "settings": {"train.batch_size": 4, "train.learning_rate": 0.001}},
        {
            "when": "task=sft AND rows>=500",
            "settings": {"train.batch_size": 1},
            "source": {"project": "cafe", "run": "b"},
        },
        {"when": "task=dpo", "settings": {"train.batch_size": 9}},
        {"when": "task=sft", "settings": {"train_python": "/tmp/evil"}},
        {"when": "nonsense=1", "settings": {"train.batch_size": 9}},
        {"when": "task=sft"},
        {"when": "task=sft", "settings": {"train.batch_size": {"a": 1}}, "date": "2026-11-21"},
    )
    found = get_matching(FACTS, home, problems)
    assert [(one.recipe, dict(one.settings), dict(one.left_out)) for one in found] == [
        ("cafe:section_6:00000001", {"train.batch_size": 1}, {}),
        ("cafe:section_6:00000000", {"train.learning_rate": 0.001}, {"train.batch_size": "cafe:section_6:00000001"}),
    ]
    assert (found[0].source, found[0].reason, found[0].undo) == ("cafe, run b", "why", "make memory UNDO=00000001")
    assert len(problems) == 3 and "train_python" in "".join(problems) and "column 1" in "".join(problems)
    assert get_matching(FACTS, tmp_path / "nowhere") == []
    (home / "skills.json").write_text("[", encoding="utf-8")
    with pytest.raises(GaslampError, match="is no memory file"):
        get_matching(FACTS, home)


CONFIG = """# head
method: sft # what
backend: cpu
model:
  source: embedded:smollm2-135m-instruct

train: # comment
  batch_size: null # rows in one pass
  learning_rate: auto
  lora:
    r: 16 # rank
  list:
    - a
    - b
  left:
  - a
  - b

data:
  source: rows.csv
"""


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("train.batch_size", 1, "  batch_size: 1 # rows in one pass"),
        ("train.learning_rate", 1e-05, "  learning_rate: 1.0e-05"),
        ("train.lora.r", 8, "    r: 8 # rank"),
        ("train.max_length", 256, "  max_length: 256"),
        ("data.system_as_user", True, "  system_as_user: true"),
        ("eval.batch_size", 4, "  batch_size: 4"),
        ("method", "dpo", "method: dpo # what"),
        ("train.quantization", "4bit", '  quantization: "4bit"'),
        ("train.dtype", "no", '  dtype: "no"'),
        ("train.list", ["x", "on"], '  list: [x, "on"]'),
        ("train.left", ["x"], "  left: [x]"),
    ],
)
def test_one_line_is_set_and_taken_back(key: str, value: Any, line: str) -> None:
    """Every other byte stays, the value reads back as it is, and taking it back gives the very same text."""
    before = get_line(CONFIG, key)
    text = put_line(CONFIG, key, write_scalar(value), "from memory X (undo)")
    lines = text.splitlines()
    place = lines.index(line)
    assert "# from memory X (undo)" in "".join(lines[max(0, place - 2) : place])
    found = yaml.safe_load(text)
    for part in key.split("."):
        found = found[part]
    assert found == value and type(found) is type(value)
    back = remove_comment(put_line(text, key, before), "from memory X ")
    assert yaml.safe_load(back) == yaml.safe_load(CONFIG) and (before == "" or back == CONFIG)


def test_lessons_are_applied_recorded_and_undone(tmp_path: Path) -> None:
    recipe = {"when": "task=sft AND model_size<=1B", "settings": {"train.batch_size": 1, "train.lora.r": 8}}
    home = write_memory(tmp_path / "home", recipe)
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    lines = apply_memory(tmp_path, home)
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert lines == [
        "memory: train.batch_size: 1 (before: null), train.lora.r: 8 (before: 16) because of cafe, run main: why "
        "(undo: make memory UNDO=00000000)"
    ]
    for before in ("null", "16"):
        comment = (
            f"# from memory cafe:section_6:00000000 (cafe, run main), before: {before}: why. Undo: make memory UNDO="
        )
        assert text.count(f"{comment}00000000") == 1
    assert yaml.safe_load(text)["train"]["batch_size"] == 1
    assert apply_memory(tmp_path, home) == [] and len(read_applied(tmp_path)) == 1
    (tmp_path / "config.yaml").write_text(text.replace("r: 8", "r: 32"), encoding="utf-8")
    said = undo(tmp_path, "0000")
    assert said == [
        "train.batch_size: null again (was 1)",
        "train.lora.r stays 32: it was changed after the recipe set it",
    ]
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == CONFIG.replace("r: 16", "r: 32")
    assert read_applied(tmp_path)[0]["undone"] and apply_memory(tmp_path, home) == [], "what was undone stays undone"
    with pytest.raises(GaslampError, match="nothing is called 'nope'"):
        undo(tmp_path, "nope")


def test_what_a_person_set_stays(tmp_path: Path) -> None:
    home = write_memory(tmp_path / "home", {"when": "task=sft", "settings": {"train.batch_size": 1, "train.lora.r": 8}})
    (tmp_path / "config.yaml").write_text(CONFIG.replace("batch_size: null", "batch_size: 6"), encoding="utf-8")
    lines = apply_memory(tmp_path, home, defaults={"train.batch_size": None, "train.lora.r": 16})
    assert "memory: train.batch_size stays 6, which you set; t (cafe, run main) had 1" in lines
    values = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["train"]
    assert (values["batch_size"], values["lora"]["r"]) == (6, 8)


def test_auto_is_a_default(tmp_path: Path) -> None:
    home = write_memory(tmp_path / "home", {"when": "task=sft", "settings": {"train.learning_rate": 0.02}})
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    assert get_defaults()["train.learning_rate"] in (None, "auto")
    assert "train.learning_rate: 0.02" in apply_memory(tmp_path, home, defaults=get_defaults())[0]


def test_the_situation_of_a_project(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    config = {"method": "dpo", "backend": "cpu", "model": {"source": str(tiny_model)}, "data": {"source": "rows.csv"}}
    found = get_situation(config, tmp_path)
    assert (found["task"], found["hardware"], found["model"], found["rows"]) == ("dpo", "cpu", "tiny-chat", 2.0)
    size, memory = found["model_size"], found["memory_gb"]
    assert isinstance(size, float) and 90_000 < size < 130_000 and isinstance(memory, float) and memory > 0
    words = get_template_words(str(tiny_model), None, tmp_path)
    assert words[0] == "chatml" and words[1].startswith("sha-")
    config["model"] = {"source": "org/Some-7B-Chat"}
    assert get_situation(config, tmp_path)["model_size"] == 7e9
    config["model"] = {"source": "embedded:smollm2-135m-instruct"}
    assert get_situation(config, tmp_path)["template"] == ("chatml",)


def test_the_interpreter_of_cookiecutter_is_enough(tmp_path: Path) -> None:
    """The standard library and PyYAML: everything else that the library knows is refused here."""
    home = write_memory(tmp_path / "home", {"when": "task=sft", "settings": {"train.batch_size": 1}})
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    code = f"""
import sys
for name in ("pydantic", "pydantic_core", "filelock", "jinja2", "numpy", "torch", "orjson", "rich", "transformers"):
    sys.modules[name] = None
sys.path.insert(0, {str(ROOT / "scripts")!r})
from pathlib import Path
from gaslamp.memory.apply import apply_memory
print(apply_memory(Path({str(tmp_path)!r}), Path({str(home)!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "train.batch_size: 1" in done.stdout, done.stderr

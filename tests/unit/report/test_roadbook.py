"""The roadbook states the facts, and fails when it has a gap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import facts
import method_facts
import pytest
from gaslamp.config.load import load_stage
from gaslamp.config.methods import get_preset, get_sized_keys
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice, write_merged
from gaslamp.core import registry
from gaslamp.core.contracts import Start
from gaslamp.core.decisions import Decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.memory.hints import add_hint
from gaslamp.memory.snapshot import take_snapshot
from gaslamp.pages.markdown import OPEN, find_placeholders
from gaslamp.report.reproduce.project import read_roadbook
from gaslamp.report.roadbook.brief import render_brief
from gaslamp.report.roadbook.inventory import ROLES, get_inventory, get_outputs
from gaslamp.report.roadbook.parameters import get_parameters, get_trained_settings
from gaslamp.report.roadbook.roadbook import render_roadbook
from write_roadbook import KEYS  # the script

ROOT = Path(__file__).parents[3]


def settings(**project: str) -> str:
    return get_slice(Config.model_validate({"project": {"name": "cafe", **project}}), *KEYS)


SUPERVISED = re.compile(r"supervised|the answer you want|wanted answer|only answers carry|\bsft\b", re.IGNORECASE)


@pytest.mark.parametrize("method", registry.names("methods"))
def test_the_roadbook_is_about_the_method_that_ran(tmp_path: Path, method: str) -> None:
    """Rendered with today's config on another method: every word is about the one in train.json."""
    paths = method_facts.write_method_run(tmp_path, method)
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    text = render_roadbook(paths, parse_slice(settings()), tmp_path)
    plugin = registry.get("methods", method)
    assert f"{method.upper()} ({plugin.TITLE})" in text.replace("\\", "") and plugin.REASON in text
    assert " ".join(plugin.LEARN.split()) in text
    assert f"\nmethod: {method}\n" in text
    if plugin.KINDS[0] not in ("conversation", "speech"):
        rest = text
        for learned in (plugin.LEARN, plugin.REASON):  # these may name another method, to compare with it
            rest = rest.replace(" ".join(learned.split()), "")
        assert SUPERVISED.search(rest) is None, SUPERVISED.search(rest)
    trains_words = plugin.ARTEFACT == "causal_lm"
    assert ("ollama run" in text) == trains_words
    if not trains_words:
        assert "Ollama" not in text and "Serve and chat" not in text and "end by themselves" not in text
    assert "(empty answer)" not in text and " 0 tokens" not in text


def test_an_answer_rated_bad_is_not_expected(tmp_path: Path) -> None:
    paths = method_facts.write_method_run(tmp_path, "kto")
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    text = render_roadbook(paths, parse_slice(settings()), tmp_path)
    assert "| rated bad: `No.` |" in text and "| `Your refund was sent today.` |" in text and "| Expected |" not in text


def test_after_an_out_of_memory_step_the_values_that_trained_are_listed(tmp_path: Path) -> None:
    requested = {**Config().model_dump()["train"], **get_preset("sft"), "batch_size": 4, "gradient_accumulation": 1}
    run = facts.train(
        settings={**requested, "batch_size": 1, "gradient_accumulation": 4, "gradient_checkpointing": True},
        decisions=[Decision(name="memory", value="batch_size 1", reason="memory ran out before")],
    )
    assert run.provenance
    run.provenance.settings = {"method": "sft", "train": requested}
    paths = facts.write_run(tmp_path)
    write_json(paths["train"], run.model_dump())
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    text = render_roadbook(paths, parse_slice(settings()), tmp_path)
    assert "| batch_size | 1 | Changed after an out-of-memory step; the config had 4 |" in text
    assert (
        "| gradient_accumulation | 4 | Changed after" in text
        and "| gradient_checkpointing | yes | Changed after" in text
    )
    assert "| memory | batch_size 1 | memory ran out before |" in text
    assert "\n  batch_size: 1\n  gradient_accumulation: 4\n" in text  # the config to repeat it with


def test_a_preset_by_size_has_its_reason(tmp_path: Path) -> None:
    """What the config left open is no step after out of memory; where such a step changed it, the page says so."""
    why = "preset of sft for models from 2 to 15 billion parameters (this one has 7.62)"
    run = facts.train(
        settings={"learning_rate": 2e-4, "gradient_accumulation": 8, "batch_size": 4, "choose": ["batch_size"]},
        decisions=[
            Decision(name="learning_rate", value=2e-4, reason=why),
            Decision(name="gradient_accumulation", value=4, reason=why),
            Decision(name="batch_size", value=4, reason="fits the GPU"),
        ],
    )
    assert run.provenance
    open_ = {"learning_rate": None, "gradient_accumulation": None, "batch_size": 2}
    run.provenance.settings = {"method": "sft", "train": open_}
    rows = {name: (value, why) for name, value, why in get_parameters(run.settings, run)}
    assert rows["learning_rate"] == ("0.0002", why)
    assert rows["gradient_accumulation"] == ("8", "Changed after an out-of-memory step; the preset had 4")
    assert rows["batch_size"] == ("4", "Chosen: fits the GPU")


def test_decisions_replace_what_the_config_left_open(tmp_path: Path) -> None:
    run = facts.train(
        settings={"dtype": "auto", "batch_size": 2, "choose": ["batch_size"], "epochs": None, "seed": 1},
        decisions=[
            Decision(name="dtype", value="float32", reason="no fast bfloat16"),
            Decision(name="batch_size", value=8, reason="fits the GPU"),
            Decision(name="epochs", value="as many as max_steps takes"),
            Decision(name="threads", value=2, reason="every core"),
        ],
    )
    rows = {name: (value, why) for name, value, why in get_parameters(get_trained_settings(run, {}), run)}
    assert rows["dtype"] == ("float32", "no fast bfloat16")
    assert rows["batch_size"] == ("8", "Chosen: fits the GPU")
    assert rows["epochs"][0] == "as many as max_steps takes"
    assert rows["threads"] == ("2", "every core")
    assert "choose" not in rows


PRIVATE = "/".join(("", "home", "ada"))  # of nobody: a path that no page may show


def get_start(**changes: Any) -> Start:
    values: dict[str, Any] = {
        "label": "texts/main",
        "folder": f"{PRIVATE}/texts/outputs/main",
        "base": "org/name",
        "base_sha256": "b" * 64,
        "adapter_sha256": "e" * 64,
        "method": "cpt",
        "metric": "perplexity",
        "unit": "number",
        "base_score": facts.score(20.0, half=1.0),
        "score": facts.score(8.0, half=1.0),
        "verdict": "better",
    }
    return Start(**(values | changes))


def test_stages_and_earlier_results_are_named(tmp_path: Path) -> None:
    paths = facts.write_run(tmp_path)
    paths |= {"payload": tmp_path / "payload.json", "stages": tmp_path / "stages.json"}
    write_json(paths["payload"], {"reflected": None})
    facts.stages().write(paths["stages"])
    start = facts.model().model_copy(update={"starts": [get_start()]})
    start.write(paths["model"])
    text = render_roadbook(paths, parse_slice(settings()), tmp_path)
    rows = [line for line in text.splitlines() if line.startswith(("| read | cpt", "| chat | sft"))]
    assert len(rows) == 2 and "| cpt | data/raw/read.jsonl | 80 | 20 | 2.5 to 1.25 |" in rows[0]
    assert "better | 10.0 % (7.0 to 13.0, n = 200) | 20.0 % (17.0 to 23.0, n = 200) | cccccccccccc |" in rows[0]
    assert "| section 8 | 20.0 % (17.0 to 23.0, n = 200) | 90.0 % (87.0 to 93.0, n = 200) | ssssssssssss |" in rows[1]
    (tmp_path / "gaslamp.md").write_text(text, encoding="utf-8")
    config, _ = read_roadbook(tmp_path / "gaslamp.md")
    read, last = load_stage(config, "read"), Config.model_validate(config)
    assert (read.method, read.data.source, read.train.max_steps) == ("cpt", "data/raw/read.jsonl", 20)
    assert (last.method, last.model.adapter, [stage.name for stage in last.stages]) == (
        "sft",
        "outputs/read",
        ["read", "chat"],
    )
    assert config["model"]["adapter"] is None, "the first stage starts from the base model"
    assert re.search(
        r"merged into it: texts/main \(cpt\): perplexity 20 .* before, 8 .* after, better; weights eeeeeeee", text
    )
    assert PRIVATE not in text
    del paths["stages"]
    assert "## Stages" not in render_roadbook(paths, parse_slice(settings()), tmp_path)


def test_training_every_weight_is_named(tmp_path: Path) -> None:
    render(tmp_path)
    paths = facts.write_run(tmp_path)
    paths["payload"] = tmp_path / "payload.json"
    config = Config.model_validate({"project": {"name": "cafe"}, "train": {"adapter": "none"}})
    text = render_roadbook(paths, parse_slice(get_slice(config, *KEYS)), tmp_path)
    assert (
        "SFT (supervised fine-tuning) of every weight, because" in text
        and "- No adapter: every weight was trained" in text
        and "lora.r" not in text
    )
    assert "| learning_rate | 0.0001 | Preset of sft." in text


def render(root: Path, hostile: bool = False, reflected: object = None, **project: str) -> str:
    paths = facts.write_run(root, hostile=hostile)
    paths["payload"] = root / "payload.json"
    write_json(paths["payload"], {"reflected": reflected})
    if not (root / "rules").exists():
        (root / "rules").symlink_to(ROOT / "rules")
    return render_roadbook(paths, parse_slice(settings(**project)), root)


def test_eleven_sections_without_a_gap(tmp_path: Path) -> None:
    text = render(tmp_path, task="orders to JSON")
    assert [int(number) for number in re.findall(r"^## (\d+) ", text, re.MULTILINE)] == list(range(1, 12))
    assert find_placeholders(text) == [] and OPEN not in text
    for shown in (
        "95.5 % (92.5 to 98.5, n = 200)",
        "sha256 " + facts.template().sha256,
        "| learning_rate | 0.001 |",
        "cardamom",
        "regressed",
    ):
        assert shown in text, shown
    assert "Reflected to" not in text and "Applied memory" not in text


def test_config_can_be_taken_out_again(tmp_path: Path) -> None:
    import yaml

    block = re.search(r"^```yaml\n(.*?)^```", render(tmp_path), re.MULTILINE | re.DOTALL)
    assert block
    trained = {key: get_preset("sft")[key] for key in get_sized_keys("sft")}  # numbers, whatever a preset becomes
    assert Config.model_validate(yaml.safe_load(block[1])) == Config.model_validate(
        {"project": {"name": "cafe"}, "train": trained}
    )


def test_recorded_reason_beats_the_general_one(tmp_path: Path) -> None:
    row = next(line for line in render(tmp_path).splitlines() if line.startswith("| dtype |"))
    assert "this CPU has no fast bfloat16" in row


def test_memory_hints_and_reflection_are_listed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "lessons.md").write_text("## Smaller is fine\nbody\n", encoding="utf-8")
    take_snapshot(tmp_path, home)
    add_hint(tmp_path, 3, "lower the rate | when it jumps")
    setting = {"key": "train.batch_size", "value": "1", "before": "null"}
    same = {"key": "train.seed", "value": "3407", "before": "1"}
    record = {"recipe": "p:section_7:0a1b2c3d", "title": "t", "reason": "memory | ran <b>out</b>", "source": "p, run a"}
    record |= {"when": "task=sft", "undo": "make memory UNDO=0a1b2c3d", "date": "2026-11-20", "undone": None}
    write_json(tmp_path / ".gaslamp_applied.json", {"applied": [{**record, "settings": [setting, same]}]})
    text = render(tmp_path, reflected={"home": "~/.gaslamp", "date": "2026-11-23"})
    assert "Smaller is fine" in text and text.index("Applied memory") < text.index("## 1 Goal")
    row = next(line for line in text.splitlines() if line.startswith("| `train.batch_size: 1` | `null` | memory"))
    assert "ran &lt;b&gt;out&lt;/b&gt; (p, run a, recipe p:section" in row
    assert row.endswith("| 2 since | `make memory UNDO=0a1b2c3d` |"), "the config has another value now"
    assert "| `train.seed: 3407` |" in text and "| in force |" in text
    assert "- train: lower the rate \\| when it jumps" in text
    assert text.rstrip().endswith("on 2026-11-23") and "Reflected to" in text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    text = render(tmp_path, hostile=True, task=facts.HOSTILE + " TODO None")
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", outside)
    assert "<script" not in outside and "<img" not in outside
    columns = {
        line.count("|") - line.count("\\|")
        for line in text.splitlines()
        if line.startswith("| `") and "improved" in line
    }
    assert columns == {6}


def test_a_gap_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = facts.write_run(tmp_path)
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    system = json.loads(paths["system"].read_text()) | {"cpu": "x"}
    write_json(paths["system"], system)
    train = json.loads(paths["train"].read_text()) | {"device": "None"}
    write_json(paths["train"], train)
    with pytest.raises(GaslampError, match="line "):
        render_roadbook(paths, parse_slice(settings()), tmp_path)


@pytest.mark.parametrize("backend", ["cpu", "cuda", "mac", "mps", "colab", "ssh"])
def test_inventory_comes_from_the_rules(backend: str) -> None:
    outputs = {output.path: output.rule for output in get_outputs(ROOT / "rules", backend)}
    for path in (
        "data/card.json",
        "outputs/{run}/adapters",
        "outputs/{run}/eval/compare.json",
        "gaslamp.md",
        "resources/models",
    ):
        assert path in outputs, path
    assert outputs["data/card.json"] == "prepare_data"
    trained = "run_remote_pull" if backend in ("colab", "ssh") else f"train_model_{backend}"
    assert outputs["outputs/{run}/adapters"] == trained
    assert not [path for path in outputs if "remote/" in path]
    assert all(
        all(row)
        for row in get_inventory(ROOT / "rules", backend, "main", ["q8_0"], Path("resources/models/m/model.json"))
    )


def test_every_output_of_the_rules_has_a_role(tmp_path: Path) -> None:
    """A rule that is new or renamed shows here: its files need a line in ROLES, and ROLES holds no other."""
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    paths = {output.path for backend in ("cpu", "colab") for output in get_outputs(tmp_path / "rules", backend)}
    known = {path.replace("{companion}", name) for path in paths for name in ("mmproj-f16.gguf", "head.json")}
    rare = {path for path in paths if path.startswith(("outputs/{run}/eval/target", "logs/{run}/eval_target"))}
    rare.add("outputs/{run}/eval/{who}.lm_eval.json")
    assert {path for path in paths if "{companion}" not in path} - rare <= set(ROLES)
    assert set(ROLES) <= known


def test_rules_come_in_the_order_of_the_workflow() -> None:
    rules = [output.rule for output in get_outputs(ROOT / "rules", "cpu")]
    order = [
        "detect_system",
        "prepare_data",
        "train_model_cpu",
        "evaluate_model",
        "build_ladder",
        "write_roadbook",
        "reflect",
    ]
    assert [rules.index(rule) for rule in order] == sorted(rules.index(rule) for rule in order)


def test_files_of_exports_and_targets_are_listed_when_they_exist(tmp_path: Path) -> None:
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    for place in ("outputs/main/export/vllm", "outputs/main/eval/target", "outputs/main/gguf"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "outputs/main/eval/target/merged.html").write_text("")
    (tmp_path / "outputs/main/gguf/head.json").write_text("")
    for name in ("tiny", "tiny+cafe_main", "tiny+other_main"):
        (tmp_path / f"resources/models/{name}").mkdir(parents=True)
        (tmp_path / f"resources/models/{name}/model.json").write_text("{}")
    model = Path("resources/models/tiny+cafe_main/model.json")
    rows = get_inventory(tmp_path / "rules", "cpu", "main", ["q8_0"], model)
    models = [file for file, _, _ in rows if "/models/" in file]
    assert models == ["resources/models/tiny/model.json", str(model), "resources/models/tiny/export.json"]
    listed = {file: role for file, _, role in rows}
    assert listed["outputs/main/export/vllm"] == "The model in another format"
    assert listed["outputs/main/gguf/head.json"].startswith("Companion file")
    assert "outputs/main/eval/target/merged.html" in listed and "outputs/main/gguf/mmproj-f16.gguf" not in listed
    assert not [file for file in listed if "{" in file]


def test_brief_has_no_empty_cell() -> None:
    text = render_brief(parse_slice(settings(task="orders | to\nJSON")))
    assert "orders \\| to JSON" in text and find_placeholders(text) == [] and "Not set yet: project.audience" in text
    assert find_placeholders(render_brief(parse_slice(settings()))) == []


def test_scripts(tmp_path: Path) -> None:
    file = write_merged({"project": {"name": "cafe"}}, tmp_path)
    paths = facts.write_run(tmp_path)
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    command = [sys.executable, str(ROOT / "scripts/write_roadbook.py"), "--config", str(file), "--out", "gaslamp.md"]
    for name, path in paths.items():
        command += [f"--{name}", str(path)]
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    source = json.loads(paths["model"].read_text())["source"]
    lines = [
        {"settings": {"model.source": source}, "reason": "it fits"},
        {"settings": {"backend": "cuda"}, "reason": "a GPU is here"},  # changed since
    ]
    write_json(tmp_path / ".gaslamp.json", {"plan": {"lines": lines}})
    subprocess.run(command, check=True, cwd=tmp_path)
    first = (tmp_path / "gaslamp.md").read_bytes()
    assert ", because it fits\n" in first.decode()
    subprocess.run(command, check=True, cwd=tmp_path)
    assert (tmp_path / "gaslamp.md").read_bytes() == first
    subprocess.run(
        [sys.executable, str(ROOT / "scripts/write_brief.py"), "--config", str(file), "--out", "b.md"],
        check=True,
        cwd=tmp_path,
    )
    brief = (tmp_path / "b.md").read_text()
    assert brief.startswith("# cafe") and f"| Base model | {source}, because it fits |" in brief
    assert "a GPU is here" not in brief

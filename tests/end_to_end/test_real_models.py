"""Real tokenizers and chat templates on small models of the right architecture: proven through the whole graph.

The trial of every family, and three whole graphs, run with ``-m graphs``; the whole graph of any other family with
``-m by_hand``; one fast family always. What was seen is in tests/golden/models_export.json (scripts/dev/try_models.py
writes it).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import real_tokenizers
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json
from gaslamp.export import trial as trials
from gaslamp.export.llamacpp.toolchain import ensure_toolchain
from gaslamp.export.trial import try_export

SEEN: dict[str, dict[str, Any]] = read_json(tiny.ROOT / "tests" / "golden" / "models_export.json")
FAST = "phi3"
STEPS = {"granite": 40}
"""Steps until random weights answer at all; ten are enough for the others."""
NOTES = [
    f"{1 + (i + j) % 9} {item} for {name}" for i, item in enumerate(tiny.ITEMS) for j, name in enumerate(tiny.NAMES)
]


def make_row(number: int, note: str) -> dict[str, Any]:
    """A conversation: every third has two answers."""
    turns = [("user", note), ("assistant", "ok")]
    if number % 3 == 0:
        turns += [("user", f"and {NOTES[-1]}"), ("assistant", "ok")]
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def test_every_family_was_tried() -> None:
    assert set(SEEN) <= set(real_tokenizers.FAMILIES)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == FAST else pytest.mark.graphs) for n in SEEN if "trial" in SEEN[n]]
)
def test_the_trial_of_a_family(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "get_cache_dir", lambda: tmp_path / "cache")
    tools, expected = ensure_toolchain(get_cache_dir(), tmp_path / "log.txt"), SEEN[name]["trial"]
    try:
        found = try_export(real_tokenizers.folder(name), name, tools, tmp_path / "log.txt")
    except GaslampError as error:
        assert expected["refused"] in error.cause and "formats: [merged]" in error.fix
        return
    assert found.tried == expected["converted"] and found.family == expected["ollama"]
    assert found.problems == expected["problems"]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.graphs if name in real_tokenizers.GRAPHS else pytest.mark.by_hand)
        for name in real_tokenizers.FAMILIES
    ],
)
def test_a_family_goes_through_the_whole_graph(name: str, tmp_path: Path) -> None:
    """Rows, ten steps, evaluation, merge, f16 and q8_0, llama-server, parity, Modelfile; or refused before them."""
    model, data = real_tokenizers.folder(name, model="tiny"), tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(make_row(n, note)) + "\n" for n, note in enumerate(NOTES)), encoding="utf-8")
    project, done = run_graph(tmp_path, data, model, steps=STEPS.get(name, 10))
    run = project / "outputs" / "main"
    if problems := SEEN[name]["trial"]["problems"]:
        assert done.returncode != 0 and problems[0] in " ".join(done.stdout.split())
        assert not (run / "adapters").exists()
        return
    assert done.returncode == 0, tiny.get_rules_error(done)
    require_proven(run)


@pytest.mark.graphs
@pytest.mark.timeout(1800)
def test_a_model_that_reads_images_goes_through_with_texts(tmp_path: Path) -> None:
    """Qwen3.5: training, evaluation and export load one class; the layers that draft tokens are in no merged model."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    model = Path(shutil.copytree(real_tokenizers.folder("qwen3"), tmp_path / "model"))
    known = read_json(model / "config.json")
    text = real_tokenizers.SMALL | {name: known[name] for name in ("vocab_size", "eos_token_id", "pad_token_id")}
    text |= {f"linear_{name}": 2 for name in ("num_key_heads", "num_value_heads")}
    text |= {f"linear_{name}": 32 for name in ("key_head_dim", "value_head_dim")}
    text |= {"layer_types": ["linear_attention", "full_attention"]}
    tower = {"hidden_size": 32, "out_hidden_size": 64, "intermediate_size": 64, "depth": 2, "num_heads": 2}
    config = AutoConfig.for_model("qwen3_5", text_config=text, vision_config=tower | {"patch_size": 16})
    torch.manual_seed(1)
    net = AutoModelForImageTextToText.from_config(config)
    net.generation_config = GenerationConfig.from_pretrained(model)
    net.save_pretrained(model)
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(make_row(n, note)) + "\n" for n, note in enumerate(NOTES)), encoding="utf-8")
    project, done = run_graph(tmp_path, data, model)
    assert done.returncode == 0, tiny.get_rules_error(done)
    require_proven(project / "outputs" / "main")
    assert "checks on a small copy" in done.stdout and "not tried" not in done.stdout


def run_graph(folder: Path, data: Path, model: Path, steps: int = 10) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A new project with its whole graph run."""
    settings = {**tiny.SETTINGS, "train.max_steps": steps, "export.levels": ["q8_0"]}
    settings |= {"eval.retention": False, "export.parity_prompts": 4}
    project = tiny.bake(folder / "projects", data, model, settings)
    return project, tiny.snakemake(project, timeout=1800)


def require_proven(run: Path) -> None:
    """Every artefact passed the parity gate, and there is a Modelfile."""
    parity = read_json(run / "gguf" / "parity.json")
    assert parity["passed"] and {"f16", "q8_0", "merged", "adapter"} == {each["artefact"] for each in parity["checks"]}
    assert not (run / "gguf" / "Modelfile").read_text(encoding="utf-8").startswith("# No Modelfile")

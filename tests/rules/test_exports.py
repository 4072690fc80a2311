"""The model in every format: exported in a copy of the finished project, read back, and refused where it must be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml
from gaslamp.config.slices import parse_slice
from gaslamp.core.contracts import Parity, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.environment.base_model import get_shape
from gaslamp.environment.preflight import REPORTS_BYTES
from gaslamp.export import hub_card
from gaslamp.export import preflight as export_preflight
from gaslamp.export.artefacts import RunFiles, require_parity
from gaslamp.export.exporters import adapter, hub, merged, mlx, vllm
from gaslamp.train import preflight as train_preflight


@pytest.fixture(scope="module")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished project whose config asks for every format that is a folder of its own."""
    project = tiny.copy_project(finished, tmp_path_factory.mktemp("exported"))
    formats = ["gguf", "ollama", "adapter", "vllm", "sglang", "hub"]
    tiny.set_config(
        project,
        **{
            "export.formats": formats,
            "export.hub.repo": "somebody/orders",
            "export.hub.files": ["adapter", "gguf", "merged"],
        },
    )
    targets = [f"outputs/main/export/{name}" for name in formats[2:]]
    jobs = tiny.get_jobs(project, *targets)
    assert jobs == {"export_model": 4}, "a format more makes that format, and nothing else again"
    done = tiny.snakemake(project, *targets)
    assert done.returncode == 0, tiny.get_rules_error(done)
    return project / "outputs" / "main" / "export"


def test_the_adapter_is_whole(exported: Path) -> None:
    config = read_json(exported / "adapter" / "adapter_config.json")
    assert config["r"] == 16 and config["base_model_name_or_path"].endswith("tiny-chat")
    assert (exported / "adapter" / "adapter_model.safetensors").stat().st_ino == (
        exported.parent / "adapters" / "adapter_model.safetensors"
    ).stat().st_ino
    write_json(exported / "adapter" / "adapter_config.json", {**config, "r": 8})
    with pytest.raises(GaslampError, match="not of rank 8"):
        adapter.verify(exported / "adapter")
    write_json(exported / "adapter" / "adapter_config.json", config)


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_start_scripts(exported: Path, name: str) -> None:
    """They parse, are in the model's folder, bind to this machine only, and need a key; the program needs a GPU."""
    script = exported / name / "start.sh"
    words = read_json(exported / name / "arguments.json")["start"]
    assert "127.0.0.1" in words and "../../merged" in words
    assert words[words.index("--max-model-len" if name == "vllm" else "--context-length") + 1] == "2048", (
        "no more than the model was made for"
    )
    done = subprocess.run(
        ["sh", str(script)], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=False
    )
    assert done.returncode != 0 and "whoever has it may use the model" in done.stderr
    # with a stand-in of the program: which arguments arrive, and from where
    place = exported / name / "bin"
    place.mkdir()
    for program in ("vllm", "python"):
        (place / program).write_text('#!/bin/sh\npwd; printf "%s\\n" "$@"\n')
        (place / program).chmod(0o755)
    key = {"vllm": "VLLM_API_KEY", "sglang": "SGLANG_API_KEY"}[name]
    done = subprocess.run(
        ["sh", str(script)],
        capture_output=True,
        text=True,
        env={"PATH": f"{place}:/usr/bin:/bin", key: "secret", "PORT": "9000"},
        check=True,
    )
    folder, *arguments = done.stdout.splitlines()
    assert folder == str(exported / name) and arguments[: len(words) - 1] == words[1:] and "9000" in arguments
    assert (name == "vllm") != ("secret" in arguments)


def test_vllm_serves_the_adapter_too(exported: Path) -> None:
    words = read_json(exported / "vllm" / "arguments.json")["start_adapter"]
    assert words[words.index("--max-lora-rank") + 1] == "16" and words[words.index("--lora-modules") + 1].endswith(
        "=../../adapters"
    )
    (exported / "vllm" / "broken.sh").write_text("if true\nexec x ../../nowhere\n")
    with pytest.raises(GaslampError, match="nowhere does not exist"):
        vllm.verify(exported / "vllm")
    (exported / "vllm" / "broken.sh").unlink()


def test_the_model_card_is_made_from_the_facts(exported: Path) -> None:
    text = (exported / "hub" / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert "base_model" not in head, "a folder of this machine is no model on the hub"
    assert str(Path.home()) not in text and "pytest" not in text, "its path is private"
    assert {"gaslamp", "sft", "lora", "gguf"} == set(head["tags"])
    card = read_json(exported.parents[2] / "data" / "card.json")
    ladder = read_json(exported.parent / "gguf" / "ladder.json")
    for fact in (
        card["sha256"]["train"],
        "exact match",
        "learning_rate: 0.02",
        f"Recommended: {ladder['recommended']}",
        "the shipped model is the evaluated model",
        "Licence",
    ):
        assert fact in text, fact
    names = {file.relative_to(exported / "hub").as_posix() for file in (exported / "hub").rglob("*") if file.is_file()}
    assert {
        "README.md",
        "ladder.svg",
        "model.safetensors",
        "adapter/adapter_model.safetensors",
        f"gguf/model-{ladder['recommended']}.gguf",
        "gguf/Modelfile",
    } <= names
    assert not any("gaslamp.json" in name for name in names)


def test_the_head_of_the_model_card_is_what_the_hub_expects(exported: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(exported / "hub" / "README.md")
    compare = read_json(exported.parent / "eval" / "compare.json")
    assert card.data.library_name == "transformers" and card.data.pipeline_tag == "text-generation"
    first = card.data.eval_results[0]
    score = compare["metrics"][0]["tuned"]
    assert (first.metric_type, first.metric_value) == (compare["metrics"][0]["name"], round(score["value"], 6))
    assert first.metric_args["rows"] == score["n"] and first.metric_args["low"] <= first.metric_value
    assert first.dataset_type == "private" and first.dataset_split == "test"
    assert card.data.model_name == "order_extraction"


@pytest.mark.parametrize("files", [["adapter", "gguf"], ["merged"]])
def test_the_commands_of_the_model_card_work(exported: Path, files: list[str], tmp_path: Path) -> None:
    """Its Python runs as it stands, with folders of this machine in place of the two names on the hub."""
    place = exported.parents[2]
    run = RunFiles(
        model=next((place / "resources" / "models").glob("*/model.json")),
        adapters=exported.parent / "adapters",
        merged=exported.parent / "merged",
        template=place / "data" / "template.json",
        card=place / "data" / "card.json",
        train=exported.parent / "train.json",
        compare=exported.parent / "eval" / "compare.json",
        gguf=exported.parent / "gguf",
    )
    config = yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))
    config["export"]["hub"] = {"repo": "somebody/orders", "files": files}
    text = hub_card.render_card(run, parse_slice(json.dumps(config)))
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("somebody/orders", str(exported / "hub"))
    code = code.replace("the folder of the base model", read_json(run.model)["path"]).replace(
        '"..."', '"2 tea for Ana"'
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = next(e for e in read_json(run.compare)["examples"] if e["prompt"][-1]["content"])
    assert done.stdout.strip() == expected["tuned"].strip() == "ok"


def test_dry_run_touches_no_network(exported: Path) -> None:
    place = exported.parents[2]
    token = "hf_secretsecretsecret"
    done = tiny.run(
        sys.executable,
        "scripts/push_model.py",
        "--folder",
        str(exported / "hub"),
        "--dry-run",
        cwd=place,
        HF_TOKEN=token,
        HF_ENDPOINT="http://127.0.0.1:9",
    )
    assert (
        done.returncode == 0
        and "would push to somebody/orders, private" in done.stdout
        and "nothing was uploaded" in done.stdout
    )
    assert "README.md" in done.stdout and token not in done.stdout + done.stderr
    # the real push needs the hub: none can be reached here, and the token stays unsaid
    done = tiny.run(
        sys.executable,
        "scripts/push_model.py",
        "--folder",
        str(exported / "hub"),
        cwd=place,
        HF_TOKEN=token,
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HUB_OFFLINE="0",
    )
    assert (
        done.returncode != 0
        and "hub" in done.stderr
        and "Traceback" not in done.stderr
        and token not in done.stdout + done.stderr
    )
    done = tiny.run(
        sys.executable,
        "scripts/push_model.py",
        "--folder",
        str(exported / "hub"),
        cwd=place,
        HF_TOKEN="",
        HF_HOME=str(place / "nobody"),
        HF_HUB_OFFLINE="0",
    )
    assert done.returncode != 0 and "hf auth login" in done.stderr


def test_push_goes_where_the_config_says(
    exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub

    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def __init__(self, token: str) -> None:
            calls.append(("token", {"token": token}))

        def create_repo(self, repo: str, **options: Any) -> None:
            calls.append(("create", {"repo": repo, **options}))

        def repo_info(self, repo: str) -> Any:
            return type("Info", (), {"private": is_private})

        def upload_folder(self, **options: Any) -> Any:
            calls.append(("upload", options))
            return type("Commit", (), {"commit_url": "https://hub.example/commit"})

    is_private = True
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_secret")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    pushed = hub.push(exported / "hub", dry_run=False)
    assert pushed.was_pushed and pushed.url == "https://hub.example/commit" and pushed.repo == "somebody/orders"
    assert "README.md" in {file.path for file in pushed.files} and hub.PUSH not in {file.path for file in pushed.files}
    assert [name for name, _ in calls] == ["token", "create", "upload"]
    assert (
        calls[1][1] == {"repo": "somebody/orders", "private": True, "exist_ok": True}
        and "push.json" in calls[2][1]["ignore_patterns"]
    )
    assert "hf_secret" not in capsys.readouterr().out
    is_private = False
    with pytest.raises(GaslampError, match="exists already and is public"):
        hub.push(exported / "hub", dry_run=False)
    assert [name for name, _ in calls].count("upload") == 1, "a private model never lands in a public place"


def test_a_failed_gate_stops_push_and_servers() -> None:
    with pytest.raises(GaslampError, match="nothing to push"):
        require_parity(Parity(passed=False, summary="1 check failed", prompts=1, checks=[]), "push")
    require_parity(
        Parity(passed=False, summary="1 check failed", prompts=1, checks=[], override="export.parity: warn"), "push"
    )


def test_mlx_is_refused_before_anything_runs_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it converts is in tests/mac."""
    monkeypatch.setattr(mlx, "find_python", lambda: None)
    assert "make mlx" in mlx.find_problems()[0][1]
    (tmp_path / "mlx.json").write_text("{}", encoding="utf-8")
    with pytest.raises(GaslampError, match="has no 16-bit model"):
        mlx.verify(tmp_path)


# --------------------------------------------------------------------------------------------------------- 4-bit bases


def quantize_nf4(folder: Path) -> None:
    """The linear weights of a checkpoint as bitsandbytes stores them (nf4, nested): a stand-in for its quantizer."""
    import torch
    from safetensors.torch import load_file, save_file

    codes = torch.tensor(
        [
            -1.0,
            -0.6962,
            -0.5251,
            -0.3949,
            -0.2844,
            -0.1848,
            -0.0911,
            0.0,
            0.0796,
            0.1609,
            0.2461,
            0.3379,
            0.4407,
            0.5626,
            0.7230,
            1.0,
        ]
    )
    tensors = {}
    for name, value in load_file(folder / "model.safetensors").items():
        if "_proj" not in name:
            tensors[name] = value
            continue
        blocks = value.float().flatten().reshape(-1, 64)
        absmax = blocks.abs().max(dim=1).values
        index = (blocks / absmax[:, None])[..., None].sub(codes).abs().argmin(-1).flatten().to(torch.uint8)
        offset = float(absmax.mean())
        outer = (absmax - offset).abs().max().reshape(1)
        levels = torch.linspace(-1, 1, 256)
        tensors[name] = ((index[::2] << 4) | index[1::2]).reshape(-1, 1)
        tensors[f"{name}.absmax"] = ((absmax - offset) / outer)[:, None].sub(levels).abs().argmin(-1).to(torch.uint8)
        tensors[f"{name}.nested_absmax"], tensors[f"{name}.nested_quant_map"], tensors[f"{name}.quant_map"] = (
            outer,
            levels.clone(),
            codes.clone(),
        )
        state = {
            "quant_type": "nf4",
            "blocksize": 64,
            "shape": list(value.shape),
            "nested_blocksize": 256,
            "nested_offset": offset,
        }
        tensors[f"{name}.quant_state.bitsandbytes__nf4"] = torch.tensor(
            list(json.dumps(state).encode()), dtype=torch.uint8
        )
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        **read_json(folder / "config.json"),
        "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    }
    write_json(folder / "config.json", config)


def test_a_4_bit_base_is_merged_onto_16_bit_weights(finished: Path, tmp_path: Path) -> None:
    """Merged = the values that the 4 bits stand for + the adapter, not rounded to 4 bits again."""
    import torch
    from gaslamp.models.dequantize import read_state
    from safetensors.torch import load_file

    base = tiny.write_checkpoint(tmp_path / "base")
    exact = load_file(base / "model.safetensors")
    quantize_nf4(base)
    state = read_state(base, torch.float32)
    name = "model.layers.0.mlp.up_proj.weight"
    assert (
        state.keys() == exact.keys()
        and 0 < float((state[name] - exact[name]).abs().max()) < 0.15 * float(exact[name].abs().max()) + 0.05
    )
    adapters = finished / "outputs" / "main" / "adapters"
    facts_file = tmp_path / "model.json"
    write_json(facts_file, {**read_json(next(finished.glob("resources/models/*/model.json"))), "path": str(base)})
    merged.export(facts_file, adapters, finished / "data" / "template.json", tmp_path / "merged")
    lora, config = load_file(adapters / "adapter_model.safetensors"), read_json(adapters / "adapter_config.json")
    key = f"base_model.model.{name.removesuffix('.weight')}"
    wanted = (
        state[name] + config["lora_alpha"] / config["r"] * lora[f"{key}.lora_B.weight"] @ lora[f"{key}.lora_A.weight"]
    )
    found = load_file(tmp_path / "merged" / "model.safetensors")[name]
    assert found.dtype == torch.float16 and torch.allclose(found.float(), wanted, atol=2e-3)
    assert "quantization_config" not in read_json(tmp_path / "merged" / "config.json")
    merged.verify(tmp_path / "merged", Template.read(finished / "data" / "template.json"))
    write_json(
        base / "config.json",
        {**read_json(base / "config.json"), "quantization_config": {"quant_method": "gptq", "bits": 4}},
    )
    with pytest.raises(GaslampError, match="gptq"):
        read_state(base, torch.float32)


# ------------------------------------------------------------------------------------------------------------ the gate


@pytest.mark.parametrize("formats", [["gguf"], ["gguf", "ollama"]])
def test_a_failed_parity_gate_is_the_exit_code_of_the_run(finished: Path, tmp_path: Path, formats: list[str]) -> None:
    """Also of a run without a Modelfile; the verdict survives, and the override passes."""
    project = tiny.copy_project(finished, tmp_path / "copy")
    tiny.set_config(project, **{"export.formats": formats})
    tiny.forget_seals(project)
    gguf = project / "outputs" / "main" / "gguf"
    parity = gguf / "parity.json"
    facts, times = read_json(parity), parity.stat()
    write_json(parity, {**facts, "passed": False, "summary": "1 of 9 checks failed"})
    os.utime(parity, ns=(times.st_atime_ns, times.st_mtime_ns))
    (gguf / "parity_passed.txt").unlink()
    done = tiny.snakemake(project, "outputs/main/gguf/parity_passed.txt")
    assert done.returncode != 0 and "the parity check failed" in done.stdout + done.stderr
    assert read_json(parity)["summary"] == "1 of 9 checks failed" and not (gguf / "parity_passed.txt").exists()
    write_json(parity, {**facts, "passed": False, "override": "export.parity: warn"})
    os.utime(parity, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert tiny.snakemake(project, "outputs/main/gguf/parity_passed.txt").returncode == 0
    assert "override: export.parity: warn" in (gguf / "parity_passed.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["sft", "reward", "embedding"])
def test_the_gate_belongs_to_the_run_of_every_kind_of_model(finished: Path, tmp_path: Path, method: str) -> None:
    project = tiny.copy_project(finished, tmp_path / "copy")
    tiny.set_config(project, method=method, **{"run": "other", "export.formats": ["gguf"]})
    jobs = tiny.get_jobs(project)
    assert jobs["check_parity"] == jobs["require_parity"] == 1 and "write_modelfile" not in jobs


# --------------------------------------------------------------------------------------------------------------- disk


def test_the_disk_sum_is_what_a_run_used(finished: Path) -> None:
    """Part by part, and all of it, within 10 %."""
    settings = parse_slice(json.dumps(_get_settings(finished)))
    shape = get_shape(settings.model.source)
    assert shape
    parts = train_preflight.get_disk_parts(shape, settings) | export_preflight.get_disk_parts(shape, settings)
    run = finished / "outputs" / "main"
    used = {
        "adapters": run / "adapters",
        "merged": run / "merged",
        **{f"gguf {level}": run / "gguf" / f"model-{level}.gguf" for level in ("f16", *settings.export.levels)},
    }
    sizes = {
        name: sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
        for name, path in used.items()
    }
    for name, size in sizes.items():
        assert parts[name] == pytest.approx(size, rel=0.1), name
    assert sum(parts[name] for name in sizes) == pytest.approx(sum(sizes.values()), rel=0.1)
    rest = sum(
        file.stat().st_size
        for place in ("outputs", "logs", "demos")
        for file in (finished / place).rglob("*")
        if file.is_file()
    ) - sum(sizes.values())
    assert rest < REPORTS_BYTES, "logs, answers and pages"


def _get_settings(project: Path) -> dict[str, Any]:
    values = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    return {key: values[key] for key in ("method", "model", "data", "train", "export")}


def test_the_merged_model_alone(finished: Path, tmp_path: Path) -> None:
    """No GGUF file and no llama.cpp: the merged model is compared with the adapter, and that decides the exit code."""
    project = tiny.copy_project(finished, tmp_path)
    tiny.set_config(project, **{"export.formats": ["merged", "vllm"]})
    planned = {"check_parity", "require_parity", "build_report", "export_model", "write_progress"}
    assert set(tiny.get_jobs(project)) == planned
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    outputs = project / "outputs" / "main"
    parity = read_json(outputs / "gguf" / "parity.json")
    assert parity["passed"] and [check["artefact"] for check in parity["checks"]] == ["adapter", "merged", "merged"]
    refused = tiny.run(sys.executable, "scripts/serve_model.py", "start", cwd=project)
    assert refused.returncode == 1 and "add gguf to export.formats" in refused.stderr
    tiny.forget_seals(project)
    other = tiny.write_checkpoint(tmp_path / "other", seed=7)
    (outputs / "merged" / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    for name in ("parity.json", "parity_passed.txt"):
        (outputs / "gguf" / name).unlink()
    failed = tiny.snakemake(project)
    assert failed.returncode != 0 and "the parity check failed" in tiny.get_rules_error(failed)

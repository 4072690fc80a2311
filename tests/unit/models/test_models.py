"""Base models: a folder, a hub id in the local cache, and every way a folder can be wrong."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from gaslamp.config.base_models import get_model_name
from gaslamp.config.slices import write_merged
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.errors import GaslampError
from gaslamp.models.checkpoint import count_parameters, read_shape
from gaslamp.models.fetch import fetch_model
from gaslamp.models.model_facts import read_model_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("source", "revision", "name"),
    [
        ("embedded:smollm2-135m-instruct", None, "smollm2-135m-instruct"),
        ("org/Name-1.5B", None, "org_Name-1.5B"),
        ("org/name", "v1/x", "org_name@v1_x"),
        ("../models/mine", None, "models_mine"),
        ("/a b/ü", None, "a_b"),
        ("./", None, "model"),
    ],
)
def test_folder_names_are_safe_words(source: str, revision: str | None, name: str) -> None:
    assert get_model_name(SimpleNamespace(source=source, revision=revision, adapter=None)) == name


def test_facts_come_from_headers(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.json"
    fetch_model(SimpleNamespace(source=str(tiny_model), revision=None, adapter=None), out)
    facts = ModelFacts.read(out)
    vocabulary, hidden, inner = 260, 64, 128
    layer = 4 * hidden * hidden + 3 * hidden * inner + 2 * hidden
    assert facts.parameters == 2 * vocabulary * hidden + hidden + 2 * layer
    assert (facts.architecture, facts.dtype, facts.context) == ("LlamaForCausalLM", "float32", 2048)
    assert facts.path == str(tiny_model) and len(facts.sha256) == 64 and facts.size_bytes > 4 * facts.parameters


def put_into_hub_cache(model: Path, cache: Path) -> Path:
    """The folder of a hub model as huggingface_hub keeps it: refs, snapshots of links, blobs."""
    repo = cache / "hub" / "models--tiny-org--tiny-chat"
    snapshot = repo / "snapshots" / COMMIT
    (repo / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    for number, file in enumerate(sorted(model.iterdir())):
        shutil.copy2(file, repo / "blobs" / f"blob{number}")
        (snapshot / file.name).symlink_to(Path("../../blobs") / f"blob{number}")
    return snapshot


def fetch(cache: Path, folder: Path, source: str, revision: str | None = None) -> Any:
    """scripts/fetch_model.py without a network, with a Hugging Face cache of its own."""
    file = write_merged({"model": {"source": source, "revision": revision}}, folder)
    command = [
        sys.executable,
        tiny.ROOT / "scripts" / "fetch_model.py",
        "--config",
        file,
        "--out",
        "model.json",
        "--log",
        "fetch.log",
    ]
    return tiny.run(*command, cwd=folder, HF_HOME=str(cache), HF_HUB_CACHE=str(cache / "hub"))


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_hub_id_in_the_cache_needs_no_network(tiny_model: Path, tmp_path: Path, revision: str | None) -> None:
    snapshot = put_into_hub_cache(tiny_model, tmp_path / "hf")
    done = fetch(tmp_path / "hf", tmp_path, "tiny-org/tiny-chat", revision)
    assert done.returncode == 0, tiny.get_rules_error(done)
    facts = ModelFacts.read(tmp_path / "model.json")
    assert Path(facts.path) == snapshot and facts.source == "tiny-org/tiny-chat" and facts.revision == COMMIT, (
        "main is pinned to its commit"
    )
    assert facts.sha256 == read_model_folder(tiny_model).sha256


def test_an_absent_hub_id_without_a_network_says_so(tmp_path: Path) -> None:
    done = fetch(tmp_path / "hf", tmp_path, "tiny-org/absent")
    assert done.returncode == 1 and not (tmp_path / "model.json").exists()
    assert (
        "cannot download tiny-org/absent" in done.stderr
        and "usual fix" in done.stderr
        and "Traceback" not in done.stderr
    )


def spoil(model: Path, folder: Path, name: str, data: bytes | None) -> Path:
    shutil.copytree(model, folder)
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("model.safetensors", None, "has no *.safetensors weights"),
        ("model.safetensors", b"", "is damaged"),
        ("model.safetensors", b"\xff" * 64, "is damaged"),
        ("model.safetensors", (40).to_bytes(8, "little") + b"{" + b" " * 60, "is damaged"),
        ("tokenizer.json", None, "has no tokenizer"),
        ("config.json", b"{not json", "not valid JSON"),
        ("config.json", None, "is missing"),
    ],
)
def test_a_broken_folder_is_refused(
    tiny_model: Path, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    folder = spoil(tiny_model, tmp_path / "broken", name, data)
    with pytest.raises(GaslampError, match=message.replace("*", r"\*").replace(".", r"\.")):
        fetch_model(SimpleNamespace(source=str(folder), revision=None, adapter=None), tmp_path / "model.json")
    assert not (tmp_path / "model.json").exists()


def test_sharded_weights_have_one_hash(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "two")
    shutil.copy2(tiny_model / "model.safetensors", tmp_path / "two" / "model-2.safetensors")
    facts, single = read_model_folder(tmp_path / "two"), read_model_folder(tiny_model)
    assert facts.parameters == 2 * single.parameters and facts.sha256 != single.sha256


def write_tensors(folder: Path, tensors: dict[str, Any], config: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_parameters_of_packed_weights_are_those_that_they_stand_for(tmp_path: Path) -> None:
    """The size of a model decides its preset: 4-bit files of a 7B model must not pass for one of 4B."""
    import torch

    norm = {"norm.weight": torch.ones(64)}
    whole = 64 * 128 + 64
    plain = {"q.weight": torch.zeros(64, 128), **norm}
    bnb = {
        "q.weight": torch.zeros(64 * 128 // 2, 1, dtype=torch.uint8),
        "q.weight.absmax": torch.zeros(128, dtype=torch.uint8),
        "q.weight.quant_map": torch.zeros(16),
        "q.weight.nested_absmax": torch.zeros(1),
        "q.weight.nested_quant_map": torch.zeros(256),
        "q.weight.quant_state.bitsandbytes__nf4": torch.zeros(90, dtype=torch.uint8),
        **norm,
    }
    eight_bit = {"q.weight": torch.zeros(64, 128, dtype=torch.int8), "q.SCB": torch.zeros(64), **norm}
    gptq = {
        "q.qweight": torch.zeros(64, 128 // 8, dtype=torch.int32),
        "q.qzeros": torch.zeros(4, 2, dtype=torch.int32),
        "q.scales": torch.zeros(4, 64),
        "q.g_idx": torch.zeros(64, dtype=torch.int32),
        **norm,
    }
    mxfp4 = {
        "q_blocks": torch.zeros(64, 4, 16, dtype=torch.uint8),
        "q_scales": torch.zeros(64, 4, dtype=torch.uint8),
        **norm,
    }
    cases = {"plain": plain, "bnb": bnb, "eight_bit": eight_bit, "gptq": gptq, "mxfp4": mxfp4}
    counted = {
        name: count_parameters(write_tensors(tmp_path / name, tensors, {"quantization_config": {"bits": 4}}))
        for name, tensors in cases.items()
    }
    assert counted == dict.fromkeys(cases, whole)
    assert read_shape(tmp_path / "bnb").parameters == whole, "and the estimates before the training count the same"

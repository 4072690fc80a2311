"""Files that give vectors and scores: a tiny model behind a real llama-server, as an encoder and as a reward model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.console import Progress
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json, read_jsonl, write_json, write_jsonl
from gaslamp.export import evaluate_vectors
from gaslamp.export.exporters import gguf
from gaslamp.export.llamacpp.toolchain import ensure_toolchain
from gaslamp.export.parity import vectors as parity_vectors
from gaslamp.models.fetch import fetch_model
from gaslamp.models.template import Renderer, build_template

pytestmark = pytest.mark.usefixtures("warm_converter")
NOTES = [f"{1 + n} {item} for {name}" for n, (item, name) in enumerate(zip(tiny.ITEMS, tiny.NAMES * 2, strict=False))]
ROWS = {
    "embedding": [{"id": str(n), "anchor": note, "positive": f"{note}!"} for n, note in enumerate(NOTES)],
    "reward": [
        {
            "id": str(n),
            "prompt": [{"role": "user", "content": note}],
            **{key: [{"role": "assistant", "content": text}] for key, text in (("chosen", "ok"), ("rejected", "no"))},
        }
        for n, note in enumerate(NOTES)
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model with a fresh head, an encoder with the same body, and the GGUF file that serves both."""
    import torch
    from gaslamp.train.methods import embedding
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("vectors")
    checkpoint = tiny.write_checkpoint(folder / "model")
    fetch_model(Config.model_validate({"model": {"source": str(checkpoint)}}).model, folder / "model.json")
    build_template(checkpoint, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]).write(
        folder / "template.json"
    )
    torch.manual_seed(0)
    net = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=1)
    net.score.weight.data.normal_()
    net.save_pretrained(folder / "scorer")
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder / "scorer")
    encoder = embedding.build(checkpoint, torch.float32)
    encoder[0].max_seq_length = 64
    encoder.save_pretrained(str(folder / "encoder"), create_model_card=False)
    toolchain = folder / "toolchain.json"
    write_json(toolchain, ensure_toolchain(get_cache_dir(), folder / "build.log"))
    gguf.export(folder / "scorer", toolchain, folder / "model-f16.gguf", folder / "log.txt")
    gguf.export_companion(folder / "scorer", toolchain, folder / gguf.HEAD, folder / "log.txt")
    gguf.quantize(folder / "model-f16.gguf", toolchain, "q4_0", folder / "model-q4_0.gguf", folder / "log.txt")
    for method, rows in ROWS.items():
        write_jsonl(folder / f"{method}.jsonl", rows)
    return folder


def get_settings(method: str) -> Any:
    config = Config.model_validate({"method": method, "train": {"max_length": 64}, "export": {"parity_prompts": 6}})
    return parse_slice(get_slice(config, "method", "train", "export"))


def measure(place: Path, method: str, level: str, out: Path) -> list[dict[str, Any]]:
    head = place / gguf.HEAD if method == "reward" else None
    file, tools = place / f"model-{level}.gguf", read_json(place / "toolchain.json")
    evaluate_vectors.evaluate_vectors(
        get_settings(method), file, tools, place / f"{method}.jsonl", out / f"{level}.jsonl", out / "server.log", head
    )
    return list(read_jsonl(out / f"{level}.jsonl"))


def check(
    place: Path, method: str, merged: str, levels: tuple[str, ...] = ("f16", "q4_0")
) -> dict[tuple[str, str], Any]:
    """The parity checks of the files against a folder, which is also what was evaluated (a whole model, no adapter)."""
    facts = ModelFacts.read(place / "model.json")
    renderer = Renderer.load(facts.path, Template.read(place / "template.json"))
    files, tools = [place / f"model-{level}.gguf" for level in levels], read_json(place / "toolchain.json")
    head = place / gguf.HEAD if method == "reward" else None
    whole = place / "scorer" if method == "reward" else Path(facts.path)
    checks, count = parity_vectors.check_vectors(
        get_settings(method),
        facts,
        renderer,
        whole,
        place / merged,
        files,
        tools,
        place / f"{method}.jsonl",
        head,
        place / "server.log",
        Progress("artefact", 4),
    )
    assert count == (12 if method == "reward" else 16)
    return {(found.artefact, found.name): found for found in checks}


def test_an_encoder_served_ranks_as_it_did(place: Path, tmp_path: Path) -> None:
    found = measure(place, "embedding", "f16", tmp_path)
    from gaslamp.evaluate.retrieval import embed, rank
    from gaslamp.models.loading import load_tokenizer
    from gaslamp.models.trained import load_folder

    net, tokenizer = load_folder(place / "model"), load_tokenizer(place / "model")
    wanted = dict(rank(ROWS["embedding"], lambda texts: embed(net, tokenizer, texts, max_length=64)))
    assert {row["id"]: row["retrieval"]["rank"] for row in found} == {
        key: value["rank"] for key, value in wanted.items()
    }
    assert all(abs(row["retrieval"]["similarity"] - wanted[row["id"]]["similarity"]) < 1e-3 for row in found)


def test_vectors_are_those_of_sentence_transformers(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts are cut at the same token; another way to make one vector of many is noticed."""
    checks = check(place, "embedding", "encoder")
    assert all(found.passed for found in checks.values()), [found for found in checks.values() if not found.passed]
    assert "16 texts" in checks["f16", "prompt tokens"].detail and "on 16 texts" in checks["q4_0", "vectors"].detail
    monkeypatch.setattr(evaluate_vectors, "get_pooling", lambda name: "last")
    broken = check(place, "embedding", "encoder", ("f16",))
    assert [key for key, found in broken.items() if not found.passed] == [("f16", "vectors")] and "pooling" in broken[
        "f16", "vectors"
    ].cause


def test_a_reward_model_served_gives_the_same_scores(place: Path, tmp_path: Path) -> None:
    checks = check(place, "reward", "scorer")
    assert all(found.passed for found in checks.values()) and ("q4_0", "scores") in checks, [
        found for found in checks.values() if not found.passed
    ]
    sixteen, four = (measure(place, "reward", level, tmp_path) for level in ("f16", "q4_0"))
    assert [set(row["scores"]) for row in sixteen] == [{"chosen", "rejected"}] * len(NOTES) and sixteen[0][
        "scores"
    ] != four[0]["scores"]
    head = read_json(place / gguf.HEAD)
    (place / gguf.HEAD).write_text(json.dumps({**head, "weight": [-value for value in head["weight"]]}))
    broken = check(place, "reward", "scorer", ("f16",))
    (place / gguf.HEAD).write_text(json.dumps(head))
    assert [key for key, found in broken.items() if not found.passed] == [("f16", "scores")]


def test_a_head_that_is_more_than_one_row_is_refused(place: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(place / "scorer" / "model.safetensors")
    save_file({**tensors, "score.bias": tensors["score.weight"][:, 0]}, tmp_path / "model.safetensors")
    with pytest.raises(GaslampError, match="no single row of weights .score.bias, score.weight"):
        gguf.export_head(tmp_path, tmp_path / gguf.HEAD)

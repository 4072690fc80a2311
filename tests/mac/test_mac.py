"""The mac backend for real, on MLX's processor backend: held against TRL, stopped and gone on, and through the whole
graph.

All that MLX computes here happens in .venv-mlx, in one process (drive.py) for all tests but those of the graph.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice
from gaslamp.core.contracts import ModelFacts, Template, TrainFacts
from gaslamp.core.decisions import get_texts
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import read_json, write_json
from training import ROWS, STEPS, make_image_row, write_base
from training import train as train_with_trl

KINDS = {"sft": "conversation", "dpo": "preference", "orpo": "preference", "simpo": "preference", "kto": "rating"}
PLAIN: dict[str, Any] = {
    "learning_rate": 0.02,
    "max_steps": 10,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "warmup_steps": 0,
    "scheduler": "constant",
    "adam_beta2": 0.95,
    "max_length": 128,
    "seed": 3407,
    "lora": {"r": 16, "alpha": 32},
    "dtype": "float32",
}
HALF = {**PLAIN, "max_steps": 6, "batch_size": 2, "gradient_accumulation": 2}
WARM = {**PLAIN, "learning_rate": 1.0, "scheduler": "cosine", "warmup_steps": 2}
AS_ON_A_MAC = {**PLAIN, "max_steps": 5, "dtype": "bfloat16", "quantization": "4bit", "gradient_checkpointing": True}
SEEN = {**PLAIN, "learning_rate": 0.01}
DROP = {
    **PLAIN,
    "lora": {"r": 8, "alpha": 16, "dropout": 0.2},
    "save_steps": 2,
    "scheduler": "cosine",
    "warmup_steps": 2,
}


def get_settings(method: str, train: dict[str, Any]) -> str:
    return get_slice(
        Config.model_validate({"backend": "mac", "method": method, "train": train}), "backend", "method", "train"
    )


def drive(python: Path, folder: Path, *jobs: dict[str, Any]) -> list[Any]:
    """The results of some jobs, computed in .venv-mlx in one process."""
    write_json(folder / "jobs.json", list(jobs))
    done = tiny.run(
        python, Path(__file__).with_name("drive.py"), folder / "jobs.json", folder / "results.json", cwd=folder
    )
    assert done.returncode == 0, tiny.get_rules_error(done)
    return list(json.loads((folder / "results.json").read_text()))


@pytest.fixture(scope="module")
def mlx_python() -> Path:
    """The interpreter of .venv-mlx, made by the Makefile's own target when it is not there: less mlx-tune,
    whose packages take as long again.
    """
    done = subprocess.run(
        ["make", "mlx", "LIGHT=1"], cwd=tiny.ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tiny.ROOT / ".venv-mlx" / "bin" / "python"


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of every kind, the adapter that TRL begins with, and a model as transformers 5 saves it,
    RoPE base 100000.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = write_base(tmp_path_factory.mktemp("mac"), tiny_model, ROWS)
    train_with_trl(
        folder, folder / "first", "sft", max_steps=1, learning_rate=1e-12
    )  # seed and layers decide it, not the method
    config = AutoConfig.from_pretrained(tiny_model)
    config.rope_parameters = {"rope_type": "default", "rope_theta": 100_000.0}
    AutoModelForCausalLM.from_pretrained(tiny_model, config=config).save_pretrained(folder / "theta")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder / "theta")
    assert (
        "rope_theta" not in read_json(folder / "theta" / "config.json")
        and read_json(folder / "theta" / "config.json")["rope_parameters"]
    )
    return folder


@pytest.fixture(scope="module")
def vision_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a vision model whose images are cut into tiles: the adapter that TRL begins with,
    and its losses from there.
    """
    folder = tmp_path_factory.mktemp("mac_vision")
    model = tiny.write_idefics_checkpoint(folder / "tiny-idefics")
    write_base(folder / "vision", model, {"conversation": make_image_row})
    train_with_trl(folder, folder / "first", "vision_sft", max_steps=1, learning_rate=1e-12)
    train_with_trl(folder, folder / "trl", "vision_sft")
    return folder


@pytest.fixture(scope="module")
def seen(vision_base: Path) -> Any:
    """One row with an image as TRL's collator makes it; its pixels are in a file too."""
    import numpy
    from gaslamp.data.images import read_image
    from gaslamp.models.processor import load_processor
    from gaslamp.models.template import Renderer
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    path = ModelFacts.read(vision_base / "vision" / "model.json").path
    renderer = Renderer.load(path, Template.read(vision_base / "vision" / "template.json"))
    processor = load_processor(path)
    processor.tokenizer = renderer.tokenizer
    row = make_image_row("", 1)
    prompt, whole = (
        renderer.render(row["messages"][:1], generate=True),
        renderer.render(row["messages"], generate=False),
    )
    example = {
        "prompt": prompt,
        "completion": "ok<|im_end|>",
        "images": [read_image(vision_base / "vision" / "1.png", 300, 1000)],
    }
    assert whole.startswith(prompt + example["completion"])
    batch = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)([example])
    numpy.save(vision_base / "pixels.npy", batch["pixel_values"][0].numpy())
    return batch


@pytest.fixture(scope="module")
def ids(base: Path) -> list[int]:
    return Template.read(base / "template.json").example_ids * 6  # far enough for the position to matter


@pytest.fixture(scope="module")
def results(mlx_python: Path, base: Path, ids: list[int], vision_base: Path, seen: Any) -> dict[str, Any]:
    """What MLX made of all jobs, by name."""

    def get_job(name: str, method: str, train: dict[str, Any], **more: Any) -> dict[str, Any]:
        place = base / "mlx" / more.pop("place", name)
        return {
            "do": "train",
            "settings": get_settings(method, train),
            "base": str(base),
            "kind": KINDS.get(method, "text"),
            "place": str(place),
            **more,
        }

    sight = {
        "do": "get_vision_logits",
        "settings": get_settings("vision_sft", SEEN),
        "base": str(vision_base / "vision"),
        "row": json.dumps(make_image_row("", 1)),
        "pixels": str(vision_base / "pixels.npy"),
    }
    theta, adapters = str(base / "theta"), str(base / "mlx" / "sft" / "adapters")
    jobs = {
        **{method: get_job(method, method, PLAIN, start=str(base / "first" / "adapters")) for method in KINDS},
        "accumulated": get_job("accumulated", "sft", HALF, start=str(base / "first" / "adapters")),
        "whole": get_job("whole", "sft", DROP),
        "stopped": get_job("stopped", "sft", DROP, stop_at=6, place="cut"),
        "interrupted": get_job("interrupted", "sft", DROP, ask_at=3, place="interrupted"),
        "resumed": get_job("resumed", "sft", DROP, place="cut"),
        "nan": get_job("nan", "sft", PLAIN, poison=3),
        "qlora": get_job("qlora", "sft", AS_ON_A_MAC, start=str(base / "first" / "adapters")),
        "cpt": get_job("cpt", "cpt", {**PLAIN, "packing": False}),
        "logits": {"do": "get_logits", "model": theta, "ids": ids},
        "raw": {"do": "get_logits", "model": theta, "ids": ids, "raw": True},
        "adapted": {"do": "get_logits", "model": theta, "ids": ids, "adapters": adapters},
        "four": {"do": "get_logits", "model": theta, "ids": ids, "quantization": "4bit"},
        "vision_sft": get_job(
            "vision_sft",
            "vision_sft",
            SEEN,
            base=str(vision_base / "vision"),
            kind="conversation",
            start=str(vision_base / "first" / "adapters"),
        ),
        "seen": sight,
        "seen_raw": {**sight, "raw": True},
        "seen_adapted": {**sight, "adapters": str(base / "mlx" / "vision_sft" / "adapters")},
        "seen_four": {**sight, "quantization": "4bit"},
        "rates": {"do": "get_rates", "settings": get_settings("sft", WARM), "steps": 10},
        "device": {"do": "get_device"},
    }
    return dict(zip(jobs, drive(mlx_python, base, *jobs.values()), strict=True))


# ------------------------------------------------------------------------------------------------------ against TRL


@pytest.mark.parametrize("method", KINDS)
def test_losses_are_those_of_trl(results: dict[str, Any], method: str) -> None:
    """From the same adapter and rows, ten steps each: loss, order, clipping and optimizer are the same,
    or these would part.
    """
    pinned = read_json(tiny.ROOT / "tests" / "golden" / f"{method}.json")["values"]
    assert results[method]["error"] is None
    assert [step["loss"] for step in results[method]["steps"]] == pytest.approx(pinned, rel=0.005, abs=0.003)
    logged = set().union(*results[method]["steps"])
    from gaslamp.train.method import get_method

    assert logged >= set(get_method(method).METRICS) - {"entropy", "token_accuracy"} and logged >= {
        "learning_rate",
        "tokens",
        "seconds",
        "memory_gb",
    }
    assert [event["step"] for event in results[method]["evals"]] == [0, STEPS], "so short a training affords two"
    assert results[method]["events"][-1]["status"] == "completed" and results[method]["facts"]["device"].startswith(
        "mlx"
    )


def test_accumulated_batches_are_one_batch(results: dict[str, Any]) -> None:
    """Rows of unlike length: the mean is over the tokens of the step, not over the means of its batches."""
    losses = [[step["loss"] for step in results[name]["steps"]][:6] for name in ("sft", "accumulated")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert [step["tokens"] for step in results["accumulated"]["steps"]] == [
        step["tokens"] for step in results["sft"]["steps"]
    ][:6]


def test_the_rate_warms_up_and_falls(results: dict[str, Any]) -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, 2, 10)
    expected = []
    for _ in range(10):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert results["rates"] == pytest.approx(expected, abs=1e-6)
    applied = [[step["learning_rate"] for step in results[name]["steps"]] for name in ("whole", "resumed")]
    assert applied == [pytest.approx([0.02 * rate for rate in expected], abs=1e-6)] * 2, "and a resume goes on with it"


def test_mlx_and_transformers_agree_on_a_checkpoint(base: Path, results: dict[str, Any], ids: list[int]) -> None:
    """Its RoPE base stands only where mlx-lm does not look: read by itself, it computes another model."""
    import torch
    from gaslamp.models.loading import load_model

    def get_distance(name: str, adapters: Path | None = None) -> float:
        net = load_model(base / "theta", "float32", adapters, merge=False)
        with torch.inference_mode():
            return float((net(torch.tensor([ids])).logits[0] - torch.tensor(results[name]["logits"])).abs().max())

    assert get_distance("logits") < 1e-3 < 0.1 < get_distance("raw")
    adapters = base / "mlx" / "sft" / "adapters"
    assert get_distance("adapted", adapters) < 1e-3 < 0.1 < get_distance("adapted"), (
        "and with the adapter that MLX trained, in PEFT's form"
    )


def test_a_model_that_sees_learns_as_with_trl(results: dict[str, Any], vision_base: Path) -> None:
    found, events = results["vision_sft"], read_events(vision_base / "trl" / "metrics.jsonl")
    assert found["error"] is None and [event["step"] for event in found["evals"]] == [0, STEPS]
    for name, own, theirs in (
        ("loss", "steps", "step"),
        ("valid_loss", "evals", "eval"),
        ("token_accuracy", "steps", "step"),
        ("grad_norm", "steps", "step"),
    ):
        values = [event[name] for event in get_history(events, theirs)]
        assert [event[name] for event in found[own]] == pytest.approx(
            values, rel=0.01 if name == "grad_norm" else 0, abs=0.0012
        ), name
    assert get_texts(TrainFacts.model_validate(found["facts"]).decisions)["compile"].startswith("off")


def test_mlx_and_transformers_see_the_same(base: Path, vision_base: Path, seen: Any, results: dict[str, Any]) -> None:
    """Tokens and pixels of a row are made alike, and the logits agree, also with the adapter that MLX trained,
    as the evaluation loads it.
    """
    import torch
    from gaslamp.models.trained import load_evaluated

    arrays, facts = dict(seen), ModelFacts.read(vision_base / "vision" / "model.json")
    labels = arrays.pop("labels")[0]
    assert (
        results["seen"]["ids"] == arrays["input_ids"][0].tolist()
        and results["seen"]["trained"] == (labels != -100).tolist()
        and sum(results["seen"]["trained"]) == 3
    )
    assert results["seen"]["pixels"] < 1e-6 and arrays["pixel_values"].shape[1] == 5, "four tiles and the whole"

    def get_distance(name: str, adapters: Path | None = None) -> float:
        net = load_evaluated(facts, adapters)
        with torch.inference_mode():
            return float((net(**arrays).logits[0, :-1] - torch.tensor(results[name]["logits"])).abs().max())

    assert get_distance("seen") < 1e-3 < 0.1 < get_distance("seen_raw")
    adapters = base / "mlx" / "vision_sft" / "adapters"
    assert get_distance("seen_adapted", adapters) < 1e-3 < 0.1 < get_distance("seen_adapted")
    assert 4 < results["seen_four"]["bits"] < 6


def test_the_base_of_qlora_is_4_bit(results: dict[str, Any]) -> None:
    assert (
        4 < results["four"]["bits"] < 6 < 31 < results["logits"]["bits"]
        and "QuantizedLinear" in results["four"]["kinds"]
    )
    facts, losses = results["qlora"]["facts"], [step["loss"] for step in results["qlora"]["steps"]]
    quantization = get_texts(TrainFacts.model_validate(facts).decisions)["quantization"]
    assert facts["dtype"] == "bfloat16" and 4 < float(quantization.split("; ")[1].split()[0]) < 5, quantization
    plain = [step["loss"] for step in results["sft"]["steps"]]
    assert 0.01 < abs(losses[0] - plain[0]) < 0.4 and losses[-1] == pytest.approx(plain[4], abs=0.2), (
        "another model, hardly another loss"
    )


def test_mps_is_the_code_of_cpu_on_another_device(base: Path, tmp_path: Path) -> None:
    """What the profile mac refuses trains here; on a processor in place of MPS,
    with the losses that are pinned for cpu.
    """
    from gaslamp.config.slices import parse_slice
    from gaslamp.train import run as training

    options = {"max_completion_length": 8, "num_generations": 8}
    values = {
        **PLAIN,
        "max_steps": 3,
        "batch_size": 16,
        "options": options,
        "rewards": [{"name": "length", "options": {"max": 1, "unit": "characters", "slack": 8}}],
    }
    config = Config.model_validate({"backend": "mps", "method": "grpo", "train": values})
    training.train_model(
        parse_slice(get_slice(config, "backend", "method", "train")),
        base / "model.json",
        base / "prompt.train.jsonl",
        base / "prompt.valid.jsonl",
        base / "template.json",
        tmp_path / "checkpoints",
        tmp_path / "metrics.jsonl",
        tmp_path / "adapters",
        tmp_path / "train.json",
    )
    steps = get_history(read_events(tmp_path / "metrics.jsonl"))
    pinned = read_json(tiny.ROOT / "tests" / "golden" / "grpo.json")
    assert [step[pinned["metric"]] for step in steps] == pytest.approx(pinned["values"][:3], rel=0.02, abs=0.005)
    facts = read_json(tmp_path / "train.json")
    assert facts["backend"] == "mps" and (facts["dtype"] == "float32" or facts["device"] == "mps")


# ---------------------------------------------------------------------------------------------- stopped and gone on


def test_a_training_that_broke_goes_on_as_if_nothing_had_been(results: dict[str, Any]) -> None:
    """With dropout: its random numbers go on too."""
    assert results["stopped"]["error"] == "pulled the plug" and results["stopped"]["events"][-1]["status"] == "error"
    assert results["resumed"]["facts"]["resumed_from"] == [6] and results["resumed"]["facts"]["attempts"] == 2
    losses = [[step["loss"] for step in results[name]["steps"]] for name in ("whole", "resumed")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_signal_saves_and_is_no_error(results: dict[str, Any]) -> None:
    assert "training stopped at step 3 of 10 (SIGTERM); checkpoint-3 is saved" in results["interrupted"]["error"]
    assert [event["event"] for event in results["interrupted"]["events"][-2:]] == ["save", "end"] and results[
        "interrupted"
    ]["events"][-1]["status"] == "interrupted"


def test_running_text_is_trained_too(results: dict[str, Any]) -> None:
    losses = [step["loss"] for step in results["cpt"]["steps"]]
    assert losses[-1] < losses[0] - 1


def test_a_loss_that_is_no_number_is_an_error(results: dict[str, Any]) -> None:
    assert (
        "the loss became nan at step 4" in results["nan"]["error"]
        and "lower train.learning_rate" in results["nan"]["error"]
    )
    assert results["nan"]["events"][-1]["status"] == "error"


def test_linux_has_no_metal_and_says_so(results: dict[str, Any]) -> None:
    if not results["device"]["metal"]:
        assert results["device"]["device"] == {} and results["device"]["wired"] == "not set: no Metal here"


# -------------------- the whole graph


@pytest.fixture(scope="module")
def project(mlx_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``snakemake --profile mac`` on the tiny model to the parity gate, killed in the middle of its training,
    and the same command again.
    """
    targets = ["outputs/main/gguf/parity.json", "outputs/main/export/mlx"]
    folder = tmp_path_factory.mktemp("graph")
    model, data = tiny.write_checkpoint(folder / "tiny-chat"), tiny.write_rows(folder / "notes.csv")
    more = {
        "train.max_steps": 60,
        "train.learning_rate": 0.005,
        "train.save_steps": 5,
        "export.levels": ["q8_0"],
        "export.formats": ["gguf", "mlx"],
    }
    project = tiny.bake(folder / "projects", data, model, {**tiny.SETTINGS, **more})
    (project / ".venv-mlx").symlink_to(tiny.ROOT / ".venv-mlx")
    with (folder / "killed.log").open("w") as log:
        process = tiny.open_snakemake(project, *targets, profile="mac", warm=True, stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while not any(
            event["event"] == "save" and event["step"] >= 10
            for event in read_events(project / "logs" / "main" / "train.metrics.jsonl")
        ):
            assert time.monotonic() < deadline and process.poll() is None, (folder / "killed.log").read_text()
            time.sleep(0.02)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            member.kill()
        process.wait(90)
        psutil.wait_procs(family, 90)
    done = tiny.snakemake(project, *targets, profile="mac")
    assert done.returncode == 0, tiny.get_rules_error(done)
    return project


def test_the_graph_goes_on_as_with_every_other_backend(project: Path) -> None:
    run = project / "outputs" / "main"
    facts = read_json(run / "train.json")
    assert (
        facts["backend"] == "mac" and facts["steps"] == 60 and facts["attempts"] == 2 and facts["resumed_from"][0] >= 10
    )
    assert "mlx-lm" in facts["provenance"]["versions"] and "torch" not in facts["provenance"]["versions"], (
        "it trained in .venv-mlx"
    )
    assert [
        step["step"] for step in get_history(read_events(project / "logs" / "main" / "train.metrics.jsonl"))
    ] == list(range(1, 61))
    assert (
        read_json(run / "gguf" / "parity.json")["passed"] and (run / "gguf" / "model-q8_0.gguf").stat().st_size > 10_000
    )
    assert (
        read_json(run / "eval" / "verdict.json")["passed"]
        and read_json(run / "eval" / "compare.json")["metrics"][0]["tuned"]["value"] > 0.9
    )
    env = read_json(project / "outputs" / "env" / "env.json")
    assert env["ready"] and ".venv-mlx" in env["python"]
    warnings = read_json(project / "outputs" / "env" / "preflight.json")["warnings"]
    assert any("not measured on a Mac" in text for text in warnings) and (
        sys.platform == "darwin" or any("no Mac" in text for text in warnings)
    )


def test_the_exporter_leaves_what_mlx_lm_fuses(project: Path, mlx_python: Path, tmp_path: Path) -> None:
    """The merged folder as mlx_lm.fuse makes it of base and adapter; and what is made of it by 8 and 4 bits,
    each loaded with mlx_lm.
    """
    facts = read_json(project / "outputs" / "main" / "export" / "mlx" / "mlx.json")
    assert (
        facts["16bit"]["difference"] < 0.01
        and 8 < facts["8bit"]["bits_per_weight"] < 10
        and 4 < facts["4bit"]["bits_per_weight"] < 6
    )
    assert facts["8bit"]["same_next"] > 0.9
    assert read_json(project / "outputs" / "main" / "export" / "mlx" / "4bit" / "config.json")["rope_theta"] == 10000.0
    run, base = (
        project / "outputs" / "main",
        ModelFacts.read(next((project / "resources" / "models").glob("*/model.json"))).path,
    )
    job = {
        "do": "fuse",
        "model": base,
        "adapters": str(run / "adapters"),
        "exported": str(run / "export" / "mlx" / "16bit"),
        "place": str(tmp_path),
    }
    found = drive(mlx_python, tmp_path, job)[0]
    assert found["same_names"] and found["difference"] < 1e-3 < 0.01 < found["learnt"], found


@pytest.mark.graphs
def test_a_model_that_sees_goes_through_the_graph(mlx_python: Path, tmp_path: Path) -> None:
    model = tiny.write_idefics_checkpoint(tmp_path / "tiny-vision")
    settings = {**tiny.SETTINGS, "method": "vision_sft", "train.max_steps": 12, "export.levels": ["q8_0"]}
    project = tiny.bake(tmp_path / "projects", "embedded:digits_vision", model, settings)
    (project / ".venv-mlx").symlink_to(tiny.ROOT / ".venv-mlx")
    done = tiny.run(tiny.SNAKEMAKE, "--profile", "mac", cwd=project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    run = project / "outputs" / "main"
    assert (
        read_json(run / "train.json")["device"].startswith("mlx") and read_json(run / "gguf" / "parity.json")["passed"]
    )
    assert (run / "gguf" / "mmproj-f16.gguf").is_file()


# ------------------------------------------------------------------------------------------------------------- by hand


@pytest.mark.by_hand
def test_mlx_tune_agrees_where_it_is_right(tiny_model: Path, tmp_path: Path) -> None:
    """Its DPO is ours; its SimPO counts the prompt as answer.

    It wants the whole extra (make mlx), half a minute to import.
    """
    assert subprocess.run(["make", "mlx"], cwd=tiny.ROOT, capture_output=True, timeout=900, check=False).returncode == 0
    found = drive(
        tiny.ROOT / ".venv-mlx/bin/python", tmp_path, {"do": "compare_with_mlx_tune", "model": str(tiny_model)}
    )[0]
    assert (
        found["dpo"][0] == pytest.approx(found["dpo"][1], abs=1e-4) and abs(found["simpo"][0] - found["simpo"][1]) > 0.1
    )


@pytest.mark.by_hand
@pytest.mark.timeout(3600)
def test_the_embedded_model_learns_with_mlx(mlx_python: Path, tmp_path: Path) -> None:
    """135M parameters, six steps of two rows: 5 minutes with the system's OpenBLAS, 20 with mlx-cpu's own BLAS,
    so only on request.
    """
    data = tiny.write_rows(tmp_path / "notes.csv")
    settings = {
        **tiny.SETTINGS,
        "train.max_steps": 6,
        "train.batch_size": 2,
        "train.learning_rate": 0.001,
        "data.rehearsal": 0.0,
        "data.split.valid": 0.0,
        "eval.retention": False,
        "eval.gate": "block",
        "export.levels": ["q8_0"],
        "export.parity_prompts": 4,
    }
    project = tiny.bake(tmp_path / "projects", data, None, settings)
    (project / ".venv-mlx").symlink_to(tiny.ROOT / ".venv-mlx")
    done = tiny.run(tiny.SNAKEMAKE, "--profile", "mac", cwd=project, timeout=3000, HF_HUB_OFFLINE="0")
    assert done.returncode == 0, tiny.get_rules_error(done)
    metric = read_json(project / "outputs" / "main" / "eval" / "compare.json")["metrics"][0]
    assert metric["name"] == "exact_match" and metric["tuned"]["value"] > metric["base"]["value"]
    assert read_json(project / "outputs" / "main" / "gguf" / "parity.json")["passed"]
    assert (project / "demos" / "main" / "index.html").is_file() and (project / "gaslamp.md").is_file(), (
        "the whole graph, as make run does it"
    )
    assert ModelFacts.read(next((project / "resources" / "models").glob("*/model.json"))).parameters > 1e8

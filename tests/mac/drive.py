"""What the tests of MLX have computed in .venv-mlx, one process for all: python drive.py jobs.json results.json.

A job is a dict with ``do`` (a function here) and its arguments; its result, or the error it ended with, stands in the
same place.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from gaslamp.config.slices import parse_slice  # noqa: E402
from gaslamp.core.contracts import Template, TrainFacts  # noqa: E402
from gaslamp.core.errors import GaslampError  # noqa: E402
from gaslamp.core.events import get_history, read_events  # noqa: E402
from gaslamp.core.files import read_json, write_json  # noqa: E402
from gaslamp.models.template import Renderer  # noqa: E402
from gaslamp.train import run as training  # noqa: E402
from gaslamp.train.mlx import checkpoints as mlx_models
from gaslamp.train.mlx import optimizer, resume, session  # noqa: E402
from gaslamp.train.mlx import vision as mlx_vision

FIND = training.find_checkpoint


def train(
    settings: str,
    base: str,
    kind: str,
    place: str,
    start: str | None = None,
    stop_at: int = 0,
    poison: int = 0,
    ask_at: int = 0,
) -> dict[str, Any]:
    """One training. ``start``: a PEFT folder to begin from.

    After a step: ``stop_at`` fails, ``ask_at`` sends SIGTERM, ``poison`` makes weights NaN.
    """
    import mlx.core as mx

    rows, folder = Path(base), Path(place)
    training.find_checkpoint = FIND
    if start:
        first = folder / "start" / "checkpoint-0"
        first.mkdir(parents=True)
        names = (
            mlx_vision.load_model(read_json(rows / "model.json")["path"], "float32")[1]
            if "vision_sft" in settings
            else None
        )
        mx.save_safetensors(str(first / "adapters.safetensors"), mlx_models.read_peft(Path(start), names))
        mx.save_safetensors(str(first / "optimizer.safetensors"), {"step": mx.array(0, mx.uint64)})
        write_json(first / "state.json", {"global_step": 0, "random": 1})
        training.find_checkpoint = lambda folder, check: first
    decide = session.Session.decide

    def decide_and_break(run: Any) -> None:
        if run.step == ask_at:
            os.kill(os.getpid(), signal.SIGTERM)
        decide(run)
        if run.step == stop_at:
            raise RuntimeError("pulled the plug")
        if run.step == poison:
            run.model.update({"lm_head": {"weight": run.model.lm_head.weight * float("nan")}})

    session.Session.decide = decide_and_break
    error = None
    try:
        training.train_model(
            parse_slice(settings),
            rows / "model.json",
            rows / f"{kind}.train.jsonl",
            rows / f"{kind}.valid.jsonl",
            rows / "template.json",
            folder / "checkpoints",
            folder / "metrics.jsonl",
            folder / "adapters",
            folder / "train.json",
        )
    except (GaslampError, RuntimeError) as failure:
        error = str(failure)
    finally:
        session.Session.decide = decide
    events = read_events(folder / "metrics.jsonl")
    facts = TrainFacts.read(folder / "train.json").model_dump() if error is None else {}
    return {
        "error": error,
        "steps": get_history(events),
        "evals": get_history(events, "eval"),
        "events": events,
        "facts": facts,
    }


def get_logits(
    model: str, ids: list[int], adapters: str | None = None, quantization: str = "none", raw: bool = False
) -> dict[str, Any]:
    """Logits [length, vocabulary] of some tokens, with an adapter in PEFT layout; ``raw``:
    as mlx-lm loads it by itself.
    """
    import types

    import mlx.core as mx
    import mlx_lm.utils

    net = mlx_lm.utils.load_model(Path(model))[0] if raw else mlx_models.load_model(model, "float32", quantization)[0]
    if adapters:
        config = read_json(Path(adapters) / "adapter_config.json")
        lora = types.SimpleNamespace(
            r=config["r"], alpha=config["lora_alpha"], dropout=0.0, target_modules="all-linear"
        )
        mlx_models.add_adapter(net, lora, mlx_models.read_module_names(model))
        net.load_weights(list(mlx_models.read_peft(Path(adapters)).items()), strict=False)
        net.eval()
    kinds = sorted({type(module).__name__ for _, module in net.named_modules()})
    return {
        "logits": net(mx.array([ids]))[0].astype(mx.float32).tolist(),
        "bits": mlx_models.get_bits(net),
        "kinds": kinds,
    }


def get_vision_logits(
    settings: str,
    base: str,
    row: str,
    pixels: str,
    adapters: str | None = None,
    raw: bool = False,
    quantization: str = "none",
) -> dict[str, Any]:
    """Logits of a row with images whose arrays were made in the other environment,
    and how far the arrays made here are from them.
    """
    import types

    import mlx.core as mx
    import numpy
    from gaslamp.config.methods import get_options
    from gaslamp.train.methods import vision_sft
    from gaslamp.train.mlx.objectives import VisionTokens
    from gaslamp.train.mlx.objectives.base import get_logps
    from mlx_vlm.utils import load_model

    folder = Path(base)
    path = read_json(folder / "model.json")["path"]
    net, names = mlx_vision.load_model(path, "float32", quantization)
    train = parse_slice(settings).train
    options = get_options("vision_sft", train.options)
    if adapters:
        choose = vision_sft.pick_modules(list(names.values()), options, "all-linear")
        modules = mlx_models.add_adapter(net, train.lora, names, lambda found: choose)
        net.load_weights(list(mlx_models.read_peft(Path(adapters), modules).items()), strict=False)
    (net := load_model(Path(path)) if raw else net).eval()
    renderer = Renderer.load(path, Template.read(folder / "template.json"))
    context = types.SimpleNamespace(
        model=net,
        model_path=path,
        folder=folder,
        tokenizer=renderer.tokenizer,
        renderer=renderer,
        options=options,
        settings=parse_slice(settings),
    )
    objective = VisionTokens(context)
    sample = objective.encode([json.loads(row)])[0]
    ids, mask, made = objective.collate([sample])
    given = mx.array(numpy.load(pixels))
    logits = get_logps(net, ids, mask, given[None])[1][0, : len(sample["rows"][0][0]) - 1]
    return {
        "ids": sample["rows"][0][0],
        "trained": sample["rows"][0][1],
        "pixels": float(mx.abs(made[0] - given).max()) if made[0].shape == given.shape else None,
        "logits": logits.tolist(),
        "names": names,
        "bits": mlx_models.get_bits(net.language_model),
    }


def get_rates(settings: str, steps: int) -> list[float]:
    """The learning rate of each step."""
    import mlx.core as mx

    schedule = optimizer.get_schedule(parse_slice(settings).train, steps)
    return [float(schedule(mx.array(step, mx.uint64))) for step in range(steps)]


def compare_with_mlx_tune(model: str) -> dict[str, list[float]]:
    """Loss of one pair by our objective and by mlx-tune's function of the same name."""
    import types

    import mlx.core as mx
    from gaslamp.train.mlx.objectives import Dpo, Simpo
    from mlx_tune import losses

    net = mlx_models.load_model(model, "float32")[0]
    prompt, sides = [5, 9, 20, 31], [[40, 41, 2], [50, 51, 52, 53, 2]]
    rows = [([*prompt, *side], [False] * len(prompt) + [True] * len(side)) for side in sides]
    arrays = [mx.array([ids]) for ids, _ in rows]
    lengths = [mx.array([len(ids)]) for ids, _ in rows]
    train = types.SimpleNamespace(batch_size=1)
    result = {}
    for name, kind, options in (("dpo", Dpo, {"beta": 0.1}), ("simpo", Simpo, {"beta": 2.0, "gamma": 1.0})):
        ours = types.SimpleNamespace(loss="sigmoid", label_smoothing=0.0, sft_weight=0.0, **options)
        objective = kind(types.SimpleNamespace(options=ours, settings=types.SimpleNamespace(train=train)))
        theirs = {"beta": options["beta"]} | ({"gamma": options["gamma"] / options["beta"]} if name == "simpo" else {})
        if name == "dpo":
            theirs |= {"reference_chosen_logprobs": mx.array([-9.0]), "reference_rejected_logprobs": mx.array([-11.0])}
        before = float(losses.compute_log_probs_with_lengths(net, arrays[0][:, : len(prompt)], mx.array([len(prompt)])))
        sample = {"rows": rows, "reference": [-9.0 - before, -11.0 - before]}  # theirs count the prompt, in both
        value = objective.get_loss(net, *objective.collate([sample]))[0]
        result[name] = [float(value), float(getattr(losses, f"{name}_loss")(net, *arrays, *lengths, **theirs)[0])]
    return result


def fuse(model: str, adapters: str, exported: str, place: str) -> dict[str, Any]:
    """How far the exporter's 16-bit folder is from what ``mlx_lm.fuse`` makes of the base and the adapter:
    largest difference of a weight.
    """
    import mlx.core as mx
    import mlx_lm.fuse

    weights, config = mlx_models.read_peft(Path(adapters)), read_json(Path(adapters) / "adapter_config.json")
    (folder := Path(place) / "adapter").mkdir(parents=True)
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    keys = sorted({name.rpartition(".")[0] for name in weights})
    lora = {"rank": config["r"], "scale": config["lora_alpha"] / config["r"], "dropout": 0.0, "keys": keys}
    write_json(folder / "adapter_config.json", {"fine_tune_type": "lora", "num_layers": 0, "lora_parameters": lora})
    sys.argv = ["fuse", "--model", model, "--adapter-path", str(folder), "--save-path", f"{place}/fused"]
    mlx_lm.fuse.main()
    fused, ours, base = (
        mx.load(str(Path(place) / "model.safetensors")) for place in (f"{place}/fused", exported, model)
    )
    return {
        "same_names": fused.keys() == ours.keys(),
        "difference": max(float(mx.abs(fused[name] - ours[name]).max()) for name in ours),
        "learnt": max(float(mx.abs(fused[name] - base[name]).max()) for name in ours),
    }


def get_device() -> dict[str, Any]:
    """What the memory functions say on this machine."""
    import mlx.core as mx
    from gaslamp.environment.apple_memory import read_device
    from gaslamp.environment.wired_memory import raise_wired_limit

    return {
        "metal": mx.metal.is_available(),
        "device": read_device(),
        "wired": raise_wired_limit().text,
        "random": resume.get_random_state() >= 0,
    }


def main() -> None:
    results, (jobs, out) = [], sys.argv[1:]
    for job in read_json(jobs):
        function = globals()[job.pop("do")]
        try:
            results.append(function(**job))
        except GaslampError as error:
            results.append({"error": str(error)})
    Path(out).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()

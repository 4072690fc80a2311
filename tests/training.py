"""Trainings of the tiny model for several test files: rows of every kind, bases that methods need, settings,
and one call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from gaslamp.config.methods import get_method
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import ModelFacts, TrainFacts
from gaslamp.core.events import get_history, read_events
from gaslamp.models.fetch import fetch_model
from gaslamp.models.template import build_template
from gaslamp.train.run import train_model

STEPS = 10
NOTES = [
    f"{1 + (i + j) % 9} {item} for {name}" for i, item in enumerate(tiny.ITEMS) for j, name in enumerate(tiny.NAMES)
]
RECIPES: dict[str, dict[str, Any]] = {
    "dapo": {"max_steps": 12},
    "rloo": {"max_steps": 12, "options": {"beta": 0.0}},
    "online_dpo": {"max_steps": 24},
    "reward": {"learning_rate": 0.005},
    "vision_sft": {"learning_rate": 0.01},
    "tts": {"max_length": 256},
    "embedding": {"learning_rate": 0.005, "batch_size": 8},
}


def say(role: str, content: str) -> list[dict[str, str]]:
    """One message in a list."""
    return [{"role": role, "content": content}]


ROWS: dict[str, Any] = {
    "conversation": lambda note, n: {"messages": say("user", note) + say("assistant", "ok")},
    "text": lambda note, n: {"text": f"{note}: ok"},
    "preference": lambda note, n: {
        "prompt": say("user", note),
        "chosen": say("assistant", "ok"),
        "rejected": say("assistant", "no"),
    },
    "rating": lambda note, n: {
        "prompt": say("user", note),
        "completion": say("assistant", "ok" if n % 2 else "no"),
        "label": bool(n % 2),
    },
    "prompt": lambda note, n: {"prompt": say("user", note), "answer": "ok"},
    "pair": lambda note, n: {"anchor": note, "positive": f"{tiny.ITEMS[n // len(tiny.NAMES)]} ordered"},
}
PLACES = {"vision_sft": "vision", "tts": "speech"}  # rows and base of a model of its own


def write_base(folder: Path, model: Path, rows: dict[str, Any]) -> Path:
    """A folder with model.json, template.json, two images, and 48 + 12 rows of every kind."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    fetch_model(Config.model_validate({"model": {"source": str(model)}}).model, folder / "model.json")
    build_template(ModelFacts.read(folder / "model.json").path, ROWS["conversation"]("q", 0)["messages"]).write(
        folder / "template.json"
    )
    for number, colour in enumerate(("black", "white")):
        Image.new("RGB", (40, 30), colour).save(folder / f"{number}.png")
    for kind, make in rows.items():
        lines = [json.dumps({"id": str(n), **make(note, n)}) for n, note in enumerate(NOTES)]
        for split, part in (("train", lines[:48]), ("valid", lines[48:])):
            (folder / f"{kind}.{split}.jsonl").write_text("\n".join(part) + "\n", encoding="utf-8")
    return folder


def make_image_row(note: str, n: int) -> dict[str, Any]:
    """A conversation about one of the two images of the folder."""
    content = [{"type": "image", "image": f"{n % 2}.png"}, {"type": "text", "text": "light?"}]
    return {"messages": [{"role": "user", "content": content}, *say("assistant", "ok" if n % 2 else "no")]}


def get_speech(folder: Path) -> dict[str, Any]:
    """data.speech for the tiny codec in ``folder``."""
    return {"codec": str(folder / "codec"), "tokens": "<|c{book}_{code}|>", "codebooks": None, "first": 0}


def write_bases(folder: Path, model: Path, write_vision: Any = tiny.write_vision_checkpoint) -> Path:
    """Rows of every kind for the tiny model; in ``vision`` rows with images and a vision model,
    in ``speech`` recordings.
    """
    write_base(folder, model, ROWS)
    write_base(folder / "vision", write_vision(folder / "tiny-vision"), {"conversation": make_image_row})
    tiny.write_codec(folder / "codec"), tiny.write_sounds(folder / "sounds")
    plan = SimpleNamespace(
        speech=get_speech(folder), folder=str(folder / "sounds"), facts=SimpleNamespace(folder=str(folder / "speech"))
    )

    def say_item(note: str, n: int) -> dict[str, Any]:
        item, name = tiny.ITEMS[n // len(tiny.NAMES)], tiny.NAMES[n % len(tiny.NAMES)]
        return dict(
            get_method("tts").prepare_row(
                {"audio": f"{item}_{name}.wav", "transcript": f"{item} please", "speaker": name}, plan
            )
        )

    write_base(folder / "speech", tiny.write_speech_checkpoint(folder / "tiny-speech"), {"speech": say_item})
    return folder


def get_place(name: str, base: Path) -> tuple[Path, str]:
    """The folder and the kind of the rows that a method takes."""
    return base / PLACES.get(name, ""), get_method(name).KINDS[0]


def get_values(name: str, **changes: Any) -> dict[str, Any]:
    """The train section of a method's test."""
    method = get_method(name)
    kind = method.KINDS[0]
    values: dict[str, Any] = {
        "learning_rate": 0.02,
        "max_steps": STEPS,
        "batch_size": 4,
        "gradient_accumulation": 1,
        "warmup_steps": 0,
        "scheduler": "constant",
        "adam_beta2": 0.95,
        "max_length": 128,
        "seed": 3407,
        "lora": {"r": 16, "alpha": 32},
    }
    if kind == "prompt":  # what a tiny model can learn by luck: to end at once
        options = {
            "max_completion_length": 8,
            **({"num_generations": 8} if "num_generations" in method.Settings.model_fields else {}),
        }
        values |= {
            "batch_size": 16,
            "rewards": [{"name": "length", "options": {"max": 1, "unit": "characters", "slack": 8}}],
            "options": options,
        }
    for key, value in {**RECIPES.get(name, {}), **changes}.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return values


def train(
    base: Path, place: Path, name: str, limits: dict[str, Any] | None = None, **changes: Any
) -> tuple[TrainFacts, list[dict[str, Any]]]:
    """Train method ``name`` in ``place``; returns its facts and the steps as logged. ``limits`` is section diagnose."""
    values = {"method": name, "train": get_values(name, **changes), "diagnose": limits or {}}
    return train_values(base, place, values), get_history(read_events(place / "metrics.jsonl"))


def train_values(base: Path, place: Path, values: dict[str, Any]) -> TrainFacts:
    """Train by a config in ``place``."""
    config = Config.model_validate(values)
    base, kind = get_place(config.method, base)
    train_model(
        parse_slice(get_slice(config, "backend", "method", "train", "diagnose")),
        base / "model.json",
        base / f"{kind}.train.jsonl",
        base / f"{kind}.valid.jsonl",
        base / "template.json",
        place / "checkpoints",
        place / "metrics.jsonl",
        place / "adapters",
        place / "train.json",
    )
    return TrainFacts.read(place / "train.json")


def refuse_memory(monkeypatch: pytest.MonkeyPatch, too_much: Callable[[Any, Any], bool]) -> list[tuple[int, int]]:
    """A simulated allocator: the model call raises PyTorch's words when ``too_much(model, ids)``;
    returns the sizes that passed.
    """
    from transformers import LlamaModel  # TRL puts its own function in the place of LlamaForCausalLM.forward

    passed: list[tuple[int, int]] = []
    forward = LlamaModel.forward

    def limited(self: Any, input_ids: Any = None, **kwargs: Any) -> Any:
        if self.training and too_much(self, input_ids):
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
                "to allocate 9 bytes."
            )
        passed.append(tuple(input_ids.shape))
        return forward(self, input_ids, **kwargs)

    monkeypatch.setattr(LlamaModel, "forward", limited)
    return passed

"""Every method trains for real on the tiny model: what it minimizes falls or its reward rises, and its losses are
pinned.

A method is tested without an edit here: its rows come by its kind. A method whose model is another than a causal one
has a recipe in RECIPES. The pinned losses stand in tests/golden/<method>.json: ``GASLAMP_WRITE_GOLDEN=1`` writes them
again.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import judging
import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.train.method import get_adapters, get_method
from training import STEPS, get_place, get_values, say, train, write_bases

GOLDEN = Path(__file__).parents[2] / "golden"
TRUE_FINDINGS: dict[str, Callable[[list[dict[str, Any]]], bool]] = {
    "too_few_steps": lambda steps: len(steps) <= STEPS,
    "cut_completions": lambda steps: min(step["completions/clipped_ratio"] for step in steps[-5:]) > 0.5,
}
"""What a training of these tests is rightly said to have: few steps, and answers of tokens that are no text."""


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bases(tmp_path_factory.mktemp("methods"), tiny_model)


@pytest.mark.parametrize("name", registry.names("methods"))
def test_a_method_learns_and_its_losses_are_pinned(name: str, base: Path, tmp_path: Path) -> None:
    method = get_method(name)
    facts, steps = train(base, tmp_path, name)
    key = next((key for key in ("reward", "objective/scores") if key in steps[0]), "loss")
    values = [step[key] for step in steps]
    first, last = values[0], sum(values[-3:]) / 3
    assert last > first + 0.1 if key != "loss" else last < first - 0.1, values
    logged = set().union(*steps)
    assert logged >= set(method.METRICS) - {"token_accuracy", "entropy", "kl"}, (
        f"METRICS names what is not logged: {sorted(set(method.METRICS) - logged)}"
    )
    assert facts.method == name and facts.steps == len(steps) and any((tmp_path / "adapters").glob("*.safetensors"))
    found = {"metric": key, "values": [round(value, 4) for value in values[:STEPS]]}
    file = GOLDEN / f"{name}.json"
    if os.environ.get("GASLAMP_WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(found) + "\n", encoding="utf-8")
    pinned = json.loads(file.read_text(encoding="utf-8"))
    assert pinned["metric"] == key and found["values"] == pytest.approx(pinned["values"], rel=0.02, abs=0.005)
    folder, kind = get_place(name, base)
    compare = judging.judge_trained(
        name, folder, folder / f"{kind}.valid.jsonl", tmp_path / "adapters", get_values(name), tmp_path / "eval"
    )
    found_ill = {finding.name for finding in facts.findings}
    assert found_ill <= TRUE_FINDINGS.keys(), [finding.text for finding in facts.findings]
    for finding in facts.findings:
        assert TRUE_FINDINGS[finding.name](steps), finding.text
    assert "class_never_found" not in {finding.name for finding in compare.findings}, "no task here has classes"


def test_the_margin_of_a_pair_is_in_the_loss_of_a_reward_model(base: Path, tmp_path: Path) -> None:
    """The first step has the same weights: with a margin m of two nearly equal scores its loss is log(1 + e^m)."""
    folder = tmp_path / "base"
    folder.mkdir()
    for name in ("model.json", "template.json"):
        shutil.copy(base / name, folder / name)
    for split in ("train", "valid"):
        rows = [json.loads(line) for line in (base / f"preference.{split}.jsonl").read_text("utf-8").splitlines()]
        lines = [json.dumps({**row, "margin": 2.0}) + "\n" for row in rows]
        (folder / f"preference.{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    _, plain = train(base, tmp_path / "plain", "reward", max_steps=1)
    _, wide = train(folder, tmp_path / "wide", "reward", max_steps=1)
    assert plain[0]["margin"] == pytest.approx(wide[0]["margin"], abs=1e-4)
    assert plain[0]["loss"] == pytest.approx(math.log(2), abs=0.15)
    assert wide[0]["loss"] == pytest.approx(math.log(1 + math.e**2), abs=0.25)


@pytest.mark.parametrize(
    "name", [name for name in registry.names("methods") if "none" in get_adapters(name) and name not in ("sft", "tts")]
)
def test_every_weight_is_trained_by_this_method_too(name: str, base: Path, tmp_path: Path) -> None:
    """``train.adapter: none``; sft in test_training.py, and tts trains as sft does.

    The reference of dpo and kto is then a second model.
    """
    facts, steps = train(base, tmp_path, name, adapter="none", learning_rate=0.002, max_steps=6)
    assert (tmp_path / "adapters" / "model.safetensors").is_file() and not list(
        (tmp_path / "adapters").glob("adapter*")
    )
    assert facts.trainable_parameters > 60_000 and facts.steps == 6
    assert sum(step["loss"] for step in steps[-2:]) / 2 < steps[0]["loss"] - 0.05, [step["loss"] for step in steps]
    if "rewards/margins" in steps[0]:
        assert steps[0]["rewards/margins"] == pytest.approx(0, abs=0.01), "the reference is the model as it was"
        assert steps[-1]["rewards/margins"] > 0.1


def test_rewards_are_logged_alone_and_samples_are_logged(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("gaslamp.train.plan.say", said.append)
    rewards = [
        {"name": "length", "options": {"max": 1, "unit": "characters", "slack": 8}},
        {"name": "exact_answer", "weight": 2.0},
    ]
    facts, steps = train(base, tmp_path, "grpo", max_steps=2, rewards=rewards, options={"show": 3, "beta": 0.01})
    for step in steps:
        assert step["reward"] == pytest.approx(
            step["rewards/length/mean"] + 2 * step["rewards/exact_answer/mean"], abs=1e-4
        )
    samples = [event for event in read_events(tmp_path / "metrics.jsonl") if event["event"] == "sample"]
    assert (
        len(samples) == 3
        and samples[0]["step"] == 1
        and all(set(sample["scores"]) == {"length", "exact_answer"} for sample in samples)
    )
    assert (
        samples[0]["reward"] == max(sample["reward"] for sample in samples)
        and "<|im_start|>" not in samples[0]["completion"]
    )
    assert "kl" in steps[0] and facts.probe["tokens"] > 16 * 8
    logged = " ".join(said)
    assert "billion parameters" in logged and "48 prompts" in logged and "2 steps" in logged


def test_a_failing_reward_stops_the_training_with_its_row(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rewards").mkdir()
    (tmp_path / "rewards" / "broken.py").write_text(
        "def score(prompt, completion, row):\n    raise KeyError(row['id'])\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        GaslampError, match=r"(?s)reward 'broken' failed: KeyError.*rewards/broken.py, line 2.*row: \d+"
    ):
        train(base, tmp_path, "grpo", rewards=[{"name": "broken"}])
    assert read_events(tmp_path / "metrics.jsonl")[-1]["status"] == "error"


def test_grpo_goes_on_from_a_checkpoint(base: Path, tmp_path: Path) -> None:
    """In its second pass over the prompts: their order,
    what is drawn and what is rewarded are as in a run that nothing stopped.
    """
    changes: dict[str, Any] = {
        "max_steps": 4,
        "batch_size": 192,
        "save_steps": 3,
    }  # 24 prompts a step: 2 steps are a pass
    train(base, tmp_path / "whole", "grpo", **changes)
    place = tmp_path / "cut"
    train(base, place, "grpo", **changes)
    for file in ("adapters/adapter_model.safetensors", "train.json"):
        (place / file).unlink()
    folder = next((place / "checkpoints").glob("*/"))
    for checkpoint in folder.glob("checkpoint-4"):
        (checkpoint / "rng_state.pth").unlink()
    facts, steps = train(base, place, "grpo", **changes)
    assert facts.resumed_from == [3] and [step["step"] for step in steps] == [1, 2, 3, 4]
    whole = get_history(read_events(tmp_path / "whole" / "metrics.jsonl"))
    assert [step["reward"] for step in steps] == pytest.approx([step["reward"] for step in whole], abs=1e-4)


def test_groups_must_divide_and_rewards_must_exist() -> None:
    from gaslamp.train.problems import PlannedRun
    from gaslamp.train.reinforcement import find_run_problems, find_setting_problems

    config = Config.model_validate({"method": "grpo", "train": {"batch_size": 4, "gradient_accumulation": 3}})
    problems = dict(find_setting_problems(config.train))
    assert "12 completions in a step do not divide into groups of 8" in problems["options", "num_generations"]
    assert "nothing would be rewarded" in problems[("rewards",)]
    good = Config.model_validate({"method": "rloo", "train": {"rewards": [{"name": "length", "options": {"max": 5}}]}})
    assert find_setting_problems(good.train) == []
    assert (
        list(find_run_problems(PlannedRun(None, 7_000_000_000, 800, 500)))
        == []
        == list(find_run_problems(PlannedRun(None)))
    )
    assert [problem.blocking for problem in find_run_problems(PlannedRun(None, 7_000_000_000, 9, 500))] == [True]


def test_an_answer_is_split_from_its_prompt_where_the_model_begins() -> None:
    """Earlier assistant turns belong to the prompt; the token that ends the answer is learnt."""
    from gaslamp.train.preference import encode_answer

    class Renderer:
        def split_all(self, messages: list[dict[str, str]], tools: Any) -> Any:
            return [
                [
                    (f"{10 * number + part}", part == 1 and message.get("train", message["role"] == "assistant"))
                    for number, message in enumerate(messages)
                    for part in (0, 1)
                ]
            ]

        def encode_pieces(self, rows: Any) -> Any:
            from gaslamp.models.template import Encoded

            return [Encoded([int(text) for text, _ in row], [learnt for _, learnt in row]) for row in rows]

    talk = [*say("user", "a"), *say("assistant", "b"), *say("user", "c")]
    found = encode_answer(Renderer(), talk, say("assistant", "d"))
    assert (found.prompt_ids, found.ids, found.learnt) == ([0, 1, 10, 11, 20, 21, 30], [31], [1])


def test_vision_adapts_what_its_switches_say_and_resizes_images(base: Path, tmp_path: Path) -> None:
    from gaslamp.train.methods.vision_sft import find_modules, load_model, read_image

    model = load_model(base / "tiny-vision", "float32")
    settings = get_method("vision_sft").Settings

    def get_parts(**switches: bool) -> set[str]:
        return {
            ("sees " if "vision" in name or "projector" in name else "talks ") + name.rpartition(".")[2]
            for name in find_modules(model, settings(**switches), "all-linear")
        }

    assert get_parts(vision_layers=False, mlp_layers=False) == {f"talks {name}_proj" for name in "qkvo"}
    assert get_parts(language_layers=False, attention_layers=False) == {
        "sees fc1",
        "sees fc2",
        "sees linear_1",
        "sees linear_2",
    }
    assert find_modules(model, settings(vision_layers=False), ["q_proj"]) and "lm_head" not in " ".join(
        find_modules(model, settings(), "all-linear")
    )
    with pytest.raises(GaslampError, match="no layer to adapt"):
        get_parts(vision_layers=False, language_layers=False)
    assert read_image(base / "vision" / "0.png", 300, 1000).size == (300, 225)
    assert read_image(base / "vision" / "0.png", 10, 20).size == (20, 15)
    facts, _ = train(
        base,
        tmp_path,
        "vision_sft",
        max_steps=1,
        options={"vision_layers": False},
        lora={"modules_to_save": ["lm_head"]},
    )
    assert facts.trainable_parameters > 64 * 260, "the head is trained whole"


def test_images_are_evaluated_as_they_were_trained(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same prompt tokens and the same pixels, at a size that only the options say."""
    import torch
    from gaslamp.evaluate import vision
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    seen: dict[str, list[dict[str, Any]]] = {"trained": [], "evaluated": []}
    sizes: list[tuple[int, int]] = []
    collate, encode, read = (
        DataCollatorForVisionLanguageModeling.torch_call,
        vision.ImageInputs.encode,
        vision.read_image,
    )

    def note_training(self: Any, rows: list[dict[str, Any]]) -> Any:
        seen["trained"].append(collate(self, rows))
        return seen["trained"][-1]

    def note_asking(*arguments: Any) -> Any:
        seen["evaluated"].append(encode(*arguments))
        return seen["evaluated"][-1]

    def note_size(*arguments: Any, **options: Any) -> Any:
        picture = read(*arguments, **options)
        sizes.append(picture.size)
        return picture

    monkeypatch.setattr(DataCollatorForVisionLanguageModeling, "torch_call", note_training)
    monkeypatch.setattr(vision.ImageInputs, "encode", note_asking)
    monkeypatch.setattr(vision, "read_image", note_size)
    options = {"shortest": 80, "longest": 90}
    train(base, tmp_path, "vision_sft", max_steps=1, batch_size=1, options=options)
    folder, kind = get_place("vision_sft", base)
    judging.judge_trained(
        "vision_sft",
        folder,
        folder / f"{kind}.valid.jsonl",
        tmp_path / "adapters",
        {"options": options},
        tmp_path / "eval",
        batch_size=1,
    )
    assert set(sizes) == {(80, 60)}, "40 x 30 enlarged as the options say"
    trained = next(batch for batch in seen["trained"] if len(batch["input_ids"]) == 1)
    prompts = [batch["input_ids"][0] for batch in seen["evaluated"]]
    assert all(torch.equal(prompt, trained["input_ids"][0][: len(prompt)]) for prompt in prompts)
    equal = [torch.equal(batch["pixel_values"], trained["pixel_values"]) for batch in seen["evaluated"]]
    assert equal.count(True) == equal.count(False) == len(equal) // 2, "every other picture is of the same colour"


def test_an_embedding_adapter_fits_the_causal_model(base: Path, tmp_path: Path) -> None:
    """It is trained on the model without its head, saved for the one with it, and goes on from a checkpoint."""
    import torch
    from gaslamp.export.exporters.merged import export
    from gaslamp.models.loading import load_model
    from sentence_transformers import SentenceTransformer

    train(base, tmp_path, "embedding", max_steps=4, save_steps=2)
    path = ModelFacts.read(base / "model.json").path
    net = load_model(path, "float32", tmp_path / "adapters", merge=True)
    trained = SentenceTransformer(str(next((tmp_path / "checkpoints").glob("*/checkpoint-4"))), device="cpu")
    ids = trained.tokenizer("2 tea for Ana", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        mean = net.base_model(ids).last_hidden_state.mean(1)[0]
    assert torch.allclose(mean, torch.tensor(trained.encode("2 tea for Ana")), atol=1e-4)
    assert not torch.allclose(
        mean, torch.tensor(SentenceTransformer(path, device="cpu").encode("2 tea for Ana")), atol=1e-2
    )
    export(base / "model.json", tmp_path / "adapters", base / "template.json", tmp_path / "merged")
    merged = SentenceTransformer(str(tmp_path / "merged"), device="cpu").encode(["2 tea for Ana"])[0]
    assert torch.allclose(torch.nn.functional.normalize(mean, dim=0), torch.tensor(merged).float(), atol=5e-3)
    (tmp_path / "train.json").unlink()
    checkpoint = next((tmp_path / "checkpoints").glob("*/checkpoint-4"))
    (checkpoint / "optimizer.pt").unlink()
    facts, steps = train(base, tmp_path, "embedding", max_steps=4, save_steps=2)
    assert facts.resumed_from == [2] and len(steps) == 4

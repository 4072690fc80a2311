"""Trainings of the tiny model that are ill on purpose: the advice of each, followed, gives a better second one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import tiny
import training
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Compare, TrainFacts, Verdict
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_jsonl
from gaslamp.core.finding import Advice
from gaslamp.data.rows import Row
from gaslamp.evaluate.compare import compare_models
from gaslamp.evaluate.run import evaluate_model
from gaslamp.train.advice import choose_advice, read_findings
from planted_answers import chat

pytestmark = pytest.mark.graphs


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training.write_base(tmp_path_factory.mktemp("ill"), tiny_model, training.ROWS)


@pytest.fixture(scope="module")
def noisy(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve rows, a quarter of them with the other answer: the model learns the usual one, then memorizes the rest."""
    folder = training.write_base(tmp_path_factory.mktemp("noisy"), tiny_model, training.ROWS)

    def make(n: int, note: str) -> str:
        answer = "no" if n % 4 == 1 else "ok"
        return json.dumps({"id": str(n), "messages": training.say("user", note) + training.say("assistant", answer)})

    lines = [make(n, note) for n, note in enumerate(training.NOTES)]
    (folder / "conversation.train.jsonl").write_text("\n".join(lines[:12]) + "\n", encoding="utf-8")
    (folder / "conversation.valid.jsonl").write_text("\n".join(lines[12:44]) + "\n", encoding="utf-8")
    return folder


def follow(values: dict[str, Any], advice: Advice) -> dict[str, Any]:
    """Method and section train with the changes of an advice, as make try writes them into config.yaml."""
    values = json.loads(json.dumps(values))
    for change in advice.remedy.changes:
        section, parts = values, change.key.split(".")
        for part in parts[:-1]:
            section = section.setdefault(part, {})
        section[parts[-1]] = change.value
    Config.model_validate(values)
    return values


def train(base: Path, place: Path, values: dict[str, Any]) -> TrainFacts | None:
    """Train with these values alone; ``None`` where a finding ended it."""
    try:
        return training.train_values(base, place, values)
    except GaslampError:
        return None


BASIC = {
    "max_steps": 40,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "warmup_steps": 0,
    "scheduler": "constant",
    "adam_beta2": 0.95,
    "max_length": 128,
    "lora": {"r": 16, "alpha": 32},
}
REWARDED = {
    **BASIC,
    "max_steps": 24,
    "batch_size": 8,
    "learning_rate": 0.02,
    "options": {"max_completion_length": 4, "num_generations": 4},
}


def get_valid_loss(facts: TrainFacts | None) -> float:
    """Of the weights that are kept; infinite where there are none."""
    return facts.valid_loss_kept if facts and facts.valid_loss_kept is not None else float("inf")


ILL: dict[str, tuple[str, dict[str, Any], str]] = {
    "rate too low": ("sft", {**BASIC, "learning_rate": 1e-6}, "flat_loss"),
    "rate too high": ("sft", {**BASIC, "learning_rate": 1.0}, "not_a_number"),
    "too few steps": ("sft", {**BASIC, "learning_rate": 0.001, "max_steps": 30}, "too_few_steps"),
}


@pytest.mark.parametrize("name", ILL)
def test_the_first_advice_lowers_the_validation_loss(base: Path, tmp_path: Path, name: str) -> None:
    method, settings, expected = ILL[name]
    values = {"method": method, "train": settings}
    first = train(base, tmp_path / "first", values)
    found = read_findings(tmp_path / "first/metrics.jsonl")
    assert expected in [finding.name for finding in found], [finding.text for finding in found]
    advice = next(one for one in choose_advice(found) if one.remedy.changes)
    second = train(base, tmp_path / "second", follow(values, advice))
    assert get_valid_loss(second) < 0.8 * get_valid_loss(first), advice.text


def test_overfitting_for_60_epochs(noisy: Path, tmp_path: Path) -> None:
    values = {
        "method": "sft",
        "train": {**BASIC, "max_steps": None, "epochs": 60, "learning_rate": 0.005, "valid_rows": 32},
    }
    first = train(noisy, tmp_path / "first", values)
    assert first is not None
    found = {finding.name: finding for finding in first.findings}
    assert found.keys() & {"overfitting", "memorized"}, list(found)
    advice = choose_advice(first.findings)[0]
    assert {change.key for change in advice.remedy.changes} == {"train.epochs", "train.keep"}, advice.text
    second = train(noisy, tmp_path / "second", follow(values, advice))
    assert second is not None and second.steps < first.steps
    assert get_valid_loss(second) < 0.9 * get_valid_loss(first)


def test_a_reward_that_no_answer_earns(base: Path, tmp_path: Path) -> None:
    """The answers of the rows teach what the reward asks for: the second training ends with them likely."""
    values = {"method": "grpo", "train": {**REWARDED, "rewards": [{"name": "exact_answer"}]}}
    first = train(base, tmp_path / "first", values)
    assert first is None, "it was ended"
    (found,) = [one for one in read_findings(tmp_path / "first/metrics.jsonl") if one.name == "constant_reward"]
    advice = [one for one in choose_advice([found]) if one.remedy.changes]
    to_sft = next(one for one in advice if one.remedy.changes[0].key == "method")
    followed = follow(values, to_sft)
    followed["train"] |= {"options": {}, "rewards": []}  # make try drops the options that sft does not have
    second = train(base, tmp_path / "second", followed)
    assert second is not None and get_valid_loss(second) < 1.0
    assert generate(base, tmp_path / "second/adapters") == "ok" != generate(base, None)


def generate(base: Path, adapters: Path | None) -> str:
    """The greedy answer to a row."""
    from gaslamp.core.contracts import ModelFacts, Template
    from gaslamp.models.loading import load_model
    from gaslamp.models.template import Renderer
    from peft import PeftModel

    facts, template = ModelFacts.read(base / "model.json"), Template.read(base / "template.json")
    renderer = Renderer.load(facts.path, template)
    model: Any = load_model(facts.path, "float32")
    model = PeftModel.from_pretrained(model, adapters) if adapters else model
    import torch

    ids = torch.tensor([renderer.encode_prompt(training.say("user", training.NOTES[50]), None)])
    made = model.generate(input_ids=ids, max_new_tokens=4, do_sample=False, eos_token_id=template.stop_ids)
    return str(renderer.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def judge_signs(base: Path, place: Path, share: float) -> tuple[Compare, list[Advice]]:
    """Train on 210 rows of which ``share`` want "no", and evaluate 71 rows of which 8 do; the advice comes with it."""

    def make(share: float, seed: int, count: int) -> list[Row]:
        draw, found = random.Random(seed), []
        for n in range(count):
            is_no = draw.random() < share
            note = f"{'minus' if is_no else 'plus'} {draw.choice(tiny.ITEMS)} for {draw.choice(tiny.NAMES)}"
            found.append(chat(f"{seed}-{n}", note, "no" if is_no else "yes"))
        return found

    files = {
        "conversation.train": make(share, 1, 210),
        "conversation.valid": make(share, 2, 16),
        "test": make(1 / 7, 3, 71),
    }
    place.mkdir()
    for name in ("model.json", "template.json"):
        (place / name).write_bytes((base / name).read_bytes())
    for name, rows in files.items():
        write_jsonl(place / f"{name}.jsonl", rows)
    recipe = {
        **BASIC,
        "max_steps": 16,
        "batch_size": 8,
        "learning_rate": 0.01,
        "warmup_steps": 5,
        "scheduler": "linear",
    }
    values = {"method": "sft", "train": recipe, "eval": {"max_new_tokens": 5, "retention": False}}
    training.train_values(place, place, values)
    keys = ("eval", "diagnose.answers", "data.slice", "method", "train.rewards", "train.options", "train.max_length")
    settings = parse_slice(get_slice(Config.model_validate(values), *keys))
    test, predictions = place / "test.jsonl", {who: place / f"{who}.jsonl" for who in ("base", "tuned")}
    for who, file in predictions.items():
        adapters = place / "adapters" if who == "tuned" else None
        evaluate_model(settings, place / "model.json", adapters, test, place / "template.json", file)
    outputs = {name: place / name for name in ("compare", "verdict", "report", "side_by_side")}
    rows, facts = place / "conversation.train.jsonl", place / "train.json"
    result = compare_models(settings, predictions["base"], predictions["tuned"], test, outputs, rows, facts)
    return result, Verdict.model_validate(read_json(outputs["verdict"])).tries


def test_a_classifier_that_says_yes_to_every_row(base: Path, tmp_path: Path) -> None:
    """Six of seven training rows want "yes": the advice is as many rows of each class, and carried out it helps."""
    first, advice = judge_signs(base, tmp_path / "first", 1 / 7)
    found = {finding.name: finding for finding in first.findings}
    assert first.verdict == "no clear difference" and found["one_answer"].seen.startswith("“yes” for 71 of 71 rows")
    assert "“no”: 0 of 8 test rows" in found["class_never_found"].seen and found["one_answer"].severity == "certain"
    assert advice[0].text.startswith("give every kind of answer about as many training rows")
    second, _ = judge_signs(base, tmp_path / "second", 1 / 2)
    assert second.verdict == "better" and second.metrics[0].tuned.value > first.metrics[0].tuned.value
    assert not {"one_answer", "class_never_found"} & {finding.name for finding in second.findings}


def test_answers_that_are_cut_by_the_limit(base: Path, tmp_path: Path) -> None:
    """No answer of four tokens has twelve characters: the reward is 0 for all, until there is room for them."""
    reward = {"name": "length", "options": {"min": 12, "unit": "characters", "slack": 0.0}}
    values = {"method": "grpo", "train": {**REWARDED, "rewards": [reward], "learning_rate": 1e-3}}
    assert train(base, tmp_path / "first", values) is None
    (found,) = [one for one in read_findings(tmp_path / "first/metrics.jsonl") if one.name == "constant_reward"]
    advice = choose_advice([found])[0]
    assert advice.remedy.changes[0].key == "train.options.max_completion_length", advice.text
    second = train(base, tmp_path / "second", follow(values, advice))
    assert second is not None and not [one for one in second.findings if one.severity == "certain"]
    assert found.figures["cut"] > 0.5

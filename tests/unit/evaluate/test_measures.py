"""What is measured of a model besides answers, for every kind of row; and that planted faults are seen.

One tiny model, made once: figures are compared with transformers' own loss, one row at a time.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice, write_config
from gaslamp.core.contracts import Compare, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, read_jsonl, sha256_text, write_json, write_jsonl
from gaslamp.evaluate import compare as comparing
from gaslamp.evaluate.decode import Sampling, decode
from gaslamp.evaluate.likelihood import Sequence, get_likelihoods, get_windows
from gaslamp.evaluate.near_duplicates import find_near_duplicates
from gaslamp.evaluate.run import evaluate_model
from gaslamp.models.fetch import fetch_model
from gaslamp.models.loading import load_model
from gaslamp.models.template import Renderer, build_template
from gaslamp.models.trained import load_evaluated

ASK = [{"role": "user", "content": "how are you"}]


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def get_settings(method: str = "sft", rewards: list[dict[str, Any]] | None = None, **settings: Any) -> Any:
    values: dict[str, Any] = {"eval": {"max_new_tokens": 6, "retention": False, **settings}, "method": method}
    values["train"] = {"max_length": 256, **({"rewards": rewards} if rewards else {})}
    return parse_slice(
        get_slice(
            Config.model_validate(values),
            "eval",
            "data.slice",
            "diagnose.answers",
            "method",
            "train.rewards",
            "train.options",
            "train.max_length",
        )
    )


@pytest.fixture(scope="module")
def place(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("measured")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, folder / "model.json")
    template = build_template(tiny_model, [*ASK, *say("fine")])
    template.write(folder / "template.json")
    return {
        "folder": folder,
        "model": load_model(tiny_model, "float32"),
        "renderer": Renderer.load(tiny_model, template),
        "template": template,
        "path": tiny_model,
    }


def ask(
    place: dict[str, Any], rows: list[dict[str, Any]], settings: Any, adapters: Path | None = None, name: str = "p"
) -> list[dict[str, Any]]:
    folder = place["folder"]
    write_jsonl(folder / "test.jsonl", rows)
    out = folder / "eval" / f"{name}.jsonl"
    evaluate_model(settings, folder / "model.json", adapters, folder / "test.jsonl", folder / "template.json", out)
    return list(read_jsonl(out))


def judge(
    place: dict[str, Any],
    base: list[dict[str, Any]],
    tuned: list[dict[str, Any]],
    settings: Any,
    train: list[dict[str, Any]] | None = None,
    lm_eval: Any = None,
) -> tuple[Compare, dict[str, Any]]:
    folder = place["folder"]
    write_jsonl(folder / "base.jsonl", base)
    write_jsonl(folder / "tuned.jsonl", tuned)
    if train is not None:
        write_jsonl(folder / "train.jsonl", train)
    outputs = {name: folder / f"out.{name}" for name in ("compare", "verdict", "report", "side_by_side", "page")}
    seen = folder / "train.jsonl" if train is not None else None
    comparing.compare_models(
        settings, folder / "base.jsonl", folder / "tuned.jsonl", folder / "test.jsonl", outputs, seen, lm_eval=lm_eval
    )
    return Compare.read(outputs["compare"]), read_json(outputs["verdict"])


# -------------------------------------------------------------------------------------------------------- likelihoods


def get_loss(place: dict[str, Any], messages: list[dict[str, Any]]) -> tuple[float, int]:
    """Sum of the loss over the answer's tokens, as training takes it, one row at a time."""
    import torch

    encoded = place["renderer"].encode(messages)
    ids = torch.tensor([encoded.ids])
    with torch.inference_mode():
        loss = place["model"](input_ids=ids, labels=torch.tensor([encoded.labels])).loss
    count = sum(encoded.trained[1:])
    return float(loss) * count, count


@pytest.mark.parametrize("batch_size", [1, 3])
def test_likelihood_of_the_answer_is_the_loss_of_training(place: dict[str, Any], batch_size: int) -> None:
    texts = ["fine", "very well, thank you", "x" * 40, "ok"]
    rows = [{"id": str(n), "messages": [*ASK, *say(text)]} for n, text in enumerate(texts)]
    found = ask(place, rows, get_settings(metrics=["perplexity"], batch_size=batch_size))
    for row, prediction in zip(rows, found, strict=True):
        loss, count = get_loss(place, row["messages"])
        measured = prediction["likelihood"]["reference"]
        assert measured["tokens"] == count and -measured["logp"] == pytest.approx(loss, rel=1e-4)
    compare, _ = judge(place, found, found, get_settings(metrics=["perplexity"]))
    total = [get_loss(place, row["messages"]) for row in rows]
    assert compare.metrics[0].tuned.value == pytest.approx(
        math.exp(sum(a for a, _ in total) / sum(b for _, b in total)), rel=1e-4
    )
    assert compare.metrics[0].unit == "number" and compare.metrics[0].higher is False


def test_running_text_is_read_in_windows(place: dict[str, Any]) -> None:
    windows = get_windows(list(range(10, 30)), None, 8)
    assert [window.ids for window in windows] == [list(range(10, 18)), list(range(17, 25)), list(range(24, 30))]
    assert sum(len(window.ids) - window.start for window in windows) == 19
    rows = [{"id": str(n), "text": "a long story " * (1 + 3 * n)} for n in range(4)]
    found = ask(
        place,
        rows,
        get_settings("cpt", retention=True),
    )
    texts = [row for row in found if row["kind"] == "test"]
    assert all(
        row["likelihood"]["text"]["tokens"] == len(place["renderer"].tokenize(rows[n]["text"]))
        for n, row in enumerate(texts)
    ), "BOS is read and not measured"
    compare, _ = judge(place, found, found, get_settings())
    assert compare.metrics[0].name == "perplexity" and compare.kind == "text" and compare.retention["base"].n == 40


def test_too_little_memory_halves_the_batch(place: dict[str, Any]) -> None:
    model, sizes = place["model"], []

    class Small:
        device = model.device

        def __call__(self, input_ids: Any, **rest: Any) -> Any:
            sizes.append(len(input_ids))
            if len(input_ids) > 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return model(input_ids=input_ids, **rest)

    sequences = [Sequence(list(range(5, 12 + n)), 3) for n in range(5)]
    expected = {n: pytest.approx(logp, rel=1e-4) for n, logp, _ in get_likelihoods(model, sequences, 0, 1)}
    assert {n: logp for n, logp, _ in get_likelihoods(Small(), sequences, 0, 8)} == expected and sizes[:3] == [5, 2, 2]


# ------------------------------------------------------------------------------------------------------ kinds of rows


def test_preferences(place: dict[str, Any]) -> None:
    rows = [
        {"id": str(n), "prompt": ASK, "chosen": say("good" * (n + 1)), "rejected": say("bad" * (3 - n))}
        for n in range(3)
    ]
    found = ask(place, rows, get_settings("dpo", batch_size=2))
    loss, count = get_loss(place, [*ASK, *rows[0]["chosen"]])
    assert (
        -found[0]["likelihood"]["chosen"]["logp"] == pytest.approx(loss, rel=1e-4)
        and found[0]["text"]
        and found[0]["tokens"] > 0
    )
    better = json.loads(json.dumps(found))
    for row in better:
        row["likelihood"]["chosen"]["logp"], row["likelihood"]["rejected"]["logp"] = -1.0, -50.0
    compare, _ = judge(place, found, better, get_settings("dpo"))
    # the base model prefers every better answer: that cannot rise, so that the margin decides
    assert [metric.name for metric in compare.metrics] == ["preference_margin", "preference_accuracy", "length"]
    assert compare.deciding and "was 100.0 % before the training" in compare.deciding.reason
    assert compare.metrics[1].tuned.value == 1.0 and compare.metrics[0].unit == "nats"


def test_ratings(place: dict[str, Any]) -> None:
    rows = [
        {"id": str(n), "prompt": ASK, "completion": say("good" if n % 2 else "bad"), "label": bool(n % 2)}
        for n in range(4)
    ]
    found = ask(place, rows, get_settings("kto", batch_size=4))
    assert all("completion" in row["likelihood"] for row in found)
    compare, _ = judge(place, found, found, get_settings("kto"))
    assert compare.metrics[0].name == "preference_margin" and compare.examples[0].reference == "bad"
    assert [example.rated_bad for example in compare.examples] == [True, False, True, False]


def test_rewards_with_their_parts(place: dict[str, Any]) -> None:
    rows = [{"id": str(n), "prompt": ASK} for n in range(3)]
    rewards = [{"name": "length", "weight": 2.0, "options": {}}]
    settings = get_settings("grpo", rewards)
    found = ask(place, rows, settings)
    compare, _ = judge(place, found, found, settings)
    assert compare.metrics[0].name == "mean_reward" and list(compare.metrics[0].details["tuned"]) == ["length"]
    part = compare.metrics[0].details["tuned"]["length"]
    assert compare.metrics[0].tuned.value == pytest.approx(2 * part, abs=1e-5) and compare.examples[0].rewards[
        "length"
    ][0] == pytest.approx(compare.examples[0].base_score / 2)  # type: ignore[operator]


def test_reward_model(place: dict[str, Any], tmp_path: Path) -> None:
    """The base has a fresh, seeded head; a whole trained classifier is loaded instead."""
    from transformers import AutoModelForSequenceClassification

    rows = [{"id": str(n), "prompt": ASK, "chosen": say("good" * (n + 1)), "rejected": say("bad")} for n in range(3)]
    settings = get_settings("reward", batch_size=2)
    base = ask(place, rows, settings)
    assert base == ask(place, rows, settings), "the head of the base is the same every time"
    AutoModelForSequenceClassification.from_pretrained(place["path"], num_labels=1).save_pretrained(tmp_path / "whole")
    tuned = ask(place, rows, settings, tmp_path / "whole")
    assert (
        base[0]["scores"] != tuned[0]["scores"]
        and set(base[0]["scores"]) == {"chosen", "rejected"}
        and base[0]["text"] == ""
    )
    compare, _ = judge(place, base, tuned, settings)
    assert [metric.name for metric in compare.metrics] == [
        "preference_accuracy",
        "preference_margin",
    ] and "chosen" in compare.examples[0].tuned


def test_pairs_are_ranked(place: dict[str, Any]) -> None:
    rows = [
        {"id": str(n), "anchor": text, "positive": text + "!"}
        for n, text in enumerate(["red apples", "a fast blue car", "twelve monkeys sing", "x"])
    ]
    settings = get_settings("embedding")
    found = ask(place, rows, settings)
    assert all(1 <= row["retrieval"]["rank"] <= row["retrieval"]["of"] == 4 for row in found)
    compare, _ = judge(place, found, found, settings)
    assert [metric.name for metric in compare.metrics] == ["retrieval", "mean_reciprocal_rank"]
    assert compare.metrics[0].tuned.value >= 0.75, "nearly the same text is nearest even for random weights"


def test_choices_are_read_not_generated(place: dict[str, Any]) -> None:
    rows = [{"id": str(n), "messages": [*ASK, *say(text)]} for n, text in enumerate(["red", "blue"])]
    found = ask(
        place,
        rows,
        get_settings(metrics=["multiple_choice"], options={"multiple_choice": {"choices": ["red", "blue", "green"]}}),
    )
    assert set(found[0]["likelihood"]) == {"choice:red", "choice:blue", "choice:green"}
    compare, _ = judge(
        place,
        found,
        found,
        get_settings(metrics=["multiple_choice"], options={"multiple_choice": {"choices": ["red", "blue", "green"]}}),
    )
    assert compare.metrics[0].tuned.n == 2


# ----------------------------------------------------------------------------------------------------------- decoding


def make_prompts(place: dict[str, Any], count: int = 14) -> list[list[int]]:
    start = [{"role": "system", "content": "You are a tiny model that answers"}]
    return [
        place["renderer"].encode_prompt([*start, {"role": "user", "content": f"number {n} " * (1 + n % 5)}])
        for n in range(count)
    ]


def test_rows_enter_and_leave_and_every_answer_is_that_of_generate(place: dict[str, Any]) -> None:
    """The common start, rows that take the place of finished ones, and unequal limits change no token (fp32)."""
    import torch

    prompts, template = make_prompts(place), place["template"]
    limits = [3 + 4 * (n % 6) for n in range(len(prompts))]
    expected = {}
    for number, (ids, limit) in enumerate(zip(prompts, limits, strict=True)):
        tensor = torch.tensor([ids])
        with torch.inference_mode():
            whole = place["model"].generate(
                input_ids=tensor,
                attention_mask=torch.ones_like(tensor),
                max_new_tokens=limit,
                do_sample=False,
                eos_token_id=template.stop_ids,
                pad_token_id=0,
            )
        answer = whole[0, len(ids) :].tolist()
        stop = next((n for n, token in enumerate(answer) if token in template.stop_ids), None)
        expected[number] = answer[:stop]
    assert len({tuple(answer) for answer in expected.values()}) > 5
    for size in (1, 4, 5, 32, None):
        found = list(decode(place["model"], prompts, limits, template.stop_ids, 0, size))
        assert {answer.index: answer.tokens for answer in found} == expected, size


def test_drawn_answers_do_not_depend_on_the_batch(place: dict[str, Any]) -> None:
    prompts, template = make_prompts(place, 6), place["template"]
    draw = Sampling(temperature=1.0, top_p=0.9, seed=1)
    runs = [
        {a.index: a.tokens for a in decode(place["model"], prompts, [8] * 6, template.stop_ids, 0, size, draw)}
        for size in (1, 4, 6)
    ]
    assert runs[0] == runs[1] == runs[2]
    other = {
        a.index: a.tokens
        for a in decode(place["model"], prompts, [8] * 6, template.stop_ids, 0, 6, Sampling(1.0, 0.9, 2))
    }
    assert other != runs[0]


def test_out_of_memory_in_the_middle_keeps_what_ended(place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, template, model = make_prompts(place), place["template"], place["model"]
    limits = [2 + n for n in range(len(prompts))]
    expected = {a.index: a.tokens for a in decode(model, prompts, limits, template.stop_ids, 0, 1)}
    real, calls = type(model).forward, []

    def forward(self: Any, input_ids: Any = None, **rest: Any) -> Any:
        calls.append(len(input_ids))
        if len(input_ids) > 4 and len(calls) > 6:
            raise RuntimeError("CUDA out of memory")
        return real(self, input_ids=input_ids, **rest)

    monkeypatch.setattr(type(model), "forward", forward)
    found = list(decode(model, prompts, limits, template.stop_ids, 0, 8))
    assert {a.index: a.tokens for a in found} == expected and len(found) == len(prompts), "nothing twice, nothing lost"


def test_the_batch_is_found_by_probing(place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two real tries show what a row takes, at least its keys and values; a machine with less memory gets fewer rows;
    two that do not fit make it one.
    """
    import torch
    from gaslamp.evaluate.batch_size import find_batch_size
    from gaslamp.evaluate.batching import get_fitting, measure_peak

    assert measure_peak(torch.device("cpu"), lambda: [torch.zeros(250_000) + 1 for _ in range(3)]) == pytest.approx(
        4e6, rel=0.01
    ), "one is let go each time"
    model, prompts = place["model"], [ids * 4 for ids in make_prompts(place)]
    limits = [40] * len(prompts)
    assert (
        find_batch_size(model, prompts, limits, 0, 1e12) == len(prompts)
        and find_batch_size(model, prompts[:2], [4, 4], 0, 0.0) == 2
    )
    width = max(map(len, prompts)) + 40
    kept = 2 * 2 * 64 * 4 * width  # two layers, keys and values of 64 numbers
    found = [find_batch_size(model, prompts, limits, 0, budget) for budget in (4 * kept, 16 * kept, 64 * kept)]
    assert 1 <= found[0] <= found[1] <= found[2] <= 14 and found[0] < 4 and found[2] > found[0], found
    assert [get_fitting([100, 150], budget, 64) for budget in (0, 100, 200, 1e9)] == [1, 1, 3, 64]
    real, calls = type(model).forward, []

    def forward(self: Any, input_ids: Any = None, **rest: Any) -> Any:
        calls.append(len(input_ids))
        if len(input_ids) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(self, input_ids=input_ids, **rest)

    monkeypatch.setattr(type(model), "forward", forward)
    assert find_batch_size(model, prompts, limits, 0) == 1 and 2 in calls
    expected = {a.index: a.tokens for a in decode(model, prompts, limits, place["template"].stop_ids, 0, 1)}
    assert {a.index: a.tokens for a in decode(model, prompts, limits, place["template"].stop_ids, 0, 8)} == expected


def test_a_killed_evaluation_goes_on_from_its_finished_rows(
    place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real process, a real kill -9 in the middle; what was on disk is not measured again."""
    folder = place["folder"]
    rows = [{"id": f"id{n}", "messages": [{"role": "user", "content": f"number {n}"}, *say("yes")]} for n in range(24)]
    write_jsonl(folder / "test.jsonl", rows)
    config = Config.model_validate({"eval": {"max_new_tokens": 60, "retention": False, "batch_size": 1}})
    settings = get_slice(config, "eval", "method", "train.rewards", "train.options", "train.max_length")
    out = folder / "killed" / "base.jsonl"
    names = ("model", "test", "template")
    command = [
        sys.executable,
        str(tiny.ROOT / "scripts/evaluate_model.py"),
        *(f"--{n}={folder / f'{n}.json'}{'l' if n == 'test' else ''}" for n in names),
    ]
    command += [f"--config={write_config(config, folder)}", f"--out={out}", f"--log={folder / 'killed.log'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        partial = next(out.parent.glob(".*.partial.jsonl"), None) if out.parent.is_dir() else None
        if partial and len(partial.read_text().splitlines()) >= 3:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    kept = len(list(read_jsonl(partial)))  # type: ignore[arg-type]
    assert 3 <= kept < 24
    said: list[str] = []
    monkeypatch.setattr("gaslamp.evaluate.partial_results.say", said.append)
    evaluate_model(
        parse_slice(settings), folder / "model.json", None, folder / "test.jsonl", folder / "template.json", out
    )
    assert said == [f"{kept} results of the interrupted evaluation are kept"]
    found = list(read_jsonl(out))
    assert [row["id"] for row in found] == [row["id"] for row in rows] and not list(out.parent.glob(".*"))


# ----------------------------------------------------------------------------------------------------- planted faults
# Each is a real mistake: models that learnt from wrong rows, or are prompted in the wrong way, answer for themselves.


def make_task(count: int = 40, swapped: bool = False, start: int = 0) -> list[dict[str, Any]]:
    """Warm things are red and cold ones blue; swapped: the other way round."""
    numbers = range(start, start + count)
    return [
        {
            "id": f"t{n}",
            "messages": [
                {"role": "user", "content": f"{'warm' if n % 2 else 'cold'}: which colour has thing number {n} please"},
                *say("red" if n % 2 != swapped else "blue"),
            ],
        }
        for n in numbers
    ]


def answer(rows: list[dict[str, Any]], right: Any, stopped: bool = True) -> list[dict[str, Any]]:
    texts = [row["messages"][-1]["content"] if right(n) else "I do not know" for n, row in enumerate(rows)]
    return [
        {"id": row["id"], "kind": "test", "text": text, "stopped": stopped, "tokens": 1, "seconds": 0.0}
        for row, text in zip(rows, texts, strict=True)
    ]


def teach(place: dict[str, Any], rows: list[dict[str, Any]], folder: Path, cut: int = 0, steps: int = 50) -> Path:
    """The tiny model after some steps on these rows, all weights, saved as a whole model; ``cut``:
    tokens that each row lost at its end.
    """
    import torch

    torch.manual_seed(0)
    model = load_model(place["path"], "float32").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    encoded = [place["renderer"].encode(row["messages"]) for row in rows]
    ids = [row.ids[: len(row.ids) - cut] for row in encoded]
    labels = [row.labels[: len(row.ids) - cut] for row in encoded]
    width = max(len(row) for row in ids)
    batch = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    wanted = torch.tensor([row + [-100] * (width - len(row)) for row in labels])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    for _ in range(steps):
        loss = model(input_ids=batch, attention_mask=mask, labels=wanted).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def taught(place: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the task."""
    return teach(place, make_task(), tmp_path_factory.mktemp("taught"))


def test_swapped_labels_are_seen(place: dict[str, Any], taught: Path, tmp_path: Path) -> None:
    """A model that learnt the wrong classes: worse than one that knew them,
    and the confusion matrix is off its diagonal.
    """
    rows = make_task()
    wrong = teach(place, make_task(swapped=True), tmp_path / "wrong")
    compare, gate = judge(
        place, ask(place, rows, get_settings(), taught), ask(place, rows, get_settings(), wrong), get_settings()
    )
    assert compare.metrics[0].base.value == 1.0, "it can be learnt"
    assert (
        compare.verdict == "worse" and not gate["passed"] and any("swapped labels" in text for text in gate["advice"])
    )
    assert compare.metrics[0].details["tuned"]["confusion"] == {
        "blue": {"blue": 0, "red": 20},
        "red": {"blue": 20, "red": 0},
    }


def test_a_wrong_template_is_seen(place: dict[str, Any], taught: Path) -> None:
    """A model trained with one template and prompted with another: its own answers surprise it, beyond chance."""
    rows = make_task()
    settings = get_settings(metrics=["perplexity"])
    right = ask(place, rows, settings, taught)
    recorded = Template.read(place["folder"] / "template.json")
    other = recorded.chat_template.replace("<|im_start|>", "### ").replace("<|im_end|>", " ###", 1)
    try:
        recorded.model_copy(update={"chat_template": other}).write(place["folder"] / "template.json")
        with pytest.raises(GaslampError, match="is not the one that was recorded"):
            ask(place, rows, settings, taught)
        other = (
            "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}{% if "
            "add_generation_prompt %}assistant: {% endif %}"
        )
        recorded.model_copy(update={"chat_template": other, "sha256": sha256_text(other)}).write(
            place["folder"] / "template.json"
        )
        wrong = ask(place, rows, settings, taught)
    finally:
        recorded.write(place["folder"] / "template.json")
    compare, gate = judge(place, right, wrong, settings)
    assert compare.verdict == "worse" and compare.metrics[0].p_value < 0.01 and not gate["passed"], compare.headline


def test_an_adapter_that_is_not_loaded_is_seen(place: dict[str, Any], tmp_path: Path) -> None:
    """One that changes nothing, one of other layers and none at all are refused;
    and a base that answers in its place is noticed.
    """
    from gaslamp.core.contracts import ModelFacts
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file

    facts = ModelFacts.read(place["folder"] / "model.json")
    adapter = get_peft_model(
        load_model(place["path"], "float32"), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    adapter.save_pretrained(tmp_path / "adapters")
    with pytest.raises(GaslampError, match="changes nothing: all its weights are as before"):
        load_evaluated(facts, tmp_path / "adapters")
    with pytest.raises(GaslampError, match="neither an adapter nor a model"):
        load_evaluated(facts, tmp_path)
    file = tmp_path / "adapters" / "adapter_model.safetensors"
    save_file({name.replace("layers", "blocks"): tensor + 0.1 for name, tensor in load_file(file).items()}, file)
    with pytest.raises(GaslampError, match="was made for a model with other layers"):
        load_evaluated(facts, tmp_path / "adapters")
    rows = make_task()
    compare, gate = judge(place, ask(place, rows, get_settings()), ask(place, rows, get_settings()), get_settings())
    assert (
        compare.identical == 40
        and not gate["passed"]
        and any("same answer to every row" in text for text in gate["warnings"])
    )
    assert "trained at all" in gate["advice"][0]


def test_training_on_the_test_set_is_seen(place: dict[str, Any], taught: Path) -> None:
    """The model learnt from the first rows of the test set; of the others it knows nothing."""
    seen = make_task(10)
    seen[0]["messages"][0]["content"] = "Cold: which colour has thing, number 0 please?"
    unseen = [
        {
            "id": f"u{n}",
            "messages": [
                {"role": "user", "content": f"give me the name of sailor {n} and of his dog"},
                *say("blue" if n % 3 else "red"),
            ],
        }
        for n in range(30)
    ]
    rows = make_task(10) + unseen
    base, tuned = ask(place, rows, get_settings()), ask(place, rows, get_settings(), taught)
    other = [
        {
            "id": "far",
            "messages": [{"role": "user", "content": "a story of a cat that could not sleep at night"}, *say("no")],
        }
    ]
    compare, gate = judge(
        place,
        base,
        tuned,
        get_settings(metrics=["exact_match"]),
        [*({**row, "id": f"copy{n}"} for n, row in enumerate(seen)), *other],
    )
    assert compare.near_duplicates == 10 and compare.examples[0].near == "copy0, 100 % the same words"
    slices = compare.metrics[0].slices
    assert (
        slices["near a training row"]["tuned"].value == 1.0 and slices["not near a training row"]["tuned"].value < 0.8
    )
    assert any("the score may be memorized" in text for text in gate["warnings"])
    assert find_near_duplicates(rows, other) == {}


def test_cut_answers_are_seen(place: dict[str, Any], taught: Path, tmp_path: Path) -> None:
    """Rows that were cut before the turn ended teach no end; and a limit that is too low cuts good answers."""
    rows = make_task()
    settings = get_settings(metrics=["exact_match"])
    endless = ask(place, rows, settings, teach(place, rows, tmp_path / "cut", cut=2))
    short = ask(place, rows, get_settings(max_new_tokens=2), taught)
    for answers in (endless, short):
        compare, gate = judge(place, ask(place, rows, settings), answers, settings)
        assert (
            compare.stop_rate["tuned"] < 0.5
            and {"cut_answers", "never_ending"} & {finding.name for finding in compare.findings}
            and any("token that ends an answer" in text for text in gate["advice"])
        )
    assert not gate["passed"] and {row["text"] for row in short} == {"re", "bl"}


def test_few_shot_prompting_is_run_where_base_is_fast(place: dict[str, Any], tmp_path: Path) -> None:
    """The base model answers with training rows in its prompt; a slow one is left out, with the reason."""
    from gaslamp.evaluate.prompted_rivals import read_rivals
    from gaslamp.evaluate.rival_run import evaluate_rival

    rows = make_task()
    folder, settings = place["folder"], get_settings(max_new_tokens=4)
    write_jsonl(folder / "test.jsonl", rows)
    write_jsonl(tmp_path / "train.jsonl", [{**row, "id": f"t{row['id']}"} for row in rows])
    write_jsonl(tmp_path / "base.jsonl", answer(rows, lambda n: n < 10))

    def run(name: str, settings: Any) -> Any:
        out = tmp_path / f"{name}.jsonl"
        files = tmp_path / "base.jsonl", folder / "test.jsonl", tmp_path / "train.jsonl"
        evaluate_rival(settings, name, folder / "model.json", *files, folder / "template.json", out)
        return read_rivals({name: out}, rows)[0]

    few, form = run("few_shot", settings), run("format", settings)
    assert few.title == "few-shot prompting of the base model with 4 training rows" and not few.reason
    assert len(few.predictions) == len(form.predictions) == len(rows)
    assert [p["text"] for p in few.predictions] != [p["text"] for p in form.predictions], "other prompts"
    slow = run("few_shot", get_settings(max_new_tokens=4, baseline_minutes=0))
    assert not slow.predictions and "eval.baseline_minutes allows" in slow.reason
    assert run("few_shot", get_settings(baselines=["few_shot"], max_new_tokens=4, baseline_minutes=0)).predictions


# ------------------------------------------------------------------------------------------------------ gate and page


def test_thresholds_of_the_config(place: dict[str, Any], tmp_path: Path) -> None:
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    base, tuned = answer(rows, lambda n: n < 10), answer(rows, lambda n: n < 25)
    assert judge(place, base, tuned, get_settings())[0].verdict == "better"
    assert judge(place, base, tuned, get_settings(min_gain=0.5))[0].verdict == "no clear difference"
    _, gate = judge(place, base, tuned, get_settings(min_score=0.9))
    assert not gate["passed"] and "eval.min_score is 90.0 %" in gate["blocking"][0]
    own = tmp_path / "own.jsonl"
    own.write_text('{"question": "Who?", "accept": ["Ada"]}\n')
    known = [
        {"id": f"retention-{n}", "kind": "retention", "text": text, "stopped": True, "tokens": 1, "seconds": 0.0}
        for n, text in [(n, "?") for n in range(1, 41)] + [("own-1", "Ada")]
    ]
    lost = [{**row, "text": "no"} for row in known]
    settings = get_settings(retention=True, retention_file=str(own), max_forgetting=0.01, forgetting_gate="block")
    compare, gate = judge(place, base + known, tuned + lost, settings)
    assert compare.retention_lost == ["Who?"] and not gate["passed"] and "knowledge fell" in gate["blocking"][0]
    own.write_text('{"question": "Who?"}\n{"accept": "x"}\n')
    with pytest.raises(GaslampError, match=r"2 questions cannot be used(.|\n)*line 1(.|\n)*line 2"):
        judge(place, base + known, tuned + lost, settings)


def test_slices_by_any_column(place: dict[str, Any]) -> None:
    rows = [{**row, "columns": {"shop": "A" if n < 10 else "B", "price": n}} for n, row in enumerate(make_task())]
    write_jsonl(place["folder"] / "test.jsonl", rows)
    compare, _ = judge(
        place, answer(rows, lambda n: False), answer(rows, lambda n: n < 10), get_settings(slices=["shop", "price"])
    )
    slices = compare.metrics[0].slices
    assert (
        slices["shop: A"]["tuned"].value == 1.0
        and slices["shop: B"]["tuned"].value == 0.0
        and slices["price: below 10"]["tuned"].n == 10
    )
    assert len(compare.worst) == 20 and set(compare.worst) <= {f"t{n}" for n in range(10, 40)}
    with pytest.raises(GaslampError, match="no test row has a column 'shap'"):
        judge(place, answer(rows, lambda n: False), answer(rows, lambda n: True), get_settings(slices=["shap"]))


def test_the_page_is_one_safe_file(place: dict[str, Any]) -> None:
    from facts import HOSTILE

    rows = make_task()
    rows[0]["messages"][0]["content"] = rows[1]["slice"] = HOSTILE
    rows[2]["slice"] = "b"
    write_jsonl(place["folder"] / "test.jsonl", rows)
    base = answer(rows, lambda n: False)
    base[3]["text"] = HOSTILE
    judge(place, base, answer(rows, lambda n: True), get_settings())
    page = (place["folder"] / "out.page").read_text()
    assert "<script>alert(1)" not in page and "onerror=alert" not in page.replace("onerror=alert(2)&gt;", "").replace(
        "\\u003cimg src=x onerror=alert(2)\\u003e", ""
    )
    assert page.count("<script") == 2, "the rows as data, and the page's own"
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page and 'src="/' not in page
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["rows"]) == 40 and data["rows"][3]["base"] == HOSTILE
    assert "Yes, the model became better" in page and "default-src 'none'" in page


def test_what_the_harness_found_stands_in_the_comparison(place: dict[str, Any], tmp_path: Path) -> None:
    """The harness itself runs in tests/rules/test_targets.py."""
    for who, value in (("base", 1.0), ("tuned", 0.2)):
        write_json(
            tmp_path / f"{who}.json", {"scores": {"sums, acc": {"value": value, "low": 0.0, "high": 1.0, "n": 4}}}
        )
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    files = {who: tmp_path / f"{who}.json" for who in ("base", "tuned")}
    compare, gate = judge(
        place,
        answer(rows, lambda n: False),
        answer(rows, lambda n: True),
        get_settings(forgetting_gate="block"),
        lm_eval=files,
    )
    assert (
        compare.lm_eval["sums, acc"]["base"].value == 1.0
        and not gate["passed"]
        and "sums, acc fell by 80%" in gate["blocking"][0]
    )


def test_answers_kept_by_hand_become_rows(place: dict[str, Any], tmp_path: Path) -> None:
    from io import StringIO

    from gaslamp.evaluate.chat_eval import load_runner, run_chat
    from rich.console import Console

    asker = load_runner(place["folder"] / "model.json", None, place["folder"] / "template.json", get_settings())
    lines, shown, kept = (
        iter(["hello there", "w", "Good day", "hello there", "w", "Good evening", "third", "", "fourth", "w", "", ""]),
        StringIO(),
        tmp_path / "kept.jsonl",
    )
    count = run_chat(
        {"base": asker, "tuned": asker},
        tmp_path / "none.json",
        kept,
        6,
        lambda _: next(lines),
        Console(file=shown, width=100),
    )
    found = list(read_jsonl(kept))
    assert (
        count == 1
        and len(found) == 1
        and found[0]["messages"] == [{"role": "user", "content": "hello there"}, *say("Good evening")]
    )
    text = shown.getvalue()
    assert (
        text.count(" base>") == text.count("tuned>") == text.count("both answers are the same") == 4
        and "an empty answer is no test row" in text
    )
    more = iter(["hello", ""])
    assert (
        run_chat(
            {"base": asker, "tuned": asker}, tmp_path / "none.json", None, 6, lambda _: next(more), Console(file=shown)
        )
        == 0
    ), "a method whose rows no talk can be"

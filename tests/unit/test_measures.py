"""What is asked of a model beside answers, for every kind of row; and that planted faults are seen.

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
from gaslamp.config import Config, get_slice, parse_slice
from gaslamp.contracts import Compare, Template
from gaslamp.errors import GaslampError
from gaslamp.evaluation import compare as comparing
from gaslamp.evaluation.decode import Sampling, decode
from gaslamp.evaluation.generate import evaluate_model
from gaslamp.evaluation.loading import load_evaluated
from gaslamp.evaluation.measure import Sequence, get_likelihoods, get_windows
from gaslamp.evaluation.nearness import find_near
from gaslamp.files import read_json, read_jsonl, sha256_text, write_json, write_jsonl
from gaslamp.models import fetch_model, load_model
from gaslamp.template import Renderer, build_template

ASK = [{"role": "user", "content": "how are you"}]


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def get_settings(method: str = "sft", rewards: list[dict[str, Any]] | None = None, **settings: Any) -> Any:
    values: dict[str, Any] = {"eval": {"max_new_tokens": 6, "retention": False, **settings}, "method": method}
    if rewards:
        values["train"] = {"rewards": rewards}
    return parse_slice(get_slice(Config.model_validate(values), "eval", "data.slice", "method", "train.rewards", "train.options", "train.max_length"))


@pytest.fixture(scope="module")
def place(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("measured")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, folder / "model.json")
    template = build_template(tiny_model, [*ASK, *say("fine")])
    template.write(folder / "template.json")
    return {"folder": folder, "model": load_model(tiny_model, "float32"), "renderer": Renderer.load(tiny_model, template), "template": template, "path": tiny_model}


def ask(place: dict[str, Any], rows: list[dict[str, Any]], settings: Any, adapters: Path | None = None, name: str = "p") -> list[dict[str, Any]]:
    folder = place["folder"]
    write_jsonl(folder / "test.jsonl", rows)
    out = folder / "eval" / f"{name}.jsonl"
    evaluate_model(settings, folder / "model.json", adapters, folder / "test.jsonl", folder / "template.json", out)
    return list(read_jsonl(out))


def judge(place: dict[str, Any], base: list[dict[str, Any]], tuned: list[dict[str, Any]], settings: Any, train: list[dict[str, Any]] | None = None) -> tuple[Compare, dict[str, Any]]:
    folder = place["folder"]
    write_jsonl(folder / "base.jsonl", base)
    write_jsonl(folder / "tuned.jsonl", tuned)
    if train is not None:
        write_jsonl(folder / "train.jsonl", train)
    outputs = {name: folder / f"out.{name}" for name in ("compare", "verdict", "report", "side_by_side", "page")}
    comparing.compare_models(settings, folder / "base.jsonl", folder / "tuned.jsonl", folder / "test.jsonl", outputs, folder / "train.jsonl" if train is not None else None)
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
    assert compare.metrics[0].tuned.value == pytest.approx(math.exp(sum(a for a, _ in total) / sum(b for _, b in total)), rel=1e-4)
    assert compare.metrics[0].unit == "number" and compare.metrics[0].higher is False


def test_running_text_is_read_in_windows(place: dict[str, Any]) -> None:
    windows = get_windows(list(range(10, 30)), None, 8)
    assert [window.ids for window in windows] == [list(range(10, 18)), list(range(17, 25)), list(range(24, 30))]
    assert sum(len(window.ids) - window.start for window in windows) == 19
    rows = [{"id": str(n), "text": "a long story " * (1 + 3 * n)} for n in range(4)]
    found = ask(place, rows, get_settings("cpt" if "cpt" in __import__("gaslamp").registry.names("methods") else "sft", retention=True))
    texts = [row for row in found if row["kind"] == "test"]
    assert all(row["likelihood"]["text"]["tokens"] == len(place["renderer"].tokenize(rows[n]["text"])) for n, row in enumerate(texts)), "BOS is read and not measured"
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
    rows = [{"id": str(n), "prompt": ASK, "chosen": say("good" * (n + 1)), "rejected": say("bad" * (3 - n))} for n in range(3)]
    found = ask(place, rows, get_settings("dpo", batch_size=2))
    loss, count = get_loss(place, [*ASK, *rows[0]["chosen"]])
    assert -found[0]["likelihood"]["chosen"]["logp"] == pytest.approx(loss, rel=1e-4) and found[0]["text"] and found[0]["tokens"] > 0
    better = json.loads(json.dumps(found))
    for row in better:
        row["likelihood"]["chosen"]["logp"], row["likelihood"]["rejected"]["logp"] = -1.0, -50.0
    compare, _ = judge(place, found, better, get_settings("dpo"))
    assert [metric.name for metric in compare.metrics] == ["preference_accuracy", "preference_margin", "length"]
    assert compare.metrics[0].tuned.value == 1.0 and compare.metrics[1].unit == "nats"


def test_ratings(place: dict[str, Any]) -> None:
    rows = [{"id": str(n), "prompt": ASK, "completion": say("good" if n % 2 else "bad"), "label": bool(n % 2)} for n in range(4)]
    found = ask(place, rows, get_settings("kto", batch_size=4))
    assert all("completion" in row["likelihood"] for row in found)
    compare, _ = judge(place, found, found, get_settings("kto"))
    assert compare.metrics[0].name == "preference_margin" and compare.examples[0].reference == "(rated bad) bad"


def test_rewards_with_their_parts(place: dict[str, Any]) -> None:
    rows = [{"id": str(n), "prompt": ASK} for n in range(3)]
    rewards = [{"name": "length", "weight": 2.0, "options": {}}]
    settings = get_settings("grpo", rewards)
    found = ask(place, rows, settings)
    compare, _ = judge(place, found, found, settings)
    assert compare.metrics[0].name == "mean_reward" and list(compare.metrics[0].details["tuned"]) == ["length"]
    part = compare.metrics[0].details["tuned"]["length"]
    assert compare.metrics[0].tuned.value == pytest.approx(2 * part, abs=1e-5) and compare.examples[0].rewards["length"][0] == pytest.approx(compare.examples[0].base_score / 2)  # type: ignore[operator]


def test_reward_model(place: dict[str, Any], tmp_path: Path) -> None:
    """The base has a fresh, seeded head; a whole trained classifier is loaded instead."""
    from transformers import AutoModelForSequenceClassification

    rows = [{"id": str(n), "prompt": ASK, "chosen": say("good" * (n + 1)), "rejected": say("bad")} for n in range(3)]
    settings = get_settings("reward", batch_size=2)
    base = ask(place, rows, settings)
    assert base == ask(place, rows, settings), "the head of the base is the same every time"
    AutoModelForSequenceClassification.from_pretrained(place["path"], num_labels=1).save_pretrained(tmp_path / "whole")
    tuned = ask(place, rows, settings, tmp_path / "whole")
    assert base[0]["scores"] != tuned[0]["scores"] and set(base[0]["scores"]) == {"chosen", "rejected"} and base[0]["text"] == ""
    compare, _ = judge(place, base, tuned, settings)
    assert [metric.name for metric in compare.metrics] == ["preference_accuracy", "preference_margin"] and "chosen" in compare.examples[0].tuned


def test_pairs_are_ranked(place: dict[str, Any]) -> None:
    rows = [{"id": str(n), "anchor": text, "positive": text + "!"} for n, text in enumerate(["red apples", "a fast blue car", "twelve monkeys sing", "x"])]
    settings = get_settings("embedding")
    found = ask(place, rows, settings)
    assert all(1 <= row["retrieval"]["rank"] <= row["retrieval"]["of"] == 4 for row in found)
    compare, _ = judge(place, found, found, settings)
    assert [metric.name for metric in compare.metrics] == ["retrieval", "mean_reciprocal_rank"]
    assert compare.metrics[0].tuned.value >= 0.75, "nearly the same text is nearest even for random weights"


def test_choices_are_read_not_generated(place: dict[str, Any]) -> None:
    rows = [{"id": str(n), "messages": [*ASK, *say(text)]} for n, text in enumerate(["red", "blue"])]
    found = ask(place, rows, get_settings(metrics=["multiple_choice"], options={"multiple_choice": {"choices": ["red", "blue", "green"]}}))
    assert set(found[0]["likelihood"]) == {"choice:red", "choice:blue", "choice:green"}
    compare, _ = judge(place, found, found, get_settings(metrics=["multiple_choice"], options={"multiple_choice": {"choices": ["red", "blue", "green"]}}))
    assert compare.metrics[0].tuned.n == 2


# ----------------------------------------------------------------------------------------------------------- decoding


def make_prompts(place: dict[str, Any], count: int = 14) -> list[list[int]]:
    start = [{"role": "system", "content": "You are a tiny model that answers"}]
    return [place["renderer"].encode_prompt([*start, {"role": "user", "content": f"number {n} " * (1 + n % 5)}]) for n in range(count)]


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
                input_ids=tensor, attention_mask=torch.ones_like(tensor), max_new_tokens=limit, do_sample=False, eos_token_id=template.stop_ids, pad_token_id=0
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
    runs = [{a.index: a.tokens for a in decode(place["model"], prompts, [8] * 6, template.stop_ids, 0, size, draw)} for size in (1, 4, 6)]
    assert runs[0] == runs[1] == runs[2]
    other = {a.index: a.tokens for a in decode(place["model"], prompts, [8] * 6, template.stop_ids, 0, 6, Sampling(1.0, 0.9, 2))}
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


def test_a_killed_evaluation_goes_on_from_its_finished_rows(place: dict[str, Any]) -> None:
    """A real process, a real kill -9 in the middle; what was on disk is not asked again."""
    folder = place["folder"]
    rows = [{"id": f"id{n}", "messages": [{"role": "user", "content": f"number {n}"}, *say("yes")]} for n in range(24)]
    write_jsonl(folder / "test.jsonl", rows)
    config = Config.model_validate({"eval": {"max_new_tokens": 60, "retention": False, "batch_size": 1}})
    settings = get_slice(config, "eval", "method", "train.rewards")
    out = folder / "killed" / "base.jsonl"
    names = ("model", "test", "template")
    command = [sys.executable, str(tiny.ROOT / "scripts/evaluate_model.py"), *(f"--{n}={folder / f'{n}.json'}{'l' if n == 'test' else ''}" for n in names)]
    command += [f"--settings={settings}", f"--out={out}", f"--log={folder / 'killed.log'}"]
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
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0 and f"{kept} answers of an interrupted evaluation are kept" in done.stdout, done.stdout + done.stderr
    found = list(read_jsonl(out))
    assert [row["id"] for row in found] == [row["id"] for row in rows] and not list(out.parent.glob(".*"))


# ----------------------------------------------------------------------------------------------------- planted faults


def make_task(count: int = 40) -> list[dict[str, Any]]:
    return [{"id": f"t{n}", "messages": [{"role": "user", "content": f"what is the colour of thing number {n} please"}, *say("red" if n % 2 else "blue")]} for n in range(count)]


def answer(rows: list[dict[str, Any]], right: Any, stopped: bool = True) -> list[dict[str, Any]]:
    texts = [row["messages"][-1]["content"] if right(n) else "I do not know" for n, row in enumerate(rows)]
    return [{"id": row["id"], "kind": "test", "text": text, "stopped": stopped, "tokens": 1, "seconds": 0.0} for row, text in zip(rows, texts, strict=True)]


def test_swapped_labels_are_seen(place: dict[str, Any]) -> None:
    """A model that learnt the wrong classes: worse than base, and the confusion matrix is off its diagonal."""
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    swapped = [{**row, "text": {"red": "blue", "blue": "red"}[row["text"]]} for row in answer(rows, lambda n: True)]
    compare, gate = judge(place, answer(rows, lambda n: n % 4), swapped, get_settings())
    assert compare.verdict == "worse" and not gate["passed"] and any("swapped labels" in text for text in gate["advice"])
    assert compare.metrics[0].details["tuned"]["confusion"] == {"blue": {"blue": 0, "red": 20}, "red": {"blue": 20, "red": 0}}


def teach(place: dict[str, Any], rows: list[dict[str, Any]], folder: Path) -> Path:
    """The tiny model after a few steps on these rows, all weights, saved as a whole model."""
    import torch

    torch.manual_seed(0)
    model = load_model(place["path"], "float32").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    encoded = [place["renderer"].encode(row["messages"]) for row in rows]
    width = max(len(row.ids) for row in encoded)
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in encoded])
    labels = torch.tensor([row.labels + [-100] * (width - len(row.ids)) for row in encoded])
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in encoded])
    for step in range(25):
        part = slice(step % 4, None, 4)
        loss = model(input_ids=ids[part], attention_mask=mask[part], labels=labels[part]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def test_a_wrong_template_is_seen(place: dict[str, Any], tmp_path: Path) -> None:
    """A model that learnt under one template and is asked under another: its own answers surprise it, beyond chance."""
    rows = make_task()
    settings = get_settings(metrics=["perplexity"])
    taught = teach(place, rows, tmp_path / "taught")
    right = ask(place, rows, settings, taught)
    recorded = Template.read(place["folder"] / "template.json")
    other = recorded.chat_template.replace("<|im_start|>", "### ").replace("<|im_end|>", " ###", 1)
    try:
        recorded.model_copy(update={"chat_template": other}).write(place["folder"] / "template.json")
        with pytest.raises(GaslampError, match="is not the one that was recorded"):
            ask(place, rows, settings, taught)
        other = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
        recorded.model_copy(update={"chat_template": other, "sha256": sha256_text(other)}).write(place["folder"] / "template.json")
        wrong = ask(place, rows, settings, taught)
    finally:
        recorded.write(place["folder"] / "template.json")
    compare, gate = judge(place, right, wrong, settings)
    assert compare.verdict == "worse" and compare.metrics[0].p_value < 0.01 and not gate["passed"], compare.headline


def test_an_adapter_that_is_not_loaded_is_seen(place: dict[str, Any], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    adapter = get_peft_model(load_model(place["path"], "float32"), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    adapter.save_pretrained(tmp_path / "adapters")
    from gaslamp.contracts import ModelFacts

    with pytest.raises(GaslampError, match="changes nothing: all its weights are as before"):
        load_evaluated(ModelFacts.read(place["folder"] / "model.json"), tmp_path / "adapters")
    with pytest.raises(GaslampError, match="neither an adapter nor a model"):
        load_evaluated(ModelFacts.read(place["folder"] / "model.json"), tmp_path)
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    compare, gate = judge(place, answer(rows, lambda n: n % 2), answer(rows, lambda n: n % 2), get_settings())
    assert compare.identical == 40 and not gate["passed"] and any("very same answer to every row" in text for text in gate["warnings"])
    assert "trained at all" in gate["advice"][0]


def test_training_on_the_test_set_is_seen(place: dict[str, Any]) -> None:
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    leaked = [{**row, "id": f"copy{n}"} for n, row in enumerate(rows[:10])]
    leaked[0]["messages"] = [{"role": "user", "content": "What is the colour, of thing number 0 please?"}, *say("blue")]
    other = [{"id": "far", "messages": [{"role": "user", "content": "tell me a story about a sailor and his dog"}, *say("no")]}]
    compare, gate = judge(place, answer(rows, lambda n: False), answer(rows, lambda n: n < 10), get_settings(), [*leaked, *other])
    assert compare.near_duplicates == 10 and compare.examples[0].near == "copy0, 100 % the same words"
    slices = compare.metrics[0].slices
    assert slices["near a training row"]["tuned"].value == 1.0 and slices["not near a training row"]["tuned"].value == 0.0
    assert any("the score may be memory" in text for text in gate["warnings"])
    assert find_near(rows, other) == {}


def test_cut_answers_are_seen(place: dict[str, Any]) -> None:
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    cut = [{**row, "text": row["text"][:2]} for row in answer(rows, lambda n: True, stopped=False)]
    compare, gate = judge(place, answer(rows, lambda n: False), cut, get_settings())
    assert compare.stop_rate["tuned"] == 0.0 and not gate["passed"] and "ended by themselves" in gate["warnings"][0] and "answers are cut" in gate["advice"][0]


# ------------------------------------------------------------------------------------------------------ gate and page


def test_thresholds_of_the_config(place: dict[str, Any], tmp_path: Path) -> None:
    rows = make_task()
    write_jsonl(place["folder"] / "test.jsonl", rows)
    base, tuned = answer(rows, lambda n: n < 10), answer(rows, lambda n: n < 25)
    assert judge(place, base, tuned, get_settings())[0].verdict == "better"
    assert judge(place, base, tuned, get_settings(min_gain=0.5))[0].verdict == "no clear difference"
    _, gate = judge(place, base, tuned, get_settings(min_score=0.9))
    assert not gate["passed"] and "eval.min_score asks for 90.0 %" in gate["blocking"][0]
    own = tmp_path / "own.jsonl"
    own.write_text('{"question": "Who?", "accept": ["Ada"]}\n')
    known = [{"id": f"retention-{n}", "kind": "retention", "text": text, "stopped": True, "tokens": 1, "seconds": 0.0} for n, text in [(n, "?") for n in range(1, 41)] + [("own-1", "Ada")]]
    lost = [{**row, "text": "no"} for row in known]
    settings = get_settings(retention=True, retention_file=str(own), max_forgetting=0.01, forgetting_gate="block")
    compare, gate = judge(place, base + known, tuned + lost, settings)
    assert compare.retention_lost == ["Who?"] and not gate["passed"] and "forgotten" in gate["blocking"][0]
    own.write_text('{"question": "Who?"}\n{"accept": "x"}\n')
    with pytest.raises(GaslampError, match=r"2 questions cannot be used(.|\n)*line 1(.|\n)*line 2"):
        judge(place, base + known, tuned + lost, settings)


def test_slices_by_any_column(place: dict[str, Any]) -> None:
    rows = [{**row, "columns": {"shop": "A" if n < 10 else "B", "price": n}} for n, row in enumerate(make_task())]
    write_jsonl(place["folder"] / "test.jsonl", rows)
    compare, _ = judge(place, answer(rows, lambda n: False), answer(rows, lambda n: n < 10), get_settings(slices=["shop", "price"]))
    slices = compare.metrics[0].slices
    assert slices["shop: A"]["tuned"].value == 1.0 and slices["shop: B"]["tuned"].value == 0.0 and slices["price: below 10"]["tuned"].n == 10
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
    assert "<script>alert(1)" not in page and "onerror=alert" not in page.replace("onerror=alert(2)&gt;", "") and page.count("<script") == 1
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page and "src=\"/" not in page
    assert page.count('<article class="row') == 40 and "Yes, the model became better" in page and "default-src 'none'" in page


def test_lm_evaluation_harness_with_local_tasks(place: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real harness on a task file with its data beside it, no network."""
    pytest.importorskip("lm_eval")
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from gaslamp.evaluation.harness import run_harness

    tasks = tmp_path / "tasks"
    tasks.mkdir()
    write_jsonl(tasks / "sums.jsonl", [{"question": f"{n} plus 1 is", "choices": [f" {n + 1}", " none"], "answer": 0} for n in range(6)])
    (tasks / "sums.yaml").write_text(
        f"task: tiny_sums\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {tasks / 'sums.jsonl'}\noutput_type: multiple_choice\ntest_split: test\n"
        'doc_to_text: "{{question}}"\ndoc_to_choice: choices\ndoc_to_target: answer\nmetric_list:\n  - metric: acc\nmetadata:\n  version: 1\n'
    )
    config = Config.model_validate({"eval": {"lm_eval": ["tiny_sums"], "lm_eval_limit": 4}})
    settings = parse_slice(get_slice(config, "method", "eval.lm_eval", "eval.lm_eval_limit", "eval.confidence"))
    arguments = (place["folder"] / "model.json", None, place["folder"] / "template.json", tmp_path / "out.json", tasks)
    found = run_harness(settings, *arguments)
    score = found["scores"]["tiny_sums, acc"]
    assert score["n"] == 4 and 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    before = {**score, "value": 1.0}
    write_json(tmp_path / "base.json", {"scores": {"tiny_sums, acc": before}})
    write_json(tmp_path / "tuned.json", {"scores": {"tiny_sums, acc": {**score, "value": 0.2}}})
    read = comparing._read_lm_eval({"base": tmp_path / "base.json", "tuned": tmp_path / "tuned.json"})
    assert read["tiny_sums, acc"]["base"].value == 1.0


def test_answers_kept_by_hand_become_test_rows(place: dict[str, Any], tmp_path: Path) -> None:
    from gaslamp.evaluation.chat_eval import get_asker, run_chat

    asker = get_asker(place["folder"] / "model.json", None, place["folder"] / "template.json", get_settings())
    lines, shown = iter(["hello there", "w", "Good day", "again", "k", "third", "", ""]), []
    count = run_chat({"base": asker, "tuned": asker}, tmp_path / "none.json", tmp_path / "kept.jsonl", 6, lambda _: next(lines), shown.append)
    kept = list(read_jsonl(tmp_path / "kept.jsonl"))
    assert count in (1, 2) and kept[0]["messages"][-1]["content"] == "Good day" and kept[0]["split"] == "test"
    assert sum(line.startswith("\nbase:") for line in shown) == 3

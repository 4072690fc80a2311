"""Answers of several turns: what tools return and users say inside them is read, never learnt.

The log likelihoods that a training logs are held against sums that are taken here, over the letters of the assistant
alone; which tokens those are is found in the rendered text, not by the code under test.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.data.encode import split_row
from gaslamp.models.loading import load_model
from gaslamp.models.template import Renderer
from gaslamp.train.method import get_method
from gaslamp.train.preference import encode_answer, encode_pairs
from gaslamp.train.shown_row import describe_row
from training import ROWS, say, train, write_base

Row = dict[str, Any]


def ask_twice(first: str, last: str, result: str) -> list[Row]:
    """An answer with a result of a tool and a question of the user between its turns."""
    return [
        *say("assistant", first),
        *say("tool", result),
        *say("assistant", f"so {last}"),
        *say("user", "sure"),
        *say("assistant", last),
    ]


def make_preference(note: str, n: int) -> Row:
    talk = [*say("user", note), *say("assistant", "what"), *say("user", "order")] if n % 2 else say("user", note)
    return {"prompt": talk, "chosen": ask_twice("count", "ok", "2 teas"), "rejected": ask_twice("no", "no", "12 teas")}


def make_rating(note: str, n: int) -> Row:
    answer = ask_twice("count", "ok", "2 teas") if n % 2 else say("assistant", "no")
    return {"prompt": say("user", note), "completion": answer, "label": bool(n % 2)}


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {**ROWS, "preference": make_preference, "rating": make_rating}
    return write_base(tmp_path_factory.mktemp("masks") / "base", tiny_model, rows)


@pytest.fixture(scope="module")
def renderer(base: Path) -> Renderer:
    return Renderer.load(ModelFacts.read(base / "model.json").path, Template.read(base / "template.json"))


def encode_by_hand(renderer: Renderer, prompt: list[Row], answer: list[Row]) -> tuple[list[int], list[int]]:
    """Ids of a conversation as ChatML, and where the tokens of the answer's assistant turns stand."""
    ids: list[int] = []
    places: list[int] = []
    for turn, learnt in [*((turn, False) for turn in prompt), *((turn, True) for turn in answer)]:
        ids += renderer.tokenize(f"<|im_start|>{turn['role']}\n")
        said = renderer.tokenize(f"{turn['content']}<|im_end|>")
        places += range(len(ids), len(ids) + len(said)) if learnt and turn["role"] == "assistant" else []
        ids += said + renderer.tokenize("\n")
    return ids[:-1], places


def measure(base: Path, renderer: Renderer, rows: list[Row], side: str) -> list[tuple[float, int, float, int]]:
    """Of each row the log likelihood of the answer, its tokens, and the sum over prompt and answer (TRL's ORPO)."""
    import torch

    net = load_model(ModelFacts.read(base / "model.json").path, "float32").eval()
    found = []
    for row in rows:
        ids, places = encode_by_hand(renderer, row["prompt"], row[side])
        with torch.no_grad():
            logps = torch.log_softmax(net(torch.tensor([ids])).logits[0, :-1], dim=-1)
        of = [float(logps[n - 1, ids[n]]) for n in range(1, len(ids))]
        begin = places[0]
        found.append((sum((of[n - 1] for n in places), 0.0), len(places), sum(of[: begin - 1], 0.0), begin - 1))
    return found


def read_rows(base: Path, kind: str, count: int) -> list[Row]:
    return [json.loads(line) for line in (base / f"{kind}.train.jsonl").read_text("utf-8").splitlines()][:count]


@pytest.mark.parametrize("method", ["dpo", "orpo", "simpo"])
def test_the_likelihoods_of_a_pair_are_those_of_its_assistant_turns(
    method: str, base: Path, renderer: Renderer, tmp_path: Path
) -> None:
    """In the first step the adapter changes nothing: what is logged is the likelihood under the base model."""
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    rows = read_rows(base, "preference", 4)
    (folder / "preference.train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = {"simpo": {"sft_weight": 1.0}, "dpo": {"sft_weight": 1.0}}.get(method, {})
    facts, steps = train(folder, tmp_path, method, max_steps=1, options=options)
    chosen, rejected = (measure(base, renderer, rows, side) for side in ("chosen", "rejected"))
    for side, found in (("chosen", chosen), ("rejected", rejected)):
        each = [logp if method == "dpo" else logp / tokens for logp, tokens, *_ in found]
        assert steps[0][f"logps/{side}"] == pytest.approx(sum(each) / 4, rel=1e-4), side
    assert facts.trained_tokens == sum(tokens for _, tokens, *_ in [*chosen, *rejected])
    likelihood = -sum(logp for logp, *_ in chosen) / sum(tokens for _, tokens, *_ in chosen)
    if method == "dpo":  # log 2: both sides are as likely as under the base model
        assert steps[0]["loss"] == pytest.approx(0.6931 + likelihood, rel=1e-3)
    if method == "simpo":
        assert steps[0]["nll_loss"] == pytest.approx(likelihood, rel=1e-4)
    if method == "orpo":  # the prompt as well, as its authors do, and no result of a tool
        whole = -sum(logp + prompt for logp, _, prompt, _ in chosen)
        assert steps[0]["nll_loss"] == pytest.approx(
            whole / sum(tokens + before for _, tokens, _, before in chosen), rel=1e-4
        )


def test_the_likelihood_of_a_rated_answer_is_that_of_its_assistant_turns(
    base: Path, renderer: Renderer, tmp_path: Path
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    rows = read_rows(base, "rating", 4)
    (folder / "rating.train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    facts, steps = train(folder, tmp_path, "kto", max_steps=1)
    for name, label in (("chosen", True), ("rejected", False)):
        found = measure(base, renderer, [row for row in rows if row["label"] is label], "completion")
        assert steps[0][f"logps/{name}"] == pytest.approx(sum(logp for logp, *_ in found) / 2, rel=1e-4)
    assert facts.trained_tokens == sum(tokens for _, tokens, *_ in measure(base, renderer, rows, "completion"))


def test_the_mask_of_the_other_answer_goes_with_it() -> None:
    kto = get_method("kto")
    rows = [{"completion_ids": [n, n, n], "completion_mask": [1, 0, 1] if n else [1, 1, 1]} for n in range(3)]
    found = kto.add_mismatched(rows, 2)
    assert [row["KL_completion_ids"][0] for row in found] == [1, 0, 2]
    assert [row["KL_completion_mask"] for row in found] == [[1, 0, 1], [1, 1, 1], [1, 0, 1]]


def test_the_page_the_log_and_both_engines_have_one_mask(base: Path, renderer: Renderer) -> None:
    from gaslamp.train.mlx.objectives.pairs import Dpo
    from gaslamp.train.mlx.objectives.ratings import Kto

    row = make_preference("2 teas for Ana", 1)
    whole = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in row["prompt"])
    marked = (
        f"{whole}<|im_start|>assistant\n«count<|im_end|>»\n<|im_start|>tool\n2 teas<|im_end|>\n<|im_start|>assistant\n"
        "«so ok<|im_end|>»\n<|im_start|>user\nsure<|im_end|>\n<|im_start|>assistant\n«ok<|im_end|>»"
    )
    shown = ["".join(f"«{text}»" if learnt else text for text, learnt in side) for side in split_row(renderer, row)]
    assert shown[0] == marked
    log = describe_row(renderer, row, get_method("dpo"))
    assert log.startswith("the first training row as the model sees it; >>> what is learnt <<<\n")
    assert marked.replace("«", ">>>").replace("»", "<<<") in log
    scored = describe_row(renderer, row, get_method("reward"))
    assert scored.splitlines()[0].endswith("one score for the whole text of each side") and ">>>" not in scored
    assert "the prompt of the chosen side too" in describe_row(renderer, row, get_method("orpo")).splitlines()[0]

    ids, places = encode_by_hand(renderer, row["prompt"], row["chosen"])
    settings = SimpleNamespace(train=SimpleNamespace(max_length=256, batch_size=2, seed=1))
    rated = [make_rating("a tea", n) for n in range(2)]
    context: Any = SimpleNamespace(renderer=renderer, settings=settings, options=None, train=[])
    tokens, mask = Dpo(context).encode([row])[0]["rows"][0]
    assert tokens == ids and [n for n, carries in enumerate(mask) if carries] == places
    for sample, mine, other in zip(Kto(context).encode(rated), rated, rated[::-1], strict=True):
        for (tokens, mask), answer in zip(sample["rows"], (mine, other), strict=True):
            ids, places = encode_by_hand(renderer, mine["prompt"], answer["completion"])
            assert (tokens, [n for n, carries in enumerate(mask) if carries]) == (ids, places)


def test_marks_inside_an_answer_are_obeyed_and_an_answer_without_any_is_left_out(renderer: Renderer) -> None:
    """A turn that is marked as no answer is read; nothing in a side is learnt: no pair to compare."""
    row = make_preference("2 teas", 0)
    row["chosen"][0]["train"] = False
    found = encode_answer(renderer, row["prompt"], row["chosen"])
    learnt = [token for token, carries in zip(found.ids, found.learnt, strict=True) if carries]
    assert renderer.tokenizer.decode(learnt) == "so ok<|im_end|>ok<|im_end|>"
    settings = SimpleNamespace(train=SimpleNamespace(max_length=256))
    context: Any = SimpleNamespace(renderer=renderer, settings=settings)
    silent = {**row, "rejected": [{"role": "assistant", "content": "no", "train": False}]}
    assert [len(encode_pairs(context, [one])) for one in (row, silent)] == [1, 0]


def test_the_evaluation_measures_the_same_tokens(base: Path, renderer: Renderer) -> None:
    from gaslamp.evaluate.likelihood import get_likelihoods
    from gaslamp.evaluate.scored_texts import get_texts

    rows = [{"id": str(n), **make_preference("2 teas", n)} for n in range(2)]
    template = Template.read(base / "template.json")
    texts = get_texts(rows, {"preference": {}}, renderer, template, None, "causal_lm")
    net = load_model(ModelFacts.read(base / "model.json").path, "float32").eval()
    found = {
        texts[n].key: (logp, tokens) for n, logp, tokens in get_likelihoods(net, [t.sequence for t in texts], 0, 4)
    }
    for side in ("chosen", "rejected"):
        for row, (logp, tokens, *_) in zip(rows, measure(base, renderer, rows, side), strict=True):
            value, count = found["likelihood", row["id"], side]
            assert value == pytest.approx(logp, rel=1e-4) and count == tokens

"""train.max_length: auto: the data phase decides it by the rows, the model's context and the memory of the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.config.length import assume_length, get_span, settle_length
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core import registry
from gaslamp.core.contracts import Card
from gaslamp.core.decisions import find_decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.length import Machine
from gaslamp.data.prepare import prepare_data
from gaslamp.models.fetch import fetch_model

FILES = {
    "train": "train.jsonl",
    "valid": "valid.jsonl",
    "test": "test.jsonl",
    "template": "template.json",
    "card": "card.json",
    "strategy": "data_strategy.md",
}
KEYS = ("backend", "method", "data", "train")
AROUND = 23  # tokens of the template and of "q 7" around an answer


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.json of the tiny model: every byte is a token, the context has 2048."""
    out = tmp_path_factory.mktemp("facts") / "model.json"
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, out)
    return out


def ask(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def with_long(letters: int, count: int = 1) -> list[dict[str, Any]]:
    """60 short rows, the first ``count`` of them with an answer of so many letters."""
    return [ask(f"q {n % 10}", "a" * letters if n < count else f"a {n}") for n in range(60)]


def get_settings(folder: Path, method: str = "sft", train: dict[str, Any] | None = None, **data: Any) -> Slice:
    values = {"source": str(folder / "rows.jsonl"), "rehearsal": 0.0, "split": {"test": 0.2}, **data}
    config = Config.model_validate({"method": method, "data": values, "train": train or {}})
    return parse_slice(get_slice(config, *KEYS))


def prepare(
    folder: Path,
    model: Path,
    rows: list[dict[str, Any]],
    method: str = "sft",
    train: dict[str, Any] | None = None,
    free_gb: float | None = None,
    **data: Any,
) -> Card:
    """The data phase on ``rows``, each in training unless it says otherwise; ``free_gb``: memory of the machine."""
    lines = [{"split": "test" if n % 5 == 4 else "train", **row} for n, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
    machine = None
    if free_gb is not None:
        system = {"memory_gb": 16.0, "memory_available_gb": free_gb, "is_apple_silicon": False, "gpus": []}
        (folder / "system.json").write_text(json.dumps(system), encoding="utf-8")
        machine = Machine(folder / "system.json")
    outputs = {key: folder / name for key, name in FILES.items()}
    return prepare_data(get_settings(folder, method, train, **data), model, outputs, machine=machine)


def get_reason(card: Card) -> str:
    decision = find_decision(card.decisions, "max_length")
    assert decision is not None and decision.value == card.max_length
    return decision.reason


def test_short_rows_need_little(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("gaslamp.data.prepare.say", said.append)
    card = prepare(tmp_path, model, with_long(30))
    assert card.max_length == 64 and card.truncated == 0
    assert get_reason(card) == f"the longest row has {30 + AROUND} tokens, rounded up to a multiple of 64"
    assert f"train.max_length 64: {get_reason(card)}" in said
    assert f"`train.max_length` is 64 (auto: {get_reason(card)})." in (tmp_path / "data_strategy.md").read_text()


@pytest.mark.parametrize(("letters", "decided"), [(64 - AROUND, 64), (65 - AROUND, 128), (1100, 1152)])
def test_no_row_is_left_out_that_fits(tmp_path: Path, model: Path, letters: int, decided: int) -> None:
    card = prepare(tmp_path, model, with_long(letters))
    assert (card.max_length, card.truncated) == (decided, 0)
    assert len(list(read_jsonl(tmp_path / "train.jsonl"))) == card.rows["train"]


def test_rows_over_the_context_stop_the_run_or_are_left_out(tmp_path: Path, model: Path) -> None:
    rows = [*with_long(2100, 2), ask("q 3", "a" * 2500)]
    with pytest.raises(GaslampError) as caught:
        prepare(tmp_path, model, rows)
    assert caught.value.cause.startswith("3 problems in the data; nothing was written")
    assert "rows.jsonl, line 1: 2123 tokens, up to 2048 are allowed: the context of" in caught.value.cause
    assert "the longest has 2523 tokens" in caught.value.fix and "a longer context (model.source)" in caught.value.fix
    assert "section data of config.yaml write checks: {too_long: {max_percentage:" in str(caught.value.less_likely)
    card = prepare(tmp_path, model, rows, max_truncated=0.1)
    assert (card.max_length, card.truncated) == (2048, 3)
    assert "the longest row has 2523 tokens; 2048 is the context of" in get_reason(card)
    assert any("3 rows are longer than train.max_length = 2048, the context of" in text for text in card.warnings)


LARGE_BATCH = {"batch_size": 64}  # 0.75 MB a token: 1.5 GB hold some 900 tokens


def test_rows_that_do_not_fit_into_the_memory_stop_the_run_with_a_fix_that_works(tmp_path: Path, model: Path) -> None:
    rows = with_long(1200, 4)
    with pytest.raises(GaslampError) as caught:
        prepare(tmp_path, model, rows, train=LARGE_BATCH, free_gb=1.5)
    assert "4 problems in the data" in caught.value.cause and "1223 tokens, up to " in caught.value.cause
    assert "what fits into the memory: 1.5 GB, 1.5 GB free" in caught.value.cause
    assert "the longest has 1223 tokens" in caught.value.fix
    assert "set train.gradient_checkpointing: true" in caught.value.fix and "then 1280 tokens fit" in caught.value.fix

    card = prepare(tmp_path, model, rows, train={**LARGE_BATCH, "gradient_checkpointing": True}, free_gb=1.5)
    assert (card.max_length, card.truncated) == (1280, 0)
    assert "or train.max_length: 1280 to try it all the same" in caught.value.fix
    card = prepare(tmp_path, model, rows, train={**LARGE_BATCH, "max_length": 1280}, free_gb=1.5)
    assert (card.max_length, card.truncated) == (1280, 0)

    card = prepare(tmp_path, model, rows, train=LARGE_BATCH, free_gb=1.5, max_truncated=0.1)
    assert 700 < card.max_length < 1100 and card.max_length % 64 == 0 and card.truncated == 4


def test_both_ways_to_save_memory_are_named_where_one_is_too_little(tmp_path: Path, model: Path) -> None:
    with pytest.raises(GaslampError) as caught:
        prepare(tmp_path, model, with_long(2000), train={"batch_size": 128}, free_gb=1.1)
    assert "gradient_checkpointing: true" in caught.value.fix and "train.batch_size: 1 with" in caught.value.fix
    leaner = {"batch_size": 1, "gradient_accumulation": 128, "gradient_checkpointing": True}
    assert prepare(tmp_path, model, with_long(2000), train=leaner, free_gb=1.1).max_length == 2048


@pytest.mark.parametrize("free_gb", [0.9, 0.1])
def test_the_memory_never_leaves_out_what_the_preset_takes(tmp_path: Path, model: Path, free_gb: float) -> None:
    """Estimates are upper bounds, and free memory passes: up to 512 tokens the preflight warns and training decides."""
    card = prepare(tmp_path, model, with_long(480), train={"batch_size": 256}, free_gb=free_gb)
    assert (card.max_length, card.truncated) == (512, 0)


def test_a_number_and_null_work_as_before(tmp_path: Path, model: Path) -> None:
    card = prepare(tmp_path, model, with_long(100), train={"max_length": 200}, free_gb=0.1)
    assert card.max_length == 200 and find_decision(card.decisions, "max_length") is None
    assert prepare(tmp_path, model, with_long(100), train={"max_length": None}).max_length == 512
    with pytest.raises(GaslampError) as caught:
        prepare(tmp_path, model, with_long(600), train={"max_length": None})
    assert "set train.max_length to at least 623 in config.yaml" in caught.value.fix


def test_general_chat_data_makes_no_training_longer_than_the_preset(tmp_path: Path, model: Path) -> None:
    card = prepare(tmp_path, model, with_long(30), rehearsal=0.5)
    assert card.rows["rehearsal"] == 24 and 64 < card.max_length <= 512 and card.truncated == 0
    few = prepare(tmp_path, model, with_long(30), rehearsal=0.5, train={"max_length": 64})
    assert few.rows["rehearsal"] < 24, "a number is obeyed"


SIDES = {"prompt": "q 7", "chosen": "a" * 200, "rejected": "b" * 300}
ROWS: dict[str, dict[str, Any]] = {
    "conversation": ask("q 7", "a" * 300),
    "preference": SIDES,
    "rating": {"prompt": "q 7", "completion": "a" * 300, "label": True},
    "prompt": {"prompt": "q" * 281},
    "text": {"text": "a" * 900},
    "pair": {"anchor": "a" * 300, "positive": "b"},
}
EXPECTED = {
    "conversation": (384, "the longest row has 323 tokens"),
    "preference": (384, "the longest row has 323 tokens"),
    "rating": (384, "the longest row has 323 tokens"),
    # 281 letters in 19 tokens of a template that ends before the answer, and a completion of 8
    "prompt": (320, "the longest prompt has 300 tokens, a completion up to 8"),
    "text": (512, "documents are cut into pieces of this length"),
    "pair": (320, "the longest row has 300 tokens"),
}
SHORT: dict[str, Any] = {
    "conversation": lambda n: ask(f"q {n}", f"a {n}"),
    "preference": lambda n: {"prompt": f"q {n}", "chosen": f"yes {n}", "rejected": f"no {n}"},
    "rating": lambda n: {"prompt": f"q {n}", "completion": f"a {n}", "label": n % 2 == 0},
    "prompt": lambda n: {"prompt": f"q {n}"},
    "text": lambda n: {"text": f"text number {n}"},
    "pair": lambda n: {"anchor": f"a {n}", "positive": f"b {n}"},
}


@pytest.mark.parametrize("method", [name for name in registry.names("methods") if name not in ("tts", "vision_sft")])
def test_each_method_counts_what_its_training_counts(tmp_path: Path, model: Path, method: str) -> None:
    kind = registry.get("methods", method).KINDS[0]
    train: dict[str, Any] = {}
    if kind == "prompt":
        group = {"num_generations": 8} if method != "online_dpo" else {}
        train = {"rewards": [{"name": "length"}], "options": {"max_completion_length": 8, **group}}
    rows = [ROWS[kind], *(SHORT[kind](n) for n in range(39))]
    card = prepare(tmp_path, model, rows, method, train)
    value, words = EXPECTED[kind]
    assert card.max_length == value and words in get_reason(card) and card.truncated == 0
    settings = settle_length(get_settings(tmp_path, method, train), tmp_path / "card.json")
    assert settings.train.max_length == value, "what the training reads"


def test_texts_to_embed_have_at_least_the_preset_and_the_test_rows_count(tmp_path: Path, model: Path) -> None:
    rows = [SHORT["pair"](n) for n in range(40)]
    card = prepare(tmp_path, model, rows, "embedding")
    assert card.max_length == 256 and "the model will be given other texts than these" in get_reason(card)
    rows[4] = {"anchor": "a" * 500, "positive": "b"}  # every fifth row is a test row
    assert prepare(tmp_path, model, rows, "embedding").max_length == 512


def test_a_completion_that_leaves_no_room_is_found_before_training(tmp_path: Path, model: Path) -> None:
    train = {"rewards": [{"name": "length"}], "options": {"max_completion_length": 512}, "max_length": 700}
    with pytest.raises(GaslampError) as caught:
        prepare(tmp_path, model, [ROWS["prompt"], *(SHORT["prompt"](n) for n in range(39))], "grpo", train)
    assert "300 tokens and 512 for the completion, up to 700 are allowed" in caught.value.cause
    assert "at least 812" in caught.value.fix and "lower train.options.max_completion_length" in caught.value.fix


def test_packing_keeps_sequences_for_several_rows() -> None:
    assert get_span("sft", {"packing": True}).least == 512 and get_span("sft", {}).least == 0
    assert get_span("sft", {"choose": ["packing"]}).least == 512
    assert get_span("dpo", {"choose": ["packing"]}).least == 0, "it cannot pack"
    assert get_span("vision_sft", {}).least == 2048 and get_span("tts", {}).least == 0


def test_settings_that_were_not_settled_never_show_the_word(tmp_path: Path, model: Path) -> None:
    settings = get_settings(tmp_path)
    with pytest.raises(GaslampError, match="train.max_length is auto") as caught:
        settings.train.max_length  # noqa: B018
    assert "--card" in caught.value.fix
    assert settle_length(settings, None) is settings
    number = get_settings(tmp_path, train={"max_length": 99})
    assert settle_length(number, tmp_path / "none.json") is number


def test_before_the_data_phase_the_preset_is_taken_then_what_was_decided(tmp_path: Path, model: Path) -> None:
    prepare(tmp_path, model, with_long(30))
    card = tmp_path / "card.json"
    for method, file, expected in (("sft", tmp_path / "none", 512), ("sft", card, 64), ("dpo", card, 1024)):
        settings, decisions = assume_length(get_settings(tmp_path, method), file)
        assert settings.train.max_length == expected == decisions[0].value
    assert "preset of dpo, until the data phase decides" in decisions[0].reason
    assert assume_length(get_settings(tmp_path, train={"max_length": 99}), card)[1] == []
    prepare(tmp_path, model, with_long(30), train={"max_length": 100})
    assert assume_length(get_settings(tmp_path), card)[0].train.max_length == 512, "auto decided nothing then"


def test_the_tiny_model_has_the_context_that_these_tests_take(model: Path) -> None:
    assert json.loads(model.read_text())["context"] == 2048 and tiny.SETTINGS["train.max_length"] == "auto"

"""make advise: what it is given, what it prints and its JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import advise_models
import pytest
from gaslamp.config.pin import RECORD
from gaslamp.core.errors import GaslampError
from gaslamp.environment.advise import get_advice
from gaslamp.environment.elsewhere import get_elsewhere
from gaslamp.environment.machines import get_machine
from gaslamp.environment.speed import Measured, get_operations, get_speed
from gaslamp.environment.training_ways import Demand
from gaslamp.guide.advise_show import print_advice
from gaslamp.guide.demand import get_demand
from gaslamp.guide.measured import find_measured
from gaslamp.guide.times import show_hours
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.speeds import add_speed
from gaslamp.models.catalogue import find_model
from rich.console import Console

LAPTOP: dict[str, Any] = {"gpus": [], "cores": 4, "memory_gb": 16.0, "memory_available_gb": 9.0}
GERMAN = "Wie lange darf ich das Medikament nach der Mahlzeit noch nehmen und was ist mit Alkohol?"


@pytest.fixture
def german(tmp_path: Path) -> Path:
    file = tmp_path / "fragen.jsonl"
    rows = [{"question": f"{GERMAN} {n}", "answer": f"Das ist nicht schlimm, {n} Stunden genügen."} for n in range(40)]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def test_the_data_says_method_rows_length_and_language(german: Path) -> None:
    found = get_demand({"data": str(german)}, LAPTOP, None)
    demand = found.demand
    assert (demand.method, demand.rows, demand.languages) == ("sft", 32, ("de",))
    assert 40 < demand.mean_tokens <= demand.tokens < 90
    assert f"four fifths of 40 rows; lengths by the first 40 rows of {german}" in found.origin
    pair = german.with_name("pairs.jsonl")
    pair.write_text(
        '{"prompt": "What now?", "chosen": "a good answer", "rejected": "a much worse one"}\n' * 30, encoding="utf-8"
    )
    assert get_demand({"data": str(pair)}, LAPTOP, None).demand.method == "dpo"
    orpo = get_demand({"data": str(pair), "method": "orpo"}, LAPTOP, None)
    assert orpo.demand.method == "orpo", "the command line wins"
    with pytest.raises(GaslampError, match="no such file"):
        get_demand({"data": "missing.csv"}, LAPTOP, None)
    assert get_demand({"method": "vision_sft"}, LAPTOP, None).demand.needs == {"vision"}


def test_names_and_numbers_that_cannot_be_are_refused_all_at_once() -> None:
    given = {"needs": ["visoin"], "rows": -3, "tokens": 0, "languages": ["xx", "de"], "method": "stf"}
    with pytest.raises(GaslampError) as caught:
        get_demand(given, LAPTOP, None)
    for words in ("'visoin'; ", "ROWS=-3 is no number", "TOKENS=0 is no number", "no language 'xx'", "'stf'"):
        assert words in caught.value.cause
    assert "'de'" not in caught.value.cause
    for words in ("NEEDS takes: vision", "ROWS=1000", "LANGUAGES=de,en"):
        assert words in caught.value.fix
    assert get_demand({"languages": ["de", "pt"], "rows": 5}, LAPTOP, None).demand.languages == ("de", "pt")


def test_a_project_says_it_with_its_data_card(tmp_path: Path) -> None:
    write_project(tmp_path, "method: dpo\nproject: {task: answer better}\ndata: {source: data/raw}\n")
    assert get_demand({}, LAPTOP, tmp_path).demand.method == "dpo"
    card = {
        "rows": {"train": 588},
        "max_length": 130,
        "tokens": {"total": {"p50": 102.0, "p95": 123.0, "max": 130.0}},
        "histogram": [{"from": 80, "to": 100, "rows": 300}, {"from": 100, "to": 120, "rows": 100}],
        "provenance": {"settings": {"method": "dpo"}},
    }
    (tmp_path / "data" / "card.json").write_text(json.dumps(card))
    found = get_demand({}, LAPTOP, tmp_path)
    assert (found.demand.rows, found.demand.tokens, found.demand.mean_tokens) == (588, 130, 95)
    assert found.origin == "counted: data/card.json"
    assert get_demand({"rows": 10}, LAPTOP, tmp_path).demand.rows == 10, "the command line wins"
    other = get_demand({"method": "sft"}, LAPTOP, tmp_path)
    assert other.demand.method == "sft"


def write_project(folder: Path, config: str) -> None:
    """As much of a project as the guide reads."""
    (folder / "config.yaml").write_text(config)
    (folder / RECORD).write_text(json.dumps({"answers": {}, "files": {}}))
    (folder / "data" / "raw").mkdir(parents=True)


def test_what_this_machine_measured_is_used_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that ended, the steps of one that has not, and those of other projects in the memory."""
    monkeypatch.setenv("GASLAMP_HOME", str(tmp_path / "memory"))
    facts = {
        "tokens_per_second": 100.0,
        "total_parameters": 134_515_008,
        "backend": "cpu",
        "method": "sft",
        "provenance": {"settings": {"model": {"source": "embedded:smollm2-135m-instruct"}}},
    }
    ended = tmp_path / "outputs" / "main"
    ended.mkdir(parents=True)
    (ended / "train.json").write_text(json.dumps(facts))
    (measured,) = find_measured(LAPTOP, tmp_path)
    known = find_model("embedded:smollm2-135m-instruct")
    assert known and measured.shape == known.shape and measured.profile == "cpu"

    (ended / "train.json").unlink()
    log = tmp_path / "logs" / "main" / "train.metrics.jsonl"
    log.parent.mkdir(parents=True)
    settings = {"adapter": "lora", "gradient_checkpointing": False}
    start = {"event": "start", "key": "k", "parameters": 134_515_008, "backend": "cpu", "method": "sft"}
    steps = [{"event": "step", "key": "k", "step": n, "seconds": 2.0, "tokens": 300} for n in (1, 2)]
    log.write_text("".join(json.dumps(line) + "\n" for line in ({**start, "settings": settings}, *steps)))
    (measured,) = find_measured(LAPTOP, tmp_path)
    speed = get_speed(LAPTOP, "cpu", known.shape, [measured])
    assert speed.is_measured and speed.reason == "measured by 2 steps of a training of 0.13B parameters here"
    assert speed.flops / get_operations(known.shape) == pytest.approx(150, rel=0.01)

    add_speed(get_home(), LAPTOP, measured)
    add_speed(get_home(), LAPTOP, Measured(2 * measured.flops, measured.shape, "cpu", "newer"))
    assert find_measured(LAPTOP) == [Measured(2 * measured.flops, measured.shape, "cpu", "newer")]
    assert find_measured({**LAPTOP, "memory_gb": 64.0}) == [], "another machine in the same memory"


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_fits_the_terminal(width: int) -> None:
    out = io.StringIO()
    advice = get_advice(LAPTOP, Demand("sft", rows=200, tokens=120))
    elsewhere = get_elsewhere(advice, Demand("sft", rows=200, tokens=120))
    print_advice(advice, elsewhere, Console(file=out, width=width, color_system=None), is_explained=True)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert f"  model:\n    source: {advice[0].model.source}\n" in text and f"and {len(advice) - 10} more: ALL=1" in text
    assert "elsewhere: a free Colab machine (Colab): Qwen3.5 9B" in text and "GFLOP" in text
    assert ("licence" in text.splitlines()[0]) == (width == 120), "not where the note has no room"
    assert not [line for line in text.splitlines() if len(line.strip()) == 1], "one letter a line"


def test_elsewhere_is_better_than_here_and_cheapest_first() -> None:
    here = get_advice(LAPTOP, Demand("sft", rows=1000, tokens=400))
    found = get_elsewhere(here, Demand("sft", rows=1000, tokens=400))
    assert [(one.machine, one.advice.tier) for one in found] == [("t4", 2), ("l4", 3)]
    best = get_advice(get_machine("h100"), Demand("sft"))
    assert get_elsewhere(best, Demand("sft")) == [], "nothing is better than what this machine can do"


def test_json_for_programs(german: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["advise_models.py", "--json", "--machine", "l4", "--data", str(german), "--needs", "tools, thinking"]
    monkeypatch.setattr(sys, "argv", command)
    advise_models.main()
    facts = json.loads(capsys.readouterr().out)
    assert (facts["profile"], facts["method"], facts["rows"]) == ("cuda", "sft", 32)
    first = facts["models"][0]
    assert first["fits"] == "fits" and {"tools", "thinking"} <= set(first["abilities"]) and first["sources"]["license"]
    assert first["settings"]["model"]["source"] == first["source"]


def test_hours_in_words() -> None:
    assert [show_hours(hours) for hours in (None, 0.001, 0.5, 2.5)] == ["?", "4 s", "30 min", "2 h 30 min"]

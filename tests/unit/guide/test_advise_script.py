"""make advise: what it is given, what it prints and its JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import advise_models
import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.environment.advise import get_advice
from gaslamp.environment.elsewhere import get_elsewhere
from gaslamp.environment.machines import get_machine
from gaslamp.guide.advise_show import print_advice, show_hours
from gaslamp.guide.demand import find_measured, get_demand
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
    demand = get_demand({"data": str(german)}, LAPTOP, None)
    assert (demand.method, demand.rows, demand.languages) == ("sft", 40, ("de",)) and 40 < demand.tokens < 90
    assert f"first 40 rows of {german}" in demand.origin
    pair = german.with_name("pairs.jsonl")
    pair.write_text(
        '{"prompt": "What now?", "chosen": "a good answer", "rejected": "a much worse one"}\n' * 30, encoding="utf-8"
    )
    assert get_demand({"data": str(pair)}, LAPTOP, None).method == "dpo"
    assert get_demand({"data": str(pair), "method": "orpo"}, LAPTOP, None).method == "orpo", "the command line wins"
    with pytest.raises(GaslampError, match="no such file"):
        get_demand({"data": "missing.csv"}, LAPTOP, None)
    with pytest.raises(GaslampError, match="'visoin'; .*vision"):
        get_demand({"needs": ["visoin"]}, LAPTOP, None)
    assert get_demand({"method": "vision_sft"}, LAPTOP, None).needs == {"vision"}


def test_a_project_says_it_with_its_data_card(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("method: dpo\n")
    assert get_demand({}, LAPTOP, tmp_path).method == "dpo"
    (tmp_path / "data").mkdir()
    card = {"rows": {"train": 588}, "tokens": {"total": {"p50": 102.0, "p95": 123.0}}}
    (tmp_path / "data" / "card.json").write_text(json.dumps(card))
    demand = get_demand({}, LAPTOP, tmp_path)
    assert (demand.rows, demand.tokens) == (588, 123)
    facts = {
        "tokens_per_second": 100.0,
        "total_parameters": 134_515_008,
        "backend": "cpu",
        "provenance": {"settings": {"model": {"source": "embedded:smollm2-135m-instruct"}}},
    }
    (tmp_path / "outputs" / "main").mkdir(parents=True)
    (tmp_path / "outputs" / "main" / "train.json").write_text(json.dumps(facts))
    (measured,) = find_measured(tmp_path)
    known = find_model("embedded:smollm2-135m-instruct")
    assert known and measured.shape == known.shape and measured.profile == "cpu"


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(width: int) -> None:
    out = io.StringIO()
    advice = get_advice(LAPTOP, method="sft", rows=200, tokens=120)
    elsewhere = get_elsewhere(advice, method="sft", rows=200, tokens=120)
    print_advice(advice, elsewhere, Console(file=out, width=width, color_system=None), is_explained=True)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert f"  model:\n    source: {advice[0].model.source}\n" in text and f"and {len(advice) - 10} more: ALL=1" in text
    assert "elsewhere: a free Colab machine (Colab): Qwen3.5 9B" in text and "GFLOP" in text
    assert ("licence" in text.splitlines()[0]) == (width == 120)


def test_elsewhere_is_better_than_here_and_cheapest_first() -> None:
    here = get_advice(LAPTOP, method="sft", rows=1000, tokens=400)
    found = get_elsewhere(here, method="sft", rows=1000, tokens=400)
    assert [(one.machine, one.advice.tier) for one in found] == [("t4", 2), ("l4", 3)]
    best = get_advice(get_machine("h100"), method="sft")
    assert get_elsewhere(best, method="sft") == [], "nothing is better than what this machine can do"


def test_json_for_programs(german: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["advise_models.py", "--json", "--machine", "l4", "--data", str(german), "--needs", "tools, thinking"]
    monkeypatch.setattr(sys, "argv", command)
    advise_models.main()
    facts = json.loads(capsys.readouterr().out)
    assert (facts["profile"], facts["method"], facts["rows"]) == ("cuda", "sft", 40)
    first = facts["models"][0]
    assert first["fits"] == "fits" and {"tools", "thinking"} <= set(first["abilities"]) and first["sources"]["license"]
    assert first["settings"]["model"]["source"] == first["source"]


def test_hours_in_words() -> None:
    assert [show_hours(hours) for hours in (None, 0.001, 0.5, 2.5)] == ["?", "1 min", "30 min", "2 h 30 min"]

"""What a newcomer reads: rows add up, classes are counted by split, places are those of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.data.card import describe_classes, describe_rows
from gaslamp.data.describe import describe
from gaslamp.data.peek import find_method_problem
from gaslamp.data.prepare import prepare_data
from gaslamp.data.readers.chunks import pack_place, write_place
from gaslamp.models.fetch import fetch_model
from test_fidelity import FILES

MAILS = ["Subject,Body,Category"] + [
    f'Order {n},"Hello,\nwhere is my order number {n}?",{("billing", "delivery", "returns")[n % 3]}' for n in range(60)
]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ({"train": 55, "valid": 2, "test": 6, "read": 60, "dropped_duplicates": 0, "rehearsal": 3},
         "60 rows read: 52 train, 2 valid, 6 test; added: 3 rows of general chat data to train"),
        ({"train": 40, "valid": 2, "test": 6, "read": 60, "dropped_duplicates": 5, "rehearsal": 0},
         "60 rows read: 40 train, 2 valid, 6 test, 5 exact duplicates left out, 7 others left out"),
        ({"train": 40, "valid": 2, "test": 9, "read": 50, "dropped_duplicates": 0, "rehearsal": 0, "kept": 1},
         "50 rows read: 40 train, 2 valid, 8 test; added: 1 kept by hand to test"),
    ],
)  # fmt: skip
def test_rows_add_up(rows: dict[str, int], text: str) -> None:
    assert describe_rows(rows) == text


def test_places_of_a_table_with_line_ends_in_its_cells() -> None:
    assert write_place("mails.csv, line", pack_place(41, 62)) == "mails.csv, line 62 (row 41)"
    assert write_place("mails.csv, line", pack_place(41, 41)) == "mails.csv, line 41"


def test_an_empty_cell_is_said_before_anything_is_downloaded(tmp_path: Path) -> None:
    """``make data-describe`` and the preflight look at more rows than the meaning of the columns needs."""
    (tmp_path / "mails.csv").write_text("\n".join([*MAILS, 'Order 61,"a\nb",']) + "\n")
    data = Config.model_validate({"data": {"source": str(tmp_path / "mails.csv")}}).data
    place = "mails.csv, line 123 (row 62): column 'Category' is empty"
    assert describe(data, "sft").broken == ["1 of the first 61 rows cannot be learnt and will stop the run:", place]
    error = find_method_problem(data, "sft")
    assert (
        error is not None
        and place in error.cause
        and "wrong_types: {max_percentage: 1.64}" in (error.less_likely or "")
    )
    allowed = data.model_copy(
        update={
            "checks": Config.model_validate({"data": {"checks": {"wrong_types": {"max_percentage": 2}}}}).data.checks
        }
    )
    assert find_method_problem(allowed, "sft") is None


def test_classes_are_counted_by_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mails.csv").write_text("\n".join(MAILS) + "\n")
    tiny.write_checkpoint(tmp_path / "model", tiny.CHATML)
    fetch_model(Config.model_validate({"model": {"source": str(tmp_path / "model")}}).model, tmp_path / "model.json")
    config = Config.model_validate({"data": {"source": str(tmp_path / "mails.csv"), "rehearsal": 0.05}})
    settings = parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking"))
    said: list[str] = []
    monkeypatch.setattr("gaslamp.data.prepare.say", said.append)
    card = prepare_data(settings, tmp_path / "model.json", {key: tmp_path / name for key, name in FILES.items()})
    assert {name: sum(counts.values()) for name, counts in card.classes.items()} == {
        "billing": 20,
        "delivery": 20,
        "returns": 20,
    }
    assert sum(counts["test"] for counts in card.classes.values()) == card.rows["test"]
    assert said[said.index(describe_classes(card.classes)) - 1].startswith("60 rows read: ")
    strategy = (tmp_path / FILES["strategy"]).read_text(encoding="utf-8")
    assert "| answer | train | valid | test |" in strategy and "| billing | " in strategy

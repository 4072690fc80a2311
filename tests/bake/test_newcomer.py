"""A newcomer's spreadsheet becomes a classifier without a word of configuration.

Where the columns leave it open, they are shown.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
import yaml
from baking import Bake
from gaslamp.config.load import read_config
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.adopt import adopt
from gaslamp.data.page import build_data_page
from gaslamp.data.peek import find_method_problem
from gaslamp.data.prepare import prepare_data
from gaslamp.evaluate.default_metrics import get_default_metrics
from gaslamp.models.fetch import fetch_model

LABELS = ("Billing", "Delivery", "Returns", "Technical")
SUBJECTS = ("Question about my order", "Please help", "Complaint", "Second try")
BODIES = ("I was charged twice for", "My parcel never came with", "I want to send back", "I cannot log in to see")


def write_mails(file: Path, reply: bool = False, count: int = 160) -> Path:
    """A table as a shop exports it: number, date, address, subject, body, category, and a reply where wanted."""
    source = random.Random(3)
    names = ["Nr", "Date", "From", "Subject", "Body", "Category", *(["Reply"] if reply else [])]
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(names)
        for number in range(count):
            kind = source.randrange(4)
            body = f"Hello,\n{BODIES[kind]} item {number}. My customer number is {1000 + number}."
            row = [
                number,
                f"2025-03-{number % 28 + 1:02}",
                f"c{number}@example.org",
                source.choice(SUBJECTS),
                body,
                LABELS[kind],
            ]
            writer.writerow([*row, *([f"Dear customer, we look into item {number} at once."] if reply else [])])
    return file


def prepare(project: Path, tiny_model: Path) -> tuple[Config, Card]:
    """The data phase and its page in a baked project, with the tiny model."""
    config = read_config(project / "config.yaml")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, project / "model.json")
    data = config.data.model_copy(update={"source": str(project / config.data.source)})
    config = config.model_copy(update={"data": data})
    names = {name: project / "data" / f"{name}.jsonl" for name in ("train", "valid", "test")}
    names |= {
        "template": project / "data/template.json",
        "card": project / "data/card.json",
        "strategy": project / "s.md",
    }
    settings = parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking"))
    card = prepare_data(settings, project / "model.json", names)
    page = parse_slice(get_slice(config, "project", "method"))
    build_data_page(names["card"], names["template"], project / "model.json", page, project / "data/report.html")
    return config, card


def test_support_mails_become_a_classifier_of_their_category(bake: Bake, tmp_path: Path, tiny_model: Path) -> None:
    baked = bake(f"data={write_mails(tmp_path / 'mails.csv')}", "task=sort our support mails")
    assert baked.code == 0, baked.output
    config, card = prepare(baked.project, tiny_model)
    assert config.method == "sft" and config.data.columns == {} and config.data.meaning == "auto"
    assert card.mapping == {"prompt": ["Subject", "Body"], "completion": "Category"}
    assert card.unused == {"Nr": False, "Date": False, "From": False}
    assert card.decisions[0].value == "classify Category" and "4 different values" in card.decisions[0].reason
    rows = [row for split in ("train", "valid", "test") for row in read_jsonl(baked.project / f"data/{split}.jsonl")]
    own = [row for row in rows if not row["id"].startswith("rehearsal")]
    assert {row["messages"][-1]["content"] for row in own} == set(LABELS)
    assert all(row["messages"][0]["content"].startswith("Subject: ") for row in own)
    assert all("\nBody: Hello,\n" in row["messages"][0]["content"] for row in own)
    test = list(read_jsonl(baked.project / "data/test.jsonl"))
    assert get_default_metrics(test)[0] == "classification"
    page = (baked.project / "data/report.html").read_text(encoding="utf-8")
    assert "Subject + Body" in page and "not learnt (no information)" in page and "general chat data" in page


def test_what_is_open_is_shown_and_the_printed_lines_work(bake: Bake, tmp_path: Path, tiny_model: Path) -> None:
    baked = bake(f"data={write_mails(tmp_path / 'mails.csv', reply=True)}", "task=work on our support mails")
    file = baked.project / "config.yaml"
    config = read_config(file)
    data = config.data.model_copy(update={"source": str(baked.project / config.data.source)})
    problem = find_method_problem(data, config.method)
    assert problem is not None and "is not certain" in problem.cause and "data.meaning: 1 to" in problem.fix
    with pytest.raises(GaslampError, match="leaves out Category, which holds information"):
        prepare(baked.project, tiny_model)
    assert not (baked.project / "data/card.json").exists()
    text = file.read_text(encoding="utf-8")
    outcomes = {}
    for line in ("meaning: 1", "meaning: answer Reply", 'columns: {prompt: ["Subject", "Body"], completion: "Reply"}'):
        key = line.partition(":")[0]
        kept = [old for old in text.splitlines() if not old.strip().startswith(f"{key}:")]
        kept.insert(kept.index(next(old for old in kept if old.startswith("data:"))) + 1, f"  {line}")
        file.write_text("\n".join(kept) + "\n", encoding="utf-8")
        _, card = prepare(baked.project, tiny_model)
        outcomes[line] = json.dumps([card.mapping, card.sha256])
        assert "the column Category holds information and is not learnt" in " ".join(card.warnings)
    assert len(set(outcomes.values())) == 1


def test_at_a_terminal_the_person_chooses(bake: Bake, tmp_path: Path) -> None:
    baked = bake(f"data={write_mails(tmp_path / 'mails.csv', reply=True)}", "task=work on our support mails")
    questions: list[str] = []

    def answer(text: str) -> str:
        questions.append(text)
        return ("7", "2")[len(questions) - 1]

    before = yaml.safe_load((baked.project / "config.yaml").read_text(encoding="utf-8"))
    said = adopt(baked.project, answer)
    assert "1  answer Reply" in questions[0] and questions[1].startswith("7 is none of them")
    after = yaml.safe_load((baked.project / "config.yaml").read_text(encoding="utf-8"))
    assert after["data"].pop("meaning") == "classify Category" and before["data"].pop("meaning") == "auto"
    assert after == before and said[0].startswith("data.meaning is now classify Category")
    assert adopt(baked.project, answer) == [], "it is settled"

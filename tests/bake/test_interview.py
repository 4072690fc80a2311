"""The interview in the real cookiecutter command: at a terminal, and with nobody there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hub_stub
import pytest
import yaml
from baking import ROOT, TEMPLATE, Bake, bake_in, get_environ
from gaslamp.config.load import read_config
from ten_tasks import make_mails, make_medical
from terminal import Terminal

QUESTION = "q stops"


def start(folder: Path, home: Path, *options: str) -> Terminal:
    """cookiecutter at a terminal, in ``folder``."""
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--directory", TEMPLATE, "--output-dir", "out"]
    (folder / "out").mkdir()
    return Terminal([*command, *options], folder, get_environ(home))


def test_a_person_corrects_an_answer_and_changes_lines(tmp_path: Path, home: Path) -> None:
    make_mails(tmp_path)
    person = start(tmp_path, home)
    person.expect("[1/2]")
    person.answer("sorter: sort our support mails for the support team")
    person.expect("[2/2]")
    person.answer("mials.csv")
    person.expect("did you mean 'mails.csv'?")
    person.expect("Where is the data?")
    person.answer("mails.csv")
    person.expect("prompt = Subject + Body")
    person.expect(QUESTION)
    person.answer("method=dpo")
    person.expect("dpo cannot learn from these rows")
    person.expect(QUESTION)
    person.answer("max")
    person.expect("Enter keeps auto")
    person.answer("4")
    person.expect("max_length cannot be 4")
    person.answer("256")
    person.expect("you chose it")
    person.expect(QUESTION)
    person.answer("demo language = de")
    person.expect("you chose it")
    person.expect(QUESTION)
    person.answer("")
    assert person.close() == 0, person.text
    (project,) = (tmp_path / "out").iterdir()
    text = (project / "config.yaml").read_text(encoding="utf-8")
    config = read_config(project / "config.yaml")
    assert config.train.max_length == 256 and config.demo.language == "de" and config.method == "sft"
    assert config.project.domain == "support" and config.data.source == "data/raw/mails.csv"
    assert "  # why: you chose it\n  max_length: 256 #" in text
    assert "# why: 'Category' has 3" not in text, "what the columns mean is no setting here"
    brief = (project / "project_brief.md").read_text(encoding="utf-8")
    assert "| Columns | prompt = Subject + Body, completion = Category | 'Category' has 3 different values" in brief
    roadbook = (project / "gaslamp.md").read_text(encoding="utf-8")
    assert roadbook.index("## 1 Goal") < roadbook.index("## 2 Method") < roadbook.index("## 3 Model")
    record = json.loads((project / ".gaslamp.json").read_text())
    assert record["wanted"] == {"max_length": "256", "demo language": "de"}
    assert record["answers"]["data"] == "mails.csv"


@pytest.mark.parametrize("last", ["q", "Ctrl-C"])
def test_a_person_goes_back_and_stops(tmp_path: Path, home: Path, last: str) -> None:
    make_medical(tmp_path)
    person = start(tmp_path, home)
    person.expect("[1/2]")
    person.answer("!!!")
    person.expect("[2/2]")
    person.answer("none")
    person.expect("no project name can be made")
    person.answer("answer questions")
    person.expect("Where is the data?")
    person.answer("<")
    person.expect("What should the model do")
    person.answer("Fragen beantworten")
    person.expect("Where is the data?")
    person.answer("fragen.jsonl")
    person.expect("German")
    person.expect(QUESTION)
    person.answer("<")
    person.expect("[Fragen beantworten]")
    person.answer("")
    person.expect("[fragen.jsonl]")
    person.answer("")
    person.expect(QUESTION + " >")
    person.interrupt("stopped") if last == "Ctrl-C" else person.answer(last)
    assert person.close() != 0
    assert "stopped: nothing was written" in person.text and "Traceback" not in person.text
    assert list((tmp_path / "out").iterdir()) == []


def test_with_nobody_there_the_plan_is_printed_and_taken(bake: Bake, tmp_path: Path) -> None:
    baked = bake(f"data={make_medical(tmp_path)}", "task=Fragen von Patienten auf Deutsch beantworten")
    assert baked.code == 0, baked.output
    assert "prompt = Frage, completion = Antwort" in baked.output and "the task names the field health" in baked.output
    config = read_config(baked.project / "config.yaml")
    assert (config.method, config.demo.language, config.project.domain) == ("sft", "de", "health")


def test_no_data_yet_says_what_to_put_where(tmp_path: Path, home: Path) -> None:
    """And with --no-input there is no question, at a terminal either."""
    person = start(tmp_path, home, "--no-input", "data=none", "task=sort our support mails into categories")
    assert person.close() == 0, person.text
    assert "The plan" in person.text and QUESTION not in person.text
    (project,) = (tmp_path / "out").iterdir()
    values = yaml.safe_load((project / "config.yaml").read_text())
    assert values["data"]["source"] == "data/raw" and "make data # once there is a file" in person.text
    said = (project / "data/raw/README").read_text(encoding="utf-8")
    assert "text,label\nthe parcel never came,delivery\n" in said


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("hub:squad", "its id has an owner and a name"),
        ("https://example.org/a.csv", "is a web address"),
        ("model.pkl", "a pickle can run code"),
    ],
)
def test_what_cannot_be_data_is_refused_with_a_fix(tmp_path: Path, home: Path, data: str, message: str) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    baked = bake_in(tmp_path / "out", home, f"data={data}", cwd=tmp_path)
    assert baked.code != 0 and message in baked.output and "usual fix" in baked.output
    assert "Traceback" not in baked.output and list(baked.folder.iterdir()) == []


def test_a_hub_set_is_looked_at_where_the_hub_answers(tmp_path: Path, home: Path) -> None:
    baked = bake_in(tmp_path / "off", home, "data=hub:me/orders")
    assert baked.code == 0, baked.output
    assert read_config(baked.project / "config.yaml").data.source == "me/orders"
    assert "the hub is switched off here" in baked.output and not any((baked.project / "data/raw").glob("[a-z]*"))
    folder = tmp_path / "hub" / "datasets" / "me" / "orders"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text("question,answer\n" + "".join(f"what is {n}?,it is {n}\n" for n in range(60)))
    with hub_stub.serve_hub(tmp_path / "hub") as (url, _):
        baked = bake_in(tmp_path / "on", home, "data=hub:me/orders", HF_ENDPOINT=url, HF_HUB_OFFLINE="0")
    assert baked.code == 0, baked.output
    config = read_config(baked.project / "config.yaml")
    assert "question" in baked.output and "tokens in the longest of 50 rows" in baked.output, baked.output
    assert config.data.source == "me/orders" and not config.model.source.startswith("embedded:")

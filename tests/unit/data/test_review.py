"""Rows that a person keeps, edits, drops or writes: the file of decisions, and what the data phase makes of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import review_rows
import yaml
from gaslamp.config.load import load_config
from gaslamp.config.schema import Config
from gaslamp.config.slices import load_slice, parse_slice
from gaslamp.core.contracts import Card, Compare
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, write_json, write_jsonl
from gaslamp.data.adopt import adopt
from gaslamp.data.documents import DeskDocument
from gaslamp.data.prepare import prepare_data
from gaslamp.data.readers.folders import list_folder
from gaslamp.data.review.desk import LabelDesk, ReviewDesk, show
from gaslamp.data.review.parts import get_parts, make_empty, put_parts
from gaslamp.data.review.store import Conflict, Store, get_version
from gaslamp.evaluate.gate import get_verdict
from gaslamp.interfaces.label.desks import read_without_source
from gaslamp.interfaces.label.program import answer
from gaslamp.interfaces.label.server import get_app
from gaslamp.models.fetch import fetch_model
from starlette.testclient import TestClient

ROWS: dict[str, dict[str, Any]] = {
    "conversation": {
        "messages": [
            {"role": "system", "content": ""},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "train": [[0, 1]]},
        ]
    },
    "preference": {
        "prompt": [{"role": "user", "content": "a"}],
        "chosen": [{"role": "assistant", "content": "b"}],
        "rejected": [{"role": "assistant", "content": "c"}],
    },
    "rating": {
        "prompt": [{"role": "user", "content": "a"}],
        "completion": [{"role": "assistant", "content": "b"}],
        "label": False,
    },
    "prompt": {"prompt": [{"role": "user", "content": "a"}], "answer": "b"},
    "pair": {"anchor": "a", "positive": "b"},
    "text": {"text": "a"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_texts_of_every_kind_of_row(kind: str) -> None:
    row = ROWS[kind]
    parts = get_parts(row)
    assert put_parts(row, {part.key: part.text for part in parts if part.text}).keys() == row.keys()
    texts = {part.key: part.choices[0] if part.choices else f"new {part.key}" for part in parts}
    changed = put_parts(row, texts)
    assert {part.key: part.text for part in get_parts(changed)} == texts and changed != row
    assert "train" not in json.dumps(changed), "ranges of the old text"
    with pytest.raises(ValueError, match="is empty"):
        put_parts(make_empty(kind), {get_parts(make_empty(kind))[0].key: " "})
    with pytest.raises(ValueError, match="cannot be edited"):
        put_parts(row, {"messages.9": "x"})


def test_a_tool_call_is_shown_and_not_edited() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}
    row = {"messages": [{"role": "user", "content": "q"}, call]}
    part = get_parts(row)[1]
    assert part.fixed and '"arguments": {"x": 1}' in part.text
    with pytest.raises(ValueError, match="cannot be edited"):
        put_parts(row, {"messages.1": "x"})


def test_two_who_change_the_same_row_lose_nothing(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "raw" / "rows.jsonl"), Store(tmp_path / "raw" / "rows.jsonl")
    first = one.change("a", {"id": "a", "text": "one"}, "")
    with pytest.raises(Conflict):
        other.change("a", {"id": "a", "text": "two"}, "")
    other.change("b", {"id": "b", "text": "two"}, "")
    one.change("a", {"id": "a", "text": "three"}, first)
    assert list(read_jsonl(one.path)) == [{"id": "a", "text": "three"}, {"id": "b", "text": "two"}]
    assert one.undo() == "a" and one.records["a"]["text"] == "one"
    other.read()
    other.change("a", None, get_version(other.records["a"]))
    with pytest.raises(Conflict):
        one.undo()
    assert list(read_jsonl(one.path)) == [{"id": "b", "text": "two"}]
    assert other.undo() == "a" and other.undo() == "b" and other.undo() is None
    assert list(read_jsonl(one.path)) == [{"id": "a", "text": "one"}]


def write_candidates(folder: Path, count: int = 3) -> Path:
    origin = {"generated_by": "m", "temperature": 0.7, "style": "plain", "document": None}
    lines = [
        {
            "id": f"generated-{n}",
            "row": {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]},
            "score": 9.0 - n,
            "why": "ok",
            "origin": origin,
        }
        for n in range(count)
    ]
    write_jsonl(folder / "candidates.jsonl", lines)
    return folder / "candidates.jsonl"


def post(client: TestClient, **body: object) -> tuple[int, Any]:
    answer = client.post("/api/change", json=body)
    return answer.status_code, answer.json()


def test_the_review_over_http(tmp_path: Path) -> None:
    desk = ReviewDesk(write_candidates(tmp_path), tmp_path / "review.jsonl")
    client = TestClient(get_app(desk), base_url="http://127.0.0.1:8090")
    items = client.get("/api/items").json()["items"]
    assert [item["id"] for item in items] == ["generated-2", "generated-1", "generated-0"], "the doubtful first"
    assert items[0]["notes"] == ["judge: 7 of 10, ok", "m, temperature 0.7: plain"]
    status, kept = post(client, id="generated-2", action="keep", version="")
    assert status == 200 and kept["item"]["state"] == "keep"
    assert post(client, id="generated-1", action="edit", version="", texts={"messages.1": "better"})[0] == 200
    assert post(client, id="generated-0", action="drop", version="")[0] == 200
    lines = list(read_jsonl(tmp_path / "review.jsonl"))
    assert [line["decision"] for line in lines] == ["keep", "edit", "drop"]
    assert lines[1]["row"]["messages"][1]["content"] == "better"
    status, clash = post(client, id="generated-2", action="drop", version="")
    assert status == 409 and clash["item"]["version"] == kept["item"]["version"]
    status, undone = post(client, action="undo")
    assert (status, undone["id"], undone["item"]["state"]) == (200, "generated-0", "")
    for body, wrong in (
        ({"id": "generated-1", "action": "fly"}, 400),
        ({"id": "none", "action": "keep"}, 404),
        ({"id": "generated-0", "action": "edit", "texts": {"messages.1": " "}, "version": ""}, 400),
        ({"id": "generated-0", "action": "edit", "texts": {"messages.1": 7}, "version": ""}, 400),
        ({"action": "new"}, 400),
    ):
        assert post(client, **body)[0] == wrong, body
    assert len(list(read_jsonl(tmp_path / "review.jsonl"))) == 2, "what is refused changes nothing"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/api/change", content="{}", headers=form).status_code == 415
    assert client.post("/api/change", json={}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/api/items", headers={"Host": "evil.example"}).status_code == 403
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]
    assert client.get("/server.py").status_code == 404


def test_a_program_decides_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make review JSON=1 DECIDE=file`: what the page does, without the page."""
    write_candidates(tmp_path)
    lines = [{"id": "generated-2", "action": "keep"}, {"id": "generated-0", "action": "drop"}]
    lines += [{"id": "generated-1", "action": "edit", "texts": {"messages.1": "better"}}]
    wrong: list[tuple[object, str]] = [
        ({"id": "generated-2", "action": "fly"}, "action of keep, edit"),
        ({"id": "nobody", "action": "keep"}, "there is no row nobody"),
        ({"id": "generated-2", "action": "edit", "texts": {"answer": "x"}}, "no part answer"),
        ({"id": "generated-2", "action": "edit"}, "texts go with edit"),
        ({"id": "generated-2", "action": "keep", "texts": {"messages.1": "x"}}, "texts go with edit"),
        ({"action": "new", "texts": {"messages.1": "x"}}, "no rows are written by hand"),
        ({"id": "generated-0", "action": "keep"}, "decided twice"),
        ("no object", "no object"),
    ]

    def get_desk() -> ReviewDesk:
        return ReviewDesk(tmp_path / "candidates.jsonl", tmp_path / "review.jsonl")

    write_jsonl(tmp_path / "decisions.jsonl", [*lines, *(line for line, _ in wrong)])
    with pytest.raises(GaslampError) as caught:
        answer(get_desk(), tmp_path / "decisions.jsonl")
    for number, (_, problem) in enumerate(wrong, 4):
        assert re.search(rf"line {number}: [^;]*{problem}", caught.value.cause), (number, caught.value.cause)
    assert not (tmp_path / "review.jsonl").exists()
    write_jsonl(tmp_path / "decisions.jsonl", lines)
    found = answer(get_desk(), tmp_path / "decisions.jsonl")
    assert (found.changed, found.decided) == (3, 3)
    assert [(row.id, row.state) for row in found.rows] == [
        ("generated-2", "keep"),
        ("generated-1", "edit"),
        ("generated-0", "drop"),
    ]
    assert found.rows[1].parts[1].text == "better" and found.rows[0].notes[0] == "judge: 7 of 10, ok"
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/generated").symlink_to(tmp_path)
    monkeypatch.setattr(sys, "argv", ["review_rows.py", "--json"])
    review_rows.main()
    assert DeskDocument.model_validate_json(capsys.readouterr().out) == found.model_copy(
        update={"changed": 0, "file": "data/generated/review.jsonl"}
    )


def test_a_review_without_rows(tmp_path: Path) -> None:
    with pytest.raises(GaslampError, match="there are no generated rows") as caught:
        ReviewDesk(tmp_path / "candidates.jsonl", tmp_path / "review.jsonl")
    assert "make generate" in caught.value.fix


# -------------------- rows by hand


@pytest.fixture
def prepared(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of 40 rows, half of them in another shape of question, whose data phase ran."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {"question": f"What is {n} times {n + 3}?", "reply": str(n * (n + 3)), "level": "hard" if n % 2 else "easy"}
        for n in range(40)
    ]
    write_jsonl(tmp_path / "own.jsonl", rows)
    config = {
        "data": {"source": "own.jsonl", "rehearsal": 0.0, "split": {"test": 0.3}, "slice": "level", "system": "Count."},
        "train": {"max_length": 256},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, tmp_path / "model.json")
    prepare(tmp_path)
    return tmp_path


def prepare(project: Path) -> tuple[Card, dict[str, list[Any]]]:
    names = ("train", "valid", "test")
    outputs = {name: project / "data" / f"{name}.jsonl" for name in names}
    outputs |= {name: project / "data" / f"{name}.json" for name in ("template", "card")}
    settings = load_slice([project / "config.yaml"], ("backend", "method", "data", "train"))
    labels = project / (settings.data.labelled or "none")
    card = prepare_data(
        settings,
        project / "model.json",
        {**outputs, "strategy": project / "strategy.md"},
        labelled=labels if labels.is_file() else None,
    )
    return card, {name: list(read_jsonl(outputs[name])) for name in names}


def get_desk(project: Path, compare: Path | None = None) -> LabelDesk:
    config = load_config(yaml.safe_load((project / "config.yaml").read_text()), project / "config.yaml", project)
    labels = project / config.data.labelled
    return LabelDesk(project / "data", labels, "conversation", compare, config.data.system, config.data.slice)


def test_corrected_dropped_and_new_rows_are_the_data(prepared: Path) -> None:
    desk = get_desk(prepared)
    client = TestClient(get_app(desk), base_url="http://127.0.0.1:8090")
    items = client.get("/api/items").json()["items"]
    assert len(items) == 40 and items[0]["split"] == "test"
    assert [part["name"] for part in items[0]["parts"]] == ["user", "answer"], "every row gets data.system anyway"
    wrong, gone = items[0], items[1]
    train = next(item for item in items if item["split"] == "train")
    question = wrong["parts"][0]["text"]
    assert post(client, id=wrong["id"], action="edit", version="", texts={"messages.1": "corrected"})[0] == 200
    assert post(client, id=gone["id"], action="drop", version="")[0] == 200
    assert post(client, id=train["id"], action="edit", version="", texts={"messages.0": "A new question?"})[0] == 200
    new = post(client, action="new")[1]["item"]
    texts = {"messages.0": "Written by hand?", "messages.1": "Yes."}
    assert post(client, id=new["id"], action="edit", version="", texts={"messages.0": "?", "messages.1": " "})[0] == 400
    assert post(client, id=new["id"], action="edit", version="", texts=texts)[0] == 200

    card, splits = prepare(prepared)
    found = {row["messages"][-2]["content"]: (split, row) for split, rows in splits.items() for row in rows}
    split, row = found[question]
    assert (split, row["messages"][-1]["content"], row["slice"]) == ("test", "corrected", wrong_slice(question))
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
    assert gone["parts"][0]["text"] not in found and train["parts"][0]["text"] not in found
    assert found["A new question?"][0] == "train" and found["Written by hand?"][1]["messages"][-1]["content"] == "Yes."
    assert (card.rows["labelled"], card.rows["replaced"]) == (3, 3) and sum(map(len, splits.values())) == 40
    assert list(read_jsonl(prepared / "own.jsonl"))[0]["reply"] == "0", "your own file is never written"

    again = get_desk(prepared)
    states = {show(again, item)["parts"][0]["text"]: show(again, item)["state"] for item in again.list_items()}
    assert states[question] == "keep" and states["Written by hand?"] == "edit" and len(states) == 40
    record = next(item for item in again.list_items() if item.row["messages"][0]["content"] == question)
    assert again.decide(record, "edit", {"messages.1": "twice"})["replaces"] == wrong["id"], "of the source, still"


def wrong_slice(question: str) -> str:
    return "hard" if int(question.split()[2]) % 2 else "easy"


def test_the_worst_answers_come_first(prepared: Path, finished_compare: dict[str, Any]) -> None:
    rows = list(read_jsonl(prepared / "data" / "test.jsonl"))[:3]
    example = finished_compare["examples"][0]
    scores = {rows[0]["id"]: 1.0, rows[1]["id"]: 0.0, rows[2]["id"]: 0.5}
    finished_compare["examples"] = [
        {**example, "id": name, "tuned": f"answer {score}", "tuned_score": score} for name, score in scores.items()
    ]
    finished_compare["worst"] = [rows[1]["id"]]
    write_json(prepared / "compare.json", finished_compare)
    desk = get_desk(prepared, prepared / "compare.json")
    shown = desk.list_items()[:3]
    assert [item.id for item in shown] == [rows[1]["id"], rows[2]["id"], rows[0]["id"]]
    assert shown[0].notes == ["the tuned model answered (exact match: 0.00): answer 0.0"]


def test_the_evaluation_says_that_test_rows_are_synthetic(finished_compare: dict[str, Any]) -> None:
    example = finished_compare["examples"][0]
    marks: tuple[dict[str, str], ...] = ({"generated_by": "m, edited by hand"}, {"generated_by": "m"}, {})
    finished_compare["examples"] = [{**example, "columns": columns} for columns in marks]
    settings = parse_slice(json.dumps({"eval": {"min_score": None, "gate": "warn", "max_forgetting": 1.0}})).eval
    warnings = get_verdict(Compare.model_validate(finished_compare), settings).warnings
    assert any(text.startswith("2 of 3 test rows were written by m: ") for text in warnings), warnings


def test_labels_in_a_folder_are_no_second_source(tmp_path: Path) -> None:
    labels = tmp_path / "gaslamp-labels.jsonl"
    labels.write_text("{}\n", encoding="utf-8")
    assert list_folder(tmp_path).files == [labels], "alone it is the data"
    (tmp_path / "own.csv").write_text("a\n1\n", encoding="utf-8")
    assert list_folder(tmp_path).files == [tmp_path / "own.csv"]


def test_rows_by_hand_need_no_data(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that waits for data: twelve rows are written, and `make data` takes the file up."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "README").write_text("There is no data yet.\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text("data: {source: data/raw}\ntrain: {max_length: 256}\n", encoding="utf-8")
    config = read_without_source(tmp_path / "config.yaml")
    desk = LabelDesk(tmp_path / "data", Path(config.data.labelled or ""), "conversation", None, None, "slice")
    client = TestClient(get_app(desk), base_url="http://127.0.0.1:8090")
    for n in range(12):
        new = post(client, action="new")[1]["item"]
        texts = {"messages.0": f"Question {n}?", "messages.1": f"Answer {n}."}
        assert post(client, id=new["id"], action="edit", version="", texts=texts)[0] == 200
    texts = {"messages.0": "Twelve?", "messages.1": "By a program."}
    write_jsonl(tmp_path / "decisions.jsonl", [{"action": "new", "texts": texts}])
    found = answer(desk, tmp_path / "decisions.jsonl")
    assert len(found.rows) == 13 and [row.parts[0].text for row in found.rows][-1] == "Twelve?"
    assert adopt(tmp_path)[0].startswith("data.source is now data/raw/gaslamp-labels.jsonl")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, tmp_path / "model.json")
    settings = yaml.safe_load((tmp_path / "config.yaml").read_text())
    settings["data"] |= {"rehearsal": 0.0, "labelled": None}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    card, splits = prepare(tmp_path)
    assert sum(map(len, splits.values())) == 13 and True not in card.unused.values()


@pytest.fixture
def finished_compare() -> dict[str, Any]:
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
    metric = {"name": "exact_match", "title": "exact match", "base": score, "tuned": score, "p_value": 0.5}
    example = {
        "id": "x",
        "prompt": [],
        "reference": "r",
        "base": "b",
        "tuned": "t",
        "base_score": 0.0,
        "tuned_score": 0.0,
        "change": "comparable",
    }
    rest = {"n": 3, "confidence": 0.95, "stop_rate": {"tuned": 1.0}, "gained": 0, "lost": 0, "seconds": {}}
    return {**rest, "headline": "", "metrics": [metric], "examples": [example], "verdict": "no clear difference"}


def test_a_row_that_asks_the_same_is_replaced(prepared: Path) -> None:
    """A new row with the prompt of one of the source: two answers to one question would be learnt."""
    labels = prepared / "data/raw/gaslamp-labels.jsonl"
    row = {"messages": [{"role": "user", "content": "What is 5 times 8?"}, {"role": "assistant", "content": "forty"}]}
    write_jsonl(labels, [{**row, "id": "new-1"}])
    card, splits = prepare(prepared)
    answers = [
        row["messages"][-1]["content"]
        for rows in splits.values()
        for row in rows
        if row["messages"][-2]["content"] == "What is 5 times 8?"
    ]
    assert answers == ["forty"] and card.rows["replaced"] == 1


def test_rows_of_another_method_are_refused(prepared: Path) -> None:
    labels = prepared / "data/raw/gaslamp-labels.jsonl"
    write_jsonl(labels, [{"anchor": "a query", "positive": "its passage", "id": "new-1"}] * 3)
    with pytest.raises(GaslampError, match=r"gaslamp-labels.jsonl") as caught:
        prepare(prepared)
    assert "make label" in caught.value.fix

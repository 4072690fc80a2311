"""Rows that a model writes, against a stub of a server: what passes, what is rejected and why, and what it costs."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import openai_stub
import pytest
import yaml
from gaslamp.config.load import load_config
from gaslamp.config.schema import Config
from gaslamp.config.slices import load_slice
from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, read_jsonl, sha256_text, write_jsonl
from gaslamp.data.adopt import adopt_generated
from gaslamp.data.documents import GeneratedDocument
from gaslamp.data.generation import report, sender
from gaslamp.data.generation.facts import Generation
from gaslamp.data.generation.generate import generate_rows
from gaslamp.data.generation.replies import Rejected, read_fields, read_score
from gaslamp.data.generation.select import select_rows
from gaslamp.data.generation.shapes import SHAPES, get_fields, get_schema, make_row
from gaslamp.data.prepare import prepare_data
from gaslamp.data.rows import get_kind
from gaslamp.models.fetch import fetch_model

KEYS = ("project.task", "project.audience", "method", "data.system", "data.redact", "data.generate")
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "juniper", "kelp", "larch")


def is_judge(body: dict[str, Any]) -> bool:
    return (
        body["response_format"]["json_schema"]["name"] == "verdict"
        if "response_format" in body
        else ("You check training data" in body["messages"][0]["content"])
    )


def write_fields(body: dict[str, Any]) -> str:
    """A row of its own for every seed; the judge gives 9."""
    if is_judge(body):
        return '{"score": 9, "reason": "fine"}'
    name = sha256_text(str(body["seed"]))
    return json.dumps({"prompt": f"What is {name[:40]}?", "completion": name[40:]})


def generate(
    folder: Path, url: str, names: tuple[str, ...] = KEYS, method: str = "sft", **settings: object
) -> tuple[Any, Path]:
    """A generation of 12 rows with these settings of data.generate, and its folder."""
    own = {"rows": 12, "endpoint": {"url": url, "model": "stub"}, "licence": "own use", "parallel": 2, **settings}
    config = {
        "method": method,
        "project": {"task": "Names plants"},
        "data": {"source": "data/generated/rows.jsonl", "generate": own},
    }
    if method == "grpo":
        config["train"] = {"rewards": [{"name": "exact_answer"}]}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    place = folder / "data" / "generated"
    outputs = {"candidates": place / "candidates.jsonl", "facts": place / "generation.json"}
    return generate_rows(load_slice([file], names), outputs), place


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines for the terminal."""
    lines: list[str] = []
    monkeypatch.setattr(sender, "say", lines.append)
    monkeypatch.setattr(report, "say", lines.append)
    return lines


def test_rows_their_origin_and_what_they_cost(tmp_path: Path) -> None:
    with openai_stub.serve(write_fields) as received:
        facts, place = generate(
            tmp_path, received.url, price={"input": 1000.0, "output": 2000.0}, answer={"type": "string"}
        )
    lines = list(read_jsonl(place / "candidates.jsonl"))
    assert (facts.accepted, facts.requests, len(received.bodies)) == (12, 24, 24) and facts.rejected == {}
    assert len({line["id"] for line in lines}) == 12 and all(line["score"] == 9 for line in lines)
    first = lines[0]
    assert [turn["role"] for turn in first["row"]["messages"]] == ["user", "assistant"]
    assert first["origin"] == {
        "generated_by": "stub",
        "url": received.url,
        "licence": "own use",
        "time": first["origin"]["time"],
        "template": facts.template,
        "style": "short and plain, as a busy person writes",
        "temperature": 0.7,
        "seed": 3407,
        "document": None,
        "judge": "stub",
    }
    used = (facts.prompt_tokens * 1000 + facts.completion_tokens * 2000) / 1e6
    assert facts.prompt_tokens == 240 and facts.cost == pytest.approx(used) and not facts.estimated
    asks = [body for body in received.bodies if not is_judge(body)]
    assert {body["temperature"] for body in asks} == {0.7, 1.0} and len({body["seed"] for body in asks}) == 12
    assert "Names plants" in asks[0]["messages"][0]["content"] and asks[0]["max_tokens"] == 512


def test_a_start_after_a_kill_requests_nothing_twice(tmp_path: Path, said: list[str]) -> None:
    with openai_stub.serve(write_fields) as received:
        url = received.url
        whole, place = generate(tmp_path, url, parallel=1)
        expected = (place / "candidates.jsonl").read_text()
        replies = (place / "replies.jsonl").read_text().splitlines(keepends=True)
        (place / "replies.jsonl").write_text("".join(replies[:10]) + replies[10][:30])  # a kill cuts a line
        before = len(received.bodies)
        again, _ = generate(tmp_path, url, parallel=3)
        assert len(received.bodies) - before == 14 and (again.requests, whole.requests) == (24, 24)
    assert [line["row"] for line in read_jsonl(place / "candidates.jsonl")] == [
        json.loads(line)["row"] for line in expected.splitlines()
    ]
    assert any("10 replies of an earlier start are kept" in text for text in said)
    with openai_stub.serve(lambda body: (401, {"error": {"message": "no"}})) as received:
        with pytest.raises(GaslampError, match="refused a request without a key") as caught:
            generate(tmp_path, received.url)
        assert "the replies that came are kept" in str(caught.value)


def test_what_is_rejected_and_why(tmp_path: Path) -> None:
    """No JSON, another shape, cut, empty, a copy of a seed, of a row, a low score, no score: each with its reason."""
    seed = {"prompt": "How tall does a juniper grow in a garden?", "completion": "Up to four metres."}
    write_jsonl(tmp_path / "seeds.jsonl", [seed] * 1)
    twin = json.dumps({"prompt": "Where does the grey heron build its nest?", "completion": "In tall trees by water."})
    special = {
        3407: "I cannot do that",
        3408: '{"prompt": "only a prompt about kelp"}',
        3409: '{"prompt": " ", "completion": "x"}',
        3410: json.dumps(seed),
        3411: twin,
        3412: f"<think>a row</think> Here it is: {twin}",
        3413: '{"prompt": "worst one?", "completion": "no"}',
        3414: '{"prompt": "unscored one?", "completion": "hm"}',
        3415: json.dumps({**seed, "completion": "Nobody knows, since a juniper is a shrub of many shapes and sizes."}),
    }

    def write(body: dict[str, Any]) -> str:
        text = body["messages"][0]["content"]
        if is_judge(body):
            return (
                "no idea" if "unscored" in text else json.dumps({"score": 2 if "worst" in text else 8, "reason": "r"})
            )
        return special.get(body["seed"]) or write_fields(body)

    with openai_stub.serve(write) as received:
        facts, place = generate(tmp_path, received.url, rows=10, seeds="seeds.jsonl", parallel=1)
    found = {line["number"]: (line["reason"], line["detail"]) for line in read_jsonl(place / "rejects.jsonl")}
    assert {number: reason for number, (reason, _) in found.items()} == {
        0: "no JSON",
        1: "wrong shape",
        2: "empty",
        3: "near copy",
        5: "near copy",
        6: "judge",
        7: "no score",
        8: "near copy",
    }
    assert found[8][1] == "prompt 100% like seed 1", "with another answer"
    assert found[3][1] == "100% like seed 1" and found[5][1] == "100% like row 4"
    assert found[6][1] == "scored 2, below 7: r" and "I cannot do that" in found[0][1]
    assert facts.accepted == 10 and facts.rejected["near copy"] == 3 and facts.seeds == 1
    assert "How tall does a juniper grow" in received.bodies[0]["messages"][0]["content"], "seeds are shown"


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (r'"half of one: \ud83d"', "broken character"),
        ('"lost on its way: \ufffd"', "broken character"),
        ("[" * 200 + "]" * 200, "too deep"),
        ("[" * 100_000, "too deep"),
        ("[" * 100_000 + "]" * 100_000, "too deep"),
        ("1e999", "no number"),
        ("NaN", "no number"),
    ],
)
def test_a_row_that_no_file_can_hold(field: str, kind: str) -> None:
    with pytest.raises(Rejected) as found:
        read_fields(f'{{"prompt": "What is amber?", "completion": {field}}}', {"type": "object"}, "stop")
    assert found.value.kind == kind and found.value.reason.encode("utf-8")


def test_one_odd_reply_costs_one_row(tmp_path: Path) -> None:
    """Nor does it end a later start, which finds it among the replies."""
    odd = [r'{"prompt": "Half of one", "completion": "it is \ud83d"}', '{"prompt": ' + "[" * 100_000]

    def model(body: dict[str, Any]) -> str:
        return write_fields(body) if is_judge(body) or not odd else odd.pop()

    with openai_stub.serve(model) as received:
        facts, place = generate(tmp_path, received.url, rows=3, parallel=1)
        again, _ = generate(tmp_path, received.url, rows=3, parallel=1)
    assert facts.accepted == again.accepted == 3
    assert facts.rejected == again.rejected == {"too deep": 1, "broken character": 1}
    assert len(received.bodies) == facts.requests == 8
    assert {line["reason"] for line in read_jsonl(place / "rejects.jsonl")} == set(facts.rejected)


@pytest.mark.parametrize(
    ("settings", "stopped", "accepted"),
    [
        ({"limits": {"requests": 9}, "judge": {"threshold": None}}, "limits.requests = 9 is used up", 9),
        ({"limits": {"tokens": 100}, "judge": {"threshold": None}}, "limits.tokens = 100 is used up", 7),
        (
            {"limits": {"cost": 0.03}, "price": {"input": 1000.0}, "judge": {"threshold": None}},
            "limits.cost = 0.03 is used up",
            3,
        ),
    ],
)
def test_limits(tmp_path: Path, settings: dict[str, Any], stopped: str, accepted: int) -> None:
    with openai_stub.serve(write_fields) as received:
        facts, place = generate(tmp_path, received.url, parallel=1, **settings)
        sent = len(received.bodies)
        assert facts.stopped and stopped in facts.stopped and facts.accepted == accepted == sent
        more, _ = generate(tmp_path, received.url, parallel=1, judge={"threshold": None})
        assert more.accepted == 12 and len(received.bodies) == 12, "what was paid for is used"


def test_a_server_without_structured_output(tmp_path: Path, said: list[str]) -> None:
    def write(body: dict[str, Any]) -> Any:
        if "response_format" in body:
            return 400, {"error": {"message": "response_format is not supported"}}
        return write_fields(body)

    with openai_stub.serve(write) as received:
        facts, _ = generate(tmp_path, received.url, parallel=1)
    assert facts.accepted == 12 and len(received.bodies) == 25, "one refusal, then without"
    assert sum("refuses structured output" in text for text in said) == 1


def test_nothing_passes(tmp_path: Path) -> None:
    pattern = "none of 60 generated rows passed: no JSON"
    with (
        openai_stub.serve(lambda body: "Sure! Here is a row.") as received,
        pytest.raises(GaslampError, match=pattern) as caught,
    ):
        generate(tmp_path, received.url)
    assert "stronger model" in caught.value.fix
    assert len(list(read_jsonl(tmp_path / "data/generated/rejects.jsonl"))) == 60, "they stay, to be read"
    assert not (tmp_path / "data/generated/candidates.jsonl").exists()


def test_documents_and_a_judge_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "handbook").mkdir()
    paragraphs = [f"# Part {n}\n\n" + f"The valve number {n} is opened by turning it left. " * 30 for n in range(4)]
    (tmp_path / "handbook" / "valves.md").write_text("\n\n".join(paragraphs), encoding="utf-8")
    with openai_stub.serve(write_fields) as writer, openai_stub.serve(write_fields) as judge:
        facts, place = generate(
            tmp_path,
            writer.url,
            rows=4,
            documents="handbook",
            judge={"endpoint": {"url": judge.url, "model": "strict"}, "threshold": 5},
        )
    assert facts.documents == 4 and len(writer.bodies) == len(judge.bodies) == 4
    places = [line["origin"]["document"] for line in read_jsonl(place / "candidates.jsonl")]
    assert len(set(places)) == 4 and all("valves.md" in one for one in places)
    texts = [body["messages"][0]["content"] for body in (*writer.bodies, *judge.bodies)]
    assert all(re.search(r"<document>\n.*valve number \d.*</document>", text, re.DOTALL) for text in texts)
    assert facts.judge == {"url": judge.url, "model": "strict", "threshold": 5.0}


REPLIES: dict[str, tuple[str, dict[str, Any]]] = {
    "sft": ("conversation", {"prompt": "ask {n}", "completion": "yes"}),
    "dpo": ("preference", {"prompt": "ask {n}", "chosen": "good", "rejected": "bad"}),
    "kto": ("rating", {"prompt": "ask {n}", "completion": "yes", "label": False}),
    "grpo": ("prompt", {"prompt": "ask {n}", "answer": "7"}),
    "embedding": ("pair", {"anchor": "ask {n}", "positive": "the passage"}),
}


@pytest.mark.parametrize("method", REPLIES)
def test_rows_of_every_kind(tmp_path: Path, method: str) -> None:
    kind, fields = REPLIES[method]

    def write(body: dict[str, Any]) -> str:
        name = sha256_text(str(body["seed"]))[:30]
        return json.dumps(
            {key: value.format(n=name) if isinstance(value, str) else value for key, value in fields.items()}
        )

    with openai_stub.serve(write) as received:
        _, place = generate(tmp_path, received.url, method=method, rows=3, judge={"threshold": None}, similarity=1.0)
    rows = [line["row"] for line in read_jsonl(place / "candidates.jsonl")]
    assert len(rows) == 3 and {get_kind(row) for row in rows} == {kind}
    shown = get_fields(rows[0], kind)
    assert set(shown) == {field.name for field in SHAPES[kind]} and make_row(shown, kind) == rows[0]


def test_answers_by_a_schema() -> None:
    classes = get_schema("conversation", {"enum": ["billing", "delivery"]})
    assert (
        read_fields('{"prompt": "where is it?", "completion": "delivery"}', classes, "stop")["completion"] == "delivery"
    )
    with pytest.raises(Rejected, match="completion: 'other' is not one of"):
        read_fields('{"prompt": "where is it?", "completion": "other"}', classes, "stop")
    objects = get_schema("conversation", {"type": "object", "required": ["total"]})
    fields = read_fields('{"prompt": "2 teas", "completion": {"total": 4.5, "ä": 1}}', objects, "stop")
    assert make_row(fields, "conversation")["messages"][1]["content"] == '{"total": 4.5, "ä": 1}'
    with pytest.raises(Rejected, match="raise data.generate.max_tokens"):
        read_fields('{"prompt": "where', classes, "length")


def test_classes_take_turns(tmp_path: Path) -> None:
    """A model that is free to choose writes the easiest class alone."""
    classes = ["billing", "delivery", "other"]

    def write(body: dict[str, Any]) -> str:
        wanted = body["response_format"]["json_schema"]["schema"]["properties"]["completion"]["enum"]
        assert len(wanted) == 1 and f'"enum": ["{wanted[0]}"]' in body["messages"][0]["content"]
        return json.dumps({**json.loads(write_fields(body)), "completion": wanted[0]})

    with openai_stub.serve(write) as received:
        _, place = generate(tmp_path, received.url, rows=36, answer={"enum": classes}, judge={"threshold": None})
    rows = [
        (line["row"]["messages"][1]["content"], line["origin"]["style"])
        for line in read_jsonl(place / "candidates.jsonl")
    ]
    assert Counter(name for name, _ in rows) == dict.fromkeys(classes, 12)
    assert len(set(rows)) == 18, "each class in each of the six styles"


@pytest.mark.parametrize(
    ("reply", "score"),
    [('{"score": 7.5, "reason": "ok"}', 7.5), ('<think>{"score": 1}</think>so {"score": 10}', 10), ('{"score": 0}', 0)],
)
def test_scores(reply: str, score: float) -> None:
    assert read_score(reply)[0] == score
    for bad in ("8", '{"score": 11}', '{"score": "8"}', '{"score": true}', ""):
        with pytest.raises(Rejected, match="no score from 0 to 10"):
            read_score(bad)


@pytest.mark.parametrize(
    ("settings", "source", "problem"),
    [
        ({"endpoint": {}}, None, "data.generate.endpoint needs url and model"),
        ({"licence": " "}, None, "data.generate.licence is empty"),
        ({"seeds": "none.jsonl"}, None, "data.generate.seeds: no such file or folder: none.jsonl"),
        ({"answer": {"type": "strnig"}}, None, "data.generate.answer is no JSON schema"),
        ({"limits": {"cost": 1.0}}, None, "limits.cost needs the prices"),
        ({"judge": {"endpoint": {"url": "http://127.0.0.1:1/v1"}}}, None, "needs both url and model"),
        ({}, "embedded:orders_json", "data.source is an embedded set of another task"),
        ({"rows": 0}, None, "is written by a model: set data.generate.rows"),
    ],
)
def test_what_the_config_lacks(tmp_path: Path, settings: dict[str, Any], source: str | None, problem: str) -> None:
    own = {"rows": 5, "endpoint": {"url": "http://127.0.0.1:1/v1", "model": "m"}, "licence": "x", **settings}
    data = {"source": source or "data/generated/rows.jsonl", "generate": own}
    with pytest.raises(GaslampError) as caught:
        load_config({"data": data}, tmp_path / "config.yaml", tmp_path)
    assert problem in caught.value.cause
    good = {"rows": 5, "endpoint": own["endpoint"] or {"url": "http://127.0.0.1:1/v1", "model": "m"}, "licence": "x"}
    load_config({"data": {"source": "data/generated/rows.jsonl", "generate": good}}, tmp_path / "config.yaml", tmp_path)


def test_methods_without_generated_rows(tmp_path: Path) -> None:
    own = {"rows": 5, "endpoint": {"url": "http://127.0.0.1:1/v1", "model": "m"}, "licence": "x"}
    config = {"method": "cpt", "data": {"source": "data/generated/rows.jsonl", "generate": own}}
    with pytest.raises(GaslampError, match="cpt learns from text rows, which are not generated"):
        load_config(config, tmp_path / "config.yaml", tmp_path)


def test_seeds_that_cannot_serve(tmp_path: Path) -> None:
    (tmp_path / "seeds.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(GaslampError, match=r"data.generate.seeds, seeds.csv") as caught:
        generate(tmp_path, "http://127.0.0.1:1/v1", seeds="seeds.csv")
    assert caught.value.fix == "call the columns prompt, completion"
    (tmp_path / "seeds.csv").write_text("prompt,completion\nhow?,so\nwhen?,now\n", encoding="utf-8")
    with pytest.raises(GaslampError, match="no connection"):  # they serve now
        generate(tmp_path, "http://127.0.0.1:1/v1", seeds="seeds.csv")


def test_make_generate_points_the_config_at_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data:\n  source: embedded:orders_json # old\n  generate:\n    rows: 0\n", encoding="utf-8")
    with pytest.raises(GaslampError, match=r"data.generate.rows in config.yaml is 0"):
        adopt_generated(tmp_path)
    file.write_text(file.read_text().replace("rows: 0", "rows: 9"), encoding="utf-8")
    (said,) = adopt_generated(tmp_path)
    assert said.startswith("data.source is now data/generated/rows.jsonl (it was embedded:orders_json)")
    assert yaml.safe_load(file.read_text())["data"]["source"] == "data/generated/rows.jsonl"
    assert adopt_generated(tmp_path) == []
    (tmp_path / "own.csv").write_text("prompt,completion\na,b\n", encoding="utf-8")
    file.write_text("data:\n  source: own.csv\n  generate:\n    rows: 9\n", encoding="utf-8")
    assert adopt_generated(tmp_path) == [], "your own data stays"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Forty candidates."""
    with openai_stub.serve(write_fields) as received:
        return generate(tmp_path, received.url, rows=40)[1]  # type: ignore[no-any-return]


def test_the_generation_as_a_document(made: Path) -> None:
    facts = Generation.read(made / "generation.json")
    found = GeneratedDocument.make(facts, ["data.source is now x"], "data/generated/candidates.jsonl")
    assert (found.accepted, found.wanted, found.model) == (40, 40, facts.model)
    assert found.requests == facts.requests and found.done == ["data.source is now x"] and found.schema_version == 1


def select(place: Path, lines: list[dict[str, Any]], is_needed: bool = True) -> Path:
    review = place / "review.jsonl"
    write_jsonl(review, lines)
    outputs = {"rows": place / "rows.jsonl", "selection": place / "selection.json"}
    select_rows(place / "candidates.jsonl", place / "generation.json", review, is_needed, outputs)
    return outputs["rows"]


def test_only_what_a_person_kept_is_learnt(made: Path) -> None:
    every = list(read_jsonl(made / "candidates.jsonl"))
    with pytest.raises(GaslampError, match="40 of 40 generated rows wait for a look") as caught:
        select(made, [])
    assert "make review" in caught.value.fix and "data.generate.review: false" in str(caught.value.less_likely)
    edited = {"messages": [*every[1]["row"]["messages"][:1], {"role": "assistant", "content": "BETTER"}]}
    lines = [
        {"id": every[0]["id"], "decision": "drop"},
        {"id": every[1]["id"], "decision": "edit", "row": edited},
        *({"id": one["id"], "decision": "keep"} for one in every[2:]),
    ]
    rows = list(read_jsonl(select(made, lines)))
    assert len(rows) == 39 and rows[0] == {**edited, "generated_by": "stub, edited by hand"}
    assert rows[1] == {**every[2]["row"], "generated_by": "stub"}
    facts = read_json(made / "selection.json")
    assert [facts[key] for key in ("kept", "edited", "dropped", "unseen")] == [38, 1, 1, 0] and not facts["warnings"]
    assert len(list(read_jsonl(select(made, lines[:10], is_needed=False)))) == 39
    assert "30 of 39 generated rows are learnt without a look" in read_json(made / "selection.json")["warnings"][0]
    with pytest.raises(GaslampError, match="none of 40 generated rows was kept"):
        select(made, [{"id": one["id"], "decision": "drop"} for one in every])


def prepare(folder: Path, model: Path, source: str, **files: Path) -> tuple[Card, dict[str, list[Any]]]:
    file = folder / "prepare.yaml"
    data = {"source": source, "rehearsal": 0.0, "split": {"test": 0.2}}
    file.write_text(yaml.safe_dump({"method": "sft", "data": data, "train": {"max_length": 256}}), encoding="utf-8")
    names = ("train", "valid", "test")
    outputs = {name: folder / "data" / f"{name}.jsonl" for name in names}
    outputs |= {name: folder / "data" / f"{name}.json" for name in ("template", "card")}
    settings = load_slice([file], ("backend", "method", "data", "train"))
    card = prepare_data(settings, model, {**outputs, "strategy": folder / "strategy.md"}, **files)
    return card, {name: list(read_jsonl(outputs[name])) for name in names}


def get_model(folder: Path, checkpoint: Path) -> Path:
    fetch_model(Config.model_validate({"model": {"source": str(checkpoint)}}).model, folder / "model.json")
    return folder / "model.json"


def test_the_card_says_which_test_rows_are_synthetic(made: Path, tmp_path: Path, tiny_model: Path) -> None:
    rows = select(made, [], is_needed=False)
    card, splits = prepare(tmp_path, get_model(tmp_path, tiny_model), str(rows), selection=made / "selection.json")
    test = len(splits["test"])
    assert card.generated["test"] == test > 3 and card.generated["train"] == len(splits["train"])
    assert (card.generated["model"], card.generated["licence"], card.generated["unseen"]) == ("stub", "own use", 40)
    assert any(f"{test} of {test} test rows were written by stub" in text for text in card.warnings)
    assert card.unused == {} and splits["test"][0]["columns"] == {"generated_by": "stub"}


def test_with_rows_of_your_own_generated_ones_are_for_training(made: Path, tmp_path: Path, tiny_model: Path) -> None:
    rows = select(made, [], is_needed=False)
    own = [{"question": f"own {name} {n}?", "reply": f"{n}"} for n, name in enumerate(WORDS)]
    first = next(read_jsonl(rows))["messages"]
    own.append({"question": first[0]["content"], "reply": "my own answer"})
    write_jsonl(tmp_path / "own.jsonl", own)
    card, splits = prepare(
        tmp_path,
        get_model(tmp_path, tiny_model),
        str(tmp_path / "own.jsonl"),
        generated=rows,
        selection=made / "selection.json",
    )
    marks = {name: sum("columns" in row for row in found) for name, found in splits.items()}
    assert marks == {"train": 39, "valid": 0, "test": 0}, "one has the prompt of an own row"
    assert "39 rows were written by stub (terms of its output: own use)" in card.warnings
    assert card.rows["generated"] == 39 and card.generated["test"] == 0 and card.rows["test"] >= 1
    assert not any("test rows were written by" in text for text in card.warnings)
    answers = [row["messages"][-1]["content"] for found in splits.values() for row in found]
    assert "my own answer" in answers and len(answers) == len(set(answers)) == len(WORDS) + 1 + 39

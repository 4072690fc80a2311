"""The embedded data set and the retention questions: same bytes everywhere, no leak from test to train, well-formed rows."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from gaslamp.embedded import orders_json
from gaslamp.errors import GaslampError
from gaslamp.files import read_jsonl

ROWS_SHA256 = "cdd7ce6b65f8e6b7bc60161050111ff1782a3f39a94c28b84978c3c9a32f9366"
RETENTION = Path(orders_json.__file__).with_name("retention.jsonl")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(orders_json.generate())


def get_user(row: dict[str, Any]) -> str:
    return str(row["messages"][1]["content"])


def get_answer(row: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(row["messages"][2]["content"]))


def get_name(item: dict[str, Any]) -> str:
    """The menu's name of an ordered item: what is left without its size."""
    return re.sub(r"^(small|medium|large) ", "", str(item["item"]))


def get_items(rows: list[dict[str, Any]]) -> set[str]:
    return {get_name(item) for row in rows for item in get_answer(row)["items"]}


def of_split(rows: list[dict[str, Any]], *splits: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["split"] in splits]


def test_rows_have_the_pinned_bytes(rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert hashlib.sha256(text.encode()).hexdigest() == ROWS_SHA256, "the rows changed: measure the recipe again, then pin"


def test_another_seed_gives_other_rows(rows: list[dict[str, Any]]) -> None:
    assert [get_user(row) for row in orders_json.generate(seed=1, n_train=20, n_valid=0, n_test=0)] != [get_user(row) for row in rows[:20]]


def test_sizes_and_slices(rows: list[dict[str, Any]]) -> None:
    assert [len(of_split(rows, split)) for split in ("train", "valid", "test")] == [560, 40, 200]
    assert {row["slice"] for row in of_split(rows, "train", "valid")} == {"seen_items"}
    assert sum(row["slice"] == "unseen_items" for row in of_split(rows, "test")) == 50


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(GaslampError, match="cannot be negative"):
        next(orders_json.generate(n_valid=-1))


def test_no_user_text_occurs_twice(rows: list[dict[str, Any]]) -> None:
    texts = [get_user(row).lower() for row in rows]
    assert len(set(texts)) == len(texts)


def test_test_customers_never_occur_in_training(rows: list[dict[str, Any]]) -> None:
    known = of_split(rows, "train", "valid")
    words = {word for row in known for word in re.findall(r"\w+", get_user(row).lower())}
    customers = {get_answer(row)["customer"] for row in of_split(rows, "test")}
    assert customers == set(orders_json.TEST_NAMES)
    assert not {customer.lower() for customer in customers} & words


def test_test_phrasings_never_occur_in_training() -> None:
    known = (*orders_json.PHRASINGS, *orders_json.PHRASINGS_NO_TIME, *orders_json.PHRASINGS_FIX)
    fresh = (*orders_json.TEST_PHRASINGS, *orders_json.TEST_PHRASINGS_NO_TIME, *orders_json.TEST_PHRASINGS_FIX)

    def frame(phrasing: str) -> str:
        return re.sub(r"[^\w{}]+", " ", phrasing).lower().strip()

    assert not {frame(phrasing) for phrasing in known} & {frame(phrasing) for phrasing in fresh}
    assert len({frame(phrasing) for phrasing in (*known, *fresh)}) == len(known) + len(fresh)
    assert not set(orders_json.CHATTER) & set(orders_json.TEST_CHATTER)


def test_unseen_items_never_occur_in_training(rows: list[dict[str, Any]]) -> None:
    training = "\n".join(json.dumps(row["messages"]) for row in of_split(rows, "train", "valid")).lower()
    unseen = get_items([row for row in rows if row["slice"] == "unseen_items"])
    assert len(unseen) > 12 and unseen <= {item.name for item in orders_json.UNSEEN_ITEMS}
    assert not [item.name for item in orders_json.UNSEEN_ITEMS if item.name in training]
    seen = get_items([row for row in of_split(rows, "test") if row["slice"] == "seen_items"])
    assert seen <= get_items(of_split(rows, "train"))


def test_every_answer_keeps_the_schema_and_is_compact(rows: list[dict[str, Any]]) -> None:
    sized = {item.name for item in (*orders_json.ITEMS, *orders_json.UNSEEN_ITEMS) if item.sized}
    menu = sized | {f"{size} {name}" for size in ("small", "medium", "large") for name in sized}
    menu |= {item.name for item in (*orders_json.ITEMS, *orders_json.UNSEEN_ITEMS)}
    for row in rows:
        answer = get_answer(row)
        assert row["messages"][2]["content"] == json.dumps(answer, separators=(",", ":"))
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        assert list(answer) == ["customer", "items", "time"]
        assert answer["time"] is None or re.fullmatch(r"(0[7-9]|1[0-7]):[0-5][05]", answer["time"])
        assert 1 <= len(answer["items"]) <= 2
        for item in answer["items"]:
            assert list(item) == ["qty", "item"]
            assert 1 <= item["qty"] <= 12
            assert item["item"] in menu and (item["item"] == get_name(item) or get_name(item) in sized)


def test_every_answer_can_be_read_from_its_text(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        text, answer = get_user(row).lower(), get_answer(row)
        assert answer["customer"].lower() in text
        for item in answer["items"]:
            name = get_name(item)
            size = item["item"].removesuffix(name)
            plural = next(i.plural for i in (*orders_json.ITEMS, *orders_json.UNSEEN_ITEMS) if i.name == name)
            assert size + name in text or size + plural in text


def test_retention_questions_are_well_formed() -> None:
    questions = list(read_jsonl(RETENTION))
    assert len(questions) == 40
    assert len({row["messages"][0]["content"] for row in questions}) == 40
    for row in questions:
        assert set(row) == {"messages", "accept"}
        assert [message["role"] for message in row["messages"]] == ["user"]
        question = row["messages"][0]["content"].lower()
        assert row["accept"] and all(answer.strip() == answer != "" for answer in row["accept"])
        assert not [answer for answer in row["accept"] if re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", question)]

"""The embedded data sets and the retention questions: same bytes everywhere, no leak from test to train,
well-formed rows.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.embedded import _replies, orders_json

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
    assert hashlib.sha256(text.encode()).hexdigest() == ROWS_SHA256, (
        "the rows changed: measure the recipe again, then pin"
    )


def test_another_seed_gives_other_rows(rows: list[dict[str, Any]]) -> None:
    assert [get_user(row) for row in orders_json.generate(seed=1, n_train=20, n_valid=0, n_test=0)] != [
        get_user(row) for row in rows[:20]
    ]


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
        assert not [
            answer for answer in row["accept"] if re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", question)
        ]


PINNED = {
    "replies_preference": "8bfa04b2e8bc32fca8f124e4e9f1c75969c5be616adcce7b1e8ea23c2e367729",
    "replies_rating": "19087c9f144122db446c6596b37c6d7bf03a4d0ca0e2a5a1a0a942fbc815edac",
    "sums_prompts": "2ab9158d8af8f50a017bd7f75d48e31e9667ef60f47e188277ff38d3fc6c36f5",
    "islands_text": "9c118e9c092fcc8ae0edda7746b65774012518bc8c4f8bef859685f42c00e323",
    "help_pairs": "d6f8c5cb86b9372960cd8c6d3b9c1397ee643e63559079e98c670a01b82f1f7f",
}


def get_question(row: dict[str, Any]) -> str:
    return str(row.get("prompt") or row.get("anchor") or row.get("text") or json.dumps(row["messages"][:-1]))


@pytest.mark.parametrize("name", PINNED)
def test_set_has_the_pinned_bytes(name: str) -> None:
    text = "".join(json.dumps(row) + "\n" for row in registry.get("embedded", name).generate())
    assert hashlib.sha256(text.encode()).hexdigest() == PINNED[name], (
        "the rows changed: measure what trains on them again, then pin"
    )


@pytest.mark.parametrize("name", registry.names("embedded"))
def test_set_asks_nothing_twice_and_can_be_made_smaller(name: str) -> None:
    module = registry.get("embedded", name)
    questions = [get_question(row) for row in module.generate()]
    assert len(set(questions)) == len(questions)
    assert [row["split"] for row in module.generate(n_train=6, n_valid=2, n_test=4)] == ["train"] * 6 + [
        "valid"
    ] * 2 + ["test"] * 4
    with pytest.raises(GaslampError, match="cannot be negative"):
        next(module.generate(n_test=-1))


def test_test_prompts_use_phrases_that_training_has_not() -> None:
    rows = list(registry.get("embedded", "replies_preference").generate())

    def get_frame(row: dict[str, Any]) -> str:
        """The question without what it is about."""
        words = row["prompt"].partition("Guest: ")[2]
        for thing in sorted(
            {t for topic in (*_replies.TOPICS, *_replies.UNSEEN) for t in topic.things if t}, key=len, reverse=True
        ):
            words = words.replace(thing, "{x}")
        return words

    assert not {get_frame(row) for row in of_split(rows, "train", "valid")} & {
        get_frame(row) for row in of_split(rows, "test")
    }
    assert {row["fault"] for row in of_split(rows, "test")} == set(_replies.FAULTS)
    assert all(row["chosen"] != row["rejected"] for row in rows)
    short = [row for row in rows if len(row["rejected"]) <= len(row["chosen"]) + 5]
    assert len(short) > len(rows) / 3, "length alone must not separate good from bad"


def test_half_of_the_ratings_are_good_in_every_split() -> None:
    rows = list(registry.get("embedded", "replies_rating").generate())
    for split in ("train", "valid", "test"):
        labels = [row["label"] for row in of_split(rows, split)]
        assert sum(labels) * 2 == len(labels)


def test_the_sums_are_right_by_their_own_verifier() -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    for row in registry.get("embedded", "sums_prompts").generate(n_train=20, n_valid=0, n_test=0):
        entry = {"question": row["prompt"], "answer": row["answer"], "metadata": json.loads(row["metadata"])}
        judge = reasoning_gym.get_score_answer_fn(row["task"])
        assert judge(answer=row["answer"], entry=entry) == 1.0 and judge(answer="nothing", entry=entry) < 0.1


def test_pictures_are_png_of_a_size_that_models_like() -> None:
    image = pytest.importorskip("PIL.Image")
    rows = list(registry.get("embedded", "digits_vision").generate(n_train=10, n_valid=0, n_test=0))
    assert [row["messages"][1]["content"] for row in rows] == registry.get("embedded", "digits_vision").WORDS
    for row in rows:
        head, _, body = row["messages"][0]["content"][0]["image"].partition(",")
        with image.open(io.BytesIO(base64.b64decode(body))) as picture:
            assert head == "data:image/png;base64" and picture.size == (320, 320) and len(picture.getcolors()) > 4


def test_islands_and_devices_of_the_test_are_new() -> None:
    islands = list(registry.get("embedded", "islands_text").generate())
    names = {row["text"].partition(".")[0].lower() for row in of_split(islands, "test")}
    known = "\n".join(row["text"] for row in of_split(islands, "train", "valid")).lower()
    assert not [name for name in names if name in known]
    pairs = list(registry.get("embedded", "help_pairs").generate())
    devices = registry.get("embedded", "help_pairs").UNSEEN
    known = "\n".join(row["anchor"] + row["positive"] for row in of_split(pairs, "train", "valid"))
    assert not [device for device in devices if device in known]
    assert all(row["positive"] != row["negative"] for row in pairs)

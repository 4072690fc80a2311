"""Kinds of rows and what each phase asks of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from gaslamp.data import rows
from gaslamp.data.rows import get_question, is_plain
from gaslamp.data.written import write_row

ASK = [{"role": "user", "content": "2 + 2?"}]
GOOD, BAD = [{"role": "assistant", "content": "4"}], [{"role": "assistant", "content": "5"}]
EXAMPLES = {
    "conversation": {"messages": [*ASK, *GOOD]},
    "preference": {"prompt": ASK, "chosen": GOOD, "rejected": BAD},
    "rating": {"prompt": ASK, "completion": GOOD, "label": True},
    "pair": {"anchor": "a", "positive": "b"},
    "speech": {"audio": "a.wav", "transcript": "words"},
    "text": {"text": "words"},
    "prompt": {"prompt": ASK, "answer": 4},
}


@pytest.mark.parametrize("kind", rows.KINDS)
def test_the_keys_decide_the_kind(kind: str) -> None:
    assert rows.get_kind(EXAMPLES[kind]) == kind
    assert rows.adapt(EXAMPLES[kind], kind) is EXAMPLES[kind]


def test_a_row_of_no_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="no kind"):
        rows.get_kind({"question": "?"})


def test_prompt_and_reference_of_a_row() -> None:
    for kind in ("conversation", "preference", "rating", "prompt"):
        assert rows.get_prompt(EXAMPLES[kind]) == ASK and rows.get_reference(EXAMPLES[kind]) == "4"
    assert rows.get_prompt(EXAMPLES["text"]) == [] and rows.get_reference(EXAMPLES["text"]) is None
    assert rows.get_reference({"prompt": ASK, "completion": BAD, "label": False}) is None
    assert rows.get_reference({"prompt": ASK}) is None


def test_an_answer_that_is_not_trained_is_no_reference() -> None:
    talk = [{"role": role, "content": role[0] + str(n)} for n in (1, 2) for role in ("user", "assistant")]
    talk[3]["train"] = False
    assert rows.get_reference({"messages": talk}) == "a1" and rows.get_prompt({"messages": talk}) == [
        {"role": "user", "content": "u1"}
    ]
    talk[3].pop("train")
    talk[1]["train"] = False
    assert rows.get_reference({"messages": talk}) == "a2"
    assert rows.get_prompt({"messages": talk}) == [{"role": t["role"], "content": t["content"]} for t in talk[:3]], (
        "marks are nothing for a server"
    )


def test_parts_of_a_message() -> None:
    message = {
        "role": "user",
        "content": [{"type": "image", "image": "images/a.png"}, {"type": "text", "text": "what is it?"}],
    }
    assert rows.get_text(message) == "what is it?" and rows.get_images([message, *GOOD]) == ["images/a.png"]


def test_adapting_invents_nothing() -> None:
    assert rows.adapt({**EXAMPLES["preference"], "slice": "s"}, "conversation") == {
        "messages": [*ASK, *GOOD],
        "slice": "s",
    }
    assert rows.adapt_all({**EXAMPLES["preference"], "slice": "s"}, "rating") == [
        {"prompt": ASK, "completion": EXAMPLES["preference"]["chosen"], "label": True, "slice": "s"},
        {"prompt": ASK, "completion": EXAMPLES["preference"]["rejected"], "label": False, "slice": "s"},
    ]
    assert rows.adapt(EXAMPLES["conversation"], "prompt") == {"prompt": ASK, "answer": "4"}
    assert rows.adapt({"prompt": ASK, "completion": BAD, "label": False}, "prompt") == {"prompt": ASK}
    for kind in ("preference", "rating", "pair", "text"):
        with pytest.raises(ValueError, match="invented"):
            rows.adapt(EXAMPLES["conversation"], kind)
    with pytest.raises(ValueError, match="rated bad"):
        rows.adapt({"prompt": ASK, "completion": BAD, "label": False}, "conversation")


@pytest.mark.parametrize(
    "answer",
    [
        {"role": "assistant", "content": "a"},
        {"content": "a", "role": "assistant"},
        {"role": "assistant", "content": "a", "name": "n"},
        {"role": "assistant", "content": ',{"role":"assistant","content":"x"},'},
        {"role": "assistant", "content": '\\,{"role":"assistant","content":"\u00fc\U0001f642'},
        {"role": "assistant", "content": "a", "train": False},
    ],
)
@pytest.mark.parametrize("turns", [1, 3])
def test_what_a_row_asks_is_its_json_without_the_answer(answer: dict[str, Any], turns: int) -> None:
    """The split goes by it: it is cut out of the row's JSON where that can be done, and always the same."""
    first = [{"role": "user", "content": 'say ,{"role":"assistant","content":"'}, {"role": "assistant", "content": "b"}]
    row = {"messages": [*(first * turns)[: 2 * turns - 1], answer]}
    core, question = write_row(row, is_plain(row))
    assert json.loads(core) == row
    assert hashlib.blake2b(question, digest_size=16).digest() == get_question(row)

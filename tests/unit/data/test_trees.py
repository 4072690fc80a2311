"""Trees of messages: which paths become conversations, that nothing is learnt twice, and where a tree ends up."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.data.readers.chunks import Chunk, parse_rows
from gaslamp.data.trees import find_shape, unfold


def say(name: str, parent: str | None, role: str, **more: Any) -> dict[str, Any]:
    return {"message_id": name, "parent_id": parent, "role": role, "text": name, **more}


def get_threads(rows: list[dict[str, Any]], notes: list[str] | None = None) -> list[tuple[str, str]]:
    """The turns of each conversation in one string, those that are not learnt in brackets, and its group."""
    chunks = unfold(
        lambda: iter([Chunk(parse_rows, "a.jsonl, line", 1, list(enumerate(rows, 1)), "train")]), "flat", notes or []
    )
    found = [row for chunk in chunks() for _, row in chunk.read([])]
    return [
        (
            " ".join(f"({m['content']})" if m.get("train") is False else m["content"] for m in row["messages"]),
            row["group"],
        )
        for row in found
    ]


Q, A = "prompter", "assistant"


@pytest.mark.parametrize(
    ("rows", "threads"),
    [
        ([say("q", None, Q), say("a", "q", A)], [("q a", "q")]),
        ([say("a", "q", A), say("q", None, Q)], [("q a", "q")]),  # in any order
        ([say("q", None, Q), say("a", "q", A, rank=2), say("b", "q", A, rank=0)], [("q b", "q")]),
        ([say("q", None, Q), say("a", "q", A), say("b", "q", A)], [("q a", "q")]),  # without ranks the first
        ([say("q", None, Q), say("a", "q", A, rank=0, deleted=True), say("b", "q", A, rank=1)], [("q b", "q")]),
        ([say("q", None, Q), say("a", "q", A, review_result=False)], []),
        ([say("q", None, Q, deleted=True), say("a", "q", A)], []),
        ([say("q", None, Q)], []),  # unanswered
        ([say("a", None, A)], []),  # no question
        ([say("q", None, Q), say("a", "q", A), say("r", "a", Q)], [("q a", "q")]),  # the last question has no answer
        (
            [
                say("q", None, Q),
                say("a", "q", A),
                say("r", "a", Q),
                say("b", "r", A),
                say("s", "a", Q),
                say("c", "s", A),
            ],
            [("q a r b", "q"), ("q (a) s c", "q")],
        ),
        ([say("q", None, Q, message_tree_id="t"), say("a", "q", A)], [("q a", "t")]),
        ([say("q", None, Q), say("a", "q", A), say("c", "gone", A)], [("q a", "q")]),
    ],
)
def test_paths(rows: list[dict[str, Any]], threads: list[tuple[str, str]]) -> None:
    assert find_shape(rows) == "flat" and get_threads(rows) == threads


def test_a_long_chain_of_messages_is_one_conversation() -> None:
    rows = [say(f"m{n}", f"m{n - 1}" if n else None, A if n % 2 else Q) for n in range(3000)]
    assert [thread.split() for thread, _ in get_threads(rows)] == [[f"m{n}" for n in range(3000)]]


def test_what_was_done_is_said_once() -> None:
    notes: list[str] = []
    rows = [say("q", None, Q), say("a", "q", A, rank=1), say("b", "q", A, rank=0), say("c", "gone", A)]
    chunks = unfold(lambda: iter([Chunk(parse_rows, "a", 1, list(enumerate(rows)))]), "flat", notes)
    for _ in range(2):
        list(chunks())
    assert notes == [
        "4 messages of 1 trees are joined into 1 conversations: the best-ranked answer to each question (left out: 1 "
        "others), each learnt once; left out as well, their parent is missing: 1"
    ]


@pytest.mark.parametrize(
    "row",
    [{"messages": []}, {"mapping": {"a": "b"}, "text": "t"}, {"prompt": {"text": "q"}}, {"parent_id": 1, "text": "t"}],
)
def test_other_rows_are_no_trees(row: dict[str, Any]) -> None:
    assert find_shape([row]) is None

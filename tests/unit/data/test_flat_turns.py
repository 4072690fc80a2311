"""Tables of single messages: what is taken for one, how conversations are put together, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.data.flat_turns import find_columns, unfold
from gaslamp.data.readers.chunks import Chunk, parse_rows
from gaslamp.data.rendered import split_rendered

Rows = list[dict[str, Any]]


def say(talk: int, role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"conversation_id": talk, "role": role, "content": text, **more}


TWO = [say(1, "user", "q"), say(1, "assistant", "a"), say(2, "user", "r"), say(2, "assistant", "b")]


def join(rows: Rows, notes: list[str] | None = None) -> Rows:
    columns = find_columns(rows)
    assert columns
    chunks = unfold(
        lambda: iter([Chunk(parse_rows, "a.csv, line", 2, list(enumerate(rows, 2)))]),
        columns,
        [] if notes is None else notes,
    )
    return [row for chunk in chunks for _, row in chunk.read([])]


def get_turns(rows: Rows) -> list[list[str]]:
    return [[f"{turn['role'][0]}:{turn['content']}" for turn in row["messages"]] for row in join(rows)]


@pytest.mark.parametrize(
    ("rows", "talks"),
    [
        (TWO, [["u:q", "a:a"], ["u:r", "a:b"]]),
        ([TWO[0], TWO[2], TWO[1], TWO[3]], [["u:q", "a:a"], ["u:r", "a:b"]]),  # mixed
        ([*TWO, say(1, "user", "thanks")], [["u:q", "a:a"], ["u:r", "a:b"]]),  # nobody answers the last one
        ([*TWO, say(1, "user", "more"), say(1, "user", "and"), say(1, "assistant", "c")],
         [["u:q", "a:a", "u:more\nand", "a:c"], ["u:r", "a:b"]]),
        ([*TWO, say(3, "user", "x"), say(3, "user", "y")], [["u:q", "a:a"], ["u:r", "a:b"]]),  # never answered
        ([dict(row, turn=(n + 1) % 2) for n, row in enumerate([TWO[1], TWO[0], TWO[3], TWO[2]])],
         [["u:q", "a:a"], ["u:r", "a:b"]]),
        ([dict(row, created_at=f"2026-01-01 10:0{9 - n}") for n, row in enumerate(reversed(TWO))],
         [["u:r", "a:b"], ["u:q", "a:a"]]),
    ],
)  # fmt: skip
def test_conversations(rows: Rows, talks: list[list[str]]) -> None:
    assert sorted(get_turns(rows)) == sorted(talks)


def test_columns_that_a_whole_conversation_shares_are_kept() -> None:
    rows = [dict(row, lang="en", note=n) for n, row in enumerate(TWO)]
    assert [{key: row[key] for key in row if key != "messages"} for row in join(rows)] == [
        {"group": "1", "lang": "en"},
        {"group": "2", "lang": "en"},
    ]


@pytest.mark.parametrize("roles", [("end-user", "agent"), ("user", "admin"), ("INCOMING", "outgoing"), ("lead", "bot")])
def test_roles_of_ticket_systems(roles: tuple[str, str]) -> None:
    rows = [dict(row, role=roles[number % 2]) for number, row in enumerate(TWO)]
    assert get_turns(rows) == [["u:q", "a:a"], ["u:r", "a:b"]]


@pytest.mark.parametrize(("column", "seen", "hidden"), [("public", "true", "False"), ("is_private", 0, 1)])
def test_notes_among_colleagues_are_left_out(column: str, seen: Any, hidden: Any) -> None:
    """They were joined with the answer that the customer got."""
    rows = [*(dict(row, **{column: seen}) for row in TWO), dict(say(1, "assistant", "rude one"), **{column: hidden})]
    notes: list[str] = []
    assert [row["messages"][-1]["content"] for row in join(rows, notes)] == ["a", "b"]
    assert f"left out, '{column}' says so: 1 messages" in notes[0]


def test_columns_that_differ_in_a_conversation_are_named() -> None:
    notes: list[str] = []
    join([dict(row, rating=number, createdAt=number, shop="x") for number, row in enumerate(TWO)], notes)
    assert notes[0].endswith("not kept, since it differs between the messages of a conversation: rating")


@pytest.mark.parametrize(
    "rows",
    [
        [say(n, "user", "q") for n in range(8)],  # one role
        [say(n, ["user", "assistant"][n % 2], "q") for n in range(8)],  # each row is alone
        [say(n // 2, ["Ana", "Ben"][n % 2], "q") for n in range(8)],  # who answers?
        [{"id": n // 2, "text": "q", "label": "a"} for n in range(8)],
        [{"conversation_id": n // 2, "role": ["user", "assistant"][n % 2], "content": ["q"]} for n in range(8)],
    ],
)
def test_other_tables_stay_as_they_are(rows: Rows) -> None:
    assert find_columns(rows) is None


# ---------------------------------------------------------------------------------------------- rendered texts

Q, A = ("user", "q"), ("assistant", "a\n\nb")


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na\n\nb<|im_end|>\n", [Q, A]),
        ("<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na\n\nb<|im_end|>",
         [("system", "s"), Q, A]),
        ("<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\na\n\nb<end_of_turn>\n", [Q, A]),
        ("<|user|>\nq</s>\n<|assistant|>\na\n\nb</s>\n", [Q, A]),
        ("<|user|>\nq<|end|>\n<|assistant|>\na\n\nb<|end|>\n", [Q, A]),
        ("<s>[INST] q [/INST] a\n\nb </s>", [Q, A]),
        ("[INST] <<SYS>>\ns\n<</SYS>>\n\nq [/INST] a\n\nb", [("system", "s"), Q, A]),
        ("<s>[INST] q [/INST] a\n\nb</s>[INST] q [/INST] a\n\nb</s>", [Q, A, Q, A]),
        ("### Instruction:\nq\n\n### Response:\na\n\nb", [Q, A]),
        ("Below is an instruction that ... request.\n\n### Instruction:\nq\n\n### Input:\ni\n\n### Response:\na\n\nb",
         [("user", "q\n\ni"), A]),
        ("A chat between x and y. USER: q ASSISTANT: a\n\nb</s>", [("system", "A chat between x and y."), Q, A]),
        ("USER: q\n\n\nASSISTANT: <functioncall> {} <|endoftext|>\n\n\nFUNCTION RESPONSE: {}\n\n\nASSISTANT: a\n\nb",
         [Q, ("assistant", "<functioncall> {}"), ("tool", "{}"), A]),
        ("The <|im_start|> token opens a turn.", []),
        ("Note: USER: and ASSISTANT: are marks.", []),
        ("[INST] is a mark", []),
        ("### Heading\n\nText about ### Response: things", []),
        ("<|im_start|>user\nq<|im_end|>", []),
        ("User: q", []),
        ("", []),
    ],
)  # fmt: skip
def test_marks_of_chat_templates(text: str, turns: list[tuple[str, str]]) -> None:
    assert [(turn["role"], turn["content"]) for turn in split_rendered(text)] == turns

"""The fast ways give what the slow ways give, for every cell that could be read in another way."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
from gaslamp.data.checking import Facts, Samples
from gaslamp.data.conversion import Converted, Plan
from gaslamp.data.convert import Converter
from gaslamp.data.formats import preference, prompt_completion
from gaslamp.data.readers.chunks import Chunk
from gaslamp.data.readers.json_lines import parse_jsonl
from gaslamp.data.rows import LeftOut, get_row, is_plain
from gaslamp.data.suspects import find_rows, get_suspects
from gaslamp.data.written import write_pair, write_row

HH = "\n\nHuman: who?\n\nAssistant:"
TURNS = [{"role": "user", "content": "who?"}, {"role": "assistant", "content": "me"}]
TEXTS = [
    *(
        "who?",
        " me",
        "me ",
        "me:",
        "Assistant:",
        "",
        "  ",
        "[1]",
        " [1]",
        '{"a": 1}',
        "array([1])",
        "{open",
        "\u00e4\u2028\U0001f642",
    ),
    *(f"{HH} me", f"{HH} you.", f"{HH}me\n", HH, f"{HH} ", f"{HH}\n\nAssistant: me", f"{HH} me\n\nHuman: and?"),
    *(f"{HH} me\n\nHuman: and?\n\nAssistant: you", f"{HH} me\n\nHuman: and?\n\nAssistant: I", f"\n{HH} me"),
    *("\n\nHuman:\n\nAssistant: me", f"x{HH} me", "### Human: who?\n### Assistant: me", "user: who?\nassistant:"),
]
OTHERS: list[Any] = [
    *(None, 3, 1.5, True, [], ["a"], ["a", "b"], TURNS, TURNS[1:], TURNS * 2),
    [TURNS[0], {**TURNS[1], "content": "you"}],
    [TURNS[0], {**TURNS[1], "weight": 0}],
    [{**TURNS[0], "content": "what?"}, TURNS[1]],
    [TURNS[1], TURNS[0]],
    {"role": "assistant", "content": "me"},
]
CELLS = [*TEXTS, *OTHERS]


def attempt(convert: Any, *arguments: Any) -> Any:
    """What comes of a row, or of which kind and how its error is called."""
    try:
        return convert(*arguments)
    except (ValueError, LeftOut, KeyError, TypeError, AttributeError, IndexError) as error:
        return type(error), str(error)


@pytest.mark.parametrize(
    "extra", [{}, {"prompt": "who?"}, {"prompt": "array?"}, {"prompt": TURNS[:1]}, {"tools": "[]"}]
)
def test_a_preference_is_read_the_same_in_both_ways(extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**extra, "chosen": chosen, "rejected": rejected} for chosen, rejected in product(CELLS, CELLS)]
    rows += [{**row, "system": "Be brief."} for row in rows[::7]]
    mapping = {name: name for name in ("prompt", "chosen", "rejected") if name in rows[0]}
    quick = sum(preference.read_quickly(row, mapping) is not None for row in rows)
    assert quick > (5 if not extra or extra == {"prompt": "who?"} else -1), "the fast way is taken"
    found = [attempt(preference.convert, row, mapping) for row in rows]
    monkeypatch.setattr(preference, "read_quickly", lambda row, mapping: None)
    for row, made in zip(rows, found, strict=True):
        slow = attempt(preference.convert, row, mapping)
        assert made == slow and orjson.dumps(made, default=str) == orjson.dumps(slow, default=str), row


def test_a_question_and_its_answer_are_read_the_same_in_both_ways() -> None:
    rows = [{"question": question, "answer": answer} for question, answer in product(CELLS, CELLS)]
    mapping = {"prompt": "question", "completion": "answer"}
    found = prompt_completion.find_pairs(rows, mapping)
    assert sum(pair is not None for pair in found) > 50
    for row, pair in zip(rows, found, strict=True):
        if pair is not None:
            slow = prompt_completion.convert(row, mapping)
            assert get_row(pair) == slow and write_pair(*pair) == write_row(slow, is_plain(slow)), row


@pytest.mark.parametrize("group", ["group", "nothing"])
def test_a_chunk_is_converted_the_same_in_both_ways(group: str, tmp_path: Path) -> None:
    """Lines, digests, questions, splits, numbers and every finding, with rows that are wrong among the others."""
    cells = [cell for cell in CELLS if cell != "{open"]
    rows = [
        {"question": question, "answer": answer, "group": n % 5, "slice": n % 3, "note": f"n{n}", "rate": n / 4}
        for n, (question, answer) in enumerate(product(cells, cells))
    ]
    lines = [orjson.dumps(row) for row in rows]
    lines[7:7] = [b"", b'{"question": "broken", ', b'{"question": "twice", "question": "again", "answer": "a"}', b"[1]"]

    def convert(pairs: bool) -> Converted:
        facts = Facts("conversation", "sft", 512)
        checks = {"near_duplicates": {"severity": "off"}, "near_leaks": {"severity": "off"}}
        mapping = {"prompt": "question", "completion": "answer"}
        plan = Plan(
            "prompt_completion", mapping, "conversation", "sft", None, False, "slice", group, None, str(tmp_path),
            str(tmp_path), {}, checks, facts,
        )  # fmt: skip
        converter = Converter(plan)
        assert converter.finds_pairs
        converter.finds_pairs = pairs
        return converter.convert(Chunk(parse_jsonl, "rows.jsonl, line", 1, b"\n".join(lines), None))

    quick, slow = convert(True), convert(False)
    assert quick == slow and len(quick.lines) > 200 and quick.found["unreadable"][0] == 3
    assert quick.unread == {"note", "rate", "group"}


def test_rows_with_a_sign_are_found_in_each_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first chunk each pattern is searched alone, in the next ones all together first: the same rows."""
    from gaslamp.data import suspects

    monkeypatch.setattr(suspects, "_PATTERNS", [])
    texts = ["plain", "a <b> c", "[x]", "\u00c3\u00a4", "call 555", "", "<[5"]
    found = {"<": [1, 6], r"\x5b": [2, 6], r"\xc3": [3], "[0-9]": [4, 6], "(?i:PLAIN)": [0], "none": []}
    for chunk in range(3):
        lines = [write_pair(text, "yes")[0] for text in texts]
        shared = {"json": lines}
        patterns = list(found) if chunk else list(found)[:3]
        assert {pattern: find_rows(shared, pattern) for pattern in patterns} == {one: found[one] for one in patterns}
        rows: list[tuple[Any, ...]] = [
            (n, (text, "yes"), {}, line, b"", True) for n, (text, line) in enumerate(zip(texts, lines, strict=True))
        ]
        facts = Facts("conversation", "sft", 512, shared=shared)
        places = [sample.place for sample in get_suspects(Samples("rows, line", rows), facts, (b"<", b"["))]
        assert [place.rpartition(" ")[2] for place in places] == ["1", "2", "6"], "no bracket of the JSON itself"
        assert len(list(get_suspects(Samples("rows, line", rows), facts, (b"<", b"")))) == len(texts)

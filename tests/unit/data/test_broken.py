"""A corpus of broken files: each ends in the documented error with its place and exit code 1, without a traceback,
and nothing is written.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice, write_config
from gaslamp.core.errors import GaslampError
from gaslamp.data import prepare
from gaslamp.models.fetch import fetch_model

ROOT = Path(__file__).resolve().parents[3]
GOOD = [{"prompt": f"question {n}", "completion": f"answer {n}"} for n in range(12)]
LINES = "".join(json.dumps(row) + "\n" for row in GOOD)
CSV = "prompt,completion\n" + "".join(f"question {n},answer {n}\n" for n in range(12))
Q = {"role": "user", "content": "q"}
A = {"role": "assistant", "content": "a"}


def dump(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False)


def talks(bad: Any, **more: Any) -> str:
    """Twelve good talks and a bad one in line 13."""
    good = [{"messages": [{"role": "user", "content": f"q{n}"}, A], **more} for n in range(12)]
    return "".join(dump(row) + "\n" for row in good) + dump({"messages": bad, **more}) + "\n"


def like(good: dict[str, Any], bad: dict[str, Any]) -> str:
    """Twelve rows like ``good`` (the first text of each made its own) and a bad one in line 13."""
    rows = [
        {
            key: f"{value} {n}"
            if isinstance(value, str) and key in ("prompt", "anchor", "text", "query", "question")
            else value
            for key, value in good.items()
        }
        for n in range(12)
    ]
    return "".join(dump(row) + "\n" for row in [*rows, bad])


def parquet(rows: list[dict[str, Any]], cut: int = 0) -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows, schema=None if rows else pyarrow.schema([("prompt", pyarrow.string())])), buffer
    )
    data = buffer.getvalue()
    return data[: len(data) - cut]


def arrow(cut: int = 0) -> bytes:
    import pyarrow

    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist(GOOD)
    with pyarrow.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    data = buffer.getvalue()
    return data[: len(data) - cut]


def archive(name: str, data: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, data)
    return buffer.getvalue()


def picture(size: tuple[int, int] = (4, 4)) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    return buffer.getvalue()


def images(bad: Any) -> str:
    """Twelve pictures with a question and a bad one in line 13."""
    bad = bad() if callable(bad) else bad
    good = base64.b64encode(picture()).decode()
    return (
        "".join(
            dump({"image": f"data:image/png;base64,{good}", "question": f"q{n}", "answer": "a"}) + "\n"
            for n in range(12)
        )
        + dump({"image": bad, "question": "q", "answer": "a"})
        + "\n"
    )


def bomb() -> bytes:
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb", 9) as file:
        for _ in range(160):
            file.write(b" " * (1 << 20))
    inner = gzip.compress(gzip.compress(buffer.getvalue()))
    assert len(inner) < len(buffer.getvalue())
    return buffer.getvalue()


def packed_zeros() -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file,
        file.open("rows.jsonl", "w") as member,
    ):
        for _ in range(160):
            member.write(b"\0" * (1 << 20))
    return buffer.getvalue()


PREFERENCE = {"prompt": "q", "chosen": "a", "rejected": "b"}
RATING = {"prompt": "q", "completion": "a", "label": True}
CALLS = {"query": "q", "tools": [{"name": "f"}], "answers": [{"name": "f", "arguments": {}}]}
Make = str | bytes | Callable[[], str | bytes]

# name of the file -> what is in it -> what the error says; rows stand in line 13 unless a place is named
JSONL: list[tuple[str, Make, str]] = [
    (name, LINES + line + "\n", f"rows.jsonl, line 13: {message}")
    for name, line, message in [
        ("cut object", '{"prompt": "q", "completion": "a', "not valid JSON"),
        ("cut key", '{"prompt": "q", "comple', "not valid JSON"),
        ("cut after comma", '{"prompt": "q",', "not valid JSON"),
        ("cut brace", '{"prompt": "q", "completion": "a"', "not valid JSON"),
        ("single quotes", "{'prompt': 'q', 'completion': 'a'}", "not valid JSON"),
        ("no quotes", "{prompt: q}", "not valid JSON"),
        ("trailing comma", '{"prompt": "q", "completion": "a",}', "not valid JSON"),
        ("comment", '{"prompt": "q"} // note', "not valid JSON"),
        (
            "two rows in a line",
            '{"prompt": "q", "completion": "a"}{"prompt": "r", "completion": "b"}',
            "not valid JSON",
        ),
        ("a bracket", "[", "not valid JSON"),
        ("text", "hello", "not valid JSON"),
        ("NaN", '{"prompt": "q", "completion": NaN}', "column 'completion' is empty or missing"),
        ("Infinity", '{"prompt": "q", "completion": -Infinity}', "not valid JSON"),
        ("tab in a text", '{"prompt": "q\tr", "completion": "a"}', "not valid JSON"),
        ("bad escape", '{"prompt": "\\x41", "completion": "a"}', "not valid JSON"),
        ("half a surrogate", '{"prompt": "\\ud83d", "completion": "a"}', "not valid JSON"),
        ("leading zero", '{"prompt": 01, "completion": "a"}', "not valid JSON"),
        ("plus sign", '{"prompt": +1, "completion": "a"}', "not valid JSON"),
        ("Python's None", '{"prompt": None, "completion": "a"}', "not valid JSON"),
        ("Python's True", '{"prompt": True, "completion": "a"}', "not valid JSON"),
        ("a web page", "<!DOCTYPE html><html>", "this is a web page"),
        ("NUL bytes", '{"prompt": "q\x00", "completion": "a"}', "not valid JSON (a NUL byte"),
        ("a list", '["q", "a"]', "a row must be an object {...}, found a list"),
        ("a number", "7", "a row must be an object {...}, found a number"),
        ("null", "null", "a row must be an object {...}, found null"),
        ("a JSON text", '"q"', "a row must be an object {...}, found a text"),
        ("duplicate key", '{"prompt": "q", "prompt": "r", "completion": "a"}', "the key 'prompt' stands twice"),
        ("duplicate key inside", '{"prompt": "q", "completion": {"a": 1, "a": 2}}', "the key 'a' stands twice"),
        ("missing column", '{"prompt": "q"}', "column 'completion' is empty or missing"),
        ("other columns", '{"question": "q", "answer": "a"}', "column 'prompt' is empty or missing"),
        ("empty object", "{}", "column 'prompt' is empty or missing"),
        ("null cell", '{"prompt": null, "completion": "a"}', "column 'prompt' is empty or missing"),
        ("empty cell", '{"prompt": "", "completion": "a"}', "column 'prompt' is empty"),
        ("spaces", '{"prompt": "q", "completion": " \\n\\t "}', "column 'completion' is empty"),
        ("only a no-break space", '{"prompt": "\u00a0", "completion": "a"}', "column 'prompt' is empty"),
        ("deep", '{"prompt": "q", "completion": ' + "[" * 2000 + "]" * 2000 + "}", "not valid JSON"),
        (
            "turns without an answer",
            '{"prompt": [{"role": "user"}], "completion": "a"}',
            "column 'prompt', turn 1 has no content",
        ),
    ]
]
TALKS: list[tuple[str, Make, str]] = [
    (name, talks(bad), f"rows.jsonl, line 13: {message}")
    for name, bad, message in [
        ("nothing is to be learnt", [Q, {**A, "weight": 0}], "no token of it would be learnt"),
        ("turns are text", "q", "column 'messages' holds no list of turns"),
        ("turns are null", None, "column 'messages' holds no list of turns"),
        ("no turns", [], "column 'messages' holds no list of turns"),
        ("turns are an object", Q, "column 'messages' holds no list of turns"),
        ("a turn is null", [Q, None], "column 'messages', turn 2 is not an object"),
        ("a turn is text", [Q, "a"], "column 'messages', turn 2 is not an object"),
        ("a turn is a list", [["user", "q", 1], ["assistant", "a", 2]], "column 'messages', turn 1 is no pair"),
        ("two talks", [[Q, A], [Q, A]], "column 'messages', turn 1 is no pair"),
        ("no role", [{"content": "q"}, A], "column 'messages', turn 1 has no role"),
        ("empty role", [{"role": " ", "content": "q"}, A], "column 'messages', turn 1 has no role"),
        ("role is a number", [{"role": 1, "content": "q"}, A], "column 'messages', turn 1 has no role"),
        ("no content", [Q, {"role": "assistant"}], "column 'messages', turn 2 has no content"),
        ("content is null", [Q, {"role": "assistant", "content": None}], "column 'messages', turn 2 has no content"),
        (
            "content is true",
            [Q, {"role": "assistant", "content": [True]}],
            "column 'messages', turn 2: a part is neither text nor object",
        ),
        (
            "unknown part",
            [Q, {"role": "assistant", "content": [{"type": "audio"}]}],
            "column 'messages', turn 2: a part of type 'audio' cannot be learnt",
        ),
        (
            "a video",
            [{"role": "user", "content": [{"type": "video", "video": "v.mp4"}]}, A],
            "column 'messages', turn 1: a part of type 'video'",
        ),
        (
            "part without text",
            [{"role": "user", "content": [{"type": "text"}]}, A],
            "column 'messages', turn 1: a part of type 'text'",
        ),
        ("unknown role", [Q, {"role": "judge", "content": "x"}], "unknown role judge"),
        ("role order", [A, Q], "turn 1 is of assistant, but user should follow"),
        ("two questions", [Q, Q, A], "turn 2 is of user, but assistant should follow"),
        ("ends with a question", [Q, A, Q], "the last turn must be of assistant"),
        ("only a question", [Q], "the last turn must be of assistant"),
        ("only an answer", [A], "turn 1 is of assistant, but user"),
        ("only a system turn", [{"role": "system", "content": "s"}], "there is no turn"),
        ("late system turn", [Q, {"role": "system", "content": "s"}, A], "turn 2 is of system, but assistant"),
        ("tool without a call", [Q, {"role": "tool", "content": "x"}, A], "turn 2 is of a tool that nobody called"),
        ("empty assistant", [Q, {"role": "assistant", "content": ""}], "empty assistant turn"),
        ("blank assistant", [Q, {"role": "assistant", "content": "\n "}], "empty assistant turn"),
        ("empty user", [{"role": "user", "content": ""}, A], "empty user turn"),
        (
            "call without a name",
            [Q, {"role": "assistant", "content": "", "tool_calls": [{"function": {}}]}],
            "column 'messages', turn 2: a tool call has no name",
        ),
        (
            "calls are text",
            [Q, {"role": "assistant", "content": "", "tool_calls": "call it"}],
            "column 'messages', turn 2: its tool calls are no JSON list",
        ),
        (
            "ShareGPT without value",
            [{"from": "human"}, {"from": "gpt", "value": "a"}],
            "column 'messages', turn 1 has no content",
        ),
    ]
]
SHAPES: list[tuple[str, str, Make, str]] = [
    (name, method, like(good, bad), f"rows.jsonl, line 13: {message}")
    for name, method, good, bad, message in [
        (
            "alpaca without output",
            "sft",
            {"instruction": "q", "output": "a"},
            {"instruction": "q"},
            "column 'output' is empty or missing",
        ),
        (
            "alpaca history",
            "sft",
            {"instruction": "q", "output": "a"},
            {"instruction": "q", "output": "a", "history": ["x"]},
            "column 'history', turn 1 is no pair",
        ),
        ("tools are text", "sft", CALLS, {**CALLS, "tools": "none"}, "column 'tools' holds no JSON list of tools"),
        (
            "answers are text",
            "sft",
            CALLS,
            {**CALLS, "answers": "none"},
            "column 'answers', turn 2: its tool calls are no JSON list",
        ),
        ("text is null", "cpt", {"text": "words"}, {"text": None}, "column 'text' is empty or missing"),
        ("text is blank", "cpt", {"text": "words"}, {"text": "  "}, "column 'text' is empty"),
        ("no chosen", "dpo", PREFERENCE, {**PREFERENCE, "chosen": None}, "column 'chosen' is empty or missing"),
        ("empty rejected", "dpo", PREFERENCE, {**PREFERENCE, "rejected": ""}, "column 'rejected' is empty"),
        ("no prompt", "dpo", PREFERENCE, {**PREFERENCE, "prompt": ""}, "columns 'chosen' and 'rejected' do not begin"),
        (
            "chosen is an empty list",
            "dpo",
            PREFERENCE,
            {**PREFERENCE, "chosen": []},
            "column 'chosen' is empty or missing",
        ),
        (
            "one answer ranked",
            "dpo",
            {"prompt": "q", "responses": ["a", "b"], "scores": [1, 2]},
            {"prompt": "q", "responses": ["a"], "scores": [1]},
            "column 'responses' holds no two answers",
        ),
        (
            "missing score",
            "dpo",
            {"prompt": "q", "responses": ["a", "b"], "scores": [1, 2]},
            {"prompt": "q", "responses": ["a", "b"], "scores": [1]},
            "column 'responses': not every answer has a rank or score",
        ),
        (
            "a strange label",
            "kto",
            RATING,
            {**RATING, "label": "maybe"},
            "column 'label' holds 'maybe': neither good nor bad",
        ),
        (
            "a rating in words",
            "kto",
            {"prompt": "q", "completion": "a", "rating": 5},
            {"prompt": "q", "completion": "a", "rating": "great"},
            "column 'rating' holds 'great', no number",
        ),
        ("no completion", "kto", RATING, {**RATING, "completion": None}, "column 'completion' is empty or missing"),
        (
            "talk without an answer",
            "kto",
            {"messages": [Q, A], "label": True},
            {"messages": [Q], "label": True},
            "column 'messages' does not end with the answer that is rated",
        ),
        ("prompt is null", "grpo", {"prompt": "q"}, {"prompt": None}, "column 'prompt' is empty or missing"),
        ("prompt is blank", "grpo", {"prompt": "q"}, {"prompt": " "}, "column 'prompt' is empty"),
        (
            "no positive",
            "embedding",
            {"anchor": "q", "positive": "a"},
            {"anchor": "q"},
            "column 'positive' is empty or missing",
        ),
        (
            "segment without a label",
            "cpt",
            {"segments": [{"label": True, "text": "words"}]},
            {"segments": [{"text": "x"}]},
            "column 'segments', segment 1 is no object of text and label",
        ),
        (
            "half a weight",
            "sft",
            {"messages": [Q, A]},
            {"messages": [Q, {**A, "weight": 0.5}]},
            "column 'messages', turn 2: weight is 0.5, but it can only be learnt or not",
        ),
        (
            "score is text",
            "embedding",
            {"anchor": "q", "positive": "a", "score": 0.5},
            {"anchor": "q", "positive": "a", "score": "high"},
            "column 'score' holds no number",
        ),
    ]
]
IMAGES: list[tuple[str, Make, str]] = [
    (name, partial(images, bad), f"rows.jsonl, line 13: {message}")
    for name, bad, message in [
        ("image missing", "nowhere.png", "there is no image"),
        ("image leads out", "../../secret.png", "the image path ../../secret.png leads out of the folder"),
        ("image is a web address", "https://example.org/cat.png", "the image is a web address"),
        ("image is null", None, "column 'image' is empty or missing"),
        ("image is empty", "", "column 'image' is empty or missing"),
        (
            "image is text",
            "data:image/png;base64," + base64.b64encode(b"no picture at all").decode(),
            "an image is no picture",
        ),
        (
            "image is cut",
            lambda: "data:image/png;base64," + base64.b64encode(picture((400, 400))[:60]).decode(),
            "an image is no picture",
        ),
        (
            "image bomb",
            lambda: "data:image/png;base64," + base64.b64encode(picture((8000, 8000))).decode(),
            "an image has 8000 x 8000 pixels",
        ),
        ("base64 is broken", "data:image/png;base64,A", "an image is neither a path nor base64"),
        ("image is a number", 7, "an image is empty or missing"),
    ]
]
FILES: list[tuple[str, str, Make, str]] = [
    ("empty", "rows.jsonl", "", "rows.jsonl is empty"),
    ("blank lines", "rows.jsonl", "\n \n\r\n", "rows.jsonl is empty"),
    ("only a BOM", "rows.jsonl", "\ufeff", "rows.jsonl is empty"),
    ("one row", "rows.jsonl", dump(GOOD[0]), "has 1 rows; training, validation and test need at least 10"),
    ("nine rows", "rows.csv", "prompt,completion\n" + "a,b\n" * 9, "has 9 rows"),
    ("ten equal rows", "rows.csv", "prompt,completion\n" + "a,b\n" * 12, "the split left no rows for training or test"),
    ("BOM, then a broken row", "rows.jsonl", "\ufeff" + LINES + "{", "line 13: not valid JSON"),
    ("CRLF, then a broken row", "rows.jsonl", LINES.replace("\n", "\r\n") + "{\r\n", "line 13: not valid JSON"),
    ("10 MB line, cut", "rows.jsonl", lambda: LINES + '{"prompt": "' + "x" * 10_000_000, "line 13: not valid JSON"),
    ("200 kB row", "rows.jsonl", lambda: LINES + dump({"prompt": "x y " * 50_000, "completion": "a"}) + "\n", "tokens"),
    ("a line without end", "rows.jsonl", lambda: b"\x01" * (70 << 20), "a line is longer than 64 MB"),
    ("a spreadsheet", "rows.xlsx", archive("sheet.bin", "x"), "rows.xlsx is not a readable spreadsheet"),
    ("a pickle", "rows.pkl", b"\x80\x04.", "files that end in '.pkl' cannot be read"),
    (
        "a zip with a way out",
        "rows.zip",
        archive("../../etc/rows.jsonl", LINES),
        "its member ../../etc/rows.jsonl leads out of the archive",
    ),
    ("a zip of pictures", "rows.zip", lambda: archive("a.png", "x"), "has no data file: it holds a.png"),
    ("a zip, cut", "rows.zip", archive("rows.jsonl", LINES)[:-30], "is damaged or no archive"),
    ("a zip bomb", "rows.zip", lambda: packed_zeros(), "no text does that"),
    ("a zip with an absolute name", "rows.zip", archive("/etc/rows.jsonl", LINES), "leads out of the archive"),
    (
        "Latin-1 in UTF-8",
        "rows.jsonl",
        (LINES + '{"prompt": "caf\u00e9", "completion": "a"}\n').encode()
        + b'{"prompt": "caf\xe9", "completion": "a"}\n',
        "line 14: byte 0xe9 is not UTF-8",
    ),
    (
        "csv, Latin-1 in UTF-8",
        "rows.csv",
        (CSV + "caf\u00e9,a\n" * 9).encode() + b"caf\xe9,a\n",
        "line 23: byte 0xe9 is not UTF-8",
    ),
    (
        "Git LFS pointer",
        "rows.csv",
        "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
        "is a Git LFS pointer",
    ),
    ("a tar", "rows.tar", b"rows" * 200, "rows.tar is damaged or no archive"),
    ("a tar in gzip", "rows.tar.gz", gzip.compress(b"rows" * 200), "rows.tar.gz is damaged or no archive"),
    (
        "spreadsheet called csv",
        "rows.csv",
        archive("sheet.bin", "x"),
        "has no data file: it holds sheet.bin",
    ),
    ("picture called csv", "rows.csv", lambda: picture(), "is a picture under another name"),
    ("a PDF called txt", "rows.txt", "%PDF-1.7\n", "rows.txt is not a readable PDF"),
    ("a data base called json", "rows.json", "SQLite format 3\x00", "is an SQLite database under another name"),
    ("text called gzip", "rows.jsonl.gz", LINES, "is damaged or no .gz file"),
    ("gzip, cut", "rows.jsonl.gz", gzip.compress(LINES.encode() * 50)[:-200], "is cut off"),
    (
        "gzip, bytes changed",
        "rows.jsonl.gz",
        gzip.compress(LINES.encode())[:-8] + b"\0" * 8,
        "is damaged or no .gz file",
    ),
    ("gzip bomb", "rows.jsonl.gz", bomb, "rows.jsonl.gz"),
    ("text called zstd", "rows.csv.zst", CSV, "is damaged or no .zst file"),
    ("empty gzip", "rows.jsonl.gz", gzip.compress(b""), "is empty"),
    (
        "broken row in gzip",
        "rows.jsonl.gz",
        gzip.compress((LINES + "{\n").encode()),
        "rows.jsonl.gz, line 13: not valid JSON",
    ),
    ("parquet, cut", "rows.parquet", lambda: parquet(GOOD, 20), "is not a readable parquet file"),
    ("parquet, half", "rows.parquet", lambda: parquet(GOOD)[:200], "is not a readable parquet file"),
    ("parquet, empty file", "rows.parquet", "", "is not a readable parquet file"),
    ("parquet, text", "rows.parquet", LINES, "is not a readable parquet file"),
    ("parquet without rows", "rows.parquet", lambda: parquet([]), "is empty"),
    (
        "parquet with a null",
        "rows.parquet",
        lambda: parquet([*GOOD, {"prompt": "q", "completion": None}]),
        "rows.parquet, row 13: column 'completion' is empty or missing",
    ),
    ("parquet of numbers", "rows.parquet", lambda: parquet([{"a": 1, "b": 2}] * 12), "no format fits the columns a, b"),
    ("arrow, cut", "rows.arrow", lambda: arrow(40), "is not a readable Arrow file"),
    ("arrow, text", "rows.arrow", LINES, "is not a readable Arrow file"),
    ("arrow, empty file", "rows.arrow", "", "is not a readable Arrow file"),
    ("csv, header only", "rows.csv", "prompt,completion\n", "has no rows"),
    ("csv, no header", "rows.csv", "hello,world\n" * 12, "no format fits the columns column 1, column 2"),
    (
        "csv, one column",
        "rows.csv",
        "prompt completion\n" + "a b\n" * 12,
        "no format fits the columns prompt completion",
    ),
    ("csv, ragged", "rows.csv", CSV + "only\n", "rows.csv, line 14: 1 cells, but the header has 2"),
    ("csv, too many cells", "rows.csv", CSV + "a,b,c\n", "rows.csv, line 14: 3 cells, but the header has 2"),
    ("csv, open quote", "rows.csv", CSV + '"open,b\n', "rows.csv, line 14: unexpected end of data"),
    ("csv, text behind a quote", "rows.csv", CSV + '"a"b,c\n', "rows.csv, line 14: "),
    ("csv, empty cell", "rows.csv", CSV + "q,\n", "rows.csv, line 14: column 'completion' is empty"),
    ("csv, column twice", "rows.csv", "prompt,prompt\na,b\n", "line 1: the column 'prompt' stands twice"),
    ("csv, NUL", "rows.csv", CSV + "q\x00,a\n", "rows.csv, line 14: a NUL byte"),
    (
        "csv, broken JSON turns",
        "rows.csv",
        'messages\n"[{""role"": ""user"", ""content"": ""q""}, {""role"": ""assistant"", ""content"": ""a""}]"\n'
        + "[{\n",
        "line 3: column 'messages' holds no list of turns",
    ),
    ("tsv, ragged", "rows.tsv", "prompt\tcompletion\na\tb\nc\n", "rows.tsv, line 3: 1 cells"),
    ("tsv of commas", "rows.tsv", CSV, "no format fits the columns prompt,completion"),
    ("json, cut list", "rows.json", json.dumps(GOOD)[:-20], "not valid JSON"),
    ("json, never closed", "rows.json", json.dumps(GOOD)[:-1], "the list is never closed"),
    ("json, cut text", "rows.json", json.dumps(GOOD, indent=1)[:-30], "line 4"),
    ("json, empty list", "rows.json", "[]", "its list has no items"),
    ("json, missing comma", "rows.json", json.dumps(GOOD).replace("}, {", "} {", 1), "',' or ']' expected"),
    ("json, more behind", "rows.json", json.dumps(GOOD) + "x", "something follows the end of the list"),
    ("json, numbers", "rows.json", "[1, 2, 3]", "rows.json, item 1: a row must be an object {...}, found a number"),
    (
        "json, mixed",
        "rows.json",
        json.dumps([*GOOD, None]),
        "rows.json, item 13: a row must be an object {...}, found null",
    ),
    (
        "json, NaN",
        "rows.json",
        json.dumps([*GOOD, {"prompt": float("nan"), "completion": "a"}]),
        "item 13: column 'prompt' is empty or missing",
    ),
    (
        "json, duplicate key",
        "rows.json",
        json.dumps(GOOD)[:-1] + ', {"prompt": "q", "prompt": "r"}]',
        "item 13: the key 'prompt' stands twice",
    ),
    ("json, a text", "rows.json", '"hello"', "item 1: a row must be an object {...}, found a text"),
    ("json, broken object", "rows.json", '{"data": [\n{"prompt": "q",}\n]}', "line 2: not valid JSON"),
    ("json, two lists", "rows.json", '{"a": [{}], "b": [{}]}', "holds several lists of rows: 'a' (1 rows"),
    ("json, columns", "rows.json", '{"prompt": {"0": "q"}, "completion": {"0": "a"}}', "has 1 rows"),
    ("json, deep", "rows.json", "[" * 100_000, "nested too deeply"),
    ("tokenized", "rows.jsonl", '{"input_ids": [1], "labels": [1]}\n' * 12, "the data is already tokenized"),
    ("strange columns", "rows.jsonl", '{"foo": 1}\n' * 12, "no format fits the columns foo"),
    (
        "split column with other words",
        "rows.jsonl",
        "".join(dump({**row, "split": "train"}) + "\n" for row in GOOD * 5) + dump({**GOOD[0], "split": "x"}),
        "line 61: column 'split' holds 'x'",
    ),
    (
        "leak",
        "rows.jsonl",
        "".join(
            dump({**row, "split": "test" if n < 5 else "train"}) + "\n"
            for n, row in enumerate([*GOOD, {**GOOD[0], "completion": "x"}])
        ),
        "line 1: test row stands in training too",
    ),
]
CORPUS: list[tuple[str, str, str, Make, str]] = [
    *((name, "sft", "rows.jsonl", make, message) for name, make, message in (*JSONL, *TALKS, *IMAGES)),
    *((name, method, "rows.jsonl", make, message) for name, method, make, message in SHAPES),
    *((name, "sft", file, make, message) for name, file, make, message in FILES),
]


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 150 and len({case[0] for case in CORPUS}) == len(CORPUS)


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("facts") / "model.json"
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, out)
    return out


OUTPUTS = {
    "train": "train.jsonl",
    "valid": "valid.jsonl",
    "test": "test.jsonl",
    "template": "template.json",
    "card": "card.json",
    "strategy": "strategy.md",
}


def write(folder: Path, file: str, make: Make) -> Path:
    content = make() if callable(make) else make
    source = folder / file
    source.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return source


@pytest.mark.parametrize(
    ("method", "file", "make", "message"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS]
)
def test_broken_file(model: Path, tmp_path: Path, method: str, file: str, make: Make, message: str) -> None:
    source = write(tmp_path, file, make)
    out = tmp_path / "out"
    config = Config.model_validate(
        {"method": method, "data": {"source": str(source), "rehearsal": 0.0}, "train": {"max_length": 512}}
    )
    with pytest.raises(GaslampError) as caught:  # anything else would be a traceback
        prepare.prepare_data(
            parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking")),
            model,
            {key: out / name for key, name in OUTPUTS.items()},
        )
    assert message in caught.value.cause, caught.value.cause
    assert caught.value.fix and caught.value.code == 1
    assert not out.exists() or not list(out.iterdir()), "nothing is written"


def test_the_command_ends_with_the_error_alone(model: Path, tmp_path: Path) -> None:
    """What a person sees of one of them: the text, exit code 1, no traceback."""
    source = write(tmp_path, "rows.jsonl", LINES + "{")
    config = Config.model_validate({"data": {"source": str(source)}, "train": {"max_length": 512}})
    files = [part for key, name in OUTPUTS.items() for part in (f"--{key}", str(tmp_path / "out" / name))]
    command = [
        sys.executable,
        str(ROOT / "scripts/prepare_data.py"),
        "--model",
        str(model),
        "--config",
        str(write_config(config, tmp_path)),
        *files,
        "--log",
        str(tmp_path / "log"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert (
        "error: 1 problem in the data; nothing was written" in done.stderr
        and "rows.jsonl, line 13: not valid JSON" in done.stderr
    )
    assert not list((tmp_path / "out").iterdir())

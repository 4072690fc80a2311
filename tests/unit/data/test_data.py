"""From any file to checked splits: every reader, every format, every problem named with its place,
rows that never move.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Card, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data import prepare
from gaslamp.data.meaning import find_format
from gaslamp.data.readers.files import read_chunks
from gaslamp.models.fetch import fetch_model

OUTPUTS = {
    "train": "train.jsonl",
    "valid": "valid.jsonl",
    "test": "test.jsonl",
    "template": "template.json",
    "card": "card.json",
    "strategy": "strategy.md",
}


def read_rows(source: Path, problems: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Every row with its place; what cannot be read as ``place: text``."""
    found: list[Any] = []
    rows = [(f"{chunk.label} {number}", row) for chunk in read_chunks(source) for number, row in chunk.read(found)]
    problems += [f"{place}: {text}" for place, text, _ in found]
    return rows


def read(file: Path, data: str | bytes) -> tuple[list[Any], list[str]]:
    """Rows without their places, and the problems."""
    file.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    problems: list[str] = []
    return [row for _, row in read_rows(file, problems)], problems


# ---------------------------------------------------------------------------------------------------------- readers

ROW = {"prompt": "a", "completion": "b"}


@pytest.mark.parametrize(
    ("name", "data", "rows"),
    [
        ("a.csv", "prompt,completion\na,b\n", [ROW]),
        ("a.csv", "\ufeffprompt,completion\r\na,b\r\n", [ROW]),  # spreadsheets put a BOM in front
        ("a.csv", "prompt;completion\na;b\n", [ROW]),
        ("a.csv", 'prompt,completion\n"a, ""x""\ny",b', [{"prompt": 'a, "x"\ny', "completion": "b"}]),
        ("a.csv", " prompt , completion \na,b\n\n,\n", [ROW]),
        ("a.tsv", "prompt\tcompletion\na, b\tc;d\n", [{"prompt": "a, b", "completion": "c;d"}]),
        (
            "a.jsonl",
            '{"prompt": "a", "completion": "b"}\n\n{"prompt": "ü", "completion": 3}',
            [ROW, {"prompt": "ü", "completion": 3}],
        ),
        ("A.NDJSON", '{"prompt": "a", "completion": "b"}\r\n', [ROW]),
        ("a.json", '[{"prompt": "a", "completion": "b"}]', [ROW]),
        ("a.json", '{"version": 1, "data": [{"prompt": "a", "completion": "b"}]}', [ROW]),
        ("a.json", '{"prompt": "a", "completion": "b"}', [ROW]),
        ("a.json", '{"prompt": "a", "completion": "b"}\n{"prompt": "a", "completion": "b"}', [ROW, ROW]),
    ],
)
def test_readers(tmp_path: Path, name: str, data: str, rows: list[Any]) -> None:
    assert read(tmp_path / name, data) == (rows, [])


def test_parquet(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    parquet.write_table(pyarrow.table({"messages": [turns, turns]}), tmp_path / "a.parquet")
    assert [row for _, row in read_rows(tmp_path / "a.parquet", [])] == [{"messages": turns}] * 2
    cut = (tmp_path / "a.parquet").read_bytes()[:-20]
    with pytest.raises(GaslampError, match="not a readable parquet file"):
        read(tmp_path / "cut.parquet", cut)


def test_a_folder_is_read_in_order_of_names_and_other_files_are_left(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.jsonl").write_text('{"n": 2}\n')
    (tmp_path / "a.csv").write_text("n\n1\n")
    (tmp_path / "notes.md").write_text("# not data")
    assert [(place, row["n"]) for place, row in read_rows(tmp_path, [])] == [
        ("a.csv, line 2", "1"),
        ("b/2.jsonl, line 1", 2),
    ]
    none = tmp_path / "none"
    none.mkdir()
    with pytest.raises(GaslampError, match="no data files"):
        read_rows(none, [])


@pytest.mark.parametrize(
    ("name", "data", "places"),
    [
        (
            "a.csv",
            "p,c\na,b\nonly\na,b,c\nx,y\n",
            ["a.csv, line 3: 1 cells, but the header has 2", "a.csv, line 4: 3 cells"],
        ),
        ("a.csv", 'p,c\n"open,b\n', ["a.csv, line 2: unexpected end of data"]),
        (
            "a.jsonl",
            '{"a": 1}\n{"a": \n[1]\n{"a": 2}\n',
            ["a.jsonl, line 2: not valid JSON", "a.jsonl, line 3: a row must be an object"],
        ),
        (
            "a.json",
            '[{"a": 1}, 7, null]',
            ["a.json, item 2: a row must be an object {...}, found a number", "a.json, item 3"],
        ),
    ],
)
def test_every_broken_row_is_listed_with_its_line(tmp_path: Path, name: str, data: str, places: list[str]) -> None:
    rows, problems = read(tmp_path / name, data)
    assert len(problems) == len(places)
    assert all(problem.startswith(place) for problem, place in zip(problems, places, strict=True)), problems


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \n\n", "is empty"),
        ("a.csv", "p,c\nok,\u00e9\n".encode() + b"caf\xe9,x\n", "line 3: byte 0xe9 is not UTF-8"),
        ("a.txt", b"\x89PNG\r\n", "is a picture under another name"),
        ("a.json", b'{"a": [1,}\n', "line 1: not valid JSON"),
        ("a.xlsx", b"PK\x03\x04", "is not a readable spreadsheet"),
    ],
)
def test_unreadable_files_say_what_to_do(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(GaslampError) as caught:
        read(tmp_path / name, data)
    assert message in caught.value.cause and caught.value.fix


def test_a_line_separator_inside_a_json_text_is_no_line_end(tmp_path: Path) -> None:
    rows, problems = read(tmp_path / "a.jsonl", '{"prompt": "a\u2028b\u0085c", "completion": "d"}\n')
    assert (rows, problems) == ([{"prompt": "a\u2028b\u0085c", "completion": "d"}], [])


# ---------------------------------------------------------------------------------------------------------- formats

SHAPES = [  # as published sets have them: first columns, then what must come out
    (
        "alpaca",
        {"instruction": "Sum up.", "input": "Long text.", "output": "Short.", "text": "Below is an instruction"},
        [("user", "Sum up.\n\nLong text."), ("assistant", "Short.")],
    ),
    (
        "alpaca",
        {"instruction": "Name a tree.", "input": "", "output": "Oak"},
        [("user", "Name a tree."), ("assistant", "Oak")],
    ),
    (
        "alpaca",
        {"instruction": "q", "context": "", "response": "a", "category": "open_qa"},
        [("user", "q"), ("assistant", "a")],
    ),
    (
        "messages",
        {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "q"},
                {"from": "gpt", "value": "a"},
            ],
            "id": "x",
        },
        [("system", "s"), ("user", "q"), ("assistant", "a")],
    ),
    (
        "messages",
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "source": "x"},
        [("user", "q"), ("assistant", "a")],
    ),
    ("prompt_completion", {"question": "2 + 2?", "answer": "#### 4"}, [("user", "2 + 2?"), ("assistant", "#### 4")]),
    ("prompt_completion", {"Question": "q", "Answer": "a", "level": 3}, [("user", "q"), ("assistant", "a")]),
    (
        "prompt_completion",
        {"prompt": "q", "completion": {"b": 1, "a": [True]}},
        [("user", "q"), ("assistant", '{"b":1,"a":[true]}')],
    ),
    (
        "prompt_completion",
        {"text": "great film", "label": 1, "system": "pos or neg"},
        [("system", "pos or neg"), ("user", "great film"), ("assistant", "1")],
    ),
]


@pytest.mark.parametrize(("name", "row", "turns"), SHAPES)
def test_shapes_of_published_sets(name: str, row: dict[str, Any], turns: list[tuple[str, str]]) -> None:
    found, plugin, mapping = find_format([row], "auto", {})
    assert found == name
    assert [(turn["role"], turn["content"]) for turn in plugin.convert(row, mapping)["messages"]] == turns


def test_columns_of_the_config_win() -> None:
    row = {"frage": "q", "antwort": "a", "prompt": "x", "completion": "y"}
    found, plugin, mapping = find_format([row], "auto", {"prompt": "frage", "completion": "antwort"})
    assert found == "prompt_completion" and plugin.convert(row, mapping)["messages"][0]["content"] == "q"
    with pytest.raises(GaslampError, match=r"data.columns names fragee, but the columns are: frage"):
        find_format([row], "auto", {"prompt": "fragee"})


def test_no_format_shows_the_first_row_and_all_formats() -> None:
    with pytest.raises(GaslampError) as caught:
        find_format([{"foo": 1, "bar": "b"}])
    assert "no format fits the columns foo, bar" in caught.value.cause and '"bar": "b"' in caught.value.cause
    assert "alpaca:" in caught.value.cause and "data.columns" in caught.value.fix


# ------------------------------------------------------------------------------------------------- the whole phase


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("facts") / "model.json"
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, out)
    return out


def make(
    model: Path, folder: Path, rows: list[dict[str, Any]], max_length: int = 512, **data: Any
) -> tuple[Card, dict[str, list[dict[str, Any]]]]:
    """Run the data phase on ``rows``."""
    folder.mkdir(exist_ok=True)
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = Config.model_validate(
        {"data": {"source": str(source), "rehearsal": 0.0, **data}, "train": {"max_length": max_length}}
    )
    outputs = {key: folder / name for key, name in OUTPUTS.items()}
    card = prepare.prepare_data(
        parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking")), model, outputs
    )
    return card, {split: list(read_jsonl(outputs[split])) for split in prepare.SPLITS}


def make_rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"prompt": f"question {n}", "completion": f"answer {n}"} for n in range(start, start + count)]


def get_places(splits: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {row["messages"][0]["content"]: split for split, rows in splits.items() for row in rows}


def test_rows_never_move_when_others_come(model: Path, tmp_path: Path) -> None:
    _, few = make(model, tmp_path / "few", make_rows(150))
    _, many = make(model, tmp_path / "many", [*make_rows(100, 500), *reversed(make_rows(150))])
    before, after = get_places(few), get_places(many)
    assert all(after[prompt] == split for prompt, split in before.items())
    assert 100 < len(few["train"]) < 140 and len(few["valid"]) > 1 and 10 < len(few["test"]) < 40, (
        "shares are about those configured"
    )
    _, other = make(model, tmp_path / "seed", make_rows(150), split={"seed": 1})
    assert get_places(other) != before


def test_card_records_what_is_on_disk(model: Path, tmp_path: Path) -> None:
    rows = [*make_rows(60), *make_rows(5)]  # five exact duplicates
    card, splits = make(model, tmp_path, rows)
    assert card.rows == {
        **{split: len(splits[split]) for split in prepare.SPLITS},
        "read": 65,
        "dropped_duplicates": 5,
        "rehearsal": 0,
    }
    assert sum(len(rows) for rows in splits.values()) == 60 and any(
        "5 exact duplicates" in text for text in card.warnings
    )
    assert (
        card.format == "prompt_completion"
        and card.mapping == {"prompt": "prompt", "completion": "completion"}
        and card.answers == "text"
    )
    template = Template.read(tmp_path / "template.json")
    assert template.example_text.startswith("<|im_start|>user\n") and sum(template.example_trained) in (9, 10)
    trained = sum(len(row["messages"][-1]["content"]) + 1 for row in splits["train"])
    assert card.trained_tokens == trained, "one token a byte of the answer, and the end token"


def test_the_same_question_never_stands_on_both_sides(model: Path, tmp_path: Path) -> None:
    """Rows that ask the same go to the same split, whatever the answers are."""
    rows = [{"prompt": f"question {n}", "completion": f"answer {n} {i}"} for n in range(80) for i in range(2)]
    _, splits = make(model, tmp_path, rows)
    prompts = {split: {row["messages"][0]["content"] for row in rows} for split, rows in splits.items()}
    assert not prompts["test"] & (prompts["train"] | prompts["valid"])


def test_a_split_column_is_obeyed_and_its_leaks_are_refused(model: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {**row, "split": "test" if n < 10 else "train", "slice": "new" if n < 4 else "known"}
        for n, row in enumerate(make_rows(40))
    ]
    card, splits = make(model, tmp_path / "a", rows)
    assert {row["messages"][0]["content"] for row in splits["test"]} == {f"question {n}" for n in range(10)}
    assert card.slices == {"new": 4, "known": 6}
    leak = {"prompt": "question 3", "completion": "another answer", "split": "train"}
    with pytest.raises(
        GaslampError,
        match=r"rows.jsonl, line 4: test row stands in training too: it has the same prompt as rows.jsonl, line 41",
    ):
        make(model, tmp_path / "b", [*rows, leak])
    assert not (tmp_path / "b" / "train.jsonl").exists()


def test_system_prompt_is_added_where_there_is_none(model: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]} for n in range(20)
    ]
    rows[0]["messages"].insert(0, {"role": "system", "content": "own"})
    _, splits = make(model, tmp_path, rows, system="common")
    systems = sorted(row["messages"][0]["content"] for rows in splits.values() for row in rows)
    assert systems == ["common"] * 19 + ["own"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([{"prompt": "x", "completion": ""}], "rows.jsonl, line 21: column 'completion' is empty"),
        ([{"prompt": "x", "completion": None}, {"prompt": " ", "completion": "y"}], "2 problems in the data"),
        ([{"completion": "y"}], "line 21: column 'prompt' is empty or missing"),
    ],
)
def test_bad_rows_are_listed_and_nothing_is_written(model: Path, tmp_path: Path, bad: list[Any], message: str) -> None:
    with pytest.raises(GaslampError) as caught:
        make(model, tmp_path, [*make_rows(20), *bad])
    assert message in caught.value.cause and "nothing was written" in caught.value.cause
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_long_list_of_problems_is_counted(model: Path, tmp_path: Path) -> None:
    with pytest.raises(GaslampError) as caught:
        make(model, tmp_path, [*make_rows(20), *({"prompt": f"p{n}", "completion": ""} for n in range(50))])
    assert "50 problems" in caught.value.cause and "... and 30 more" in caught.value.cause


def test_too_few_rows(model: Path, tmp_path: Path) -> None:
    with pytest.raises(GaslampError, match="has 9 rows"):
        make(model, tmp_path, make_rows(9))


def test_rows_that_do_not_fit_stop_the_run_unless_allowed(model: Path, tmp_path: Path) -> None:
    rows = [*make_rows(40), {"prompt": "p" * 400, "completion": "c"}]
    with pytest.raises(GaslampError) as caught:
        make(model, tmp_path / "a", rows, max_length=128, split={"seed": 1, "test": 0.1})
    assert "rows.jsonl, line 41: 4" in caught.value.cause and "train.max_length" in caught.value.fix
    card, _ = make(model, tmp_path / "b", rows, max_length=128, split={"seed": 1, "test": 0.1}, max_truncated=0.1)
    assert card.truncated == 1 and any("left out of training" in text for text in card.warnings)


def test_hostile_text_stays_text(model: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n} ~~~~ {{{{ 7*7 }}}} <script> {{% raw %}} `x` | \u2028", "completion": "~~~~~\n# no heading"}
        for n in range(20)
    ]
    _, splits = make(model, tmp_path, rows)
    assert sum(len(rows) for rows in splits.values()) == 20
    text = (tmp_path / "strategy.md").read_text(encoding="utf-8")
    assert "{{ 7*7 }}" in text
    opened = re.search(r"^(~+)text$", text, re.MULTILINE)
    assert opened and max(map(len, re.findall("~+", text))) == len(opened[1]) and text.count(opened[1]) == 2, (
        "the fence is longer than any inside it"
    )


def test_rehearsal_goes_into_training_only(model: Path, tmp_path: Path) -> None:
    card, splits = make(model, tmp_path, make_rows(100), rehearsal=0.1)
    own = {row["prompt"] for row in make_rows(100)}
    foreign = {split: sum(row["messages"][0]["content"] not in own for row in rows) for split, rows in splits.items()}
    assert foreign == {"train": card.rows["rehearsal"], "valid": 0, "test": 0} and 0 < card.rows["rehearsal"] <= 10
    card, _ = make(model, tmp_path / "short", make_rows(100), rehearsal=0.1, max_length=64)
    assert card.rows["rehearsal"] < 10 and card.truncated == 0, (
        "general rows that do not fit are left out, not complained about"
    )

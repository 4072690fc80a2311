"""Where rows come from: saved sets, sets of the hub's shape, queries, compressed files;
and the pipeline that streams them.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data import hub, query, sources
from gaslamp.data.checking import load_checks
from gaslamp.data.dividing import divide_rows
from gaslamp.data.peek import find_method_problem, peek
from gaslamp.data.rows import get_question
from gaslamp.data.splitting import get_position, get_positions

ROWS = [{"question": f"question {n}?", "answer": f"answer {n}", "lang": "en" if n % 3 else "de"} for n in range(30)]


def get_data(source: Any, **more: Any) -> Any:
    return Config.model_validate({"data": {"source": str(source), **more}}).data


def get_rows(data: Any) -> list[dict[str, Any]]:
    source = sources.open_source(data)
    problems: list[Any] = []
    first = [row for chunk in source.chunks() for _, row in chunk.read(problems)]
    again = [row for chunk in source.chunks() for _, row in chunk.read(problems)]
    assert first == again and not problems, "a source can be read twice"
    return first


def write(file: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if file.suffix == ".gz":
        data = gzip.compress(data)
    elif file.suffix == ".zst":
        import zstandard

        data = zstandard.compress(data)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def divide(folder: Path, data: Any, processes: int = 1, **checks: Any) -> tuple[Any, dict[str, list[dict[str, Any]]]]:
    folder.mkdir()
    spool, _, counts, _ = divide_rows(data, "sft", 512, load_checks(checks), checks, folder, processes)
    read = counts["read"]
    splits = {split: list(read_jsonl(folder / f"{split}.jsonl")) for split in ("train", "valid", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == spool.counts and read >= sum(spool.counts.values())
    return spool, splits


# ---------------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.ndjson.gz"])
def test_text_may_be_compressed(tmp_path: Path, name: str) -> None:
    assert get_rows(get_data(write(tmp_path / name))) == ROWS


def test_plain_text_is_one_row_a_line(tmp_path: Path) -> None:
    (tmp_path / "wiki.txt").write_text("first line\r\n\nsecond \u2028 line\n", encoding="utf-8", newline="")
    assert get_rows(get_data(tmp_path / "wiki.txt")) == [{"text": "first line"}, {"text": "second \u2028 line"}]


def test_a_long_list_of_objects_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaslamp.data.readers import limits

    monkeypatch.setattr(limits, "CHUNK", 50)
    monkeypatch.setattr(limits, "BATCH", 7)
    rows = [{**row, "long": "x" * (n * 7)} for n, row in enumerate(ROWS)]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=2))
    assert get_rows(get_data(tmp_path / "a.json")) == rows
    assert get_rows(get_data(write(tmp_path / "a.jsonl", rows))) == rows


def test_a_data_set_saved_to_disk(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    labels = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])})
    one = datasets.Dataset.from_list([{"text": "t", "label": 1}], features=labels)
    one.save_to_disk(tmp_path / "one")
    assert get_rows(get_data(tmp_path / "one")) == [{"text": "t", "label": "good"}], "people read names, not numbers"
    whole = datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(ROWS[:20]), "test": datasets.Dataset.from_list(ROWS[20:]).shuffle(seed=1)}
    )
    whole.save_to_disk(tmp_path / "two")
    _, splits = divide(tmp_path / "work", get_data(tmp_path / "two"))
    assert {row["messages"][0]["content"] for row in splits["test"]} == {row["question"] for row in ROWS[20:]} and len(
        splits["train"]
    ) == 20
    (tmp_path / "two" / "train" / "state.json").unlink()
    with pytest.raises(GaslampError, match="is not a readable saved data set"):
        sources.open_source(get_data(tmp_path / "two"))


def test_a_set_of_the_hubs_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code that loads from the hub, on a folder laid out as a hub set: a card with subsets,
    parquet files by split.
    """
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for subset in ("main", "other"):
        for split, rows in (("train", ROWS[:20]), ("test", ROWS[20:])):
            file = tmp_path / "org" / "set" / subset / f"{split}-00000-of-00001.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            datasets.Dataset.from_list(rows).to_parquet(file)
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*\n  - split: test\n    "
        f"path: {name}/test-*\n"
        for name in ("main", "other")
    )
    (tmp_path / "org" / "set" / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    folder = str(tmp_path / "org" / "set")
    with pytest.raises(GaslampError, match="has several subsets") as caught:
        hub.load(folder, None, None, None)
    assert caught.value.fix == "set data.subset to one of them"
    with pytest.raises(GaslampError) as caught:
        hub.load(folder, "main", "dev", None)
    assert caught.value.fix == "correct data.hub_split"
    monkeypatch.setattr(hub, "pin_revision", lambda source, revision: "abc123")
    load = hub.load
    monkeypatch.setattr(
        hub, "load", lambda source, subset, split, revision, **more: load(folder, subset, split, None, **more)
    )
    source = sources.open_source(get_data("org/set", subset="main"))
    assert source.name == "org/set@abc123" and source.revision == "abc123"
    assert [chunk.split for chunk in source.chunks()] == ["train", "test"]
    assert len(get_rows(get_data("org/set", subset="main", hub_split="train[:5]"))) == 5
    preview = sources.open_preview(get_data("org/set", subset="main", hub_split="train[:5]"))
    assert [row for chunk in preview.chunks() for _, row in chunk.read([])] == ROWS[:20], (
        "streamed, so a slice is not known yet"
    )
    problem = find_method_problem(get_data("org/set", subset="main"), "dpo")
    assert problem and "the method dpo cannot learn from these columns" in problem.cause
    assert find_method_problem(get_data("org/set", subset="main"), "sft") is None


def test_a_hub_that_does_not_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import HfApi

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr(HfApi, "dataset_info", fail)
    with pytest.raises(GaslampError, match="the hub does not answer for the data set org/nowhere") as caught:
        sources.open_source(get_data("org/nowhere"))
    assert "network" in caught.value.fix


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_query_reads_what_it_needs(tmp_path: Path, kind: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    file = write(tmp_path / "rows.jsonl")
    if kind != "jsonl":
        duckdb.sql(
            f"COPY (SELECT * FROM read_json('{file}')) TO '{tmp_path}/it''s.{kind}' "
            f"({'FORMAT parquet' if kind == 'parquet' else 'HEADER'})"
        )
        file = tmp_path / f"it's.{kind}"
    data = get_data(
        file,
        sql="SELECT question, upper(answer) AS answer FROM source WHERE lang = 'de' ORDER BY question DESC LIMIT 4",
    )
    wanted = sorted((row for row in ROWS if row["lang"] == "de"), key=lambda row: str(row["question"]), reverse=True)[
        :4
    ]
    assert get_rows(data) == [{"question": row["question"], "answer": str(row["answer"]).upper()} for row in wanted]
    connection = query.connect(data.source)
    assert [name for name, _ in query.describe(connection)] == ["question", "answer", "lang"] and len(
        query.sample(connection)
    ) == 2
    if kind == "parquet":
        plan = connection.cursor().execute("EXPLAIN SELECT question FROM source").fetchall()[0][1]
        assert "question" in plan and "lang" not in plan, "columns that no one asks for stay where they are"
    for sql, words in (("SELECT nope FROM source", "nope"), ("SELEC", "SELEC"), ("CREATE TABLE t (a INT)", "")):
        with pytest.raises(GaslampError) as caught:
            get_rows(get_data(file, sql=sql))
        assert "data.sql" in caught.value.cause and words in caught.value.cause


@pytest.mark.parametrize("sql", ["", " -- only a comment\n"])
def test_a_statement_that_is_no_query(tmp_path: Path, sql: str) -> None:
    pytest.importorskip("duckdb")
    connection = query.connect(get_data(write(tmp_path / "rows.jsonl")).source)
    with pytest.raises(GaslampError, match="data.sql is one query, and this is nothing"):
        list(query.get_chunks(connection, sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{other}')",
        "SELECT * FROM '{other}'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('http://127.0.0.1:1/a.csv')",
        "COPY (SELECT 1) TO '{place}/written.csv'",
        "COPY source TO '{source}'",
        "ATTACH '{place}/new.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT 1; SELECT 2",
        "DROP VIEW source",
    ],
)
def test_a_query_reads_its_source_alone(tmp_path: Path, sql: str) -> None:
    """A config may come from somebody else: no file but the source is read, none is written."""
    (tmp_path / "a.csv").write_text("q,a\n1,2\n"), (tmp_path / "other.csv").write_text("secret\n")
    before = sorted(tmp_path.iterdir())
    connection = query.connect(str(tmp_path / "a.csv"))
    with pytest.raises(GaslampError, match="data.sql") as caught:
        list(
            query.get_chunks(
                connection, sql.format(place=tmp_path, other=tmp_path / "other.csv", source=tmp_path / "a.csv")
            )
        )
    assert sorted(tmp_path.iterdir()) == before and "secret" not in str(caught.value)
    assert query.sample(connection) == [{"q": 1, "a": 2}]


def test_sql_on_the_hub_goes_through_its_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hf:// paths are opened by huggingface_hub; here its file system is one that reads a local folder."""
    pytest.importorskip("duckdb")
    fsspec, huggingface_hub = pytest.importorskip("fsspec"), pytest.importorskip("huggingface_hub")
    import pyarrow
    import pyarrow.parquet
    from fsspec.implementations.dirfs import DirFileSystem

    (tmp_path / "datasets" / "org" / "set").mkdir(parents=True)
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(ROWS), tmp_path / "datasets" / "org" / "set" / "train.parquet"
    )

    class Local(DirFileSystem):
        protocol = "hf"

        def __init__(self) -> None:
            super().__init__(str(tmp_path), fsspec.filesystem("file"))

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix("hf://")

    monkeypatch.setattr(huggingface_hub, "HfFileSystem", Local)
    data = get_data("hf://datasets/org/set/train.parquet", sql="SELECT question FROM source LIMIT 2")
    assert get_rows(data) == [{"question": row["question"]} for row in ROWS[:2]]


def test_peek_decides_without_writing(tmp_path: Path) -> None:
    found = peek(get_data(write(tmp_path / "rows.jsonl")), "sft")
    assert (found.format, found.kind, found.mapping["prompt"]) == ("prompt_completion", "conversation", "question")
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


# -------------------- the pipeline


def make_rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"q{n}", "completion": f"a{n}", **more} for n in range(count)]


def test_many_processes_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaslamp.data.readers import limits

    monkeypatch.setattr(limits, "CHUNK", 3000)
    file = write(tmp_path / "rows.jsonl", [*make_rows(2000), *make_rows(300)])
    first, one = divide(tmp_path / "one", get_data(file))
    second, two = divide(tmp_path / "two", get_data(file), processes=2)
    assert one == two and first.duplicates == second.duplicates == 300
    assert (tmp_path / "one" / "train.places").read_bytes() == (tmp_path / "two" / "train.places").read_bytes()
    assert next(iter(first)).place.startswith("rows.jsonl, line ")


def test_positions_of_whole_batches_are_those_of_single_rows() -> None:
    questions = [
        get_question({"messages": [{"role": "user", "content": f"é{n}"}, {"role": "assistant", "content": "a"}]})
        for n in range(500)
    ]
    together = get_positions(b"".join(question[:8] for question in questions), 7)
    assert [get_position(question, 7) for question in questions] == together.tolist()
    assert 0.4 < together.mean() < 0.6


def test_a_group_stays_together(tmp_path: Path) -> None:
    rows = [{**row, "customer": f"c{n // 10}"} for n, row in enumerate(make_rows(600))]
    _, splits = divide(tmp_path / "work", get_data(write(tmp_path / "rows.jsonl", rows), group="customer"))
    groups = {split: {row["columns"]["customer"] for row in rows} for split, rows in splits.items()}
    assert (
        not groups["test"] & (groups["train"] | groups["valid"])
        and not groups["train"] & groups["valid"]
        and groups["test"]
    )


def test_max_test_keeps_the_same_rows_and_trains_on_none_of_the_others(tmp_path: Path) -> None:
    data = {"split": {"test": 0.4, "max_test": 50}}
    file = write(tmp_path / "rows.jsonl", make_rows(3000))
    spool, splits = divide(tmp_path / "a", get_data(file, **data))
    assert len(splits["test"]) == 50 and spool.dropped > 1000 and sum(spool.counts.values()) == 3000 - spool.dropped
    _, more = divide(
        tmp_path / "b", get_data(write(tmp_path / "more.jsonl", [*make_rows(3000), *make_rows(3500)[3000:]]), **data)
    )
    old = {row["id"] for row in splits["test"]}
    assert {row["id"] for row in more["test"]} & {row["id"] for row in splits["train"]} == set()
    assert not old & {row["id"] for row in more["train"]}


@pytest.mark.parametrize("count", [10, 11, 23, 40])
def test_a_tiny_set_is_tested_and_validated(tmp_path: Path, count: int) -> None:
    _, splits = divide(
        tmp_path / "work",
        get_data(write(tmp_path / "rows.jsonl", make_rows(count)), split={"test": 0.001, "valid": 0.001}),
    )
    assert (
        len(splits["test"]) == max(2, min(5, count // 5))
        and len(splits["valid"]) == 1
        and sum(map(len, splits.values())) == count
    )


def test_files_named_by_split_are_obeyed(tmp_path: Path) -> None:
    rows = make_rows(40)
    for name, part in (
        ("train-1", rows[:20]),
        ("train-2", rows[20:30]),
        ("validation", rows[30:34]),
        ("test", rows[34:]),
    ):
        write(tmp_path / "raw" / f"{name}.jsonl", part)
    _, splits = divide(tmp_path / "work", get_data(tmp_path / "raw"))
    assert {split: len(part) for split, part in splits.items()} == {"train": 30, "valid": 4, "test": 6}


def test_rows_keep_their_other_columns_and_pictures_become_files(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for n in range(12):
        Image.new("RGB", (8, 8), (n, 0, 0)).save(tmp_path / "pictures" / f"{n}.png")
    rows = [
        {
            "image": f"pictures/{n}.png",
            "question": f"q{n}",
            "answer": "a",
            "camera": "x",
            "slice": n % 2,
            "size": {"w": 8},
        }
        for n in range(12)
    ]
    _, splits = divide(tmp_path / "work", get_data(write(tmp_path / "rows.jsonl", rows)))
    kept = [row for part in splits.values() for row in part]
    assert all(row["columns"] == {"camera": "x"} and row["slice"] in ("0", "1") for row in kept)
    names = {row["messages"][0]["content"][0]["image"] for row in kept}
    assert names == {f"images/{file.name}" for file in (tmp_path / "work" / "images").iterdir()} and len(names) == 12


def test_hard_text_survives_byte_for_byte(tmp_path: Path) -> None:
    words = [
        "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 e\u0301",
        "a\r\nb\tc\u2028d\x00e",
        "x" * 300_000,
        '"\\\\"',
        "{{7*7}}</script>",
    ]
    rows = [{"prompt": f"{n}{word}", "completion": word} for n in range(3) for word in words]
    _, splits = divide(tmp_path / "work", get_data(write(tmp_path / "rows.jsonl", rows)))
    found = {(row["messages"][0]["content"], row["messages"][1]["content"]) for part in splits.values() for row in part}
    assert found == {(row["prompt"], row["completion"]) for row in rows}


def test_checks_have_a_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "rows.jsonl", make_rows(95))
    file.write_text(file.read_text() + "{\n" * 5)
    with pytest.raises(GaslampError) as caught:
        divide(tmp_path / "a", get_data(file))
    assert (
        "5 problems in the data" in caught.value.cause
        and caught.value.less_likely
        and "max_percentage: 5" in caught.value.less_likely
    )
    _, splits = divide(tmp_path / "b", get_data(file), unreadable={"max_percentage": 5.0})
    assert sum(map(len, splits.values())) == 95
    with pytest.raises(GaslampError, match="4 % are allowed"):
        divide(tmp_path / "c", get_data(file), unreadable={"max_percentage": 4.0})
    _, splits = divide(tmp_path / "d", get_data(file), unreadable={"severity": "warn"})
    assert sum(map(len, splits.values())) == 95


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Only digests do, 16 to 64 bytes a row; a row here has 530."""
    import tracemalloc

    def get_peak(count: int) -> int:
        file, work = tmp_path / f"{count}.jsonl", tmp_path / f"work{count}"
        with file.open("w") as handle:
            handle.writelines(
                json.dumps({"prompt": f"q{n} " + "x" * 300, "completion": "a" * 200}) + "\n" for n in range(count)
            )
        work.mkdir()
        tracemalloc.start()
        try:
            divide_rows(get_data(file), "sft", 512, load_checks(off), off, work, 1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    off = {name: {"severity": "off"} for name in registry.names("checks")}
    get_peak(100)  # modules are loaded once
    assert (get_peak(16_000) - get_peak(6_000)) / 10_000 < 100


# -------------------- splits of the source


@pytest.mark.parametrize("kind", ["column", "capitals", "files", "one object"])
def test_a_source_without_test_rows_gets_them_from_training(tmp_path: Path, kind: str) -> None:
    train, valid = make_rows(60), make_rows(70)[60:]
    if kind in ("column", "capitals"):
        column, names = ("split", ("train", "validation")) if kind == "column" else ("Split", ("Train", "Validation"))
        source = write(
            tmp_path / "rows.jsonl",
            [{**row, column: names[0]} for row in train] + [{**row, column: names[1]} for row in valid],
        )
    elif kind == "files":
        source = write(tmp_path / "raw" / "train.jsonl", train).parent
        write(source / "validation.jsonl", valid)
    else:
        source = tmp_path / "rows.json"
        source.write_text(json.dumps({"train": train, "validation": valid}))
    spool, splits = divide(tmp_path / "work", get_data(source))
    prompts = {split: {row["messages"][0]["content"] for row in rows} for split, rows in splits.items()}
    assert prompts["valid"] == {row["prompt"] for row in valid}
    assert (
        prompts["train"] | prompts["test"] == {row["prompt"] for row in train}
        and not prompts["train"] & prompts["test"]
    )
    assert 5 <= len(splits["test"]) <= 20 and spool.test_from_train == len(splits["test"])
    again, more = divide(tmp_path / "again", get_data(source))
    assert more == splits


def test_split_names_in_capitals_are_obeyed(tmp_path: Path) -> None:
    rows = [{"Prompt": f"q{n}", "Completion": f"a{n}", "Split": "Test" if n >= 25 else "Train"} for n in range(30)]
    _, splits = divide(tmp_path / "work", get_data(write(tmp_path / "rows.jsonl", rows)))
    assert {row["messages"][0]["content"] for row in splits["test"]} == {f"q{n}" for n in range(25, 30)}
    assert len(splits["train"]) == 25


def test_numbers_above_64_bits_reach_the_files(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(
        "".join(
            f'{{"prompt": "q{n}", "completion": {12345678901234567890123 + n}, "n": {10**30}, "price": 1.50}}\n'
            for n in range(30)
        )
    )
    _, splits = divide(tmp_path / "work", get_data(file))
    rows = [row for part in splits.values() for row in part]
    assert {row["messages"][1]["content"] for row in rows} == {str(12345678901234567890123 + n) for n in range(30)}
    assert all(
        '"columns":{"n":1000000000000000000000000000000,"price":1.50}' in line
        for line in (tmp_path / "work" / "train.jsonl").read_text().splitlines()
    )


def test_a_problem_of_every_row_is_reported_once(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("prompt,completion\n" + "".join(f"Hello, you {n}, there\n" for n in range(40)))
    with pytest.raises(GaslampError) as caught:
        divide(tmp_path / "a", get_data(file))
    lines = caught.value.cause.splitlines()
    assert lines == [
        "40 problems in the data; nothing was written",
        "    - every row (the same in the first 20): 3 cells, but the header has 2 (rows.csv, line 2; rows.csv, line "
        "3; rows.csv, line 4 ...)",
    ]
    assert caught.value.less_likely is None and "quotes" in caught.value.fix
    file.write_text("prompt,completion\n" + "".join(f"q{n},a{', b' * (n % 2)}\n" for n in range(12)))
    with pytest.raises(GaslampError) as caught:
        divide(tmp_path / "b", get_data(file))
    assert "6 problems" in caught.value.cause and caught.value.cause.count("rows.csv, line") == 6, (
        "others keep their lines"
    )
    file.write_text("prompt,completion\n" + "Hello, you, there\n" * 40 + 'q,a\n"open,b\n')
    with pytest.raises(GaslampError) as caught:
        divide(tmp_path / "c", get_data(file))
    assert "41 of 42 rows (the same in the first 20): 3 cells" in caught.value.cause


def test_how_a_file_was_understood_is_on_the_source(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(
        b"Export 2025\n\nprompt,completion\n" + "".join(f"caf\u00e9 {n},a\n" for n in range(20)).encode("cp1252")
    )
    source = sources.open_source(get_data(file))
    assert len([row for chunk in source.chunks() for row in chunk.read([])]) == 20
    list(source.chunks())
    assert len(source.notes) == 2 and "read as cp1252" in source.notes[0] and "title lines" in source.notes[1]

"""Text whose lines or folders have parts: never learnt as running text, or as pairs, without a question."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import decide
from gaslamp.data.meaning.examples import render_row
from gaslamp.data.readers.files import read_chunks
from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

N = range(24)
CHOICE = random.Random(1)
NAMES = ("opening hours", "parking", "the garden cafe", "guided tours", "lost property", "the roof terrace")


def ask(n: int) -> str:
    return f"What should I know about {NAMES[n % 6]} in hall {n}?"


def say(n: int) -> str:
    return f"Of {NAMES[n % 6]}, the staff in hall {n} will gladly show you more."


def judge(n: int) -> str:
    return f"Our visit of {NAMES[n % 6]} in hall {n} was {'calm' if n % 2 else 'loud'}."


def pick(*labels: str) -> str:
    return CHOICE.choice(labels)


def load(source: Path) -> tuple[list[dict[str, Any]], list[str]]:
    opened = open_source(Config(data={"source": str(source)}).data)
    return read_sample(opened, []), opened.notes


SHAPES: dict[str, tuple[str, tuple[str, str]]] = {  # a text, and what is read and written of its first row
    "arrow": ("".join(f"{ask(n)} => {say(n)}\n" for n in N), (ask(0), say(0))),
    "tight arrow": ("".join(f"{ask(n)}->{say(n)}\n" for n in N), (ask(0), say(0))),
    "bars": ("".join(f"{ask(n)} ||| {say(n)}\n" for n in N), (ask(0), say(0))),
    "semicolon": ("".join(f"{judge(n)};{pick('joy', 'fear')}\n" for n in N), (judge(0), "")),
    "class in front": ("".join(f"{pick('DESC:manner', 'NUM:date')} {ask(n)}\n" for n in N), (ask(0), "")),
    "class and colon": ("".join(f"{pick('good', 'bad')}: {judge(n)}\n" for n in N), (judge(0), "")),
    "class in brackets": ("".join(f"[{pick('good', 'bad')}] {judge(n)}\n" for n in N), (judge(0), "")),
    "class at the end": ("".join(f"{judge(n)} {pick('0', '1')}\n" for n in N), (judge(0), "")),
    "class behind at": ("".join(f"{judge(n)}@{pick('positive', 'neutral')}\n" for n in N), (judge(0), "")),
    "answer below": ("\n".join(f"{ask(n)}\n{say(n)}\nAnd so on.\n" for n in N), (ask(0), f"{say(0)}\nAnd so on.")),
    "answer in the next paragraph": ("\n\n".join(f"{ask(n)}\n\n{say(n)}" for n in N), (ask(0), say(0))),
    "answer in the next line": ("\n".join(f"{n + 1}. {ask(n)}\n{say(n)}" for n in N), (ask(0), say(0))),
    "terms": ("".join(f"{NAMES[n % 6]} {n}: {say(n)}\n" for n in N), (f"{NAMES[0]} 0", say(0))),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_lines_with_parts_are_a_question(tmp_path: Path, name: str) -> None:
    text, (read, written) = SHAPES[name]
    (tmp_path / "rows.txt").write_text(text)
    rows, notes = load(tmp_path / "rows.txt")
    assert len(rows) == len(N) and len(notes) == 1 and WHOLE in notes[0]
    learnt = []
    for kinds in ((), ("conversation",)):
        meaning = decide(rows, kinds=kinds)
        assert not meaning.certain
        shown = [dict(render_row(one, rows)) for one in meaning.readings]
        learnt += [(row["user"], row["assistant"]) for row in shown if "user" in row]
    assert any(user == read and (assistant == " ".join(written.split()) or not written) for user, assistant in learnt)
    whole = decide(rows, kinds=("text",))
    assert whole.certain and render_row(whole.reading, rows)[0][1].startswith(text.split("\n")[0][:40])
    columns = whole.reading.mapping
    assert decide(rows, columns=columns, kinds=("text",)).reading.mapping == columns == {"text": WHOLE}


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"The lamp {n} was lit, and {NAMES[n % 6]} stood open until the evening came.\n" for n in N),
        "".join(f"HAMLET: Word {n}.\nOPHELIA: My lord, {n}?\n" for n in N),
        "\n\n".join(f"{say(n)} {judge(n + 1)}\n{say(n + 2)}" for n in N),
        "\n".join(f"Where is hall {n}?" for n in N),
    ],
)  # fmt: skip
def test_running_text_stays_running_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.txt").write_text(text)
    rows, _ = load(tmp_path / "rows.txt")
    assert all(WHOLE not in row for row in rows)


TAGGED = [("EU", "NNP", "B-ORG"), ("rejects", "VBZ", "O"), ("New", "NNP", "B-LOC"), ("York", "NNP", "I-LOC")]
ENTITIES = [{"text": "EU", "label": "ORG"}, {"text": "New York", "label": "LOC"}]


def write_words(tmp_path: Path, name: str) -> Path:
    words = [[(f"{word}" if place else f"EU{n or ''}", *rest) for place, (word, *rest) in enumerate(TAGGED)] for n in N]
    if name.endswith(".csv"):
        lines = [f"Sentence: {n}," * (not place) + "," * (place > 0) + ",".join(word) + "\n"
                 for n, sentence in enumerate(words) for place, word in enumerate(sentence)]  # fmt: skip
        text = "Sentence #,Word,POS,Tag\n" + "".join(lines)
    elif name.endswith(".jsonl"):
        import json

        lines = [json.dumps({"words": [w for w, *_ in one], "ner_tags": [t for *_, t in one]}) for one in words]
        text = "\n".join(lines)
    else:
        sign = "\t" if name.endswith(".tsv") else " "
        text = "-DOCSTART- -X- O\n\n" + "\n".join("".join(sign.join(word) + "\n" for word in one) for one in words)
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize("name", ["ner.txt", "ner.conll", "ner.tsv", "ner.csv", "ner.jsonl"])
def test_tagged_words_are_sentences_with_their_entities(tmp_path: Path, name: str) -> None:
    """The class of the first word was learnt from ``Sentence: 1``; CoNLL's lines were running text."""
    rows, _ = load(write_words(tmp_path, name))
    assert rows[0] == {"text": "EU rejects New York", "entities": ENTITIES}
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain and meaning.reading.mapping == {"prompt": "text", "completion": "entities"}


def test_tags_that_are_numbers_are_refused_with_their_names() -> None:
    from gaslamp.data.tagged import find_shape

    with pytest.raises(GaslampError, match="no row says what a number means"):
        find_shape([{"tokens": ["EU", "rejects"], "ner_tags": [3, 0]}] * 8)
    with pytest.raises(GaslampError, match="nothing says where a sentence ends"):
        find_shape([{"word": word, "tag": tag} for word, _, tag in TAGGED] * 3)


def write_folder(folder: Path, packed: bool) -> Path:
    names = {f"train/{'pos' if n % 2 else 'neg'}/{n:02}_7.txt": f"{judge(n)}\n\nAgain {n}." for n in N}
    names |= {f"test/{'pos' if n % 2 else 'neg'}/{n:02}_7.txt": f"{judge(n)}\n\nAnd {n}." for n in N}
    names["train/urls.txt"] = "none"
    if not packed:
        for name, text in names.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder
    with zipfile.ZipFile(folder / "reviews.zip", "w") as out:
        for name, text in names.items():
            out.writestr(f"reviews/{name}", text)
    return folder / "reviews.zip"


@pytest.mark.parametrize("packed", [False, True])
def test_the_name_of_a_folder_may_be_the_class_of_its_texts(tmp_path: Path, packed: bool) -> None:
    source = write_folder(tmp_path, packed)
    rows, notes = load(source)
    assert [row["label"] for row in rows[:4]] == ["neg", "pos", "neg", "pos"], "the sample has every class"
    assert rows[0]["text"].endswith(".") and "\n\n" in rows[0]["text"]
    meaning = decide(rows)
    assert not meaning.certain and [one.key for one in meaning.readings] == ["classify label", "text"]
    splits = {chunk.split for chunk in read_chunks(source)}
    assert splits == {"train", "test"} and any("urls.txt" in note for note in notes)


def test_the_name_of_a_file_may_be_the_class_of_its_lines(tmp_path: Path) -> None:
    for name in ("spam", "ham"):
        (tmp_path / f"{name}.txt").write_text("".join(f"{name.title()}, {judge(n)}\n" for n in N))
    rows, _ = load(tmp_path)
    assert {row["label"] for row in rows} == {"spam", "ham"} and not decide(rows).certain
    (tmp_path / "chapter 2.txt").write_text("".join(f"{say(n)}\n" for n in N))
    assert all(set(row) == {"text"} for row in load(tmp_path)[0])


PAIRS: dict[str, tuple[dict[str, str], dict[str, str]]] = {  # files, and the first row
    "languages": (
        {"train.de.txt": "".join(f"Halle {n}\n" for n in N), "train.en.txt": "".join(f"Hall {n}\n" for n in N)},
        {"de": "Halle 0", "en": "Hall 0", WHOLE: "Halle 0\nHall 0"},
    ),
    "names": (
        {f"{n:02}.{side}.txt": text for n in N for side, text in (("question", ask(n)), ("answer", say(n)))},
        {"question": ask(0), "answer": say(0)},
    ),
    "folders": (
        {f"{side}/sport/{n:02}.txt": text for n in N for side, text in (("Articles", judge(n)), ("Summaries", "S"))},
        {"Articles": judge(0), "Summaries": "S"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_files_that_belong_together_are_rows(tmp_path: Path, name: str) -> None:
    """Both sides were running text, each document for itself."""
    files, first = PAIRS[name]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    rows, notes = load(tmp_path)
    assert rows[0] == first and len(rows) == len(N) and "in pairs" in notes[0]
    if name == "languages":
        meaning = decide(rows)
        assert not meaning.certain, "which language is translated stands nowhere"
        with (tmp_path / "train.en.txt").open("a") as out:
            out.write("one more\n")
        with pytest.raises(GaslampError, match="have 24 and 25 lines"):
            load(tmp_path)


def test_captions_are_no_running_text(tmp_path: Path) -> None:
    for n in range(4):
        (tmp_path / f"{n}.txt").write_text(say(n))
        (tmp_path / f"{n}.png").write_bytes(b"x")
    with pytest.raises(GaslampError, match="4 of 4 texts belong to a picture"):
        load(tmp_path)


def test_transcripts_of_a_folder_are_conversations(tmp_path: Path) -> None:
    for n in N:
        (tmp_path / f"{n:02}.txt").write_text(f"Customer: {ask(n)}\nAgent: {say(n)}\nIt is late.\n")
    rows, _ = load(tmp_path)
    meaning = decide(rows)
    assert meaning.certain and len(rows) == len(N)
    assert dict(render_row(meaning.reading, rows)) == {"user": ask(0), "assistant": f"{say(0)} It is late."}


def test_headers_that_are_rows_or_more_than_one(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("".join(f"house {n}\tHaus {n}\n" for n in N))
    rows, notes = load(tmp_path / "a.tsv")
    assert rows[0] == {"column 1": "house 0", "column 2": "Haus 0"} and "all cells are numbered" in notes[0]
    (tmp_path / "b.csv").write_text(
        'Q1,Q2\nWhat is wrong?,Which area?\n"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"\n'
        + "".join(f"{say(n).replace(',', '')},area {n % 2}\n" for n in N)
    )
    rows, notes = load(tmp_path / "b.csv")
    assert rows[0]["Q2"] == "area 0" and len(rows) == len(N) and "Qualtrics" in notes[0]


def test_tables_with_columns_of_their_own_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "questions.csv").write_text("Id,Title,Body,Score\n" + "".join(f"{n},T,hall {n},1\n" for n in N))
    (tmp_path / "answers.csv").write_text("Id,ParentId,Body,Score\n" + "".join(f"{n},{n},hall {n},2\n" for n in N))
    with pytest.raises(GaslampError, match="only answers.csv has 'ParentId', only questions.csv has 'Title'"):
        load(tmp_path)
    columns = {"prompt": "Body", "completion": "Score"}
    opened = open_source(Config.model_validate({"data": {"source": str(tmp_path), "columns": columns}}).data)
    assert len(read_sample(opened, [], wanted=columns.values())) == 48, "data.columns takes what both have"


def test_czech_of_windows_is_read_as_such(tmp_path: Path) -> None:
    text = "Dotaz;Odpov\u011b\u010f\n" + "".join(
        f"Jak otev\u0159\u00edt {n}?;Stiskn\u011bte tla\u010d\u00edtko {n}\n" for n in N
    )
    (tmp_path / "cz.csv").write_bytes(text.encode("cp1250"))
    rows, _ = load(tmp_path / "cz.csv")
    assert rows[0] == {"Dotaz": "Jak otev\u0159\u00edt 0?", "Odpov\u011b\u010f": "Stiskn\u011bte tla\u010d\u00edtko 0"}

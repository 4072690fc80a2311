"""Questions and answers as plain text become rows; other texts with colons stay texts."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import decide
from gaslamp.data.sources import open_source


def read(file: Path, text: str) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    file.write_text(text, encoding="utf-8")
    problems: list[tuple[str, str, str]] = []
    source = open_source(Config.model_validate({"data": {"source": str(file)}}).data)
    return [row for chunk in source.chunks() for _, row in chunk.read(problems)], problems


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Q: ", "A: "),
        ("Q{}: ", "A{}: "),
        ("Question: ", "Answer: "),
        ("Q{}. ", "A{}. "),
        ("Q{}) ", "A{}) "),
        ("{}. **Frage:** ", "**Antwort:** "),
        ("P: ", "R: "),
        ("Question : ", "R\u00e9ponse : "),
        ("\u95ee\uff1a", "\u7b54\uff1a"),
        ("\u0412\u043e\u043f\u0440\u043e\u0441: ", "\u041e\u0442\u0432\u0435\u0442: "),
    ],
)
def test_a_pair_is_a_row(tmp_path: Path, question: str, answer: str) -> None:
    text = "".join(
        f"{question.format(n)}Where is hall {n}?\n{answer.format(n)}Left of {n}.\n\nNote: a) up, b) down\n\n"
        for n in range(1, 5)
    )
    rows, problems = read(tmp_path / "faq.txt", text)
    assert rows == [
        {"question": f"Where is hall {n}?", "answer": f"Left of {n}.\n\nNote: a) up, b) down"} for n in range(1, 5)
    ]
    assert problems == [] and decide(rows, kinds=("conversation",)).certain


def test_rules_part_conversations(tmp_path: Path) -> None:
    """They stood behind each last answer, and its rounds were rows of their own."""
    round_ = "{who}: Where is hall {n}{k}?\n{bot}: Left of {n}.\nThen up.\n"
    for who, bot, rule in (("User", "Assistant", "---"), ("Kunde", "Berater", "=====")):
        blocks = ["".join(round_.format(n=n, k=k, who=who, bot=bot) for k in "ab") for n in range(4)]
        rows, problems = read(tmp_path / "talks.txt", f"{rule}\n".join(blocks))
        assert problems == [] and [[turn["content"] for turn in row["messages"]] for row in rows] == [
            [text for k in "ab" for text in (f"Where is hall {n}{k}?", f"Left of {n}.\nThen up.")] for n in range(4)
        ]
        assert decide(rows, kinds=("conversation",)).reading.format == "messages"
    rows, _ = read(tmp_path / "faq.txt", "***\n".join(f"Q: Where is {n}?\nA: Left of {n}.\n" for n in range(4)))
    assert rows == [{"question": f"Where is {n}?", "answer": f"Left of {n}."} for n in range(4)]


def test_lines_of_fasttext_and_rendered_turns(tmp_path: Path) -> None:
    labels = ("__label__spam", "__label__ham __label__late")
    rows, _ = read(tmp_path / "train.txt", "".join(f"{labels[n % 2]} mail | {n}\n" for n in range(8)))
    assert rows[:2] == [{"text": "mail | 0", "label": "spam"}, {"text": "mail | 1", "label": "ham, late"}]
    turns = "".join(f"<|im_start|>user\nq {n}<|im_end|>\n<|im_start|>assistant\na {n}<|im_end|>\n" for n in range(8))
    with pytest.raises(GaslampError, match="does not say where each ends"):
        read(tmp_path / "talks.txt", turns)


def test_a_question_without_an_answer_is_named(tmp_path: Path) -> None:
    text = "".join(f"Q: Where is hall {n}?\nA: Left of {n}.\n" for n in range(4)) + "Q: And hall 9?\n"
    rows, problems = read(tmp_path / "faq.txt", text)
    assert len(rows) == 4 and [problem[:2] for problem in problems] == [
        ("faq.txt, line 9", "the question lacks an answer")
    ]


@pytest.mark.parametrize(
    "line",
    ["A: Hello {n}\nB: Hi {n}", "Note: it is {n}\nDate: now {n}", "Q: what {n}?\nQ: and {n}?", "F: a {n}\nC: b {n}"],
)
def test_other_texts_stay_texts(tmp_path: Path, line: str) -> None:
    rows, _ = read(tmp_path / "text.txt", "\n".join(line.format(n=n) for n in range(6)))
    assert all(set(row) == {"text"} for row in rows)


TAB = "#separator:tab\n#html:true\n#tags column:3\n"
DECKS = {  # what stands in the file for note n, below the settings
    "tabs": (TAB, 'Where is <b>hall</b> {n}?\t"Left of&nbsp;{n},<br>""up"" &amp; in"\tmap\n'),
    "semicolons": (
        "#separator:Semicolon\n#html:false\n#columns:Front;Back;Tags\n#deck:Map\n",
        'Where is hall {n}?;"Left of {n},\n""up"" & in";map\n',
    ),
    "ids": (
        "#separator:tab\n#html:true\n#guid column:1\n#notetype column:2\n#deck column:3\n",
        "g{n}\tBasic\tMap\tWhere is hall {n}?\t<div>Left of {n},</div><div>&quot;up&quot; &amp; in</div>\n",
    ),
}


@pytest.mark.parametrize("name", DECKS)
def test_decks_of_anki(tmp_path: Path, name: str) -> None:
    head, line = DECKS[name]
    rows, problems = read(tmp_path / "deck.txt", head + "".join(line.format(n=n) for n in range(8)))
    assert [row["Front"] for row in rows] == [f"Where is hall {n}?" for n in range(8)] and problems == []
    assert [row["Back"] for row in rows] == [f'Left of {n},\n"up" & in' for n in range(8)]
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain and meaning.reading.mapping == {"prompt": "Front", "completion": "Back"}


def test_gaps_and_pictures_of_anki(tmp_path: Path) -> None:
    text = TAB + "{{c1::Oslo}} lies in {{c2::Norway::a country}}\tmore\tx\n" + 'Which?\t<img src="a.jpg">\tx\n'
    file = tmp_path / "deck.txt"
    rows, _ = read(file, text)
    assert rows == [
        {"Front": "[...] lies in Norway", "Back": "Oslo"},
        {"Front": "Oslo lies in [a country]", "Back": "Norway"},
    ]
    source = open_source(Config.model_validate({"data": {"source": str(file)}}).data)
    assert len([row for chunk in source.chunks() for row in chunk.read([])]) == 2
    assert "deck.txt: left out: 1 notes of which a side is only a picture or a sound" in source.notes


def write_deck(file: Path, member: str, notes: list[tuple[int, str]]) -> None:
    """A deck as Anki packs it: of the newest kind with a table of fields, else with models as JSON."""
    import zstandard

    base = file.with_suffix(".db")
    with sqlite3.connect(base) as made:
        made.execute("CREATE TABLE notes (id integer primary key, mid integer, flds text)")
        made.executemany("INSERT INTO notes (mid, flds) VALUES (?, ?)", notes)
        kinds = {1: ["Vorderseite", "R\u00fcckseite"], 2: ["Word", "Meaning", "Sound"]}
        if member.endswith("b"):
            made.execute("CREATE TABLE fields (ntid integer, ord integer, name text)")
            fields = [(kind, place, name) for kind, names in kinds.items() for place, name in enumerate(names)]
            made.executemany("INSERT INTO fields VALUES (?, ?, ?)", fields)
        else:
            models = {kind: {"flds": [{"name": n, "ord": o} for o, n in enumerate(kinds[kind])]} for kind in kinds}
            made.execute("CREATE TABLE col (models text)")
            made.execute("INSERT INTO col VALUES (?)", (json.dumps(models),))
    made.close()
    data = base.read_bytes()
    base.unlink()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(member, zstandard.compress(data) if member.endswith("b") else data)
        if member != "collection.anki2":
            packed.writestr("collection.anki2", b"update Anki")
        packed.writestr("media", "{}")


@pytest.mark.parametrize("member", ["collection.anki2", "collection.anki21", "collection.anki21b"])
@pytest.mark.parametrize("name", ["deck.apkg", "deck.colpkg"])
def test_packed_decks_of_anki(tmp_path: Path, member: str, name: str) -> None:
    notes = [(1, f"Wo ist Halle {n}?\x1f<b>Links</b> von {n}") for n in range(8)]
    write_deck(tmp_path / name, member, [*notes, (2, "wort\x1fword\x1f[sound:a.mp3]")])
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / name)}}).data)
    rows = [row for chunk in source.chunks() for _, row in chunk.read([])]
    assert rows == [{"Vorderseite": f"Wo ist Halle {n}?", "R\u00fcckseite": f"Links von {n}"} for n in range(8)]
    assert decide(rows, kinds=("conversation",)).reading.mapping["completion"] == "R\u00fcckseite"
    assert any("left out" in note for note in source.notes), "the note of another kind"


def test_a_damaged_deck_names_the_way_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "deck.apkg", "w") as packed:
        packed.writestr("collection.anki21b", b"no deck")
    with pytest.raises(GaslampError, match=r"deck.apkg is a damaged deck of Anki") as caught:
        list(open_source(Config.model_validate({"data": {"source": str(tmp_path / "deck.apkg")}}).data).chunks())
    assert "Notes in Plain Text (.txt)" in caught.value.fix

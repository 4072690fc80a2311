"""Questions and answers as plain text become rows; other texts with colons stay texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
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

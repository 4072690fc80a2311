"""Rows that hold a list of questions with their answers, next to a document or a topic: each question is a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gaslamp.data.cells import parse_list
from gaslamp.data.flat_turns import Place, pack
from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.readers.json_objects import join_answers
from gaslamp.data.rows import SourceRow

LISTS = frozenset(
    (
        *("qas", "qa", "qna", "qa_list", "qa_pairs", "qas_pairs", "question_answer_pairs", "question_answers"),
        *("questions_answers", "questions_and_answers", "questions", "faq", "faqs", "items", "entries", "pairs"),
        *("generated_qa", "synthetic_qa", "fragen", "preguntas", "domande", "perguntas", "vragen", "问答", "问题"),
    )
)
"""Names of columns whose questions do not go on from each other; under another name rounds are a conversation."""

SHORT = {"q": "question", "a": "answer"}


def find_column(rows: list[SourceRow]) -> str | None:
    """The column of lists of questions and answers; ``None`` where no column holds some.

    Args:
        rows: the sample.
    """
    for name in dict.fromkeys(name for row in rows for name in row):
        if normalize(name) in LISTS:
            filled = [value for row in rows if (value := parse_list(row.get(name))) not in (None, "", [])]
            if filled and 2 * sum(map(_is_list, filled)) > len(filled):
                return name
    return None


def unfold(chunks: Callable[[], Iterator[Chunk]], column: str, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the questions, a row each with the other columns of its row.

    Args:
        chunks: starts a pass over the rows of the file.
        column: from ``find_column``.
        notes: takes up what was decided.
    """
    note = f"each question in the lists of '{column}' is a row, with the other columns next to it"
    if note not in notes:
        notes.append(note)
    return partial(_unfold, chunks, column)


def _unfold(chunks: Callable[[], Iterator[Chunk]], column: str) -> Iterator[Chunk]:
    for chunk in chunks():
        problems: list[Problem] = []
        rows: list[tuple[Place, SourceRow]] = []
        for number, row in chunk.read(problems):
            questions = parse_list(row.get(column))
            shared = {name: value for name, value in row.items() if name != column}
            if not isinstance(questions, list) or not all(isinstance(item, dict) for item in questions):
                problems.append((f"{chunk.label} {number}", f"column '{column}' holds no list of questions", ""))
                continue
            for item in questions:
                item = {SHORT.get(name.lower(), name): value for name, value in item.items()}
                own = {name if name not in shared else f"{column}_{name}": value for name, value in item.items()}
                rows.append(((chunk.label, number, chunk.split), {**shared, **join_answers(own)}))
        yield from pack(rows, problems)


def _is_list(value: object) -> bool:
    """Whether a value is a list of objects that each have a question and an answer."""
    return isinstance(value, list) and bool(value) and all(_is_pair(item) for item in value[:5])


def _is_pair(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    hints = {name: get_hint(name) for name in item if isinstance(name, str)}
    found = {SHORT.get(name.lower()) or (hint.english if hint and hint.exact else "") for name, hint in hints.items()}
    return {"question", "answer"} <= found or {"question", "answers"} <= found

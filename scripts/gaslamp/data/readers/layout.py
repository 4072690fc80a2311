"""Where a table begins: title lines above the header, the header itself or none, by the cells of the first rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Reading

Cells = list[object]
SAMPLE = 100  # rows that are looked at
IMPORT = '{"ImportId"'
"""How the cells of the third line of a Qualtrics export begin."""
MAX_TITLE = 20  # rows above a header
OPEN_ENDED = ("Open-Ended Response", "Response", "Freitext-Antwort", "Respuesta abierta", "R\u00e9ponse ouverte")
"""What SurveyMonkey writes below a question that is answered in words."""
MOST_WORDS = 4  # of a name in the header of a second table
LONGEST_HEADER = 40  # letters of one
LONGEST_NAME = 200  # letters of a column name; a survey's question is one


@dataclass(frozen=True)
class Layout:
    """How to read the rows of a table.

    Attributes:
        skip: rows above the header (or above the first row, where there is no header), empty ones included.
        header: names of the columns.
        has_header: whether the row after ``skip`` holds them.
        worded: columns, from 0, of sentences in a table no row of which could be a header; see ``is_other_header``.
    """

    skip: int
    header: list[str]
    has_header: bool
    worded: frozenset[int] = frozenset()


def is_blank(cell: object) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def trim(cells: Cells) -> Cells:
    """The cells without the empty ones at the end."""
    size = len(cells)
    while size and is_blank(cells[size - 1]):
        size -= 1
    return cells[:size]


def find_layout(rows: list[Cells], reading: Reading, what: str = "line") -> Layout:
    """The layout of a table by its first rows.

    Args:
        rows: the first rows, empty ones included.
        reading: takes the notes; its options decide whether there is a header, when they say so.
        what: how a row is called in notes.

    Raises:
        GaslampError: two columns have the same name.
    """
    trimmed = [(index, trim(cells)) for index, cells in enumerate(rows[:SAMPLE])]
    filled = [(index, cells) for index, cells in trimmed if cells]
    if not filled:
        return Layout(len(rows), [], False)
    width = Counter(len(cells) for _, cells in filled).most_common(1)[0][0]
    start = _find_start(filled, width)
    index, first = filled[start]
    titles = [" ".join(str(cell) for cell in cells if not is_blank(cell)) for _, cells in filled[:start]]
    if titles:
        reading.note(f"title lines above the header are left out: {'; '.join(titles)[:200]}")
    behind = [cells for _, cells in filled[start + 1 :]]
    has_header = reading.options.header
    if (
        has_header is None
        and behind
        and filled[start + 1][0] == index + 1
        and (names := _join_headers(first, behind[0]))
    ):
        reading.note("two header lines, as SurveyMonkey writes them: each question and its answers are a name")
        return Layout(index + 1, get_names(names, reading, f"{what} {index + 1}"), True)
    if has_header is None:
        reason = find_data_in_header(first, behind)
        has_header = reason is None
        if reason:
            reading.note(
                f"no header: {what} {index + 1} is a row ({reason}); the columns are called column 1, column 2 ...; "
                "data.header: true takes it as the header"
            )
    if not has_header:
        size = max(len(cells) for cells in [first, *behind])
        return Layout(index, [f"column {number}" for number in range(1, size + 1)], False)
    if len(behind) > 1 and all(str(cell).startswith(IMPORT) for cell in behind[1] if not is_blank(cell)) and behind[1]:
        reading.note("two lines below the header are left out: the questions and the ids that Qualtrics writes there")
        return Layout(filled[start + 2][0], get_names(first, reading, f"{what} {index + 1}"), True)
    known = {at for at, cells in filled if len(cells) > 1}
    worded = _find_worded([cells for at, cells in filled[start + 1 :] if at - 1 in known])
    size = max(len(first), *(len(cells) for cells in behind), 0) if _has_unnamed_column(rows[index], behind) else 0
    return Layout(index, get_names([*first, *[""] * (size - len(first))], reading, f"{what} {index + 1}"), True, worded)


def _join_headers(first: Cells, second: Cells) -> Cells | None:
    """The names that two header lines of SurveyMonkey make; ``None`` for other lines."""
    size = max(len(first), len(second))
    upper, lower = ([*cells, *[""] * (size - len(cells))] for cells in (first, second))
    said = [str(cell).strip() for cell in lower if not is_blank(cell)]
    if not any(cell in OPEN_ENDED for cell in said) or all(not is_blank(cell) for cell in lower):
        return None
    names: Cells = []
    question = ""
    for above, below in zip(upper, lower, strict=True):
        question = question if is_blank(above) else str(above).strip()
        answer = "" if is_blank(below) or str(below).strip() in OPEN_ENDED else f" {str(below).strip()}"
        names.append(f"{question}{answer}")
    return names


def _has_unnamed_column(header: Cells, behind: list[Cells]) -> bool:
    """Whether the header has empty cells at its end under which values stand."""
    first = len(trim(header))
    return any(first < len(cells) <= len(header) for cells in behind)


def _find_start(filled: list[tuple[int, Cells]], width: int) -> int:
    """Position of the header (or first row) among the rows that hold something.

    Titles have one cell, or less than half of them.
    """
    if width < 2:
        return 0
    for position, (_, cells) in enumerate(filled[: MAX_TITLE + 1]):
        count = sum(not is_blank(cell) for cell in cells)
        is_comment = str(cells[0]).startswith("#") and len(cells) < width
        is_title = (count == 1 and not is_blank(cells[0])) or (count < width / 2 and len(cells) < width)
        if not is_title and not is_comment:
            return position
        if position == 0 and _is_only_column(filled):
            return 0
    return 0


def _is_only_column(filled: list[tuple[int, Cells]]) -> bool:
    """Whether the first row, of one cell, is the header of one column.

    The rows below hold separators that are part of their text.
    """
    (index, first), *behind = filled
    name = str(first[0]).strip()
    if not behind or behind[0][0] != index + 1 or not re.fullmatch(r"[^\W\d]\w*", name):
        return False
    if name.lower() in ("text", "texts", "content", "sentence", "document", "prompt"):
        return True
    prose = [cells for _, cells in behind if any(str(cell).startswith(" ") for cell in cells[1:])]
    return len(prose) > 0.3 * len(behind)


def get_names(cells: Cells, reading: Reading, place: str) -> list[str]:
    """Column names of a header; a column without one is called by its number.

    Raises:
        GaslampError: a name stands twice.
    """
    names = [" ".join(str(cell).split()) if not is_blank(cell) else "" for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise GaslampError(
            f"{reading.title}, {place}: the column '{twice[0]}' stands twice in the header",
            "rename one of them",
            "the file has no header line: data.header: false",
        )
    return [name or f"column {number}" for number, name in enumerate(names, 1)]


def is_header_again(cells: Sequence[object], header: list[str]) -> bool:
    """Whether a row holds the names of the columns: tables that were joined keep the header of each."""
    first = cells[0]
    if not isinstance(first, str) or first.removeprefix("\ufeff").strip() not in header:
        return False  # nearly every row ends here
    names = [name for cell in cells if (name := " ".join(str(cell).removeprefix("\ufeff").split()))]
    return len(set(names)) == len(names) >= 2 and set(names) <= set(header) and 2 * len(names) > len(header)


def check_same_order(
    reading: Reading, number: int, cells: Sequence[object], header: list[str], what: str = "line"
) -> None:
    """Raise GaslampError when a second header has its columns in another order: the rows below it would be misread."""
    names = [" ".join(str(cell).removeprefix("\ufeff").split()) for cell in cells]
    if any(name != column for name, column in zip(names, header, strict=False) if name):
        raise GaslampError(
            f"{reading.title}, {what} {number}: a second header with its columns in another order "
            f"({', '.join(names)}); the first has {', '.join(header)}",
            f"two tables were joined: save what begins at {what} {number} as a file of its own, and put both into a "
            "folder that data.source names",
        )


def _find_worded(rows: list[Cells]) -> frozenset[int]:
    """The columns of sentences; none where a row is as short as a header."""
    if len(rows) < 3 or any(map(_is_named, rows)):
        return frozenset()
    columns = range(max(map(len, rows)))
    cells = {at: [str(row[at]) for row in rows if at < len(row) and not is_blank(row[at])] for at in columns}
    return frozenset(at for at, texts in cells.items() if texts and _count_words(texts) >= 2 * MOST_WORDS)


def _count_words(texts: list[str]) -> float:
    return sum(len(text.split()) for text in texts) / len(texts)


def _is_named(cells: Sequence[object]) -> bool:
    """Whether the cells of a row could be names of columns: different, short, no numbers, no sentences."""
    names = [str(cell).strip() for cell in cells if not is_blank(cell)]
    return len(set(names)) == len(names) > 1 and all(
        len(name) <= LONGEST_HEADER
        and len(name.split()) <= MOST_WORDS
        and re.match(r"[^\W\d]", name) is not None
        and not name.endswith((".", "!", "?", ",", ";"))
        for name in names
    )


def refuse_other_header(
    reading: Reading, number: int, cells: Sequence[object], layout: Layout, what: str = "line"
) -> None:
    """Raise when a row below an empty one is the header of another table: its rows would be read as those of the first.

    Args:
        reading: the file.
        number: of the row.
        cells: of the row.
        layout: of the first table.
        what: how a row is called.

    Raises:
        GaslampError: names the row and its columns.
    """
    if layout.worded and not is_blank(cells[0]) and _is_named(cells):
        names = ", ".join(str(cell).strip() for cell in cells if not is_blank(cell))
        raise GaslampError(
            f"{reading.title}, {what} {number}: a second table begins below an empty {what} ({names}); the first has "
            f"{', '.join(layout.header)}",
            f"save what begins at {what} {number} as a file of its own, and name the one that is meant in data.source",
            f"it is a row like the others: delete the empty {what} above it",
        )


def describe_repeated(numbers: list[int], what: str = "line") -> str:
    """A note about headers that stand between the rows."""
    places = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
    return f"the header stands again in {what} {places} (tables that were joined): left out"


def find_data_in_header(first: Cells, behind: list[Cells]) -> str | None:
    """Why the first row is data and no header; ``None`` when it may be a header.

    A header has no numbers above columns of numbers, no value that its column has again, and no sentence above
    sentences.
    """
    if not behind:
        return None
    columns = [
        [cells[at] for cells in behind if at < len(cells) and not is_blank(cells[at])] for at in range(len(first))
    ]
    others = [cells for cells in behind if cells != first] or behind
    for at, cell in enumerate(first):
        column, text = columns[at], str(cell).strip()
        if is_blank(cell) or not column:
            continue
        if _is_number(cell) and sum(map(_is_number, column)) >= 0.9 * len(column):
            return f"{text[:40]} stands above numbers"
        again = sum(1 for cells in others if at < len(cells) and cells[at] == cell)
        if again and (again >= 2 or len(others) < 10):
            return f"its '{text[:40]}' stands in other rows too"
        shape = re.sub(r"\d+", "0", text)
        if (
            shape != text
            and len(behind) > 2
            and sum(re.sub(r"\d+", "0", str(v).strip()) == shape for v in column) > (0.9 * len(column))
        ):
            return f"'{text[:40]}' is numbered like the cells below it"
        words = len(text.split())
        if (
            text.endswith("?")
            and words >= 3
            and sum(str(value).rstrip().endswith("?") for value in column) > len(column) / 2
        ):
            return "a question stands above questions"
        if (
            words >= 4
            and text.endswith((".", "!"))
            and sum(str(v).rstrip().endswith((".", "!")) for v in column) > len(column) / 2
        ):
            return "a sentence stands above sentences"
        if len(text) > LONGEST_NAME:
            return f"a cell of {len(text)} letters"
    if len(behind) > 2 and all(map(_is_numbered, first)):
        cells = [cell for column in columns for cell in column]
        if sum(map(_is_numbered, cells)) >= 0.9 * len(cells):
            return "all cells are numbered, its own too"
    return None


def _is_numbered(cell: object) -> bool:
    """Whether a cell is words with a number among them."""
    return isinstance(cell, str) and re.search(r"[^\W\d]{2}", cell) is not None and re.search(r"\b\d", cell) is not None


def _is_number(cell: object) -> bool:
    if isinstance(cell, bool):
        return False
    return isinstance(cell, int | float) or (
        isinstance(cell, str) and bool(re.fullmatch(r"\s*[-+]?\d+([.,]\d+)*\s*%?\s*", cell))
    )

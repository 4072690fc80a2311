"""Texts that belong together, for embeddings: anchor and positive, with a negative when there is one.

Or two sentences and a score.
"""

from __future__ import annotations

from gaslamp.data.cells import find_column, first_value, get_text, parse_list, to_text
from gaslamp.data.rows import Row, SourceRow
from gaslamp.data.verdicts import get_number

KIND = "pair"
ORDER = 60
EXAMPLE = '{"anchor": "What does it cost?", "positive": "The price is 4 euros."}'
REQUIRED = ("anchor", "positive")
OPTIONAL = ("negative", "score")
READ_ANYWAY = ("negative",)
PAIRS = (
    ("anchor", "positive"),
    ("query", "positive"),
    ("query", "pos"),
    ("query", "positive_passages"),
    ("query", "relevant_passages"),  # Cohere
    ("query", "relevant_documents"),
    ("query", "positives"),
    ("question", "positive_ctxs"),  # DPR
    ("query", "positive_ctxs"),
    ("question", "positive"),
    ("query", "document"),
    ("query", "passage"),
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("text1", "text2"),
    ("set1", "set2"),
    ("premise", "hypothesis"),
    ("query", "answer"),
    ("question", "answer"),
    ("title", "body"),
    ("title", "abstract"),
)
EXTRA = ("hard_negative_ctxs", "negative_ctxs", "irrelevant_passages")
NEGATIVES = ("negative", "neg", "negatives", "hard_negative", "negative_passages", "hard_negatives", *EXTRA)
SCORES = ("score", "similarity", "similarity_score", "label")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """The first pair of usual names."""
    for names in PAIRS:
        anchor, positive = (find_column(columns, (name,)) for name in names)
        if anchor and positive:
            mapping = {"anchor": anchor, "positive": positive}
            if negative := find_column(columns, NEGATIVES):
                mapping["negative"] = negative
            score = find_column(columns, SCORES)
            if score and _are_classes(rows, score):
                continue
            if score and isinstance(first_value(rows, score), int | float):
                mapping["score"] = score
            return mapping
    return None


def _are_classes(rows: list[SourceRow], column: str) -> bool:
    """Whether a column names a relation of the two texts (entailment, contradiction ...) instead of a similarity.

    Numbers from 0 are classes when there are three or four of them; 0 and 1 may be a similarity.
    """
    cells = [row[column] for row in rows if isinstance(row.get(column), int | float | str) and row[column] != ""]
    numbers = [number for cell in cells if (number := get_number(cell)) is not None]
    if 2 * len(numbers) < len(cells):  # words, but for a few; one word among numbers is an error of its row
        return True
    return set(numbers) - {-1} in ({0, 1, 2}, {0, 1, 2, 3})


def _get_one(row: SourceRow, column: str) -> str:
    """A text; of a list of texts (or of passages with a text) the first."""
    value = parse_list(row.get(column))
    if isinstance(value, list) and value:
        value = value[0]
        value = value.get("text") if isinstance(value, dict) else value
        return get_text({column: value}, column)
    return get_text(row, column)


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """anchor, positive, negative and score."""
    result: Row = {"anchor": _get_one(row, mapping["anchor"]), "positive": _get_one(row, mapping["positive"])}
    negative = mapping.get("negative", "negative")
    if row.get(negative) not in (None, "", []):
        result["negative"] = _get_one(row, negative)
    if "score" in mapping:
        value = row.get(mapping["score"])
        if not isinstance(value, int | float) or value != value:
            raise ValueError(
                f"column '{mapping['score']}' holds no number: {to_text(value) if value is not None else 'nothing'}"
            )
        result["score"] = float(value)
    return result

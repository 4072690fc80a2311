"""What stands in the cells of a column, as far as its role needs it.

Looks at the sample alone; standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median

from gaslamp.data.cells import parse_list
from gaslamp.data.formats.speech import is_sound_value
from gaslamp.data.formats.vision import is_image_value
from gaslamp.data.meaning.names import Hint, get_hint, is_index, normalize
from gaslamp.data.turns import get_role, is_turns

INPUTS = ("question", "text", "title", "context")  # concepts of what a model reads
LABEL_LETTERS = 40  # a longer text is no label
LABEL_CLASSES = 50
TEXT_LETTERS = 25  # from here on a text is free text rather than a name or a code
WORDS = 4  # from here on a cell called name is a title, and names nobody
MARKS = ("note", "notes", "nota")
"""Columns that hold marks in French, Italian, Spanish or Portuguese when they hold numbers, and else texts."""
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?")
_URL = re.compile(r"(https?|ftp|s3|gs)://\S+|www\.\S+")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
_CODE = re.compile(r"(?=\S*\d)[\w#./:-]+", re.ASCII)  # an identifier: one word with a digit, no Chinese sentence
_QUESTION = re.compile(
    r"\s*(how|what|why|when|where|who|which|can|could|is|are|do|does|wie|was|warum|wann|wo|wer|welche[rs]?|kann|ist|"
    r"cómo|qué|por qué|"
    r"cuándo|dónde|quién|cuál|puedo|comment|quel(le)?s?|pourquoi|quand|où|qui|est-ce|puis-je|come|cosa|perché|quando|dove|chi)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Profile:
    """One column of the sample.

    Attributes:
        name: as the file writes it.
        hint: what the name says.
        holds: text, number, flag, list, object, turns, image, sound, url, date, address, code, other or empty: most
        of its cells.
        filled: cells with a value.
        rows: cells.
        distinct: different values among them.
        letters: of the median cell.
        questions: share of the cells that ask something.
        constant: all filled cells are equal, and there are enough of them to say so.
        is_label: a few short values that come again and again.
        is_json: most cells are JSON objects or lists, as text or as values.
    """

    name: str
    hint: Hint | None
    holds: str
    filled: int
    rows: int
    distinct: int
    letters: float
    questions: float
    constant: bool
    is_label: bool
    is_json: bool

    @property
    def concept(self) -> str:
        """What the name says; empty when it says nothing."""
        return self.hint.concept if self.hint else ""

    @property
    def is_common(self) -> bool:
        """Whether enough rows have a value to go by."""
        return 3 * self.filled >= self.rows

    @property
    def is_free_text(self) -> bool:
        """Whether the cells are something that a person wrote."""
        return self.holds == "text" and not self.is_label

    @property
    def has_information(self) -> bool:
        """Whether a model could learn something from the column that the others do not say.

        No id, date, address, link or constant.
        """
        if self.holds in ("empty", "url", "date", "address", "code") or (self.constant and self.concept != "label"):
            return False
        if self.holds == "number" and is_index(self.name) and not self.is_label:
            return False
        if self.concept == "meta":  # an author or a source, unless whole texts stand there
            exact = self.hint is not None and self.hint.exact
            return self.holds == "text" and self.letters > (2 * LABEL_LETTERS if exact else TEXT_LETTERS)
        return True


def look_at(name: str, values: list[object]) -> Profile:
    """The profile of one column.

    Args:
        name: of the column.
        values: its cells in the sample.
    """
    filled = [value for value in values if value not in (None, "", [], {}) and str(value).strip()]
    texts = [value if isinstance(value, str) else str(value) for value in filled]
    kinds: dict[str, int] = {}
    for value in filled:
        kind = _get_kind(value)
        kinds[kind] = kinds.get(kind, 0) + 1
    holds = max(kinds, key=lambda kind: kinds[kind]) if kinds else "empty"
    distinct = len(set(texts))
    letters = median(map(len, texts)) if texts else 0
    structured = sum(isinstance(parse_list(value), list | dict) for value in filled)
    if holds == "code" and letters > TEXT_LETTERS + 15:
        holds = "text"
    hint = get_hint(name)
    if hint and hint.concept == "image" and holds not in ("image", "empty"):  # category_path
        hint = None
    questions = sum(_asks(text) for text in texts) / max(1, len(texts))
    words = median(len(text.split()) for text in texts) if texts else 0
    if hint and hint.exact and hint.concept == "meta" and holds == "text" and distinct > 0.6 * len(filled):
        hint = _read_sentences(name, hint, words, letters)
    if hint and hint.concept == "meta" and holds == "text" and questions > 0.6:  # Notion calls its first column Name
        hint = Hint("question", "question", False)
    elif normalize(name) == "name" and holds == "text" and median(text.count(" ") for text in texts) >= WORDS - 1:
        hint = Hint("title", "title", False)
    if hint is None and holds == "number" and normalize(name) in MARKS:
        hint = Hint("rating", "rating", False)
    is_label = (
        not (hint and hint.is_last and hint.concept in INPUTS)  # a subject stays one, however few there are
        and holds in ("text", "flag", "number", "code", "label")
        and letters <= LABEL_LETTERS
        and 1 < distinct <= min(LABEL_CLASSES, max(2, len(filled) // 3))
        and len(filled) >= 6
        and (holds != "number" or distinct <= 12)
    )
    return Profile(
        name=name,
        hint=hint,
        holds="text" if holds == "code" and is_label else holds,
        filled=len(filled),
        rows=len(values),
        distinct=distinct,
        letters=letters,
        questions=questions,
        constant=distinct == 1 and len(filled) >= 6,
        is_label=is_label,
        is_json=bool(filled) and 2 * structured > len(filled),
    )


def _read_sentences(name: str, hint: Hint, words: float, letters: float) -> Hint:
    """What a column of sentences means that is called as if it said who wrote or where from: Customer, Agent, source.

    Args:
        name: of the column.
        hint: what its name says.
        words, letters: of the median cell.
    """
    plain = normalize(name)
    role = get_role(plain)
    if role in ("user", "assistant") and (words >= WORDS - 1 or letters >= TEXT_LETTERS):
        return Hint("question" if role == "user" else "answer", "user" if role == "user" else "assistant", True)
    return Hint("text", "text", False) if plain in ORIGINS and words >= WORDS else hint


ORIGINS = ("source", "src", "from", "quelle", "origin", "fuente")
"""Names that say where a row is from, and of translations what is translated."""


def _get_kind(value: object) -> str:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    if is_image_value(value):
        return "image"
    if is_sound_value(value):
        return "sound"
    if is_turns(value):
        return "turns"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "list"
    if not isinstance(value, str):
        return "other"
    text = value.strip()
    if _is_number(text):
        return "number"
    for kind, pattern in (("url", _URL), ("date", _DATE), ("address", _ADDRESS)):
        if pattern.fullmatch(text):
            return kind
    return "code" if len(text) <= LABEL_LETTERS and _CODE.fullmatch(text) else "text"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.,]\d+)?( ?%)?", text) is not None


def _asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "？", "\u061f")) or _QUESTION.match(text) is not None

"""Words with a tag each (CoNLL, IOB, BIOES): a row for each word, or lists of words and of tags.

They become a sentence and what is tagged in it: a list of entities where tags mark where one begins, else each word
with its tag.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_list
from gaslamp.data.flat_turns import Place, pack
from gaslamp.data.meaning.names import normalize
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow

_TAG = re.compile(r"O|[BIESLUM][-_]\S+|\S+[-_][BIESLUM]")
BEGIN, ALONE, LAST = "BSU", "SU", "EL"
WORDS = ("tokens", "words", "token", "word", "text", "form", "sentence", "wort", "worter", "mots", "palabras")
TAGS = (
    *("ner_tags", "tags", "labels", "ner", "entities", "iob", "bio", "slots", "slot_tags", "tag", "label", "seq_out"),
    *("ner_tag", "named_entities", "tokens_tags", "seq_labels", "pos_tags", "upos", "pos", "chunk_tags"),
)
NEARLY = 0.95


class Shape(NamedTuple):
    """The columns of words and tags, and of the number of a sentence where a row is a word (else empty)."""

    words: str
    tags: str
    sentence: str = ""


def is_tag(value: object) -> bool:
    """Whether a cell is a tag of IOB, IOB2, BIOES or BILOU."""
    return isinstance(value, str) and _TAG.fullmatch(value.strip()) is not None


def are_tags(values: list[object]) -> bool:
    """Whether cells are such tags: some words are outside of all entities, and some begin one."""
    filled = [str(value).strip() for value in values if value not in (None, "")]
    return (
        len(filled) >= 3
        and "O" in filled
        and any(value != "O" for value in filled)
        and sum(map(is_tag, filled)) >= NEARLY * len(filled)
    )


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The columns of words and tags; ``None`` for other rows.

    Raises:
        GaslampError: tags are numbers without names, or nothing says where a sentence ends.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    by_name = {normalize(name): name for name in reversed(columns)}
    if words := _find_lists(rows, [by_name[name] for name in WORDS if name in by_name], columns):
        for tags in [by_name[name] for name in TAGS if name in by_name] + columns:
            if tags == words or not _fit(rows, words, tags):
                continue
            cells = [tag for row in rows for tag in parse_list(row.get(tags)) or []]
            if are_tags(cells):
                return Shape(words, tags)
        _refuse_numbers(rows, words, columns)
    tags = next((name for name in reversed(columns) if are_tags([row.get(name) for row in rows])), "")
    if not tags:
        return None
    word = next((by_name[name] for name in WORDS if name in by_name and _are_words(rows, by_name[name])), "")
    word = word or next((name for name in columns if name != tags and _are_words(rows, name)), "")
    if not word:
        return None
    sentence = next((name for name in columns if name not in (word, tags) and _numbers_sentences(rows, name)), "")
    if not sentence:
        raise GaslampError(
            f"the rows are words with a tag each (columns '{word}' and '{tags}'), and nothing says where a sentence "
            "ends",
            "add a column sentence with its number, or write the file as CoNLL has it: a blank line behind each "
            "sentence, .conll at the end of its name",
        )
    return Shape(word, tags, sentence)


def _find_lists(rows: list[SourceRow], names: list[str], columns: list[str]) -> str:
    """The column of lists of words."""
    for name in names:
        values = [parse_list(row.get(name)) for row in rows]
        lists = [value for value in values if isinstance(value, list) and value]
        if lists and 2 * len(lists) > len(rows) and all(isinstance(word, str) for words in lists for word in words):
            return name
    return ""


def _fit(rows: list[SourceRow], words: str, tags: str) -> bool:
    """Whether a column holds a tag for each word."""
    pairs = [(parse_list(row.get(words)), parse_list(row.get(tags))) for row in rows]
    return all(isinstance(one, list) and isinstance(two, list) and len(one) == len(two) for one, two in pairs)


def _refuse_numbers(rows: list[SourceRow], words: str, columns: list[str]) -> None:
    """Raise for tags that are numbers: their names stand in the card of the set, and not in its rows."""
    for name in columns:
        if name != words and normalize(name) in TAGS and _fit(rows, words, name):
            cells = [tag for row in rows for tag in parse_list(row.get(name)) or []]
            if cells and all(isinstance(tag, int) for tag in cells):
                raise GaslampError(
                    f"column '{name}' numbers a tag for each word of '{words}', and no row says what a number means",
                    f"write the tags as words: B-PER, I-PER, O ... (their names stand in the features of the set, "
                    f"dataset.features['{name}'].feature.names)",
                )


def _are_words(rows: list[SourceRow], name: str) -> bool:
    """Whether a column holds a word in each row."""
    cells = [str(row[name]) for row in rows if row.get(name) not in (None, "")]
    short = sum(" " not in cell.strip() and len(cell) <= 60 for cell in cells)
    return (
        len(cells) >= NEARLY * len(rows) and short >= NEARLY * len(cells) and any(c.isalpha() for c in "".join(cells))
    )


def _numbers_sentences(rows: list[SourceRow], name: str) -> bool:
    """Whether a column says which sentence a word belongs to: the same for some words, or given with the first."""
    key = normalize(name)
    if "sent" not in key and key not in ("id", "satz", "doc_id", "document", "frase", "phrase", "line"):
        return False
    cells = [row.get(name) for row in rows]
    filled = [str(cell) for cell in cells if cell not in (None, "")]
    return bool(filled) and len(set(filled)) < len(rows)


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the sentences, a row each.

    Args:
        chunks: starts a pass over the rows of the file.
        shape: from ``find_shape``.
        notes: takes up what was decided.
    """
    note = (
        f"the words of '{shape.words}' are a text, joined by blanks; what '{shape.tags}' marks in it are its entities"
    )
    if note not in notes:
        notes.append(note)
    return partial(_unfold, chunks, shape)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape) -> Iterator[Chunk]:
    problems: list[Problem] = []
    rows: list[tuple[Place, SourceRow]] = []
    open_row: tuple[Place, SourceRow] | None = None
    words: list[str] = []
    tags: list[str] = []
    last: object = None

    def close() -> None:
        if open_row and words:
            rows.append((open_row[0], {**make_row(words, tags), **open_row[1]}))

    for chunk in chunks():
        for number, row in chunk.read(problems):
            place = (chunk.label, number, chunk.split)
            rest = {name: value for name, value in row.items() if name not in shape}
            if not shape.sentence:
                listed, marked = (parse_list(row.get(name)) for name in (shape.words, shape.tags))
                if not isinstance(listed, list) or not isinstance(marked, list) or len(listed) != len(marked):
                    text = f"columns '{shape.words}' and '{shape.tags}' hold no two lists of the same length"
                    problems.append((f"{chunk.label} {number}", text, ""))
                    continue
                kept = {name: value for name, value in rest.items() if not _is_parallel(value, len(listed))}
                rows.append((place, {**make_row([str(w) for w in listed], [str(t) for t in marked]), **kept}))
                continue
            key = row.get(shape.sentence)
            if open_row is None or (key not in (None, "") and key != last):
                close()
                open_row, words, tags, last = (place, {}), [], [], key
            if row.get(shape.words) in (None, ""):
                continue
            words.append(str(row[shape.words]))
            tags.append(str(row.get(shape.tags) or "O"))
    close()
    yield from pack(rows, problems)


def _is_parallel(value: object, size: int) -> bool:
    """Whether a cell holds something else for each word: its part of speech, its lemma."""
    listed = parse_list(value)
    return isinstance(listed, list) and len(listed) == size


def make_row(words: list[str], tags: list[str]) -> SourceRow:
    """A sentence, and its entities in order, each with its text and class.

    Args:
        words: of the sentence.
        tags: of the words, in IOB, IOB2, BIOES or BILOU.
    """
    entities: list[JsonObject] = []
    is_open = ""
    for word, tag in zip(words, tags, strict=True):
        side, label = _split(tag.strip())
        if not side:
            is_open = ""
            continue
        if side not in BEGIN and is_open == label:
            entities[-1]["text"] += f" {word}"
        else:
            entities.append({"text": word, "label": label})
        is_open = "" if side in ALONE + LAST else label
    return {"text": " ".join(words), "entities": entities}


def _split(tag: str) -> tuple[str, str]:
    """``B-PER`` as ``B`` and ``PER``, ``PER_B`` too; nothing for ``O``."""
    if len(tag) > 2 and tag[0] in "BIESLUM" and tag[1] in "-_":
        return tag[0], tag[2:]
    if len(tag) > 2 and tag[-1] in "BIESLUM" and tag[-2] in "-_":
        return tag[-1], tag[:-2]
    return "", ""

"""Columns that say nothing about a text in most files, and are what is learnt where no other column could be.

An author, a language, the number of a class, a code, a name that stands in the text. Next to other columns they stay
what they are; next to nothing but a text they made a classifier or an extraction learn running text, without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gaslamp.data.flat_turns import IDS
from gaslamp.data.meaning.names import KNOWN, Hint, normalize
from gaslamp.data.meaning.profile import TEXT_LETTERS, Profile
from gaslamp.data.meaning.readings import Reading
from gaslamp.data.rows import SourceRow

OPEN_TEXT = 0.65
"""Running text next to a column that may be its class: a question."""
OPEN = 0.6
AGREEING = 0.8
"""Share of the rows whose text must hold the cell of a column that may be taken out of it."""
LEAST = 3  # letters of such a cell; shorter ones stand in any text
PICTURES = frozenset(("image", "images", "img", "picture", "photo", "bild", "imagen"))
CLASSES = ("class", "category", "label", "intent", "topic", "sentiment", "emotion", "tag", "department", "genre")
CLASS_WORDS = {word: english for word, (concept, english) in KNOWN.items() if concept == "label" and english in CLASSES}
LONG = 5  # letters of a word that may begin a compound: Klassennummer


def name_numbered_classes(profiles: list[Profile]) -> list[Profile]:
    """The profiles; ``Class Index`` or ``category_id`` as a label where no other column could be learnt.

    Args:
        profiles: of all columns.
    """
    if any(_may_be_learnt(profile) for profile in profiles):
        return profiles
    return [
        replace(profile, hint=Hint("label", "label", False)) if _is_numbered_class(profile) else profile
        for profile in profiles
    ]


def read_passed_over(profiles: list[Profile], readings: Iterable[Reading], rows: list[SourceRow]) -> list[Reading]:
    """What a text could be learnt with, where all that was found is the text; none is certain.

    Args:
        profiles: of all columns.
        readings: what was found.
        rows: the sample.
    """
    texts = [profile for profile in profiles if profile.is_free_text and profile.has_information]
    if len(texts) != 1 or any(reading.kind != "text" for reading in readings):
        return []
    text = texts[0]
    others = [
        profile for profile in profiles if profile is not text and profile.holds != "empty" and not profile.constant
    ]
    result = [_read(text, one, "is taken out of") for one in others if _stands_in(one, text, rows)]
    kept = [profile for profile in others if not _is_id(profile)]
    if not result and len(kept) == 1 and (kept[0].is_label or (_is_code(kept[0]) and text.letters >= TEXT_LETTERS)):
        result = [_read(text, kept[0], "may be the class of" if kept[0].is_label else "may be the answer to")]
    return result


def is_part_of_more(profiles: list[Profile]) -> bool:
    """Whether rows are messages of talks that could not be put together, or captions of pictures that are not here.

    A conversation's number comes again; a column names pictures, or holds links to some.
    """
    return any(
        (normalize(profile.name) in IDS and 1 < profile.distinct < profile.filled)
        or (not profile.has_information and PICTURES & set(normalize(profile.name).split("_")))
        or (profile.holds == "image" and not profile.has_information)
        for profile in profiles
        if profile.filled
    )


def _may_be_learnt(profile: Profile) -> bool:
    """Whether a column could be what the model writes."""
    known = profile.concept in ("label", "answer", "summary", "rating", "extraction", "description", "chosen")
    return profile.has_information and (known or profile.is_label)


def _is_numbered_class(profile: Profile) -> bool:
    """Whether a column holds the number or code of a class, by its name and cells: ``category_id``."""
    if not profile.is_label or profile.concept != "meta" or profile.hint is None or profile.hint.exact:
        return False
    name = normalize(profile.name)
    begins = any(len(word) >= LONG and name.startswith(word) for word in CLASS_WORDS)
    return begins or any(part in CLASS_WORDS for part in name.split("_"))


def _is_id(profile: Profile) -> bool:
    """Whether a column numbers the rows."""
    is_number = profile.holds in ("number", "code") and profile.distinct == profile.filled
    return is_number and profile.concept == "meta"


def _is_code(profile: Profile) -> bool:
    """Whether a column holds numbers, or codes or dates under a name that says more than that: ``price``, ``due_date``.

    An id, a date of the export and a link are none.
    """
    named = profile.hint is None or not profile.hint.exact
    is_code = profile.holds in ("code", "date", "address") and named
    return (is_code or profile.holds == "number") and profile.is_common


def _stands_in(column: Profile, text: Profile, rows: list[SourceRow]) -> bool:
    """Whether the cells of a column without information stand in the text: a name or link to take out of it."""
    if column.has_information or not column.is_common:
        return False
    pairs = [(str(row[column.name]).strip(), str(row.get(text.name))) for row in rows if row.get(column.name)]
    inside = sum(len(value) >= LEAST and value in whole for value, whole in pairs)
    return inside >= AGREEING * len(pairs)


def _read(text: Profile, target: Profile, verb: str) -> Reading:
    key = f"{'classify' if target.is_label else 'answer'} {target.name}"
    mapping: dict[str, str | list[str]] = {"prompt": text.name, "completion": target.name}
    reason = f"'{target.name}' {verb} '{text.name}'"
    return Reading(key, "prompt_completion", mapping, "conversation", reason, OPEN)

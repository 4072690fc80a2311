"""Which files of a folder are data, and which are not read: documents next to tables, copies, notes, hidden files."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import archives
from gaslamp.data.readers.hidden import SLACK, is_hidden
from gaslamp.data.readers.kinds import DOCUMENTS, TABLES, TEXT, get_suffix
from gaslamp.data.source_names import LABELS

ABOUT = ("readme", "license", "licence", "changelog", "contributing", "notice", "dataset_card")
"""Documents of these names are about the data, not data."""
COPIES = re.compile(r"\.(bak|backup|old|orig|tmp|temp|swp|part|partial|crdownload|download|lock)$|~$", re.IGNORECASE)
MEDIA = (
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
    *(".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac"),
)
"""Pictures and recordings: rows name them."""
DAY = re.compile(r"\d{4}-\d\d-\d\d\.json")
"""A file of messages in a Slack export."""
SHOWN = 6  # names in a note


@dataclass
class Listing:
    """The files of a folder.

    Attributes:
        files: to read, in order of their names.
        documents: not read, because there are also tables.
        unknown: of no kind that is read, unfinished, or a copy.
        hidden: names that begin with a dot, lock files, notes of `datasets`, files of the system.
    """

    files: list[Path] = field(default_factory=list)
    documents: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)


def list_folder(folder: Path) -> Listing:
    """What is read of a folder, and what is not. Documents are read only where nothing else is."""
    every = sorted(file for file in folder.rglob("*") if file.is_file())
    hidden = [file for file in every if is_hidden(file.relative_to(folder).parts)]
    if any(DAY.fullmatch(file.name) for file in every):
        hidden += [file for file in every if file.name in SLACK and file not in hidden]
    files = [file for file in every if file not in set(hidden)]
    tables = [file for file in files if get_suffix(file) in {**TEXT, **TABLES} or archives.is_archive(file)]
    documents = [file for file in files if get_suffix(file) in DOCUMENTS]
    if any(file.name != LABELS for file in (*tables, *documents)):  # data.labelled reads it
        hidden += [file for file in tables if file.name == LABELS]
        tables = [file for file in tables if file.name != LABELS]
        files = [file for file in files if file.name != LABELS]
    known = {*tables, *documents}
    unknown = [file for file in files if file not in known and file.suffix.lower() not in MEDIA]
    texts = all(get_suffix(file) == ".txt" for file in tables)
    if tables and not texts:
        return Listing(tables, documents, unknown, hidden)
    about = [file for file in documents if file.stem.lower().startswith(ABOUT)]
    read = [file for file in documents if file not in about] if len(documents) + len(tables) > len(about) else documents
    return Listing(sorted([*tables, *read]), [file for file in documents if file not in read], unknown, hidden)


def describe_unread(left_out: dict[str, list[str]]) -> list[str]:
    """Notes about the files that are not read, one for each reason.

    Args:
        left_out: reason -> names.
    """
    return [f"not read, {reason}: {_join(names)}" for reason, names in left_out.items() if names]


def _join(names: list[str]) -> str:
    """The first names, and how many more of which endings there are."""
    rest = Counter(Path(name).suffix or "without an ending" for name in names[SHOWN:])
    more = ", ".join(f"{count} {suffix}" for suffix, count in rest.most_common(4))
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more ({more})" if rest else "")


def refuse_captions(files: list[Path]) -> None:
    """Raise for texts that each belong to a picture or a recording of the same name.

    Raises:
        GaslampError: as running text they teach nothing of what they describe.
    """
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    marked = [file for file in texts if file.with_suffix(".ann").exists()]
    if len(texts) == len(files) > 1 and 2 * len(marked) > len(texts):
        raise GaslampError(
            f"{len(marked)} of {len(texts)} texts have annotations of brat next to them ({marked[0].stem}.ann): they "
            "are not read",
            'write them as JSON lines: {"text": "Ida lives in Oslo", "entities": [[0, 3, "PERSON"]]}',
            "to learn the texts alone, put them into a folder of their own",
        )
    media = [other for file in texts for end in MEDIA if (other := file.with_suffix(end)).exists()]
    if len(texts) < 2 or len(texts) < len(files) or 2 * len(media) <= len(texts):
        return
    first = next(file for file in texts if file.stem == media[0].stem)
    raise GaslampError(
        f"{len(media)} of {len(texts)} texts belong to a picture or a recording of the same name "
        f"({first.name} to {media[0].name})",
        "write a table metadata.csv with the columns file_name and text next to the pictures, for vision_sft; or with "
        "audio and text next to the recordings, for tts; and set data.source to it",
        "to learn the texts alone, put them into a folder of their own",
    )


def refuse_media(folder: Path) -> None:
    """Raise for a folder of pictures or recordings without a table that names them.

    Raises:
        GaslampError: with the table to write.
    """
    media = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.suffix.lower() in MEDIA)
    if not media:
        return
    pictures = [file for file in media if MEDIA.index(file.suffix.lower()) < MEDIA.index(".wav")]
    if len(pictures) < len(media):
        raise GaslampError(
            f"{folder} holds {len(media)} recordings, and no table that says what is said in them",
            f"write metadata.csv into it with the columns audio and text, a line for each ({media[0].as_posix()},...), "
            "for method: tts",
        )
    classes = sorted({file.parent.name for file in pictures} - {""})
    named = f" in folders of a class each ({', '.join(classes[:SHOWN])})" if len(classes) > 1 else ""
    raise GaslampError(
        f"{folder} holds {len(pictures)} pictures{named}, and no table that says what is to be learnt of them",
        "write metadata.csv into it with the columns file_name and text, a line for each picture "
        f"({pictures[0].as_posix()},{classes[0] if named else 'a caption or a class'}), for method: vision_sft",
    )

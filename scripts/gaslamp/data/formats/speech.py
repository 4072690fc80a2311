"""Recordings and their transcripts.

An audio column (path, bytes of `datasets`), its text, and the speaker if there is one.
"""

from __future__ import annotations

import re

from gaslamp.data.cells import find_column, first_value, get_optional, get_text
from gaslamp.data.rows import Row, SourceRow

KIND = "speech"
ORDER = 16
EXAMPLE = '{"audio": "clips/0001.wav", "text": "The museum opens at nine."}'
REQUIRED = ("audio", "transcript")
OPTIONAL = ("speaker",)
READ_ANYWAY = ()
SOUNDS = (
    "audio",
    "audio_path",
    "audio_file",
    "audio_filepath",
    "wav",
    "speech",
    "sound",
    "recording",
    "path",
    "file",
    "file_name",
)
TEXTS = (
    "text",
    "transcript",
    "transcription",
    "sentence",
    "normalized_text",
    "text_normalized",
    "normalized_transcription",
)
SPEAKERS = ("speaker", "voice", "speaker_id", "speaker_name")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column that holds sound, and one with its text."""
    audio = next(
        (
            found
            for name in SOUNDS
            if (found := find_column(columns, (name,))) and is_sound_value(first_value(rows, found))
        ),
        None,
    )
    text = find_column([column for column in columns if column != audio], TEXTS)
    if not audio or not text:
        return None
    speaker = find_column(columns, SPEAKERS)
    return {"audio": audio, "transcript": text} | ({"speaker": speaker} if speaker else {})


def is_sound_value(value: object) -> bool:
    """Whether a cell can be sound: a path with such an ending, a struct of `datasets`, bytes of a sound file."""
    if isinstance(value, dict):
        return "sampling_rate" in value or is_sound_value(value.get("bytes")) or is_sound_value(value.get("path"))
    if isinstance(value, bytes | bytearray):
        return (
            value[:4] in (b"RIFF", b"fLaC", b"OggS") or value[:3] == b"ID3" or value[:2] in (b"\xff\xfb", b"\xff\xf3")
        )
    return isinstance(value, str) and bool(re.search(r"\.(wav|flac|mp3|ogg|opus|aiff?|au)$", value, re.IGNORECASE))


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """audio as the file has it, transcript, and speaker; the method tts makes tokens of it."""
    column = mapping["audio"]
    if row.get(column) in (None, "", b""):
        raise ValueError(f"column '{column}' is empty or missing")
    speaker = get_optional(row, mapping["speaker"]) if "speaker" in mapping else None
    return {
        "audio": row[column],
        "transcript": get_text(row, mapping["transcript"]),
        **({"speaker": speaker} if speaker else {}),
    }

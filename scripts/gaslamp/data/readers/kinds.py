"""What reads a file, by its ending, and what to do with files of other kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gaslamp.data.readers.anki import read_apkg
from gaslamp.data.readers.chunks import Chunk, Reading
from gaslamp.data.readers.columnar import read_arrow, read_parquet
from gaslamp.data.readers.delimited import read_csv
from gaslamp.data.readers.documents import read_docx, read_html, read_markdown, read_pdf
from gaslamp.data.readers.json_files import read_json, read_json_lines
from gaslamp.data.readers.mails import read_eml, read_mbox
from gaslamp.data.readers.opening import COMPRESSED
from gaslamp.data.readers.plain_text import read_txt
from gaslamp.data.readers.subtitles import read_subtitles
from gaslamp.data.readers.word_columns import read_word_columns
from gaslamp.data.readers.workbooks import read_workbook
from gaslamp.data.readers.xml_files import read_xml
from gaslamp.data.readers.yaml_files import read_yaml

Reader = Callable[[Reading], Iterator[Chunk]]
TEXT: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": lambda reading: read_csv(reading, "\t"),
    ".txt": read_txt,
    **dict.fromkeys((".conll", ".iob", ".iob2", ".bio"), read_word_columns),
}
TABLES: dict[str, Reader] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".xlsx": read_workbook,
    ".xlsm": read_workbook,
    ".xlsb": read_workbook,
    ".xls": read_workbook,
    ".ods": read_workbook,
    ".eml": read_eml,
    ".mbox": read_mbox,
    **dict.fromkeys((".yaml", ".yml"), read_yaml),
    **dict.fromkeys((".xml", ".tmx", ".xlf", ".xliff"), read_xml),
    ".apkg": read_apkg,
    ".colpkg": read_apkg,
}
DOCUMENTS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".docx": read_docx,
    ".pdf": read_pdf,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
}
READERS: dict[str, Reader] = {**TEXT, **TABLES, **DOCUMENTS}
"""Ending -> what reads such a file."""

ADVICE = {
    ".7z": "unpack the archive and set data.source to the folder or file in it",
    ".rar": "unpack the archive and set data.source to the folder or file in it",
    ".doc": "save it as .docx",
    ".rtf": "save it as .docx or .txt",
    ".odt": "save it as .docx or .html",
    ".epub": "convert it to .html or .txt",
    ".conllu": 'write each sentence as a JSON line: {"text": ..., "tags": ...}, with what is to be learnt of it',
    ".tex": "convert it to .html or .txt: pandoc file.tex -o file.html",
    ".pkl": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".pickle": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".pt": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".npy": "save it as .parquet or .jsonl",
    ".npz": "save it as .parquet or .jsonl",
    ".db": "export the table as CSV, or use data.sql on a .parquet of it",
    ".sqlite": "export the table as CSV, or use data.sql on a .parquet of it",
}


def get_suffix(file: Path) -> str:
    """The ending that says what a file is: ``.jsonl`` for ``a.JSONL`` and ``a.jsonl.gz``."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        return suffixes[-2] if len(suffixes) > 1 and suffixes[-2] in TEXT else suffixes[-1]
    return suffixes[-1] if suffixes else ""

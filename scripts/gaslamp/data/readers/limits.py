"""How much is read at a time, and what is too large to be a row."""

from __future__ import annotations

CHUNK = 1 << 20
"""Bytes of text in one chunk."""
BATCH = 2000
"""Rows of a table in one chunk."""
MAX_LINE = 64 << 20
"""Bytes. A longer line is no row: the file has no line ends, or it is a decompression bomb."""
MAX_RATIO = 2000
"""Unpacked size over packed size. Real text shrinks 3 to 20 times."""
MAX_ARCHIVE_RATIO = 500
"""The same of an archive, which is unpacked to the disk."""
MAX_ARCHIVE = 200 << 30
"""Bytes that the members of one archive may have together."""
HEAD = 1 << 16
"""Bytes at the start of a file by which its layout is recognized."""

"""Rows that cannot be read at all: broken JSON, ragged CSV lines, something else than an object."""

TITLE = "unreadable rows"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "read"
DROPS = True
FIX = "fix these lines in the file of data.source (mostly a copy in data/raw); it was not changed"

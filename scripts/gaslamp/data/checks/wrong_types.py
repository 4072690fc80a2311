"""Rows whose columns hold something else than the format needs: empty cells, numbers for turns,
turns without a role.
"""

TITLE = "rows that do not fit the format"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "read"
DROPS = True
FIX = (
    "fix these rows in the file of data.source (mostly a copy in data/raw), or set data.columns when the columns mean "
    "something else"
)

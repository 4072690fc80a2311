"""Rows that the method cannot learn from: its own validate() says why (roles out of order, empty turns,
chosen = rejected).
"""

TITLE = "rows that the method cannot use"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "read"
DROPS = True
FIX = "fix these rows in the file of data.source (mostly a copy in data/raw)"

"""Rows that are right but not learnt: ties, ratings below the threshold, questions without an answer.

They are counted, never hidden.
"""

TITLE = "rows left out by what they say"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "read"
DROPS = True
FIX = "nothing to do when you meant it; else change the mapping in data.columns"

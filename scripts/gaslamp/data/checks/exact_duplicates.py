"""Rows that say exactly what an earlier row says: one of them is kept, or they would count several times."""

TITLE = "exact duplicates"
SEVERITY = "warn"
MAX_PERCENTAGE = 5.0
STAGE = "read"  # found by the pipeline, which leaves them out
DROPS = True
FIX = "nothing to do: they are left out; many of them hint at a file that was joined twice"

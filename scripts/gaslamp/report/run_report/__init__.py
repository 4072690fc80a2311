"""The report of a run: everything that was measured, in one file."""

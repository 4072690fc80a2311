"""Prose from facts: the roadbook, the brief, the progress log and the closing table."""

"""Markdown written from the facts: the roadbook, the brief and the progress log."""

"""Rows that the model's chat template refuses: roles it does not know, a system prompt it does not take,
turns it would rewrite.
"""

TITLE = "rows that the chat template refuses"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "read"
FIX = "fix these rows, or choose a model whose chat template takes them"

"""Rows that the model's chat template refuses: roles it does not know, a system prompt it does not take,
marked text that it changes.
"""

TITLE = "rows that the chat template refuses"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "read"
DROPS = True
FIX = "fix these rows, or choose a model whose chat template takes them"

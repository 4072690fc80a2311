"""Rows from files, a chunk at a time, each with the place it came from.

Every line that cannot be read is reported, none is skipped in silence.

One file a kind; ``files`` decides which reads what, ``chunks`` is what they all yield.
"""

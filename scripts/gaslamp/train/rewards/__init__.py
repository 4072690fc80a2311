"""Named rewards, one file each: ``score(prompt, completion, row, **options) -> float``.

A project adds its own in ``rewards/``.
"""

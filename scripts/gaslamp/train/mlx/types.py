"""Types of what MLX makes: the package is imported late and has no types of its own."""

from __future__ import annotations

from typing import Any

Array = Any
"""An array of MLX, or of NumPy on the way to it."""
Model = Any
"""A network of MLX."""
Optimizer = Any
"""An optimizer of MLX."""
JsonObject = dict[str, Any]
"""Content of a config.json."""
Sample = dict[str, Any]
"""One sample of an objective: ``rows``, a list of (token ids, mask), and what else its loss takes."""

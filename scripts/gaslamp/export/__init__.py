"""From adapter to shipped files: merge, GGUF, ladder, parity."""

"""gaslamp: from a data file to a fine-tuned, evaluated, quantized and deployed language model.

Importing this package loads nothing heavy: torch, transformers, datasets and pandas are imported inside the
functions that need them, so that ``--help`` and the dry run stay fast.
"""

__version__ = "0.2.0"

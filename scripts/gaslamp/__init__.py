"""gaslamp: from a data file to a fine-tuned, evaluated, quantized and deployed language model.

Importing this package loads nothing heavy: torch, transformers, datasets and pandas are imported inside the
functions that need them, so that ``--help`` and the dry run stay fast.
"""

import os
import sys
from types import TracebackType

__version__ = "0.2.0"


def _end_in_a_line(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Ctrl-C while a script still imports ends it without a traceback; ``exit_with_help`` takes over in its main."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    elif not os.environ.get("GASLAMP_IN_WORKFLOW"):
        print("interrupted", file=sys.stderr)


if sys.excepthook is sys.__excepthook__:
    sys.excepthook = _end_in_a_line

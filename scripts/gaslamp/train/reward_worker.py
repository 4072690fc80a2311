"""The process in which rewards run: rows come in as JSON lines, scores go out, one line each.

Started by gaslamp.train.reward_runner.

A reward that hangs, crashes or uses up the memory does that here, and not in the training.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import numbers
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError


def main() -> None:
    """Answer requests until standard input ends. What a reward prints goes to standard error."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(
            1, signal.SIGKILL
        )  # PR_SET_PDEATHSIG: never outlive the training, whatever a reward does
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(**message: object) -> None:
        answers.write(json.dumps(message, ensure_ascii=False) + "\n")
        answers.flush()

    for line in sys.stdin:
        request = json.loads(line)
        try:
            module = registry.get("rewards", request["name"])
        except GaslampError as error:
            send(error=error.cause, row=None, where=None)
            continue
        send(loaded=True)
        _score(module, request, send)


def _score(module: ModuleType, request: dict[str, Any], send: Callable[..., None]) -> None:
    prompts, completions, rows, options = (
        request["prompts"],
        request["completions"],
        request["rows"],
        request["options"],
    )
    done = 0
    try:
        if hasattr(module, "score_all"):
            scores = module.score_all(prompts, completions, rows, **options)
            found = len(scores) if hasattr(scores, "__len__") else None
            if found != len(rows):
                raise ValueError(
                    f"score_all returned {type(scores).__name__ if found is None else found} for {len(rows)} "
                    "completions: it must return a list with one number for each"
                )
        else:
            scores = (module.score(*what, **options) for what in zip(prompts, completions, rows, strict=True))
        for score in scores:
            send(score=_check(score))
            done += 1
    except Exception as error:  # whatever a user's reward does: it becomes a message with its row
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == module.__file__]
        where = f"{_shorten(frames[-1].filename)}, line {frames[-1].lineno}" if frames else None
        name = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        send(error=f"{name}{error}", row=done, where=where)


def _check(score: Any) -> float:
    with contextlib.suppress(AttributeError, ValueError):
        score = score.item()  # a number of NumPy or PyTorch
    if not isinstance(score, numbers.Real):
        raise ValueError(f"it returned {score!r}, which is no number")
    if not math.isfinite(score):
        raise ValueError(f"it returned {float(score)}: a score must be finite")
    return float(score)


def _shorten(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


if __name__ == "__main__":
    main()

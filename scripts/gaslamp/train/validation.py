"""When the validation loss is measured, on which rows, and which weights are kept by it.

Ten measurements show where a training begins to memorize; three do not. They are cheap because they use a part of
the validation rows, the same each time, so that the points of the curve can be compared. A short training affords
fewer rows, then fewer measurements.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.console import say
from gaslamp.core.decisions import Decision
from gaslamp.core.files import write_json
from gaslamp.core.processes import is_first

if TYPE_CHECKING:
    from gaslamp.train.history import History
    from gaslamp.train.types import TrainSettings

POINTS = 10
"""Measurements after the one before the first step."""
SHARE = 0.05
"""Of the training's computing that they may cost."""
FORWARD = 2.0
"""Passes that a training row costs, in forward passes of a frozen base: its backward pass is about one more."""
LEAST, MOST = 4, 256
"""Rows of a measurement: fewer say too little, more say nothing more."""
FEW = LEAST
"""Rows of a measurement below which a turn of its curve may be the luck of which rows they are."""
LEAST_TO_CHOOSE = 32
"""Rows at least where the weights are chosen by it (train.keep: best, train.patience)."""


class ValidationStopped(Exception):
    """A stop was requested while the validation loss was measured; it is measured when the training goes on."""


def get_validation_steps(steps: int, points: int = POINTS) -> list[int]:
    """The steps after which the validation loss is measured: evenly spread, the last one among them."""
    return sorted({round(n * steps / points) for n in range(1, points + 1)} - {0})


def plan_validation(train: TrainSettings, valid: int, steps: int) -> tuple[int, list[int]]:
    """How many validation rows each measurement takes, and after which steps it is made, besides before the first.

    Together they take SHARE of the computing at most, except where settings ask for more (``valid_rows``, or weights
    that are chosen by it) and where the training is so short that two measurements of LEAST rows take more.

    Args:
        train: settings; ``valid_rows`` sets the number.
        valid: rows that there are.
        steps: optimizer steps of the training.
    """
    if not valid:
        return 0, []
    seen = steps * train.batch_size * train.gradient_accumulation * train.processes
    affordable = SHARE * FORWARD * seen  # rows of all measurements together
    each = int(affordable / (POINTS + 1))
    if train.valid_rows is not None:
        rows, points = train.valid_rows, POINTS
    elif train.keep == "best" or train.patience is not None:
        rows, points = max(LEAST_TO_CHOOSE, min(MOST, each)), POINTS
    else:
        rows = min(valid, max(LEAST, min(MOST, each)))
        points = max(1, min(POINTS, int(affordable / rows) - 1))
    return min(valid, rows), get_validation_steps(steps, points)


def describe_plan(rows: int, valid: int, points: int, steps: int) -> str:
    """The line of the log for a training that affords fewer measurements; empty for one that has them all."""
    if points >= min(POINTS, steps) or not rows:
        return ""
    times = f"{points + 1} times" if points > 1 else "before the first and after the last step"
    return (
        f"validation loss: {rows} of {valid} rows, {times}: more would take over {100 * SHARE:.0f} % of so short a "
        "training (train.valid_rows sets the rows)"
    )


def pick_rows(count: int, total: int) -> list[int]:
    """Numbers of ``count`` rows, evenly spread over ``total``; the same each time."""
    return [n * total // count for n in range(count)] if count else []


def describe_cost(rows: int, valid: int, seconds: Sequence[float], trained: float) -> Decision:
    """What the measurements took, for train.json.

    Args:
        rows: of each measurement.
        valid: rows that there are.
        seconds: of each measurement.
        trained: seconds of all steps.
    """
    share = sum(seconds) / trained if trained else 0.0
    reason = f"of {valid} rows, {len(seconds)} times; took {100 * share:.0f} % as long as the training"
    return Decision(name="valid_rows", value=rows, reason=reason)


class BestKeeper:
    """Keeps the weights with the lowest validation loss, and says when the training has stopped getting better.

    ``best.json`` names the folder of the weights; it is written after the folder, so that a kill leaves a whole one.
    """

    def __init__(self, folder: Path, keep: str, patience: int | None, save: Callable[[Path], None]) -> None:
        """Continue with what an interrupted training kept in ``folder``, its checkpoints.

        Args:
            folder: of the checkpoints.
            keep: ``train.keep``.
            patience: ``train.patience``.
            save: writes the weights as they are now into a folder, as at the end of a training.
        """
        self.folder, self.keep, self.patience, self.save = folder, keep, patience, save
        self.record = folder / "best.json"

    def read(self) -> tuple[int, float] | None:
        """Step and loss of the weights that are kept, or ``None``."""
        if not self.record.is_file():
            return None
        best = json.loads(self.record.read_text(encoding="utf-8"))
        return (int(best["step"]), float(best["valid_loss"])) if (self.folder / best["folder"]).is_dir() else None

    def note(self, step: int, loss: float) -> None:
        """A measurement: keep the weights when it is the lowest so far. NaN never is."""
        known = self.read()
        if self.keep != "best" or not step or not (known is None or loss < known[1]) or not is_first():
            return
        name = f"best-{step}"
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self.save(self.folder / name)
        write_json(self.record, {"step": step, "valid_loss": loss, "folder": name})
        for other in self.folder.glob("best-*"):
            if other.name != name:
                shutil.rmtree(other)

    def find_end(self, history: History) -> str | None:
        """Why the training should end now: ``patience`` measurements in a row were no better; ``None``: it goes on."""
        points = [point for point in history.get_points("valid_loss") if point[0]]
        if self.patience is None or len(points) <= self.patience:
            return None
        step, low = min(points, key=lambda point: point[1])
        since = sum(at > step for at, _ in points)
        if since < self.patience:
            return None
        return f"validation loss was lowest at step {step} ({low:.4g}), {since} measurements since were no better"

    def take(self, folder: Path, done: int) -> Decision | None:
        """Put the kept weights into ``folder``; ``None`` where the last ones are to be taken.

        Args:
            folder: for the finished adapter.
            done: the last step.
        """
        best = self.read()
        if self.keep != "best":
            return None
        if best is None:
            say("train.keep is best, but no validation loss was measured: the weights of the last step are kept")
            return None
        step, loss = best
        shutil.copytree(self.folder / f"best-{step}", folder, dirs_exist_ok=True)
        reason = f"train.keep: best, of {done} steps; validation loss {loss:.4g}"
        if step < done:
            say(f"the weights of step {step} are kept: {reason}")
        return Decision(name="kept_step", value=step, reason=reason)

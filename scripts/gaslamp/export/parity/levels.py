"""The evaluated answers against those of each level on the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaslamp.core.contracts import Ladder, ParityCheck
from gaslamp.core.files import read_jsonl
from gaslamp.evaluate.predictions import get_outcome
from gaslamp.evaluate.stats import get_score
from gaslamp.export.parity.checks import make_check


def check_answers(ladder: Ladder, predictions: dict[str, Path], tolerance: float) -> list[ParityCheck]:
    """One check for each level.

    16 bit must give the evaluated answer on all but ``tolerance`` of the rows. It fails only when more answers differ
    than chance makes of that share (lower end of the 95 % interval), because 1 of 12 rows says little: two engines
    round differently, and a close decision may fall the other way. A quantized level may word an answer differently;
    its score must stay within the tolerance, or it must not be the one that ships.

    Args:
        ladder: with the score of each level.
        predictions: tuned and every level -> predictions file.
        tolerance: export.tolerance, a share.
    """
    tuned = {row["id"]: row for row in read_jsonl(predictions["tuned"]) if row["kind"] == "test"}
    f16 = next(level.score.value for level in ladder.levels if level.level == "f16")
    checks = []
    for level in ladder.levels:
        found = {row["id"]: row for row in read_jsonl(predictions[level.level])}
        tuned = {key: row for key, row in tuned.items() if key in found}
        same = {key for key in tuned if _is_same(found[key], tuned[key])}
        share = len(same) / len(tuned)
        lost = f16 - level.score.value  # on the same rows, which may be fewer than the adapter was evaluated on
        ships = level.level == ladder.recommended
        differing = get_score([float(key not in same) for key in tuned], 0.95)
        is_good = differing.low <= tolerance if level.level == "f16" else lost <= tolerance + 1e-9 or not ships
        what = "answers" if not {"retrieval", "scores"} & set(next(iter(found.values()))) else "outcomes"
        detail = f"{share:.1%} of the {what} are the evaluated ones, score {level.score.value:.1%} ({0.0 - lost:+.1%})"
        detail = detail.replace("%", " %")
        if unread := sum("unread" in row for row in found.values()):
            detail += f"; {unread} do not keep to the model's format, which the server answers with an error"
        if not is_good:
            key = next(key for key in tuned if key not in same)
            detail += f"; first difference: {_show(found[key])} instead of {_show(tuned[key])}"
        checks.append(make_check("answers", level.level, None if is_good else detail, detail, "answers"))
    return checks


def _is_same(found: Mapping[str, Any], tuned: Mapping[str, Any]) -> bool:
    """Whether a level answers a row as evaluated; of an answer that the server cannot read, its tokens decide."""
    if found["stopped"] != tuned["stopped"]:
        return False
    return found["ids"] == tuned.get("ids") if "unread" in found else get_outcome(found) == get_outcome(tuned)


def _show(prediction: Mapping[str, Any]) -> str:
    outcome = get_outcome(prediction)
    return repr(outcome[:80] if isinstance(outcome, str) else outcome)

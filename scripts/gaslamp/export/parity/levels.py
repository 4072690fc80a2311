"""The evaluated answers against those of each level on the test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaslamp.core.contracts import Ladder, ParityCheck
from gaslamp.core.files import read_jsonl
from gaslamp.evaluate.predictions import get_outcome
from gaslamp.evaluate.stats import get_score
from gaslamp.export.parity.checks import Ended, make_check, name_difference


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
        is_16 = level.level == "f16"
        is_good = differing.low <= tolerance if is_16 else level.within_tolerance or not ships
        what = "answers" if not {"retrieval", "scores"} & set(next(iter(found.values()))) else "outcomes"
        detail = f"{share:.1%} of the {what} are the evaluated ones, score {level.score.value:.1%} ({0.0 - lost:+.1%})"
        detail = detail.replace("%", " %")
        if unread := sum("unread" in row for row in found.values()):
            detail += f"; {unread} do not keep to the model's format, which the server answers with an error"
        kind = "coarse"
        if not is_good:
            differ = [key for key in tuned if key not in same]
            if is_16:
                kinds = Counter(name_difference(_get_end(found[key]), _get_end(tuned[key])) for key in differ)
                kind = kinds.most_common(1)[0][0]
            if differ:
                first = differ[0]
                detail += f"; first difference: {_show(found[first])} instead of {_show(tuned[first])}"
        checks.append(make_check("answers", level.level, None if is_good else detail, detail, kind))
    return checks


def _get_end(row: Mapping[str, Any]) -> Ended:
    """The answer of a predictions row; what is no text (ranks, scores) is compared as such."""
    return Ended(str(row.get("unread", row.get("text", ""))), bool(row["stopped"]), len(row.get("ids") or ()))


def _is_same(found: Mapping[str, Any], tuned: Mapping[str, Any]) -> bool:
    """Whether a level answers a row as evaluated; of an answer that the server cannot read, its tokens decide."""
    if found["stopped"] != tuned["stopped"]:
        return False
    return found["ids"] == tuned.get("ids") if "unread" in found else get_outcome(found) == get_outcome(tuned)


def _show(prediction: Mapping[str, Any]) -> str:
    outcome = get_outcome(prediction)
    return repr(outcome[:80] if isinstance(outcome, str) else outcome)

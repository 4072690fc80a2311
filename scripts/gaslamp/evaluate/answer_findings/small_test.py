"""The gain is real or not: the test rows are too few to say."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.evaluate.stats import get_rows_needed
from gaslamp.pages.numbers import format_chance, format_change
from gaslamp.train.diagnose import Seen

TITLE = "too few test rows to show the gain"
CAUSE = "the gain is smaller than what luck can make on so many rows"
SEVERITY = "hint"
MOST = 20  # times as many rows: from there on the gain is small, not the test


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """A gain that the paired test does not confirm, and that a few times as many such rows would."""
    main, level = answers.main, 1 - answers.compare.confidence
    pairs = [
        (a, b)
        for a, b in zip(answers.scores["base"], answers.scores["tuned"], strict=True)
        if a is not None and b is not None
    ]
    gain = answers.sign * (main.tuned.value - main.base.value)
    if main.higher is None or gain <= 0 or main.p_value < level:
        return None
    needed = get_rows_needed([a for a, _ in pairs], [b for _, b in pairs], answers.compare.confidence)
    if needed <= len(pairs) or needed > MOST * len(pairs):
        return None
    change = format_change(main.base.value, main.tuned.value, main.unit)
    points = " points" if main.unit == "share" else ""
    text = (
        f"{change}{points} on {len(pairs)} rows ({format_chance(main.p_value)}); about {needed} such rows would show it"
    )
    action = f"set about {needed} rows aside for the test (data.split.test, data.split.max_test)"
    remedies = [Remedy(action=action, moves={"data.split.test": "raise"})]
    return Seen(text, {"rows": float(len(pairs)), "needed": float(needed)}, remedies)

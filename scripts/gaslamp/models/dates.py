"""The date that some chat templates print: pinned, so that tomorrow's prompts are those that were trained."""

from __future__ import annotations

import re
from datetime import date

from gaslamp.core.decisions import Decision

PINNED = date(2024, 7, 26)
"""The day that Llama 3's template falls back to, and that servers without a clock print."""
GIVEN = "date_string"
"""The variable by which Llama 3's templates can be given the date."""
CALL = re.compile(r"""strftime_now\(\s*(?:format\s*=\s*)?(["'])((?:(?!\1).)*)\1\s*\)""")


def pin_date(chat_template: str) -> tuple[str, Decision | None]:
    """A chat template with a fixed date in place of today's, and the choice to show; unchanged when it prints none."""
    pinned = CALL.sub(lambda found: f'"{PINNED.strftime(found[2])}"', chat_template)
    if GIVEN in chat_template:  # llama.cpp hands every template today's date in this variable
        pinned = f'{{% set {GIVEN} = "{PINNED.strftime("%d %b %Y")}" %}}{pinned}'
    if pinned == chat_template:
        return chat_template, None
    reason = (
        "the chat template prints today's date; pinned in the recorded template, which every exported file has, so "
        "that prompts do not change at midnight"
    )
    return pinned, Decision(name="date", value=PINNED.isoformat(), reason=reason)

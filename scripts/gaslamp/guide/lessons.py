"""What earlier projects taught, in the plan: the recipes of the memory that match a new project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaslamp.config.edit import CHOSEN, write_scalar
from gaslamp.core.errors import GaslampError
from gaslamp.guide.plan import Line, Plan, Situation
from gaslamp.memory.recipes import get_known, get_matching
from gaslamp.memory.situation import get_situation

NAME, ON, OFF = "memory", "on", "off"
NO_CHANGE = "changes no setting"
SHOWN = 2
"""Entries without settings that the line names, the newest."""


def choose_lessons(now: Situation, plan: Plan) -> tuple[list[Line], dict[str, object]]:
    """One line with what the memory changes, why, and what else it knows of such a project; none when it knows nothing.

    The settings are written, and recorded with the way back, when the project is made (memory/apply.py).

    Args:
        now: task, data, machine.
        plan: all other lines.

    Returns:
        The line, and the settings that it changes.
    """
    place = Path(now.data.path) if now.data.path else Path(now.data.source)
    config = {
        "method": plan.get("method").value,
        "model": {"source": plan.get("base model").value, "revision": None},
        "data": {"source": place.name if now.data.path else now.data.source},
        "project": {"domain": plan.get("theme").value},
        "demo": {"language": plan.get("demo language").value},
    }
    try:
        situation = get_situation(config, place.parent if now.data.path else Path(), plan.get("profile").value)
        found, known = get_matching(situation), get_known(situation)[:SHOWN]
    except (GaslampError, OSError):
        return [], {}  # applying it says what is wrong
    fixed = {key for line in plan.lines if line.fixed for key in line.settings}
    used = [(one, {key: value for key, value in one.settings.items() if key not in fixed}) for one in found]
    used = [(one, settings) for one, settings in used if settings]
    settings = {key: value for _, own in used for key, value in own.items()}
    if not (settings or known):
        return [], {}
    facts = [f"{one.title}: {one.text} ({one.source})" for one in known]
    if now.wanted.get(NAME) == OFF:
        left = f"; left alone: {', '.join(settings)}" if settings else ""
        return [Line(NAME, OFF, f"{CHOSEN}{left}", {}, (ON, OFF), fixed=True)], {}
    if not settings:
        return [Line(NAME, NO_CHANGE, "; ".join(facts), {}, (ON, OFF))], {}
    value = ", ".join(f"{key} = {write_scalar(setting)}" for key, setting in settings.items())
    why = [f"{one.source}: {one.reason}; {_show_before(own, plan)}; {one.undo} takes it back" for one, own in used]
    return [Line(NAME, value, "; ".join([*why, *facts]), {}, (ON, OFF))], dict(settings)


def _show_before(settings: Mapping[str, object], plan: Plan) -> str:
    """What the settings would have been."""
    words = (
        f"{key.rpartition('.')[2]} {write_scalar(plan.settings[key])}" if key in plan.settings else "the default"
        for key in settings
    )
    return f"instead of {', '.join(dict.fromkeys(words))}"

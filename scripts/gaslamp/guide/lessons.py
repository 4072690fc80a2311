"""What earlier projects taught, in the plan: the recipes of the memory that match a new project."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.edit import CHOSEN, write_scalar
from gaslamp.core.errors import GaslampError
from gaslamp.guide.plan import Line, Plan, Situation
from gaslamp.memory.recipes import get_matching
from gaslamp.memory.situation import get_situation

NAME, ON, OFF = "memory", "on", "off"


def choose_lessons(now: Situation, plan: Plan) -> list[Line]:
    """One line with the settings that the memory changes, and why; none when nothing matches.

    The settings are written, and recorded with the way back, when the project is made (memory/apply.py).

    Args:
        now: task, data, machine.
        plan: all other lines.
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
        found = get_matching(situation)
    except (GaslampError, OSError):
        return []  # applying it says what is wrong
    fixed = {key for line in plan.lines if line.fixed for key in line.settings}
    settings = {key: value for one in found for key, value in one.settings.items() if key not in fixed}
    if not settings:
        return []
    reasons = "; ".join(f"{one.source}: {one.reason}" for one in found)
    if now.wanted.get(NAME) == OFF:
        return [Line(NAME, OFF, f"{CHOSEN}; left alone: {', '.join(settings)}", {}, (ON, OFF), fixed=True)]
    value = ", ".join(f"{key} = {write_scalar(setting)}" for key, setting in settings.items())
    return [Line(NAME, value, reasons, {}, (ON, OFF))]

"""The recommendation: two answers, a look at the data and the machine become a plan.

One function makes it, for cookiecutter, `make new` and `make reconfigure` alike.
"""

from __future__ import annotations

from dataclasses import replace

from gaslamp.data.rows import Row, adapt_all, can_adapt, get_kind
from gaslamp.environment.advise import Advice
from gaslamp.guide.data_lines import (
    choose_columns,
    choose_length,
    choose_method,
    choose_metric,
    choose_rewards,
    guess_kind,
    is_rewarded,
)
from gaslamp.guide.lessons import choose_lessons
from gaslamp.guide.look import convert, get_lengths
from gaslamp.guide.machine_lines import choose_model, choose_profile, choose_tier, list_alternatives
from gaslamp.guide.models import Need, choose, show_cost
from gaslamp.guide.page_lines import choose_demo_language, choose_deploy, choose_language, choose_theme, get_code
from gaslamp.guide.plan import Plan, Situation
from gaslamp.guide.plugins import get_constant
from gaslamp.guide.task import PURPOSES, find_purposes

FEW_ROWS = 50
LONG = 0.9  # the memory is calculated for a row that is longer than this share of them
SMALL_FOR_REWARDS = 1.5  # billions of parameters


def recommend(now: Situation) -> Plan:
    """The plan for a situation; what a person wants stays as they want it, the rest follows from it."""
    purposes = [PURPOSES[name] for name in find_purposes(now.task)]
    reading, columns = choose_columns(now, purposes)
    rows: list[Row] = convert(now.look, reading) if reading else []
    kind = reading.rows if reading else now.look.rows_kind or guess_kind(now, purposes)
    method, language = choose_method(now, kind), choose_language(now)
    profile = choose_profile(now, method.value)
    rows = _adapt(rows, method.value)
    lengths = [] if kind == "images" else get_lengths(rows)  # pictures have tokens too
    code = get_code(language.value)
    need = Need(
        method=method.value,
        profile=profile.value,
        rows=now.look.count,
        tokens=lengths[round(LONG * (len(lengths) - 1))] if lengths else 0,
        languages=(code,) if code else (),
        vision=bool(get_constant("methods", method.value, "MULTIMODAL", False)),
        is_trial=now.data.kind == "embedded",
    )
    choice = choose(need, now.system, now.offline)
    model, chosen = choose_model(now, choice)
    lines = [columns, method, *choose_rewards(now, method.value), model]
    if chosen:
        lines.append(choose_tier(chosen))
    lines += [
        profile,
        choose_length(now, lengths),
        choose_metric(now, method.value, kind, rows, purposes),
        choose_deploy(now, method.value),
        choose_theme(now),
        language,
        choose_demo_language(now, language.value),
    ]
    notes = _list_notes(now, method.value, chosen)
    plan = Plan(lines, show_cost(chosen), list_alternatives(choice, chosen, need), notes)
    return replace(plan, lines=[*lines, *choose_lessons(now, plan)])


def _adapt(rows: list[Row], method: str) -> list[Row]:
    """The sample as rows of the kind that the method learns from, where it is another kind and that can be done."""
    kinds = get_constant("methods", method, "KINDS", ())
    if not rows or (own := get_kind(rows[0])) in kinds:
        return rows
    wanted = next((kind for kind in kinds if can_adapt(own, kind)), None)
    found: list[Row] = []
    for row in rows if wanted else ():
        try:
            found += adapt_all(row, str(wanted))
        except ValueError:
            continue  # such a row is left out when the data is prepared
    return found or rows


def _list_notes(now: Situation, method: str, chosen: Advice | None) -> list[str]:
    """What a person should know before they start."""
    look = now.look
    notes = []
    if now.data.kind == "none":
        notes.append("There is no data yet: data/raw/README.md in the project says what to put there.")
    if look.is_exact and look.count is not None and look.count < FEW_ROWS and now.data.kind == "file":
        notes.append(f"{look.count} rows are few: some hundred teach more, and make the test score mean something.")
    if is_rewarded(method) and chosen and chosen.model.worth / 1e9 < SMALL_FOR_REWARDS:
        notes.append(
            f"Rewards teach a model of less than {SMALL_FOR_REWARDS:g} billion parameters little: it seldom finds a "
            "good answer by itself. With worked answers in the data, sft comes first."
        )
    return notes

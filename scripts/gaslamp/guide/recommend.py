"""The recommendation: two answers, a look at the data and the machine become a plan.

One function makes it, for cookiecutter, `make new` and `make reconfigure` alike.
"""

from __future__ import annotations

from gaslamp.data.rows import Row
from gaslamp.guide.data_lines import (
    choose_columns,
    choose_length,
    choose_method,
    choose_metric,
    choose_rewards,
    guess_kind,
    is_rewarded,
)
from gaslamp.guide.look import convert, get_lengths
from gaslamp.guide.machine_lines import choose_model, choose_profile, list_alternatives, show_cost
from gaslamp.guide.models import Candidate, Need, get_tier, list_candidates
from gaslamp.guide.page_lines import choose_demo_language, choose_deploy, choose_language, choose_theme, get_code
from gaslamp.guide.plan import Line, Plan, Situation
from gaslamp.guide.plugins import get_constant
from gaslamp.guide.task import PURPOSES, find_purposes

FEW_ROWS = 50
SMALL_FOR_REWARDS = 1.5  # billions of parameters


def recommend(now: Situation) -> Plan:
    """The plan for a situation; what a person wants stays as they want it, the rest follows from it."""
    purposes = [PURPOSES[name] for name in find_purposes(now.task)]
    reading, columns = choose_columns(now, purposes)
    rows: list[Row] = convert(now.look, reading) if reading else []
    kind = reading.rows if reading else now.look.rows_kind or guess_kind(now, purposes)
    method, profile, language = choose_method(now, kind), choose_profile(now), choose_language(now)
    lengths = [] if kind == "images" else get_lengths(rows)  # pictures have tokens too
    code = get_code(language.value)
    need = Need(
        method=method.value,
        profile=profile.value,
        rows=now.look.count,
        tokens=lengths[len(lengths) // 2] if lengths else 0,
        languages=(code,) if code else (),
        vision=bool(get_constant("methods", method.value, "MULTIMODAL", False)),
    )
    candidates = list_candidates(need, now.system)
    model, chosen = choose_model(now, candidates)
    lines = [columns, method, *choose_rewards(now, method.value), model]
    if chosen:
        lines.append(Line("tier", *get_tier(chosen.billions)))
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
    return Plan(lines, show_cost(chosen), list_alternatives(candidates, chosen), notes)


def _list_notes(now: Situation, method: str, chosen: Candidate | None) -> list[str]:
    """What a person should know before they start."""
    look = now.look
    notes = []
    if now.data.kind == "none":
        notes.append("There is no data yet: data/raw/README.md in the project says what to put there.")
    if look.is_exact and look.count is not None and look.count < FEW_ROWS and now.data.kind == "file":
        notes.append(f"{look.count} rows are few: some hundred teach more, and make the test score mean something.")
    if is_rewarded(method) and chosen and chosen.billions < SMALL_FOR_REWARDS:
        notes.append(
            f"Rewards teach a model of less than {SMALL_FOR_REWARDS:g} billion parameters little: it seldom finds a "
            "good answer by itself. With worked answers in the data, sft comes first."
        )
    return notes

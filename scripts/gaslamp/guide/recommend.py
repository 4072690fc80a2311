"""The recommendation: two answers, a look at the data and the machine become a plan.

One function makes it, for cookiecutter, `make new` and `make reconfigure` alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gaslamp.data.meaning import Reading
from gaslamp.data.meaning.constant import warn_of_one_answer
from gaslamp.data.rows import Row, adapt_all, can_adapt, get_kind
from gaslamp.environment.advise import Advice
from gaslamp.environment.training_ways import Demand
from gaslamp.guide.amount import Amount, count_sample
from gaslamp.guide.broken import find_broken
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
from gaslamp.guide.machine_lines import choose_model, choose_profile, choose_tier, list_alternatives, suggest_colab
from gaslamp.guide.models import choose, estimate_with, show_cost
from gaslamp.guide.page_lines import choose_demo_language, choose_deploy, choose_language, choose_theme, get_code
from gaslamp.guide.plan import Line, Plan, Situation
from gaslamp.guide.plugins import get_constant
from gaslamp.guide.task import PURPOSES, find_purposes

FEW_ROWS = 50
SMALL_FOR_REWARDS = 1.5  # billions of parameters


@dataclass(frozen=True)
class Basis:
    """What the answers and the data settle before a base model is chosen.

    Attributes:
        reading: of the columns; None when they are not known.
        columns, method, language, profile: lines of the plan.
        kind: of the rows.
        rows: the sample, as the method learns from it.
        lengths: about how many tokens each of them has, shortest first; none where pictures come on top.
        amount: of what is trained on.
        demand: what the base model is chosen for.
    """

    reading: Reading | None
    columns: Line
    method: Line
    language: Line
    profile: Line
    kind: str
    rows: list[Row]
    lengths: list[int]
    amount: Amount
    demand: Demand


def settle_basis(now: Situation) -> Basis:
    """What the answers and the data settle; the same for the interview, `make advise` and `make plan`."""
    purposes = [PURPOSES[name] for name in find_purposes(now.task)]
    reading, columns = choose_columns(now, purposes)
    rows: list[Row] = convert(now.look, reading) if reading else []
    kind = reading.rows if reading else now.look.rows_kind or guess_kind(now, purposes)
    method, language = choose_method(now, kind), choose_language(now)
    rows = _adapt(rows, method.value)
    has_pictures = bool(get_constant("methods", method.value, "MULTIMODAL", False))
    name = now.data.answer or now.data.place
    amount = now.counted or count_sample(now.look, rows, name, has_pictures=has_pictures)
    code = get_code(language.value)
    demand = Demand(
        method.value,
        (code,) if code else ("en",),
        amount.rows,
        amount.longest,
        amount.mean,
        frozenset({"vision"} if has_pictures else ()),
        now.data.kind == "embedded",
    )
    lengths = [] if has_pictures or kind == "images" else get_lengths(rows)
    return Basis(
        reading, columns, method, language, choose_profile(now, method.value), kind, rows, lengths, amount, demand
    )


def recommend(now: Situation) -> Plan:
    """The plan for a situation; what a person wants stays as they want it, the rest follows from it."""
    purposes = [PURPOSES[name] for name in find_purposes(now.task)]
    basis = settle_basis(now)
    method, profile, language = basis.method.value, basis.profile, basis.language
    choice = choose(basis.demand, profile.value, now.system, now.offline, now.measured)
    model, chosen = choose_model(now, choice, basis.demand, profile.value)
    lines = [basis.columns, basis.method, *choose_rewards(now, method), model]
    if chosen:
        lines.append(choose_tier(chosen))
    lines += [
        profile,
        choose_length(now, basis.lengths),
        choose_metric(now, method, basis.kind, basis.rows, purposes),
        choose_deploy(now, method),
        choose_theme(now),
        language,
        choose_demo_language(now, language.value),
    ]
    notes = find_broken(now.look, now.data.path, basis.reading)
    notes += warn_of_one_answer(now.look.rows, basis.reading.mapping) if basis.reading else []
    notes += [*_list_notes(now, method, chosen), *suggest_colab(profile.value, chosen, is_rewarded(method))]
    plan = Plan(lines, "", list_alternatives(choice, chosen, basis.demand, profile.value), notes)
    lessons, taught = choose_lessons(now, plan)
    if chosen:
        chosen = estimate_with(now, chosen.model, basis.demand, profile.value, {**plan.settings, **taught})
    return replace(plan, lines=[*lines, *lessons], cost=show_cost(chosen))


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
        notes.append(
            "There is no data yet: data/raw/README says what to put there. Without a file: make label writes rows by "
            "hand, make generate has a model write them."
        )
    if look.is_exact and look.count is not None and look.count < FEW_ROWS and now.data.kind == "file":
        notes.append(f"{look.count} rows are few: some hundred teach more, and make the test score mean something.")
    if is_rewarded(method) and chosen and chosen.model.worth / 1e9 < SMALL_FOR_REWARDS:
        notes.append(
            f"Rewards teach a model of less than {SMALL_FOR_REWARDS:g} billion parameters little: it seldom finds a "
            "good answer by itself. With worked answers in the data, sft comes first."
        )
    return notes

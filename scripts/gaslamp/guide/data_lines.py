"""The lines of the plan that follow from the data: columns, method, reward, longest row, metric."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from gaslamp.config.edit import CHOSEN
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import Mapping, Reading, decide
from gaslamp.data.meaning.profile import look_at
from gaslamp.data.meaning.readings import get_first_method, get_first_reward, show_mapping
from gaslamp.data.rows import Row
from gaslamp.evaluate.default_metrics import combine_metrics, get_answer_metrics, get_text_references
from gaslamp.guide.options import get_options
from gaslamp.guide.plan import Line, Situation
from gaslamp.guide.plugins import get_constant, list_methods
from gaslamp.guide.task import ANY, PURPOSES, Purpose

OPEN = "open"
LONG_ROW = 2048  # tokens; longer rows are worth a word

METRIC_REASONS = {
    "classification": "the answers are a few classes that come again",
    "json_match": "every answer is JSON",
    "numeric": "every answer is a number",
    "exact_match": "the answers are short",
    "token_f1": "the answers are free text: shared words count",
    "mean_reward": "the rewards decide, as in training",
    "preference_accuracy": "how often the better answer is the likelier one",
    "preference_margin": "how much likelier good answers are than bad ones",
    "retrieval": "how often the right text is found first",
    "perplexity": "how well the text is predicted",
    "completion_loss": "how well the audio tokens are predicted",
}


def show_roles(mapping: Mapping) -> str:
    """``prompt = Subject + Body, completion = Category``; a column that is called as its role stands alone."""
    shown = {role: show_mapping({role: column}) for role, column in mapping.items()}
    return ", ".join(role if mapping[role] == role else text for role, text in shown.items())


def choose_columns(now: Situation, purposes: list[Purpose]) -> tuple[Reading | None, Line]:
    """What the columns mean; where the columns leave it open, the words of the task decide."""
    meaning = now.look.meaning
    if meaning is None:
        if now.look.rows_kind:
            return None, Line("columns", now.look.rows_kind, f"the embedded set has {now.look.rows_kind} rows")
        columns = ", ".join(get_missing_columns(now, purposes)) if now.data.kind == "none" else "unknown"
        return None, Line("columns", columns, now.look.unknown)
    keys = tuple(reading.key for reading in meaning.readings)
    by_key = {reading.key: reading for reading in meaning.readings}
    if (wanted := now.wanted.get("columns")) in by_key:
        reading = by_key[str(wanted)]
        settings = {} if len(keys) == 1 else {"data.meaning": reading.key}
        return reading, Line("columns", show_roles(reading.mapping), CHOSEN, settings, keys, fixed=True)
    left_out = f"; left out: {', '.join(meaning.lost)}" if meaning.lost else ""
    if meaning.certain:
        value = show_roles(meaning.reading.mapping)
        return meaning.reading, Line("columns", value, meaning.reading.reason + left_out, {}, keys if keys[1:] else ())
    if named := _find_named(now, purposes):
        return named, Line("columns", show_roles(named.mapping), named.reason, {"data.columns": named.mapping}, keys)
    for purpose in purposes:
        served = [key for key in keys if key.startswith(purpose.reading)]
        if served:
            reading = by_key[served[0]]
            others = ", ".join(key for key in keys[:4] if key != reading.key)
            reason = f"{reading.reason}, and the task says so; also possible: {others}"
            value = show_roles(reading.mapping)
            return reading, Line("columns", value, reason, {"data.meaning": reading.key}, keys)
    others = ", ".join(keys[:3])
    reason = f"not certain: {others}; make data shows a row of each, and asks"
    return meaning.reading, Line("columns", f"{show_roles(meaning.reading.mapping)} ({OPEN})", reason, {}, keys)


def _find_named(now: Situation, purposes: list[Purpose]) -> Reading | None:
    """The reading that writes the column which a task to write something names: ``write product texts`` -> text."""
    if not purposes or purposes[0] is not PURPOSES["write"]:
        return None
    words = {word.removesuffix("s") for word in re.findall(r"\w+", now.task.lower())}
    profiles = {name: look_at(name, [row.get(name) for row in now.look.rows]) for name in now.look.columns}
    texts = [name for name, profile in profiles.items() if profile.is_free_text]
    named = [name for name in texts if name.lower().removesuffix("s") in words]
    if len(named) != 1 or len(texts) < 2:
        return None
    inputs = [name for name in texts if name != named[0]]
    mapping: Mapping = {"prompt": inputs if inputs[1:] else inputs[0], "completion": named[0]}
    try:
        reading = decide(now.look.rows, columns=mapping).reading
    except GaslampError:
        return None
    return replace(reading, reason=f"the task is to write '{named[0]}'")


def guess_kind(now: Situation, purposes: list[Purpose]) -> str:
    """The kind of rows where nothing could be looked at: what the task needs, if there is no data; else the usual."""
    return (purposes[0] if purposes else ANY).rows if now.data.kind == "none" else "conversation"


def get_missing_columns(now: Situation, purposes: list[Purpose]) -> dict[str, str]:
    """The columns of a file that is still to be written, by the purpose of the task."""
    return (purposes[0] if purposes else ANY).columns


def choose_method(now: Situation, kind: str) -> Line:
    """The method that rows of a kind are made for, or the one that a person wants."""
    first = get_first_method(kind)
    wanted = now.wanted.get("method")
    method = wanted or first
    known = now.look.meaning is not None or bool(now.look.rows_kind)
    reason = get_constant("methods", method, "REASON", "") or get_constant("methods", method, "NEEDS", "")
    if not known:
        task = now.data.kind == "none"
        reason = f"{'what the task needs' if task else 'the usual one'}, as {now.look.unknown}; make data corrects it"
    if wanted and wanted != first:
        reason = f"{CHOSEN}; the rows suggest {first}"
    options = tuple(list_methods(kind)) if known else get_options("method")
    return Line("method", method, reason, {"method": method}, options, bool(wanted))


def choose_rewards(now: Situation, method: str) -> list[Line]:
    """A first reward for a method that learns from scores; no line for the others."""
    if not is_rewarded(method):
        return []
    columns = now.look.columns or list(PURPOSES["solve"].columns)
    wanted = now.wanted.get("reward")
    reward = wanted or get_first_reward(columns)
    what = get_constant("rewards", reward, "TITLE", "")
    reason = CHOSEN if wanted else f"{what}; docs/rewards.md lists the others" if what else "it scores the answers"
    return [
        Line(
            "reward",
            reward,
            reason,
            {"train.rewards": [{"name": reward}]},
            tuple(registry.names("rewards")),
            bool(wanted),
        )
    ]


def is_rewarded(method: str) -> bool:
    """Whether a method learns from the scores of its own answers."""
    return "mean_reward" in get_constant("methods", method, "DEFAULT_METRICS", ())


def choose_length(now: Situation, lengths: list[int]) -> Line:
    """How long a row may be: the longest row decides when all are counted; the reason has an estimate."""
    if wanted := now.wanted.get("max_length"):
        value: Any = int(wanted) if wanted.isdigit() else wanted
        return Line("max_length", wanted, CHOSEN, {"train.max_length": value}, ("auto",), fixed=True)
    if not lengths:
        reason = "make data counts the tokens of every row, and the longest one decides"
    else:
        reason = (
            f"about {_round(lengths[-1])} tokens in the longest of {len(lengths)} rows; make data counts all of them"
        )
        if lengths[-1] > LONG_ROW:
            reason += (
                f", and cuts none: half have up to {_round(lengths[len(lengths) // 2])}, and long rows need memory"
            )
    return Line("max_length", "auto", reason, {"train.max_length": "auto"}, ("auto",))


def _round(count: int) -> int:
    """To two digits: the count is an estimate."""
    digits = max(0, len(str(count)) - 2)
    return int(round(count, -digits))


def choose_metric(now: Situation, method: str, kind: str, rows: list[Row], purposes: list[Purpose]) -> Line:
    """The metrics: those of the task where it names a better one than method and answers say."""
    options = get_options("metric")
    if wanted := now.wanted.get("metric"):
        names = [name.strip() for name in wanted.split(",")]
        return Line("metric", ", ".join(names), CHOSEN, {"eval.metrics": names}, options, fixed=True)
    named = get_constant("methods", method, "DEFAULT_METRICS", ())
    artefact = get_constant("methods", method, "ARTEFACT", "causal_lm")
    if not rows and not named:
        return Line("metric", "auto", "by the form of the answers, once there are rows", {"eval.metrics": []}, options)
    automatic = combine_metrics(named, artefact, rows, rewarded=is_rewarded(method)) if rows else list(named)
    special = next((one for one in purposes if one.metrics and one.rows == kind), None)
    if special and not named and automatic[0] in ("token_f1", "exact_match"):
        chosen = list(special.metrics)
        return Line("metric", ", ".join(chosen), special.why, {"eval.metrics": chosen}, options)
    if kind == "images" and rows and _are_json(rows):
        chosen = ["json_fields", "json_match", "character_error_rate"]
        why = "the answers are JSON, so each field counts by itself"
        return Line("metric", ", ".join(chosen), why, {"eval.metrics": chosen}, options)
    reason = METRIC_REASONS.get(automatic[0], get_constant("metrics", automatic[0], "TITLE", ""))
    return Line("metric", ", ".join(automatic), f"{reason}; chosen by method and rows", {"eval.metrics": []}, options)


def _are_json(rows: list[Row]) -> bool:
    references = get_text_references(rows)
    return bool(references) and get_answer_metrics(references)[0] == "json_match"

"""Which metrics fit a method and its rows, where eval.metrics leaves it open.

Standard library alone: the interview recommends a metric from the first rows, in cookiecutter's own interpreter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gaslamp.core import registry
from gaslamp.data.rows import Row, get_images, get_kind, get_prompt, get_reference
from gaslamp.evaluate.tool_calls import get_reference_calls

SHORT_ANSWER_WORDS = 5
MAX_CLASSES = 20


def combine_metrics(named: Sequence[str], artefact: str, rows: list[Row], rewarded: bool) -> list[str]:
    """The metrics of a method, the first of which decides; where it names none, or with rewards, also what fits the
    rows.

    Args:
        named: DEFAULT_METRICS of the method.
        artefact: what it trains (ARTEFACT): only a causal_lm answers.
        rows: test rows.
        rewarded: train.rewards scores the answers.
    """
    named = [name for name in named if name in registry.names("metrics")]
    if rewarded and "mean_reward" not in named:
        named = ["mean_reward", *named]
    names = list(dict.fromkeys([*named, *(get_default_metrics(rows) if rewarded or not named else ())]))
    if not rewarded:
        names = [name for name in names if name != "mean_reward"]
    if artefact != "causal_lm":
        names = [name for name in names if name != "length"]  # such a model answers nothing
    return sorted(names, key=lambda name: name == "length")  # it decides nothing: last


def get_default_metrics(rows: list[Row]) -> list[str]:
    """Metrics by the kind of the rows and by their reference answers; names, the deciding one first."""
    kind = get_kind(rows[0])
    if kind == "text":
        return ["perplexity"]
    if kind == "preference":
        return ["preference_accuracy", "preference_margin", "length"]
    if kind == "rating":
        return ["preference_margin", "length"]
    if kind == "pair":
        return ["retrieval", "mean_reciprocal_rank"]
    references = get_text_references(rows)
    calls = sum(bool(get_reference_calls(row)) for row in rows)
    if calls:
        answers = get_answer_metrics(references) if references else []
        found = ["tool_call", "tool_call_parts"]
        return found + answers if calls >= len(references) else answers + found
    if not references:
        return ["mean_reward", "length"]
    if any(get_images(get_prompt(row)) for row in rows):
        return ["exact_match", "character_error_rate", "word_error_rate"]
    return get_answer_metrics(references)


def get_text_references(rows: list[Row]) -> list[str]:
    """The reference answers that are text: tool calls are left out."""
    return [text for row in rows if (text := get_reference(row)) is not None and not get_reference_calls(row)]


def get_answer_metrics(references: list[str]) -> list[str]:
    """Metrics by the reference answers: JSON, a few classes, numbers, short, long; names, the deciding one first."""
    json_match = registry.get("metrics", "json_match")
    if all(reference.strip()[:1] in ("{", "[") and json_match.score(reference, reference) for reference in references):
        return ["json_match", "json_fields", "exact_match"]
    classes = Counter(reference.strip() for reference in references)
    if len(references) >= 20 and 2 <= len(classes) <= min(MAX_CLASSES, len(references) // 5):
        return ["classification", "normalized_match"]
    if all(_is_number(reference) for reference in references):
        return ["numeric", "exact_match"]
    if sorted(len(reference.split()) for reference in references)[len(references) // 2] <= SHORT_ANSWER_WORDS:
        return ["exact_match", "normalized_match", "token_f1"]
    return ["token_f1", "chrf", "exact_match"]


def _is_number(text: str) -> bool:
    text = text.rsplit("####", 1)[-1].strip().replace(",", "").rstrip("%").lstrip("$€£")
    try:
        float(text)
    except ValueError:
        return False
    return True

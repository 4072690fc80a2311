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
FEWEST_ROWS = 10
SHARED = 0.8  # of the rows have an answer that another row has too


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
    if _are_classes(references):
        return ["classification", "normalized_match"]
    if all(_is_number(reference) for reference in references):
        return ["numeric", "exact_match"]
    if sorted(len(reference.split()) for reference in references)[len(references) // 2] <= SHORT_ANSWER_WORDS:
        return ["exact_match", "normalized_match", "token_f1"]
    return ["token_f1", "chrf", "exact_match"]


def _are_classes(references: list[str]) -> bool:
    """Whether the answers are a few classes: many rows share each; in a small test set, most rows share theirs."""
    count = Counter(reference.strip() for reference in references)
    if not 2 <= len(count) <= MAX_CLASSES or len(references) < FEWEST_ROWS:
        return False
    if len(references) >= 20 and len(count) <= len(references) // 5:
        return True
    shared = sum(number for number in count.values() if number > 1)
    is_short = all(len(reference.split()) <= SHORT_ANSWER_WORDS for reference in count)
    return shared >= SHARED * len(references) and is_short and not all(_is_number(reference) for reference in count)


def _is_number(text: str) -> bool:
    text = text.rsplit("####", 1)[-1].strip().replace(",", "").rstrip("%").lstrip("$€£")
    try:
        float(text)
    except ValueError:
        return False
    return True

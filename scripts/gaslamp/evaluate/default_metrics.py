"""Which metrics fit a method and its rows, where eval.metrics leaves it open.

Standard library alone: the interview recommends a metric from the first rows, in cookiecutter's own interpreter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gaslamp.core import registry
from gaslamp.data.rows import Row, get_images, get_kind, get_prompt, get_reference, get_text
from gaslamp.evaluate.tool_calls import get_reference_calls

SHORT_ANSWER_WORDS = 5
MAX_CLASSES = 20
FEWEST_ROWS = 10
SHARED = 0.8  # of the rows have an answer that another row has too


def combine_metrics(
    named: Sequence[str], artefact: str, rows: list[Row], rewarded: bool, judged: bool = False
) -> list[str]:
    """The metrics of a method, the first of which decides; where it names none, or with rewards, also what fits the
    rows.

    Args:
        named: DEFAULT_METRICS of the method.
        artefact: what it trains (ARTEFACT): only a causal_lm answers.
        rows: test rows.
        rewarded: train.rewards scores the answers.
        judged: a judge model is set, which decides about free text.
    """
    named = [name for name in named if name in registry.names("metrics")]
    if rewarded and "mean_reward" not in named:
        named = ["mean_reward", *named]
    names = list(dict.fromkeys([*named, *(get_default_metrics(rows, judged) if rewarded or not named else ())]))
    if not rewarded:
        names = [name for name in names if name != "mean_reward"]
    if artefact != "causal_lm":
        names = [name for name in names if name != "length"]  # such a model answers nothing
    return sorted(names, key=lambda name: name == "length")  # it decides nothing: last


def get_default_metrics(rows: list[Row], judged: bool = False) -> list[str]:
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
        answers = get_answer_metrics(references, get_text_questions(rows), judged) if references else []
        found = ["tool_call", "tool_call_parts"]
        return found + answers if calls >= len(references) else answers + found
    if not references:
        return ["mean_reward", "length"]
    if any(get_images(get_prompt(row)) for row in rows):
        return ["exact_match", "character_error_rate", "word_error_rate"]
    return get_answer_metrics(references, get_text_questions(rows), judged)


def get_text_references(rows: list[Row]) -> list[str]:
    """The reference answers that are text: tool calls are left out."""
    return [text for row in rows if (text := get_reference(row)) is not None and not get_reference_calls(row)]


def get_text_questions(rows: list[Row]) -> list[str]:
    """The prompts of the rows of ``get_text_references``, without system turns."""
    return [
        " ".join(get_text(message) for message in get_prompt(row) if message["role"] != "system")
        for row in rows
        if get_reference(row) is not None and not get_reference_calls(row)
    ]


ANSWERS: dict[str, tuple[tuple[str, ...], str]] = {
    "json": (("json_match", "json_fields", "exact_match"), "the answers are JSON: it must mean the same"),
    "classes": (("classification", "normalized_match"), "the answers are a few classes: the class must be right"),
    "numbers": (("numeric", "exact_match"), "the answers are numbers: the value must be right"),
    "short": (("exact_match", "normalized_match", "token_f1"), "the answers are short: one wording is right"),
    "summaries": (
        ("rouge", "chrf", "token_f1"),
        "the answers are summaries, long texts made of the words of longer ones: common word sequences decide",
    ),
    "free": (
        ("token_f1", "chrf", "exact_match"),
        "the answers are free text and no judge model is set (eval.options.llm_judge): common words decide, which say "
        "little about style",
    ),
}
"""What the reference answers look like -> the metrics that suit them, and why the first one decides."""
JUDGED = "the answers are free text, where many wordings are right: the judge model of eval.options.llm_judge decides"
SUMMARY_SHARE = 1 / 3  # of the question's length; half of the answers are shorter
SUMMARY_WORDS = 80  # of the question
COPIED = 0.6  # of a summary's words stand in the question; half of the answers have more


def get_answer_metrics(references: list[str], questions: list[str] | None = None, judged: bool = False) -> list[str]:
    """Metrics by the reference answers: JSON, a few classes, numbers, short, long; names, the deciding one first.

    Args:
        references: of the rows whose answer is text.
        questions: their prompts, in the same order; ``None``: summaries count as free text.
        judged: a judge model is set.
    """
    kind = recognize_answers(references, questions)
    names = list(ANSWERS[kind][0])
    return ["llm_judge", *names] if judged and kind in ("free", "summaries") else names


def explain_answers(references: list[str], questions: list[str] | None = None, judged: bool = False) -> str:
    """Why the first metric of ``get_answer_metrics`` decides, as a phrase."""
    kind = recognize_answers(references, questions)
    return JUDGED if judged and kind in ("free", "summaries") else ANSWERS[kind][1]


def recognize_answers(references: list[str], questions: list[str] | None = None) -> str:
    """What the reference answers look like: a key of ``ANSWERS``."""
    json_match = registry.get("metrics", "json_match")
    if all(reference.strip()[:1] in ("{", "[") and json_match.score(reference, reference) for reference in references):
        return "json"
    if _are_classes(references):
        return "classes"
    if all(_is_number(reference) for reference in references):
        return "numbers"
    if _get_middle([len(reference.split()) for reference in references]) <= SHORT_ANSWER_WORDS:
        return "short"
    return "summaries" if questions and _are_summaries(references, questions) else "free"


def _are_summaries(references: list[str], questions: list[str]) -> bool:
    """Whether most answers are much shorter than their question, which is long and holds their words."""
    pairs = [
        (reference.lower().split(), question.lower().split())
        for reference, question in zip(references, questions, strict=True)
        if reference.split() and question.split()
    ]
    if not pairs or _get_middle([len(question) for _, question in pairs]) < SUMMARY_WORDS:
        return False
    shares = _get_middle([len(reference) / len(question) for reference, question in pairs])
    held = _get_middle(
        [sum(word in set(question) for word in reference) / len(reference) for reference, question in pairs]
    )
    return shares <= SUMMARY_SHARE and held >= COPIED


def _get_middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


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

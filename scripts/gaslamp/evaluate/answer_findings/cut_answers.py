"""Answers reach the limit of tokens before they end."""

from __future__ import annotations

from math import ceil

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Change, Remedy
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.train.diagnose import Seen

TITLE = "answers are cut at the limit"
CAUSE = "eval.max_new_tokens is too low for these answers, or the model has not learnt to end an answer"
SEVERITY = "likely"
LIMIT = "cut_share"
MOST = 32768  # as eval.max_new_tokens allows


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``cut_share`` of the answers were cut, those that repeat themselves left out."""
    places = answers.cut
    share = answers.get_share(places)
    if not answers.is_answered or not places or share <= limits.cut_share:
        return None
    longest = max(int(answers.tuned[n].get("tokens", 0)) for n in places)
    text = f"{len(places)} of {len(answers.rows)} answers ({show(share)}) were cut"
    text += f" after {longest} tokens" if longest else ""
    remedies = []
    value = min(MOST, max(2 * (answers.max_new_tokens or longest), _estimate_tokens(answers, places)))
    if value and value != answers.max_new_tokens:
        change = Change(key="eval.max_new_tokens", before=answers.max_new_tokens, value=value)
        remedies.append(
            Remedy(action="allow longer answers", effect="longer ones can end by themselves", changes=[change])
        )
    remedies.append(
        Remedy(action="check that the token that ends an answer is learnt: data/template.json, and data.max_truncated")
    )
    return Seen(text, {"share": share, "tokens": float(longest)}, remedies, rows=answers.get_ids(places))


def _estimate_tokens(answers: Evaluated, places: list[int]) -> int:
    """Tokens of the longest reference answer with the one that ends it, by the characters of a token in cut answers."""
    tokens = sum(int(answers.tuned[n].get("tokens", 0)) for n in places)
    characters = sum(len(answers.tuned[n].get("text", "")) for n in places)
    longest = max((len(text) for text in answers.references if text), default=0)
    return ceil(longest * tokens / characters) + 1 if characters else 0

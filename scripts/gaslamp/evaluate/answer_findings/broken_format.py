"""Whole answers are not of the form that all reference answers have: JSON, a call, a class, a number."""

from __future__ import annotations

from collections import Counter

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.forms import AROUND, AT_END, NEAR, name_json
from gaslamp.evaluate.metrics.json_fields import MISSING, parse
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.evaluate.tool_calls import get_reference_calls
from gaslamp.train.diagnose import Seen

TITLE = "answers break the format"
CAUSE = "too few steps for the form to be learnt, or training rows in several forms"
SEVERITY = "likely"
LIMIT = "format_share"
FORMS = {"json": "no JSON", "calls": "no readable call", "classes": "none of the classes", "numbers": "no number"}


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``format_share`` of the whole answers; those that were cut or empty have findings of their own."""
    if answers.kind not in FORMS or not answers.is_answered:
        return None
    forms = {n: form for n in answers.whole if (form := _name_form(answers, n)) and n not in answers.reordered}
    places, count = list(forms), Counter(forms.values())
    share = answers.get_share(places)
    if not places or share <= limits.format_share:
        return None
    main, _ = count.most_common(1)[0]
    shown = answers.texts[next(n for n in places if forms[n] == main)]
    example = f"“…{' '.join(shown.split())[-39:]}”" if main in AT_END and len(shown) > 40 else quote(shown)
    text = f"{len(places)} of {len(answers.rows)} answers ({show(share)}) are "
    if len(count) > 1:
        text += f"{', '.join(f'{form} ({number})' for form, number in count.most_common())}; {main} such as {example}"
    else:
        text += f"{main}, such as {example}"
    remedies = _get_remedies(main, FORMS[answers.kind])
    return Seen(text, {"share": share}, remedies, rows=answers.get_ids(places))


def _get_remedies(form: str, nothing: str) -> list[Remedy]:
    if form not in NEAR:
        return [
            Remedy(action="add rows: the form is learnt first, then the content"),
            Remedy(action="write all training answers in one form"),
        ]
    what = "the label" if nothing == FORMS["classes"] else "JSON"
    return [
        Remedy(
            action=f"check in data/report.html that training answers are {what} alone, and that the token that ends an "
            "answer is learnt right behind it"
        ),
        Remedy(action=f"say in the system turn of all rows, and when you serve it, that the answer is {what} alone"),
    ]


def _name_form(answers: Evaluated, place: int) -> str | None:
    """What the answer is instead of the wanted form; ``None``: it has that form."""
    text, row, nothing = answers.texts[place], answers.rows[place], FORMS[answers.kind]
    if answers.kind == "calls":
        return nothing if get_reference_calls(row) and not answers.tuned[place].get("tool_calls") else None
    if answers.references[place] is None:
        return None
    if answers.kind == "classes":
        return None if normalize(text) in answers.labels else AROUND if answers.named[place] else nothing
    if answers.kind == "numbers":
        return None if any(letter.isdigit() for letter in text) else nothing
    return None if parse(text) is not MISSING else name_json(text) or nothing

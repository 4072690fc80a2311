"""In which way an answer is wrong, in words that group rows: a JSON field, one class for another, the length ..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from gaslamp.data.rows import Row
from gaslamp.evaluate.evaluated import Evaluated, quote
from gaslamp.evaluate.forms import AROUND, NEAR, name_json
from gaslamp.evaluate.label_sets import is_reordered
from gaslamp.evaluate.metrics.json_fields import MISSING, flatten, get_right, name_field, parse
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.evaluate.tool_calls import get_reference_calls

WORST = 20  # rows listed where no score says what is wrong
WEAK = 0.5  # of a graded share: below it the answer counts as wrong
SHORT, LONG = 0.5, 2.0  # of the reference's words
ORDER = "the same in another order"
FORMS = {"json": "no JSON", "classes": "no class of the data", "numbers": "no number"}


def find_wrong(answers: Evaluated) -> list[int]:
    """Places of the rows that tuned gets wrong by the deciding metric, the worst first.

    Right-or-wrong scores leave no doubt; a graded share counts as wrong below one half; of other units the lowest
    ``WORST`` rows are listed where they are below the mean.
    """
    tuned = {n: value for n, value in enumerate(answers.scores["tuned"]) if value is not None}
    sign = answers.sign
    order = sorted(tuned, key=lambda n: (sign * tuned[n], n))
    if answers.main.higher is None or not order:
        return []
    if answers.main.unit == "share":
        best = 1.0 if sign > 0 else 0.0
        limit = best if set(tuned.values()) <= {0.0, 1.0} else WEAK
        return [n for n in order if sign * tuned[n] < sign * limit]
    mean = sum(tuned.values()) / len(tuned)
    return [n for n in order[:WORST] if sign * tuned[n] < sign * mean]


def get_mistakes(answers: Evaluated, places: list[int]) -> dict[int, list[str]]:
    """Place -> what is wrong with the answer, at least one phrase each."""
    silent, repeating, cut = set(answers.silent), set(answers.repeating), set(answers.cut)
    found = {}
    for n in places:
        if not answers.is_answered:
            found[n] = ["low score"]
        elif n in silent:
            found[n] = ["no answer"]
        elif n in repeating:
            found[n] = ["repeats itself without an end"]
        elif n in cut:
            found[n] = ["cut at the limit"]
        else:
            found[n] = _describe(answers, n) or ["other content"]
    return found


def count_mistakes(mistakes: dict[int, list[str]]) -> list[tuple[str, int]]:
    """Phrase and rows, the most frequent first."""
    return Counter(text for texts in mistakes.values() for text in texts).most_common()


def _describe(answers: Evaluated, place: int) -> list[str]:
    row, text, wanted = answers.rows[place], answers.texts[place], answers.references[place]
    if get_reference_calls(row) or row.get("tools"):
        return _describe_call(row, answers, place)
    if wanted is None:
        return ["low score"]
    if answers.kind == "json":
        return _describe_json(text, wanted)
    if answers.kind == "classes":
        given = normalize(text)
        if given in answers.labels:
            return [f"{normalize(wanted)} taken for {given}"]
        return [ORDER if is_reordered(text, wanted) else AROUND if answers.named[place] else FORMS["classes"]]
    if answers.kind == "numbers":
        return ["wrong number" if any(letter.isdigit() for letter in text) else FORMS["numbers"]]
    given_words, wanted_words = len(text.split()), max(1, len(wanted.split()))
    if is_reordered(text, wanted):
        return [ORDER]
    if normalize(text) == normalize(wanted):
        return ["case, blanks or punctuation"]
    if wanted_words >= 4 and given_words < SHORT * wanted_words:
        return ["much shorter than wanted"]
    if given_words > LONG * wanted_words + 1:
        return ["much longer than wanted"]
    return []


def _describe_json(text: str, wanted: str) -> list[str]:
    given, right = parse(text), parse(wanted)
    if given is MISSING:
        return [name_json(text) or FORMS["json"]]
    if is_reordered(text, wanted):
        return [ORDER]
    ours, theirs = flatten(given), flatten(right)
    hits = set(get_right(ours, theirs))
    found = [f"field {name_field(key)} {'wrong' if key in ours else 'missing'}" for key in theirs if key not in hits]
    found += [f"field {name_field(key)} not wanted" for key in ours if key not in theirs]
    return list(dict.fromkeys(found))


def _describe_call(row: Row, answers: Evaluated, place: int) -> list[str]:
    wanted, given = get_reference_calls(row), list(answers.tuned[place].get("tool_calls", []))
    if not given:
        return ["call missing"] if wanted else []
    if not wanted:
        return ["call where none is due"]
    if len(given) != len(wanted):
        return ["too many calls" if len(given) > len(wanted) else "too few calls"]
    found = []
    for ours, theirs in zip(given, wanted, strict=True):
        if ours["name"] != theirs["name"]:
            found.append(f"{theirs['name']} wanted, {ours['name']} called")
            continue
        mine, others = flatten(ours["arguments"]), flatten(theirs["arguments"])
        hits = set(get_right(mine, others))
        keys = [key for key in others if key not in hits] + [key for key in mine if key not in others]
        found += [f"argument {name_field(key)} of {theirs['name']}" for key in keys]
    return list(dict.fromkeys(found))


NAMED = {
    "cut at the limit": "cut_answers",
    ORDER: "label_order",
    "no answer": "empty_answers",
    "repeats itself without an end": "never_ending",
    "much shorter than wanted": "short_answers",
    "much longer than wanted": "long_answers",
    "case, blanks or punctuation": "label_variants",
    **dict.fromkeys([*FORMS.values(), *NEAR], "broken_format"),
}
"""What is wrong with a row -> the finding that says what to do against it."""


def suggest_next(mistakes: list[tuple[str, int]], wrong: int, findings: Collection[str] = ()) -> list[str]:
    """What to try, from the largest groups: at most three sentences.

    Args:
        mistakes: of ``count_mistakes``.
        wrong: rows that are wrong.
        findings: names of those that say themselves what to do.
    """
    steps = []
    for text, count in [pair for pair in mistakes if NAMED.get(pair[0]) not in findings][:3]:
        where = f"{count} of the {wrong} wrong rows"
        if text.startswith(("field ", "argument ")):
            name = text.removesuffix(" wrong").removesuffix(" missing").removesuffix(" not wanted")
            steps.append(f"add training rows in which the {name} is as in these rows ({where})")
        elif " taken for " in text:
            right, _, given = text.partition(" taken for ")
            steps.append(
                f"add rows that show how {quote(right)} differs from {quote(given)}, and check their labels ({where})"
            )
        elif "cut at the limit" in text:
            steps.append(f"raise eval.max_new_tokens: {where} were cut")
        elif text in NEAR:
            steps.append(f"write training answers without anything around them (data/report.html): {where} are {text}")
        elif text == ORDER:
            steps.append(f"write the labels of all rows in one order: {where} are the same in another order")
        elif text in FORMS.values() or "call" in text:
            steps.append(f"add rows of this form: the form is wrong in {where}")
        elif "shorter" in text or "longer" in text:
            steps.append(f"write all training answers about as long as you want them: {where} are {text}")
        elif "blanks" in text:
            steps.append(f"write the answers in one way: {where} differ in case, blanks or punctuation alone")
        elif text in ("no answer", "repeats itself without an end"):
            steps.append(f"check that the token that ends an answer is learnt (data/report.html): {where}, {text}")
        else:
            steps.append(f"read the rows of “{text}” ({where}) and add training rows like them, or try a larger model")
    return steps

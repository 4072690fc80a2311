"""A class of the test rows is never recognized: its recall is 0."""

from __future__ import annotations

from collections import Counter, defaultdict

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.evaluate.evaluated import Evaluated, quote
from gaslamp.evaluate.label_sets import find_swaps
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "a class is never found"
CAUSE = "it has few training rows next to the others, or its label is written in several ways"
SEVERITY = "likely"
LIMIT = "class_seen"
MOST = 5  # classes that are listed
RARE = 0.5  # of the rows that a class has on average


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """No row of a class with at least ``class_seen`` test rows is answered with it."""
    if answers.kind != "classes" or not answers.is_answered:
        return None
    members: dict[str, list[int]] = defaultdict(list)
    for n, text in enumerate(answers.references):
        if text is not None:
            members[normalize(text)].append(n)
    names = [normalize(text) if text is not None else "" for text in answers.references]
    swapped = find_swaps(names, answers.named, limits.class_seen, limits.swapped_share)
    set_aside = {*swapped, *(names[n] for n in answers.reordered)}  # these have findings of their own
    explained = {*answers.silent, *answers.repeating, *answers.cut}  # and so have these
    lost = {
        name: places
        for name, places in sorted(members.items())
        if len(places) >= limits.class_seen
        and name not in set_aside
        and not explained.issuperset(places)
        and not any(answers.named[n] == name for n in places)
    }
    if not lost:
        return None
    known: Counter[str] = Counter()
    for text, count in (answers.training.answers if answers.training else Counter()).items():
        known[normalize(text)] += count
    parts = [
        f"{quote(name)}: 0 of {len(places)} test rows" + (f" ({known.get(name, 0)} training rows)" if known else "")
        for name, places in lost.items()
    ]
    usual = sum(known.values()) / max(1, len(known))
    rare = [name for name in lost if not known or known[name] < RARE * usual]
    common = [name for name in lost if name not in rare]
    remedies = []
    is_foreign = bool(known) and not any(known[name] for name in members)
    if is_foreign:
        shown, given = next(iter(lost)), known.most_common(1)[0][0]
        action = f"write the answers of training and test rows alike: {quote(shown)} here, there {quote(given)}"
        parts.insert(0, "no training row gives the answer of any test row")
        remedies.append(Remedy(action=action, effect="what is learnt is what is wanted"))
    elif rare:
        action = f"add training rows of {_list(rare)}"
        remedies.append(Remedy(action=action, effect="the class is learnt"))
    if common:
        have, their, them = ("has", "its", "it") if len(common) == 1 else ("have", "their", "them")
        action = f"{_list(common)} {have} rows enough: look whether {their} prompts hold what sets {them} apart"
        remedies += [Remedy(action=action), *answers.train_longer()]
    rows = [n for places in lost.values() for n in places]
    figures = {"classes": float(len(lost)), "rows": float(len(rows))}
    severity: Severity | None = "certain" if is_foreign else None
    return Seen("; ".join(parts[:MOST]), figures, remedies, severity=severity, rows=answers.get_ids(rows))


def _list(names: list[str]) -> str:
    return ", ".join(map(quote, names[:MOST])) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")

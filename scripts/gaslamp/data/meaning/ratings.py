"""Answers with a column that judges them: learnt from as ratings, the good ones alone, or all of them.

The person decides.
"""

from __future__ import annotations

from dataclasses import replace

from gaslamp.core import registry
from gaslamp.data.judgements import BELOW, find_verdict, get_polarity, is_good, is_state, is_unrated
from gaslamp.data.meaning.names import KNOWN, normalize
from gaslamp.data.meaning.profile import Profile
from gaslamp.data.meaning.readings import Mapping, Reading
from gaslamp.data.rows import LeftOut, SourceRow
from gaslamp.data.verdicts import get_rating

ANSWERED = {
    "prompt_completion": {"prompt": "prompt", "completion": "completion"},
    "alpaca": {"prompt": "instruction", "completion": "output"},
    "messages": {"messages": "messages"},
}
"""Format -> role of a rating -> its own role: answers that kto can learn from too."""
SETTINGS = ("label", "threshold", "good_if")
NO_ANSWERS = ("preference", "rating", "prompt", "pair", "speech")
"""Kinds of rows in which a verdict is something else, or goes to the reward."""
ABOUT_QUESTIONS = frozenset(
    {word for word, (concept, english) in KNOWN.items() if concept == "question" and english not in ("user", "human")}
)
"""Words of a name that says something about the question (Magpie's input_quality); user_feedback is the user's."""
ABOUT_LABELS = ("accepted", "approved", "rejected", "correct", "wrong", "incorrect", "valid", "invalid", "verified")


GRADES = frozenset(("note", "noten", "schulnote", "zensur", "grade", "schulnoten", "znamka", "voto", "nota"))
"""Names of marks of which 1 may be the best (Germany, Austria, Czechia), or the worst (Switzerland, Poland)."""
GRADES_OPEN = ("below 3", "4")
"""The thresholds of marks from 1 to 6, the best first, and the best last."""
OPEN_GRADES = 0.65
OPEN_RATES = 0.65
EXPLICIT = ("kto_tag", "desirable", "is_desirable", "liked")
"""Names of columns that hold nothing but a thumb."""
TRL = {"prompt", "messages", "completion"}
"""What stands next to TRL's ``label``."""


def _are_grades(label: str, rows: list[SourceRow]) -> bool:
    """Whether a column holds marks from 1 to 6 whose best nobody says."""
    if not GRADES & {normalize(label), *normalize(label).split("_")}:
        return False
    numbers = [number for row in rows if (number := get_rating(row.get(label))) is not None]
    return bool(numbers) and min(numbers) >= 1 and max(numbers) <= 6


def read_ratings(
    best: Reading, profiles: list[Profile], rows: list[SourceRow], kinds: tuple[str, ...]
) -> list[Reading]:
    """The readings of judged answers, best first; empty when ``best`` reads none.

    Args:
        best: ratings, or answers next to a column that judges them.
        profiles: of all columns.
        rows: the sample.
        kinds: what the method takes; empty: any.
    """
    if best.format == "kto":
        return _read_found_ratings(best, rows, kinds)
    if best.kind == "text" and "text" not in kinds:  # it may be a text and its class
        return []
    judged = _find_rating(best, profiles, rows) or _find_verdict(best, profiles, rows)
    if not judged:
        return []
    roles = ANSWERED.get(best.format, {})
    rated: Mapping = {role: best.mapping[own] for role, own in roles.items()}
    rated |= {role: best.mapping[role] for role in ("system", "input", "context") if roles and role in best.mapping}
    return _offer(best, rated, judged, rows, kinds)


def _read_found_ratings(best: Reading, rows: list[SourceRow], kinds: tuple[str, ...]) -> list[Reading]:
    """The readings of rows that the format kto knows."""
    judged: Mapping = {role: best.mapping[role] for role in SETTINGS if role in best.mapping}
    if "messages" in best.mapping and "threshold" in judged:
        # turns with a number: FineTome's score is of the whole conversation, by a program
        return [] if "rating" in kinds else [_read_turns(best.mapping)]
    if "threshold" not in judged and False not in {_judge(row.get(str(judged["label"])), judged) for row in rows}:
        return []  # the file may be sorted; the data phase names the first that is bad
    if "messages" in best.mapping:
        learnt = _read_turns(best.mapping)
    else:
        answered: Mapping = {
            role: best.mapping[role] for role in ("prompt", "completion", "system") if role in best.mapping
        }
        if "input" in best.mapping:
            answered["prompt"] = [str(best.mapping["prompt"]), str(best.mapping["input"])]
        answered = {**_find_more(answered, rows), **answered}
        learnt = Reading("all", "prompt_completion", answered, "conversation", "", 0.7)
    return _offer(
        learnt, {role: name for role, name in best.mapping.items() if role not in SETTINGS}, judged, rows, kinds
    )


def _find_more(answered: Mapping, rows: list[SourceRow]) -> Mapping:
    """What else belongs to question and answer where they are learnt without the verdict: passages, thoughts."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    found: Mapping = registry.get("formats", "prompt_completion").detect(columns, rows) or {}
    same = all(found.get(role) == answered.get(role) for role in ("prompt", "completion"))
    return {role: name for role, name in found.items() if same and role in ("context", "history", "reasoning")}


def _offer(
    learnt: Reading, rated: Mapping, judged: Mapping, rows: list[SourceRow], kinds: tuple[str, ...]
) -> list[Reading]:
    """To learn from good and bad answers, from the good ones alone, or from all.

    Args:
        learnt: reads every answer.
        rated: the columns of the same rows as ratings; empty: they cannot be some.
        judged: the column that judges (``label``), and what in it is good.
        rows: the sample.
        kinds: what the method takes; empty: any.
    """
    label = str(judged["label"])
    if "threshold" in judged and judged["threshold"] not in GRADES_OPEN and _are_grades(label, rows):
        ways = [
            (side, _offer(learnt, rated, {**judged, "threshold": limit}, rows, kinds))
            for side, limit in zip(("1 is best", "the highest is best"), GRADES_OPEN, strict=True)
        ]
        every = [one for one in ways[0][1] if one.key == "all"]
        readings = [
            replace(one, key=f"{one.key}, {side}", reason=f"{one.reason} ({side})", score=OPEN_GRADES)
            for side, made in ways
            for one in made
            if one.key != "all"
        ]
        return sorted([*readings, *(replace(one, score=0.6) for one in every)], key=lambda one: one.key[:4] != "good")
    settings: Mapping = {role: value for role, value in judged.items() if role != "label"}
    good = say_good(judged, rows)
    kept: Mapping = {**learnt.mapping, "keep": label, **settings}
    readings = [
        Reading("good", learnt.format, kept, learnt.rows, f"rows with {good} are learnt, the others left out", 0.75),
        Reading(
            "all", learnt.format, learnt.mapping, learnt.rows, f"every answer is learnt, whatever its '{label}'", 0.7
        ),
    ]
    if not rated:
        return readings if not kinds or learnt.kind in kinds else []
    verb = "rates" if "threshold" in judged else "judges"
    why = f"'{label}' {verb} the answers, {say_good(judged, rows, short=True)} is good"
    rates = Reading("rate", "kto", {**rated, **judged}, "rating", why, 0.95)
    if not kinds and (is_state(label) or not _is_explicit(rated, judged)):
        return [*readings, replace(rates, score=OPEN_RATES)]
    if not kinds or "rating" in kinds:
        return [rates, *readings]
    return [*readings, rates] if learnt.kind in kinds else []


def _is_explicit(rated: Mapping, judged: Mapping) -> bool:
    """Whether names say that answers are learnt from good and bad ones: thumbs, and the columns that TRL reads.

    Stars, scores and verdicts may as well choose the rows, or be what is learnt.
    """
    label = normalize(str(judged["label"]))
    if "threshold" in judged:
        return False
    own = label == "label" and {normalize(str(rated.get(role))) for role in ("prompt", "completion")} <= TRL
    return own or label in EXPLICIT or "thumbs" in label.split("_")


def say_good(judged: Mapping, rows: list[SourceRow], short: bool = False) -> str:
    """What is good, as a phrase: ``'rating' of 4 or more``, ``'is_bad' 0``.

    Args:
        judged: the column that judges, and what in it is good.
        rows: the sample.
        short: without the name of the column.
    """
    label, threshold, good_if = (judged.get(role) for role in SETTINGS)
    name = "" if short else f"'{label}' "
    if threshold is not None:
        text = str(threshold)
        below = text if text.startswith(BELOW) else f"of {text} or more"
        return f"{text} and more" if short and below != text else name + below
    if good_if == "":
        return f"{name}empty".strip()
    cells = [row.get(str(label)) for row in rows]
    values = {str(cell) for cell in cells if _judge(cell, judged)}
    return name + (str(good_if) if good_if else " or ".join(sorted(values)[:3]) or "a good word")


def _judge(cell: object, judged: Mapping) -> bool | None:
    """Whether a cell says good; ``None`` when it says nothing."""
    try:
        return is_good(cell, str(judged["label"]), judged)
    except (ValueError, LeftOut):
        return None


def _find_rating(best: Reading, profiles: list[Profile], rows: list[SourceRow]) -> Mapping | None:
    """A column of different numbers that rates the answers of a reading, with its threshold."""
    roles = ANSWERED.get(best.format, {})
    by_name = {profile.name: profile for profile in profiles}
    if "completion" not in roles or by_name[str(best.mapping[roles["completion"]])].concept != "answer":
        return None
    rated = [
        profile
        for profile in profiles
        if profile.concept == "rating"
        and profile.distinct > 1
        and profile.is_common
        and _holds_ratings(profile, rows)
        and get_polarity(profile.name) >= 0  # of toxicity_score the low ones are good
    ]
    if not rated or rated[0].name in best.columns:
        return None
    label = rated[0].name
    threshold = registry.get("formats", "kto").guess_threshold([row.get(label) for row in rows])
    return {"label": label, "threshold": threshold}


def _find_verdict(best: Reading, profiles: list[Profile], rows: list[SourceRow]) -> Mapping | None:
    """A column that says good or bad about the answers of a reading, and what in it is good."""
    if best.kind in NO_ANSWERS:
        return None
    target = next((profile for profile in profiles if profile.name == best.mapping.get("completion")), None)
    is_class = target is not None and (target.is_label or target.concept == "label")
    for profile in profiles:
        if profile.name in best.columns or profile.holds in ("turns", "object", "list", "image", "sound"):
            continue
        if ABOUT_QUESTIONS & set(normalize(profile.name).split("_")):
            continue
        if is_class and not any(word in profile.name.casefold() for word in ABOUT_LABELS):
            continue  # toxic next to a class is another class of the text
        wordless = not is_class and not (target is None and best.kind == "text")
        found = find_verdict(profile.name, [row.get(profile.name) for row in rows], wordless)
        if found is not None:
            return {"label": profile.name, **found}
    return None


def _holds_ratings(profile: Profile, rows: list[SourceRow]) -> bool:
    """Whether most cells are numbers, stars or fractions."""
    cells = [row[profile.name] for row in rows if not is_unrated(row.get(profile.name))]
    return 2 * sum(get_rating(cell) is not None for cell in cells) > len(cells)


def _read_turns(detected: Mapping) -> Reading:
    mapping: Mapping = {role: value for role, value in detected.items() if role in ("messages", "system", "tools")}
    return Reading("messages", "messages", mapping, "conversation", "the columns of the format messages", 1.0)

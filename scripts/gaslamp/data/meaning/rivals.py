"""Columns that could as well be learnt, or that must not be read: with one of them a meaning is a question.

A class is certain where no other column could be the class, no sentences are left out, and nothing that is read says
the class. An answer is certain where no column judges it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaslamp.data.judged_words import BAD, GOOD, NO, YES
from gaslamp.data.judgements import to_verdict
from gaslamp.data.meaning.examples import render_row
from gaslamp.data.meaning.infer import ANSWERS
from gaslamp.data.meaning.names import normalize
from gaslamp.data.meaning.profile import INPUTS, TEXT_LETTERS, Profile
from gaslamp.data.meaning.readings import Reading
from gaslamp.data.rows import SourceRow

SURE = frozenset(("label", "labels", "gold_label", "class", "category", "intent", "sentiment", "klasse", "kategorie"))
"""Names of classes next to which another column of few values is something about the row."""
MOSTLY = 0.8
"""Share of the rows that must agree."""
SEVERAL = 5  # values of a single column whose cells stand in the text
PLACES = frozenset(("start", "end", "begin", "offset", "span", "start_char", "end_char", "start_idx"))
"""Columns of numbers that say which part of a text has the class."""
LEAST = 20  # letters of an answer that stands in what is read
TAGS = re.compile(r"<[^>]*>|[()\[\]{}]")


def find_rivals(best: Reading, profiles: list[Profile], lost: list[Profile], rows: list[SourceRow]) -> list[Profile]:
    """The columns that make the best reading a question.

    Args:
        best: what would be taken.
        profiles: of all columns.
        lost: those with information that it does not read.
        rows: the sample.
    """
    unread = [column for column in profiles if column.name not in best.columns and column.is_common]
    if best.format == "grpo" and "answer" not in best.mapping:
        return [one for one in lost if one.concept != "label" and not one.is_label]
    if best.format == "preference":  # of Step-DPO chosen goes on from steps, full_chosen is all of it
        sides = {"chosen", "rejected"}
        return [one for one in lost if sides & set(normalize(one.name).split("_")) and one.letters >= TEXT_LETTERS]
    if best.format == "kto":  # the stars of a review say nothing about the reply to it
        reviews = [one for one in profiles if one.name == best.mapping.get("prompt") and one.concept == "text"]
        return [*reviews, *(one for one in lost if _judges(one, rows))]
    if best.format == "text":
        return _find_next_to_text(best, profiles)
    target = next(
        (one for one in profiles if one.name == best.mapping.get("completion", best.mapping.get("output"))), None
    )
    if target is None:
        return [column for column in lost if _is_whole(column)]
    found = [column for column in lost if _is_whole(column)]
    if best.format == "prompt_completion" and (target.is_label or target.concept in ("label", "rating")):
        found += [column for column in unread if _is_class(column, target, rows)]
        found += [
            column
            for column in lost
            if column.holds in ("text", "code") and not column.is_label and 3 * column.letters >= TEXT_LETTERS
        ]
        found += _find_inside(best, unread, rows)
        found += [column for column in unread if column.holds == "number" and normalize(column.name) in PLACES]
        if not target.concept:  # an industry, next to a number of employees
            found += [column for column in lost if column.holds == "number"]
        found += [column for column in profiles if _stands_behind(column, target, best, profiles)]
    elif target.concept == "extraction":  # Snips: the intent next to the slots
        found += [column for column in lost if column.concept == "label"]
    elif target.is_free_text:
        found += [column for column in unread if _judges(column, rows)]
        read = [one for one in profiles if one.name in best.columns and one is not target]
        if all(one.concept in ("text", "title") for one in read):  # the stars of a review next to its summary
            found += [column for column in lost if column.is_label and column.holds == "number"]
        found += [column for column in profiles if _stands_behind(column, target, best, profiles)]
        found += [column for column in lost if column.is_label and re.fullmatch(r"column \d+", column.name)]
        found += [column for column in lost if column.is_label and column.concept == "rating"]
        # a cause, a hint, a question that follows
        texts = [column for column in lost if column.is_free_text and column.letters >= TEXT_LETTERS]
        found += [column for column in texts if column.concept not in ("label", "meta", "title")]
    scaled = target.holds == "number" and target.is_label and target.distinct > 2 and not target.concept
    if scaled and not re.fullmatch(r"column \d+", target.name):  # how likely, from 1 to 5: of nothing that is said
        found.append(target)
    if _is_keyed(target, unread, rows) or _writes_lists(best, target, rows):
        found.append(target)
    return list({column.name: column for column in found}.values())


def _is_whole(column: Profile) -> bool:
    """Whether a column holds answers in sentences, or more than a text."""
    if not column.is_common or column.concept in ("meta", "rating", "winner", "language", "choices"):
        return False
    worded = column.is_free_text and column.letters >= TEXT_LETTERS
    return (worded and column.concept in ANSWERS) or column.is_json or column.holds in ("list", "object", "turns")


def _find_next_to_text(best: Reading, profiles: list[Profile]) -> list[Profile]:
    """What could be learnt of a running text: anything but an id, a date, a link, a title and where it is from."""
    others = [column for column in profiles if column.name not in best.columns and column.filled]
    unnamed = [column for column in others if re.fullmatch(r"column \d+", column.name)]
    if unnamed:
        return unnamed
    marked = [column for column in others if column.distinct == 1 and column.filled < column.rows]  # x, or its own name
    numbers = [
        column for column in others if column.holds == "number" and column.has_information and column.distinct > 1
    ]
    numbers = [column for column in numbers if not MEASURED & set(normalize(column.name).split("_"))]
    return [*(marked if len(marked) > 1 else []), *numbers]


MEASURED = frozenset(
    (
        *(
            "score",
            "count",
            "counts",
            "tokens",
            "token",
            "length",
            "len",
            "size",
            "num",
            "n",
            "prob",
            "confidence",
            "stars",
        ),
        *(
            "forks",
            "ratio",
            "words",
            "chars",
            "bytes",
            "lines",
            "perplexity",
            "index",
            "views",
            "version",
            "dump",
            "alpha",
        ),
    )
)
"""Words in the names of numbers that programs measured of a text."""


def _is_class(column: Profile, target: Profile, rows: list[SourceRow]) -> bool:
    """Whether another column could be the class: it has few values, and says more than where a row is from."""
    if not column.is_label or column.holds == "number" and column.concept not in ("rating", "label"):
        return False
    if _are_same(column, target, rows):
        return column.holds == "text" and target.holds in ("number", "code")  # the name of the class
    if normalize(target.name) in SURE:
        return False
    return column.concept in ("label", "rating", "") or (
        column.concept == "meta" and column.hint is not None and not column.hint.exact
    )


def _find_inside(best: Reading, unread: Sequence[Profile], rows: list[SourceRow]) -> list[Profile]:
    """Columns whose cells stand in the text: they are taken out of it, or say what of it has the class (WiC's word)."""
    prompt = best.mapping.get("prompt", [])
    read = prompt if isinstance(prompt, list) else [prompt]
    found: list[Profile] = []
    for column in unread:
        filled = [row for row in rows if row.get(column.name)]
        pairs = [(str(row[column.name]).strip(), "\n".join(str(row.get(name)) for name in read)) for row in filled]
        inside = sum(len(part) > 1 and part in text for part, text in pairs)
        exact = column.concept == "meta" and column.hint is not None and column.hint.exact
        if not column.constant and not exact and inside >= MOSTLY * len(pairs):
            found.append(column)
    return found if len(found) > 1 else [one for one in found if one.distinct >= SEVERAL and not one.concept]


def _are_same(column: Profile, target: Profile, rows: list[SourceRow]) -> bool:
    """Whether each value of a column stands next to one of the class: its number, or its name."""
    pairs = {(str(row.get(column.name)), str(row.get(target.name))) for row in rows}
    return len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs})


def _stands_behind(column: Profile, target: Profile, best: Reading, profiles: list[Profile]) -> bool:
    """Whether sentences that are read stand behind what is learnt, under a name that is not one of what is read."""
    if column.name not in best.columns or column is target or not column.is_free_text or column.letters < TEXT_LETTERS:
        return False
    if column.concept in ("question", "title") or normalize(column.name) in ("text", "body", "content", "context"):
        return False
    if best.mapping.get("system") == column.name or best.mapping.get("reasoning") == column.name:
        return False
    first = next(one for one in profiles if one.name in best.columns and one is not target)
    places = [one.name for one in profiles]
    read = [one for one in profiles if one.name in best.columns and one not in (column, target)]
    if all(column.letters > 2 * one.letters for one in read):  # the plot behind title and genre
        return False
    known = column.hint is not None and column.hint.exact and column.concept in INPUTS
    return places.index(first.name) < places.index(target.name) < places.index(column.name) and not known


def _judges(column: Profile, rows: list[SourceRow]) -> bool:
    """Whether a column may say how good an answer is: yes or no, good or bad, or shares of one."""
    if column.distinct == 1 and 3 <= column.filled < column.rows and column.letters <= 3:  # x, or nothing
        return True
    if column.constant or column.distinct < 2 or column.concept in ("reasoning", "language", "choices", *INPUTS):
        return False
    texts = {to_verdict(row.get(column.name)) for row in rows} - {""}
    if len(texts) <= 3 and len(texts & (YES | NO | GOOD | BAD)) >= 2:
        return True
    described = DESCRIBING & set(normalize(column.name).split("_"))
    if (
        column.is_label
        and not column.concept
        and not described
        and column.letters <= 12
        and (column.distinct == 2 or _counts(column))
    ):
        return True
    if normalize(column.name) in COUNTED:
        return True
    if column.holds != "number":
        return False
    cells = [str(row.get(column.name)).strip() for row in rows if row.get(column.name) not in (None, "")]
    return all(re.fullmatch(r"[01]?[.,]\d+|[01]([.,]\d+)?", cell) for cell in cells) and any(
        "." in cell for cell in cells
    )


def _counts(column: Profile) -> bool:
    """Whether a column holds a few whole numbers, as marks and stars are."""
    return column.holds == "number" and column.letters <= 3


DESCRIBING = frozenset(("level", "difficulty", "kind", "length", "subset", "config", "round", "turn", "grade_level"))
"""Words in the names of what a question is like, whatever its answer."""
COUNTED = frozenset(("likes", "upvotes", "dislikes", "downvotes", "votes", "helpful_votes", "num_errors", "perplexity"))
"""Names of numbers that judge an answer, whatever their scale."""


def _writes_lists(best: Reading, target: Profile, rows: list[SourceRow]) -> bool:
    """Whether an answer would be learnt as the JSON of a list or an object, under a name that means words."""
    if target.concept not in ("answer", "summary", "description", "") or target.holds not in ("object", "list"):
        return False
    said = render_row(best, rows)[-1:]
    return any(text.startswith(("{", "[")) for _, text in said) and normalize(target.name) not in ("output", "outputs")


def _is_keyed(target: Profile, unread: Sequence[Profile], rows: list[SourceRow]) -> bool:
    """Whether answers are objects of which another column names the right one."""
    if target.holds != "object":
        return False
    for column in unread:
        pairs = [(row.get(column.name), row.get(target.name)) for row in rows]
        named = [isinstance(whole, dict) and isinstance(key, str) and key in whole for key, whole in pairs]
        if named and all(named):
            return True
    return False


def find_repeated(best: Reading, rows: list[SourceRow]) -> list[str]:
    """The columns of a prompt of several that hold the answer, or the words of another one again.

    Args:
        best: with a list of columns as its prompt.
        rows: the sample.
    """
    prompt, learnt = best.mapping.get("prompt"), best.mapping.get("completion")
    if not isinstance(prompt, list) or not isinstance(learnt, str):
        return []
    held = [name for name in prompt if _holds_answer(name, learnt, rows)]
    kept = [name for name in prompt if name not in held]
    again: list[str] = []
    sizes = {name: sum(len(_read_words(row.get(name))) for row in rows) for name in kept}
    for name in sorted(kept, key=lambda one: -sum(len(str(row.get(one) or "")) for row in rows)):
        others = [other for other in kept if other != name and other not in again and _share_word(name, other)]
        if any(_holds_words(name, other, rows) and 2 * sizes[other] >= sizes[name] for other in others):
            again.append(name)
    left = [*held, *again]
    return left if len(left) < len(prompt) else []


def _share_word(one: str, two: str) -> bool:
    """Whether two names have a word in common: ``body`` and ``normalizedBody``."""
    first, second = ({word.rstrip("0123456789") for word in normalize(name).split("_")} for name in (one, two))
    return any(len(word) > 2 for word in first & second)


def _holds_answer(name: str, learnt: str, rows: list[SourceRow]) -> bool:
    """Whether most cells of a column hold the answer of their row as it stands."""
    pairs = [(str(row.get(name) or ""), str(row.get(learnt) or "")) for row in rows if row.get(learnt)]
    held = sum(len(answer) >= LEAST and answer.strip() in text for text, answer in pairs)
    return bool(pairs) and held >= MOSTLY * len(pairs)


def _holds_words(name: str, other: str, rows: list[SourceRow]) -> bool:
    """Whether most cells of a column hold nearly all words of another one."""
    pairs = [
        (_read_words(row.get(name)), _read_words(row.get(other))) for row in rows if row.get(name) and row.get(other)
    ]
    held = sum(len(words) > 3 and len(words & whole) >= 0.9 * len(words) for whole, words in pairs)
    return bool(pairs) and held >= MOSTLY * len(pairs)


def _read_words(value: object) -> set[str]:
    return set(re.findall(r"\w+", TAGS.sub(" ", str(value or "")).casefold()))

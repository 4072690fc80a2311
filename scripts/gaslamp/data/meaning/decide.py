"""Decide what the columns of a sample mean: published shapes first, then names and cells.

Doubt is reported, not hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning.doubts import add_whole, doubt_objects, doubt_rivals, is_unordered, read_first_answers
from gaslamp.data.meaning.examples import show_first_row, show_formats
from gaslamp.data.meaning.gold import find_evaluated, read_evaluated
from gaslamp.data.meaning.infer import OPEN_ANSWERS, infer, is_whole_answer
from gaslamp.data.meaning.names import normalize
from gaslamp.data.meaning.passed_over import LEAST, OPEN_TEXT, is_part_of_more, name_numbered_classes, read_passed_over
from gaslamp.data.meaning.pointed import add_pointed
from gaslamp.data.meaning.profile import Profile, look_at
from gaslamp.data.meaning.published import (
    STRICT,
    Shape,
    apply_columns,
    are_checked,
    find_shape,
    refuse_decisions,
    refuse_half_pairs,
    refuse_lost_images,
    refuse_unlearnable,
)
from gaslamp.data.meaning.ratings import read_ratings
from gaslamp.data.meaning.readings import (
    CERTAIN,
    MARGIN,
    Mapping,
    Meaning,
    Reading,
    Unused,
    get_mapped_columns,
    get_read_anyway,
    serves,
)
from gaslamp.data.meaning.several import complete_take, spread_lists
from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.readers.splits import names_splits
from gaslamp.data.rows import SourceRow, can_adapt

LOOKED_AT = 200  # rows of a sample
WEAK = 0.35  # a published shape that leaves more out is not offered when there is another reading
ALWAYS_READ = ("slice", "group", "system", "tools")  # columns that any row may have
OPEN = 0.75  # each of several ways to read the same columns
LANGUAGE_ENDS = ("_lang", "_language", "_lang_code", "_language_code", "_sprache")
RANKED = ("rank", "ranking", "rang", "rango", "rangliste", "排名", "順位")
"""Columns that order several answers to one question."""
WEIGHTS = ("weight", "weights", "sample_weight", "loss_weight", "example_weight", "gewicht", "peso", "poids")
"""Columns that say how much a row counts: no method weighs rows."""
PAIRS_THAT_BELONG = ("question",)  # a question's answer is what is learnt, whatever labels stand in the row


def get_columns(rows: list[SourceRow]) -> list[str]:
    """Every column of the sample, in the order they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def decide(
    rows: list[SourceRow],
    wanted: str = "auto",
    columns: Mapping | None = None,
    kinds: tuple[str, ...] = (),
    pick: str | int = "auto",
    aside: Iterable[str] = (),
) -> Meaning:
    """What the columns of some rows mean.

    Args:
        rows: the first rows of the set.
        wanted: data.format; ``auto`` finds it.
        columns: data.columns, which win over what is found.
        kinds: what the method takes, best first (its KINDS); empty: any method.
        pick: data.meaning: number or key of a reading; ``auto`` takes the best.
        aside: data.slice and data.group: columns that say something about a row, unless the best reading learns them.

    Raises:
        GaslampError: nothing fits, or data.columns or data.meaning names what is not there. A meaning that is not
            certain is returned: ``check_certain`` raises for it.
    """
    names = get_columns(rows)
    if not columns and (left := set(aside) & set(names)) and len(left) < len(names):
        whole = decide(rows, wanted, None, kinds)
        if not whole.certain and not left & set(whole.reading.columns):
            kept = [{name: value for name, value in row.items() if name not in left} for row in rows]
            whole = decide(kept, wanted, None, kinds, pick)
            return replace(whole, unused=[*whole.unused, *(Unused(name, False) for name in names if name in left)])
    if columns:
        name, mapping = apply_columns(rows, names, wanted, columns, kinds)
        mapping = complete_take(name, mapping, rows)
        return _finish([_get_reading(name, mapping, 1.0, "data.columns says so")], rows, names, chosen_by="config")
    is_line = WHOLE in names
    if is_line:
        names = [name for name in names if name != WHOLE]
        if wanted == "text" or not names:
            return _finish([_get_reading("text", {"text": WHOLE}, 1.0, "data.format says so")], rows, [WHOLE, *names])
        whole_rows, rows = rows, [{name: value for name, value in row.items() if name != WHOLE} for row in rows]
    refuse_unlearnable(rows, names)
    refuse_decisions(rows, names)
    profiles = name_numbered_classes([look_at(name, [row.get(name) for row in rows]) for name in names])
    evaluated = find_evaluated(names, rows) if wanted == "auto" else None
    found = find_shape(rows, names, wanted, kinds)
    open_ways = found is not None and len(found.ways) > 1
    known: list[Reading] = []
    if found and wanted != "auto" and not open_ways:
        known = spread_lists([_get_reading(found.name, found.mapping, 1.0, "data.format says so")], rows)
        if len(known) == 1:
            return _finish(known, rows, names, profiles, chosen_by="config")
    if found:
        refuse_lost_images(registry.get("formats", found.name).KIND, rows, found.name)
    if wanted == "auto":
        refuse_half_pairs(rows, names, found, kinds)
    readings = known if wanted != "auto" and not open_ways else _rank(found, profiles, rows, kinds)
    if evaluated:
        readings = [one for one in read_evaluated(evaluated, readings) if not kinds or serves(one, kinds)]
    if is_line:
        readings, rows = add_whole(readings, kinds), whole_rows
    if not readings:
        raise _get_no_format(rows, names, kinds)
    readings = doubt_objects(spread_lists(readings, rows), rows)
    if not kinds or serves(readings[0], kinds):
        readings = add_pointed(readings, profiles, rows)
    if readings[0].kind == "conversation" and set(_find_directions(profiles)) - set(readings[0].columns):
        readings = [replace(one, score=min(one.score, OPEN_TEXT)) for one in readings]
    if wanted == "auto" and readings[0].score >= CERTAIN:
        unused = [one.name for one in find_unused(readings[0], profiles, rows) if one.has_information]
        lost = [one for one in profiles if one.name in unused]
        readings = doubt_rivals(readings, profiles, lost, rows, kinds)
    if pick != "auto":
        return _finish([_pick(readings, pick)], rows, names, profiles, chosen_by="config")
    best, *others = (reading.score for reading in readings)
    certain = best >= 1 or (best >= CERTAIN and best - max(others, default=0) > MARGIN - 1e-9)
    return _finish(readings, rows, names, profiles, certain=certain)


def find_format(
    rows: list[SourceRow], wanted: str = "auto", columns: Mapping | None = None, kinds: tuple[str, ...] = ()
) -> tuple[str, ModuleType, Mapping]:
    """Name, plug-in and mapping of the best reading, certain or not. Arguments and errors as in ``decide``."""
    reading = decide(rows, wanted, columns, kinds).reading
    return reading.format, registry.get("formats", reading.format), reading.mapping


def _get_reading(name: str, mapping: Mapping, score: float, reason: str) -> Reading:
    plugin = registry.get("formats", name)
    rows = "images" if name == "vision" else plugin.KIND
    return Reading(name, name, mapping, rows, reason, score)


def _finish(
    readings: list[Reading],
    rows: list[SourceRow],
    names: list[str],
    profiles: list[Profile] | None = None,
    certain: bool = True,
    chosen_by: str = "columns",
) -> Meaning:
    profiles = profiles or [look_at(name, [row.get(name) for row in rows]) for name in names]
    return Meaning(readings, find_unused(readings[0], profiles, rows), certain, chosen_by)


def find_unused(reading: Reading, profiles: list[Profile], rows: list[SourceRow]) -> list[Unused]:
    """The columns that a reading leaves out, and whether something is lost with them.

    Args:
        reading: what was taken.
        profiles: of all columns.
        rows: the sample; a column whose text stands inside a column that is read says nothing new.
    """
    plugin = registry.get("formats", reading.format)
    used = {*reading.columns, *ALWAYS_READ, *get_read_anyway(plugin)}
    directions = _find_directions(profiles) if reading.kind == "conversation" else []
    result = []
    for profile in profiles:
        if profile.name not in used and not names_splits(profile.name, rows):
            informative = profile.has_information and not _is_repeated(profile.name, reading.columns, rows)
            informative = informative or profile.name in directions
            if reading.format == "messages" and normalize(profile.name) == "name":  # how a talk is called
                informative = False
            result.append(Unused(profile.name, informative))
    return result


def _find_directions(profiles: list[Profile]) -> list[str]:
    """The columns that say from and to which language each row translates, where that changes: no text says it."""
    found = [
        profile for profile in profiles if normalize(profile.name).endswith(LANGUAGE_ENDS) and not profile.constant
    ]
    sides = {normalize(profile.name).removesuffix("s").rsplit("_", 1)[0] for profile in found}
    return [profile.name for profile in found] if len(sides) == 2 else []


def _is_repeated(name: str, used: list[str], rows: list[SourceRow]) -> bool:
    """Whether the cells of a column stand inside those that are read, or are these in one text (Alpaca's ``text``)."""
    pairs = [(row[name], row) for row in rows if row.get(name) not in (None, "", [], {})]
    least = 1 if 3 * len({str(value) for value, _ in pairs}) > len(pairs) else LEAST  # answers, or a few classes
    inside = sum(any(_holds(row.get(column), str(value), least) for column in used) for value, row in pairs)
    joined = sum(all(str(row.get(column) or "") in str(value) for column in used) for value, row in pairs)
    return bool(pairs) and max(inside, joined) >= 0.9 * len(pairs)


def _holds(cell: object, value: str, least: int) -> bool:
    """Whether a cell holds a value of ``least`` letters as words of their own: the class ``a`` stands in every text."""
    text = str(cell)
    if value not in text:
        return False
    return value == text or (len(value) >= least and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None)


def _rank(found: Shape | None, profiles: list[Profile], rows: list[SourceRow], kinds: tuple[str, ...]) -> list[Reading]:
    """All readings that the method can learn from, best first; those that it cannot, when there is no other."""
    if found and len(found.ways) > 1:
        kind = registry.get("formats", found.name).KIND
        if kinds and not any(can_adapt(kind, wanted) for wanted in kinds):  # none serves: the method says what it needs
            return [_get_reading(found.name, found.mapping, 1.0, found.ways[0][2])]
        return [replace(_get_reading(found.name, way, OPEN, reason), key=key) for key, way, reason in found.ways]
    readings = infer(profiles)
    if found:
        own = _score_shape(found.name, found.mapping, profiles, rows, kinds)
        if found.ways:
            own = replace(own, reason=found.ways[0][2])
        if same := next((reading for reading in readings if reading.mapping == own.mapping), None):
            own = replace(own, key=same.key, reason=same.reason)
        if rated := read_ratings(own, profiles, rows, kinds):
            return rated
        others = _without(own, readings)
        if is_unordered(own, rows) and kinds[:1] != ("preference",):
            return [replace(own, score=OPEN_TEXT), *read_first_answers(own, rows)]
        if own.kind == "preference" and own.score >= 1:
            return [own]  # another reading would learn an answer whether it is better or not
        served = [one for one in (own, *others) if serves(one, kinds)]
        if own.score >= 1 and (own in served or not served):
            return [own, *others]
        readings = [own, *others] if own.score >= WEAK or not others else others
    readings = _add_passed_over(readings, profiles, rows, kinds)
    serving = [reading for reading in readings if not kinds or serves(reading, kinds)]
    readings = sorted(serving or readings, key=lambda reading: -reading.score)
    if readings and (rated := read_ratings(readings[0], profiles, rows, kinds)):
        return rated
    keys: dict[str, int] = {}
    for number, reading in enumerate(readings):
        keys[reading.key] = keys.get(reading.key, 0) + 1
        if keys[reading.key] > 1:
            readings[number] = replace(reading, key=f"{reading.key} {keys[reading.key]}")
    return readings


def _add_passed_over(
    readings: list[Reading], profiles: list[Profile], rows: list[SourceRow], kinds: tuple[str, ...]
) -> list[Reading]:
    """The readings, with those of columns that were passed over; a text is then certain for its own method alone."""
    more = read_passed_over(profiles, readings, rows)
    if (more or is_part_of_more(profiles)) and not kinds and all(one.kind == "text" for one in readings):
        readings = [replace(one, score=min(one.score, OPEN_TEXT)) for one in readings]
    return [*readings, *more]


def _without(own: Reading, readings: list[Reading]) -> list[Reading]:
    """The readings that say something else than ``own``."""
    return [reading for reading in readings if reading.mapping != own.mapping and not _is_part(reading, own)]


def _is_part(reading: Reading, own: Reading) -> bool:
    """Whether ``own`` learns the same column from more columns."""
    same = reading.mapping.get("completion") == own.mapping.get("completion") is not None
    return same and reading.kind == own.kind and set(reading.columns) <= set(own.columns)


def _score_shape(
    name: str, mapping: Mapping, profiles: list[Profile], rows: list[SourceRow], kinds: tuple[str, ...]
) -> Reading:
    """A published shape: certain when it leaves nothing out or means nothing else.

    Weaker with each column it leaves out.
    """
    plugin = registry.get("formats", name)
    reading = _get_reading(name, mapping, 1.0, f"the columns of the format {name}")
    if name not in ("prompt_completion", "text", "pair", "grpo") and getattr(plugin, "ORDER", 45) <= STRICT:
        return reading
    by_name = {profile.name: profile for profile in profiles}
    unused = [column.name for column in find_unused(reading, profiles, rows) if column.has_information]
    directions = _find_directions(profiles)
    lost = [name for name in unused if by_name[name].is_common and name not in directions]
    if name == "text":  # any column of text would do: only right when no other column answers it
        return replace(reading, score=0.9 - 0.3 * len([c for c in lost if by_name[c].concept != "title"]))
    if name == "pair" and not kinds and not _is_named_pair(mapping, by_name):
        return replace(reading, score=0.6)  # a title and a text: they may also be input and output
    if name == "pair" and not kinds and "score" in mapping and by_name[str(mapping["score"])].is_label:
        return replace(reading, score=0.6)  # 0 and 1 may be a similarity or the class of both texts
    scored = not kinds or "prompt" in kinds  # what a prompt does not use reaches the rewards
    if not lost or (scored and name == "grpo" and "answer" in mapping and are_checked(list(by_name))):
        return reading
    if name == "grpo" and "answer" not in mapping and any(by_name[column].is_free_text for column in lost):
        return replace(reading, score=0.4)
    inputs = [by_name[column] for column in get_mapped_columns({"prompt": mapping.get("prompt", [])})]
    belongs = any(column.concept in PAIRS_THAT_BELONG for column in inputs)
    learnt = by_name.get(str(mapping.get("completion", "")))
    rivals = [column for column in lost if is_whole_answer(by_name[column])]
    if not kinds or kinds[0] == "conversation":
        rivals += [column for column in lost if _may_judge(by_name[column])]
    most = OPEN_ANSWERS if rivals and learnt and is_whole_answer(learnt) else 0.99
    texts = [
        column for column in lost if by_name[column].is_free_text and by_name[column].concept not in ("label", "title")
    ]
    score = (
        (1.0 if belongs and name != "pair" else 0.7)
        - 0.1 * len(texts)
        - (0 if belongs else 0.1) * (len(lost) - len(texts))
    )
    return replace(reading, score=max(0.1, min(most, score)), reason=reading.reason)


def _may_judge(column: Profile) -> bool:
    """Whether a column may say how good an answer is, in words or numbers that nobody knows."""
    weighs = normalize(column.name) in WEIGHTS and column.holds == "number" and not column.constant
    return column.concept == "rating" and column.is_label or normalize(column.name) in RANKED or weighs


def _is_named_pair(mapping: Mapping, by_name: dict[str, Profile]) -> bool:
    """Whether the names say that two texts belong together.

    Anchor and positive, sentence1 and sentence2, or a score of the two.
    """
    concepts = {by_name[column].concept for column in get_mapped_columns(mapping) if column in by_name}
    numbered = all(re.search(r"[12ab]$", normalize(str(mapping[role]))) for role in ("anchor", "positive"))
    return bool(concepts & {"anchor", "positive", "negative"}) or numbered or "score" in mapping


def _pick(readings: list[Reading], pick: str | int) -> Reading:
    """The reading that data.meaning names by its number or key."""
    text = normalize(str(pick))
    for number, reading in enumerate(readings, 1):
        if text in (str(number), normalize(reading.key)):
            return reading
    short = [reading for reading in readings if normalize(reading.key).startswith(f"{text}_")]
    if len(short) == 1:
        return short[0]
    known = ", ".join(f"{number} ({reading.key})" for number, reading in enumerate(readings, 1))
    raise GaslampError(f"data.meaning is {pick}, but the columns can mean: {known}", "set data.meaning to one of these")


def _get_no_format(rows: list[SourceRow], names: list[str], kinds: tuple[str, ...]) -> GaslampError:
    return GaslampError(
        f"no format fits the columns {', '.join(names) or '(none)'}\n    first row: {show_first_row(rows)}"
        f"\n    formats that are found by themselves:\n{show_formats(kinds)}",
        "name two columns in config.yaml: data.columns: {prompt: what the model reads, completion: what it writes}",
        "the file has no header line: add one",
    )

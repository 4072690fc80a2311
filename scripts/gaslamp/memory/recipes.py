"""Which settings of earlier projects fit a new one: the recipes of the long-term memory whose condition holds.

Standard library only: cookiecutter's interpreter calls this before anything is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.memory.conditions import Facts, parse
from gaslamp.memory.snapshot import get_home

LISTED = 12
"""Ids that an error lists."""
FILE = "skills.json"
"""The recipes in a memory folder."""
Value = str | int | float | bool | None | list[str] | list[int]
"""What a setting of a recipe may be."""
TRAIN = (
    "learning_rate max_steps epochs batch_size gradient_accumulation max_length thinking packing scheduler "
    "warmup_steps adam_beta2 weight_decay max_grad_norm dtype gradient_checkpointing quantization adapter on_oom "
    "lora.r lora.alpha lora.dropout lora.target_modules lora.use_rslora lora.use_dora"
)
KEYS = frozenset(
    [
        *(f"train.{name}" for name in TRAIN.split()),
        "data.system_as_user",
        "data.rehearsal",
        "eval.batch_size",
        "eval.max_new_tokens",
    ]
)
"""The keys that a recipe may set. No seed (a lucky one teaches nothing), no path, address, tracker or gate: a memory
file of somebody else must not decide what runs, where data go or what passes."""


@dataclass(frozen=True)
class Applied:
    """A recipe whose condition holds for a project.

    Attributes:
        recipe: id of the recipe, such as ``cafe:section_6:1a2b3c4d``.
        title: what it is, in a few words.
        settings: config key -> value, for instance ``{"train.batch_size": 1}``.
        reason: why, as a phrase without a full stop.
        source: the project and run that it comes from.
        when: the condition.
        undo: how to take it back, as a phrase.
        left_out: keys of the recipe that a better fitting one sets to another value -> id of that one.
    """

    recipe: str
    title: str
    settings: Mapping[str, Value]
    reason: str
    source: str
    when: str
    undo: str
    left_out: Mapping[str, str] = field(default_factory=dict)


def get_short_id(recipe: str) -> str:
    """The last part of an id, which is enough on a command line."""
    return recipe.rpartition(":")[2]


def find_id(name: str, ids: Iterable[str]) -> str:
    """The id that a name on a command line means: a whole id, its last part, or the beginning of either.

    Raises:
        GaslampError: none does, or several do; lists them.
    """
    known = list(dict.fromkeys(ids))
    name = name.strip()
    exact = [one for one in known if name in (one, get_short_id(one))]
    found = exact or [one for one in known if name and (get_short_id(one).startswith(name) or one.startswith(name))]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(_get_distinct(found))
        raise GaslampError(f"'{name}' may be {len(found)} of them: {listed}", "write as much of one as makes it clear")
    if not known:
        raise GaslampError(f"nothing is called '{name}': there is nothing", "make memory lists what is remembered")
    listed = ", ".join(get_short_id(one) for one in known[:LISTED])
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    raise GaslampError(f"nothing is called '{name}'", f"one of: {listed}{more}; make memory has their titles")


def _get_distinct(ids: list[str]) -> list[str]:
    """Short ids where they differ, else whole ones."""
    short = [get_short_id(one) for one in ids]
    return short if len(set(short)) == len(short) else ids


def get_matching(facts: Facts, home: Path | None = None, problems: list[str] | None = None) -> list[Applied]:
    """The recipes that fit, the best fitting first; where two set the same key, the better fitting one decides.

    A recipe fits better when more of what it names is known to hold; of equals the newer one.

    Args:
        facts: what is known of the project, by the names of ``conditions.TEXTS`` and ``NUMBERS``.
        home: a memory folder, or the snapshot of one; ``None``: that of this user.
        problems: takes up a sentence for each recipe that cannot be used; ``None``: they are passed over.

    Raises:
        GaslampError: the file is no JSON.
    """
    found = []
    for entry in read_recipes(home or get_home()):
        try:
            match = parse(str(entry.get("when") or "")).get_match(facts)
            if match:
                check_keys(_get_settings(entry))
                found.append((len(match), str(entry.get("date", "")), entry))
        except GaslampError as error:
            if problems is not None:
                problems.append(f"recipe {entry.get('candidate_id')} is not used: {error.cause}")
    found.sort(key=lambda each: each[:2], reverse=True)
    taken: dict[str, tuple[str, Value]] = {}
    applied = []
    for _, _, entry in found:
        recipe, settings = str(entry["candidate_id"]), _get_settings(entry)
        own = {key: value for key, value in settings.items() if key not in taken}
        if own:
            others = {key: taken[key][0] for key, value in settings.items() if key in taken and taken[key][1] != value}
            applied.append(_make(entry, recipe, own, others))
            taken |= {key: (recipe, value) for key, value in own.items()}
    return applied


def read_recipes(home: Path) -> list[dict[str, object]]:
    """The entries of skills.json that have settings; none when the file is missing.

    Raises:
        GaslampError: the file is malformed.
    """
    return [entry for entry in _read_entries(home / FILE) if entry.get("settings")]


def _read_entries(path: Path) -> list[dict[str, object]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return [entry for entry in value["entries"] if isinstance(entry, dict)]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise GaslampError(
            f"{path} is no memory file: {error}",
            f"repair it, or move it away: mv {path} {path}.broken",
            "it was written by hand; make memory changes entries",
        ) from error


@dataclass(frozen=True)
class Known:
    """An entry of the memory that is about a project's situation and sets nothing.

    Attributes:
        id: of the entry.
        title: what it is, in a few words.
        text: what it says, as a phrase without a full stop.
        source: the project and run that it comes from.
    """

    id: str
    title: str
    text: str
    source: str


def get_known(facts: Facts, home: Path | None = None) -> list[Known]:
    """What the memory knows of a situation besides settings: results, losses, levels; the newest first.

    Args:
        facts: as for ``get_matching``.
        home: a memory folder; ``None``: that of this user.

    Raises:
        GaslampError: a file is no JSON.
    """
    found = []
    for file in ("lessons.json", FILE):
        for entry in _read_entries((home or get_home()) / file):
            if entry.get("settings") or not entry.get("when"):
                continue
            try:
                if not parse(str(entry["when"])).get_match(facts):
                    continue
            except GaslampError:
                continue  # applying recipes names those that cannot be read
            found.append((str(entry.get("date", "")), entry))
    found.sort(key=lambda each: each[0], reverse=True)
    return [
        Known(str(entry.get("candidate_id")), str(entry.get("title", "")), _get_text(entry), _get_source(entry))
        for _, entry in found
    ]


def check_keys(settings: Mapping[str, object]) -> None:
    """Refuse settings that a recipe may not have.

    Raises:
        GaslampError: naming them.
    """
    wrong = sorted(set(settings) - KEYS)
    if wrong:
        raise GaslampError(
            f"a recipe may not set {', '.join(wrong)}", "leave it out: set it in config.yaml of the project"
        )
    odd = [key for key, value in settings.items() if not _is_value(value)]
    if odd:
        raise GaslampError(
            f"{', '.join(sorted(odd))} of a recipe: a setting is a number, a word, yes or no, or a list of words",
            "correct it in the file, or leave it out",
        )


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _get_settings(entry: Mapping[str, object]) -> dict[str, Value]:
    settings = entry.get("settings")
    return dict(settings) if isinstance(settings, dict) else {}


def _make(entry: Mapping[str, object], recipe: str, settings: dict[str, Value], others: dict[str, str]) -> Applied:
    return Applied(
        recipe=recipe,
        title=str(entry.get("title", "")),
        settings=settings,
        reason=_get_text(entry),
        source=_get_source(entry),
        when=str(entry.get("when", "")),
        undo=f"make memory UNDO={get_short_id(recipe)}",
        left_out=others,
    )


def _get_source(entry: Mapping[str, object]) -> str:
    source = entry.get("source")
    source = source if isinstance(source, dict) else {}
    project = source.get("project") or str(entry.get("candidate_id")).partition(":")[0]
    return f"{project}, run {source.get('run') or 'main'}"


def _get_text(entry: Mapping[str, object]) -> str:
    steps = entry.get("steps")
    listed = "; ".join(map(str, steps)) if isinstance(steps, list) else ""
    return str(entry.get("body") or listed or entry.get("title") or "").rstrip(".")

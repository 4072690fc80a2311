"""The shapes of published data sets: which format plug-in knows the columns, under their own or a translated name."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.judgements import ROLES as KEEPING
from gaslamp.data.meaning.names import normalize, translate
from gaslamp.data.meaning.readings import NO_COLUMNS, Mapping, get_first_reward, get_mapped_columns
from gaslamp.data.turns import is_turns

STRICT = 40  # formats up to this ORDER are known by columns that mean nothing else
Rows = list[dict[str, Any]]
LEARNT = ("completion", "output")
"""Roles of a column that is written."""
ANYWAY = ("system", "tools")
"""Roles that go with whatever is learnt."""


def get_candidates(wanted: str, kinds: tuple[str, ...]) -> list[tuple[str, ModuleType]]:
    """Formats in the order they are tried: the unmistakable ones, those that give what the method takes, the others."""
    if wanted != "auto":
        return [(wanted, registry.get("formats", wanted))]
    found = [(name, registry.get("formats", name)) for name in registry.names("formats")]

    def get_key(item: tuple[str, ModuleType]) -> tuple[int, int, str]:
        name, plugin = item
        order = getattr(plugin, "ORDER", 45)
        strict = order <= STRICT
        return (0 if strict else 1 if plugin.KIND in kinds[:1] else 2 if plugin.KIND in kinds else 3, order, name)

    return sorted(found, key=get_key)


@dataclass(frozen=True)
class Shape:
    """A format that knows the columns.

    Attributes:
        name: of the plug-in.
        mapping: role -> column.
        ways: key, mapping and reason of each way to read them, where the format knows several; else empty. The first
            has ``mapping``.
    """

    name: str
    mapping: Mapping
    ways: list[tuple[str, Mapping, str]] = field(default_factory=list)


def find_shape(rows: Rows, names: list[str], wanted: str, kinds: tuple[str, ...]) -> Shape | None:
    """The first format that knows the columns, and their roles; ``None`` when none does.

    Args:
        rows: the sample.
        names: its columns.
        wanted: data.format.
        kinds: what the method takes, best first; empty: any.
    """
    english = translate(names)
    back = {new: old for old, new in english.items()}
    translated = (
        [{english[name]: value for name, value in row.items()} for row in rows]
        if back.keys() != english.keys()
        else rows
    )
    first = kinds or (("prompt",) if are_checked(list(back)) else ())
    for name, plugin in get_candidates(wanted, first):
        found = plugin.detect(list(back), translated)
        if not found:
            continue
        scored = plugin.KIND == "rating" and "threshold" in found and kinds and "rating" not in kinds
        if scored and wanted == "auto":
            continue  # a number next to an answer says nothing to a method that learns every answer
        ways = plugin.get_readings(list(back), translated) if hasattr(plugin, "get_readings") else []
        return Shape(name, _put_back(found, back), [(key, _put_back(way, back), why) for key, way, why in ways])
    return None


def _put_back(mapping: Mapping, back: dict[str, str]) -> Mapping:
    """A mapping with the names that the file has."""
    return {
        role: value if role in NO_COLUMNS else back[value] if isinstance(value, str) else [back[v] for v in value]
        for role, value in mapping.items()
    }


def are_checked(names: list[str]) -> bool:
    """Whether columns say that answers are checked.

    The answer to compare with, or what a reward takes (tests, metadata of a task).
    """
    verifiers = registry.get("formats", "grpo").VERIFIERS
    return bool(set(map(normalize, names)) & set(verifiers)) or get_first_reward(names) != get_first_reward([])


def apply_columns(
    rows: Rows, names: list[str], wanted: str, columns: Mapping, kinds: tuple[str, ...]
) -> tuple[str, Mapping]:
    """The format that has all roles of data.columns, and the whole mapping.

    Raises:
        GaslampError: data.columns names a column that is not there, or roles that no format has together.
    """
    missing = sorted(set(get_mapped_columns(columns)) - set(names))
    if missing:
        raise GaslampError(
            f"data.columns names {', '.join(missing)}, but the columns are: {', '.join(names)}",
            "correct data.columns in config.yaml",
        )
    candidates = get_candidates(wanted, kinds)
    several = {role for role, value in columns.items() if isinstance(value, list)}
    fitting: list[tuple[int, str, Mapping]] = []
    for name, plugin in candidates:
        found = plugin.detect(names, rows)
        required = _get_required(plugin, columns)
        known = {*required, *getattr(plugin, "OPTIONAL", ()), *(found or {}), *KEEPING}
        if not set(columns) <= known or not several <= set(getattr(plugin, "SEVERAL", ())):
            continue
        mapping: Mapping = {**_get_rest(found or {}, columns), **columns}
        if (found or required) and set(required) <= set(mapping):
            given = get_mapped_columns(columns)
            for role in [role for role in mapping if role not in columns and mapping[role] in given]:
                del mapping[role]  # detected for a column that the config gives another role
            if set(required) <= set(mapping):
                fitting.append((len(set(required) & set(columns)), name, _complete(plugin, mapping, columns, rows)))
    if fitting:
        _, name, mapping = max(fitting, key=lambda item: item[0])  # the first of the best
        return name, mapping
    raise GaslampError(
        f"data.columns has the roles {', '.join(columns)}: no format has all of them",
        "roles that belong together: "
        + "; ".join(_get_roles(plugin) for _, plugin in candidates if hasattr(plugin, "REQUIRED")),
    )


def _get_required(plugin: ModuleType, columns: Mapping) -> tuple[str, ...]:
    """The roles that a format needs, of several sets the first that data.columns has."""
    sets: list[tuple[str, ...]] = [tuple(getattr(plugin, "REQUIRED", ())), *getattr(plugin, "INSTEAD", ())]
    return next((roles for roles in sets if roles and set(roles) <= set(columns)), sets[0])


def _get_rest(found: Mapping, columns: Mapping) -> Mapping:
    """What was found and data.columns does not name: where it learns another column, no more than the system prompt.

    The choices or the reasoning of the answer that was found belong to that one; an explanation is a way of its own.
    """
    other = any(found.get(role, column) != column for role, column in columns.items() if role in LEARNT)
    return {role: column for role, column in found.items() if (role in ANYWAY if other else role != "explanation")}


def _complete(plugin: ModuleType, mapping: Mapping, columns: Mapping, rows: Rows) -> Mapping:
    """``mapping`` with the settings that its columns need and data.columns does not name.

    Raises:
        GaslampError: the cells can be read in several ways.
    """
    if not hasattr(plugin, "complete"):
        return mapping
    own = {role: value for role, value in mapping.items() if role in columns or role not in NO_COLUMNS}
    ways: list[Mapping] = plugin.complete(own, rows)
    if len(ways) > 1:
        shown = [
            ", ".join(f'{role}: "{value}"' for role, value in way.items() if role in NO_COLUMNS and role not in own)
            for way in ways
        ]
        raise GaslampError(
            f"the numbers in column '{own['winner']}' can be read in {len(ways)} ways",
            f"add to data.columns what says that '{own['first']}' is better: {' or '.join(shown)}",
        )
    return ways[0]


def _get_roles(plugin: ModuleType) -> str:
    optional = "".join(f" [{role}]" for role in plugin.OPTIONAL)
    return f"{plugin.__name__.rsplit('.', 1)[-1]}: {' '.join(plugin.REQUIRED)}{optional}"


def refuse_unlearnable(rows: Rows, names: list[str]) -> None:
    """Raise for published shapes of which the best part would be lost.

    Raises:
        GaslampError: sounds, films, verdicts on single steps, half of a batch, token ids.
    """

    def first(name: str) -> Any:
        return next((row[name] for row in rows if row.get(name) not in (None, "", [])), None)

    said = registry.get("formats", "speech").detect(
        names, rows
    )  # sounds with what is said in them: tts learns from these
    for name in ("audios", "audio", "videos", "video"):
        if first(name) is not None and not said:
            raise GaslampError(
                f"the rows have {'sounds' if name.startswith('audio') else 'films'} (column '{name}'): no "
                "method here learns from these",
                f"leave these rows out, or delete the column '{name}' and its marks when the text alone "
                "teaches the task",
            )
    steps = next((name for name in ("completions", "steps") if isinstance(first(name), list)), None)
    labels = first("labels")
    if steps and isinstance(labels, list) and labels and all(isinstance(label, bool) for label in labels):
        raise GaslampError(
            f"the rows have a verdict on each step (columns '{steps}' and 'labels'): no method here learns "
            "from single steps",
            "for sft join the good steps of a row to one column completion; for kto give each row one "
            "completion and one label",
        )
    turns = first("turns")
    if "question_id" in names and isinstance(turns, list) and not is_turns(turns):
        raise GaslampError(
            "the rows are questions of a benchmark without answers (columns question_id and turns)",
            "give each row its answers: messages: [{role, content}, ...], or let another model answer them first",
        )
    if "custom_id" in names and not registry.get("formats", "api_log").detect(names, rows):
        what = "answers of a batch without their requests" if "response" in names or "result" in names else ""
        raise GaslampError(
            f"the rows are {what or 'requests of a batch without their answers'} (column custom_id)",
            "join the two files of the batch by custom_id into one with the columns request and response",
        )
    if "input_ids" in names:
        raise GaslampError(
            "the data is already tokenized (column input_ids)",
            "take the text it was made from: masks and template are made and checked here",
        )


HASHES = ("_task_hash", "_input_hash")
DECISIONS = ("accept", "reject", "ignore")


def refuse_decisions(rows: Rows, names: list[str]) -> None:
    """Raise for Prodigy's rows: their ``answer`` says whether the annotation is right, and was learnt as the answer.

    Raises:
        GaslampError: with the columns to set.
    """
    said = [row["answer"] for row in rows if row.get("answer") not in (None, "")]
    if not said or not any(name in names for name in HASHES) or any(value not in DECISIONS for value in said):
        return
    read = next((name for name in ("text", "prompt", "question", "html") if name in names), None)
    learnt = next((name for name in ("accept", "label", "spans", "cats", "user_input") if name in names), None)
    columns = {"prompt": read or "what the model reads", "completion": learnt or "what it writes"}
    fix = ", ".join(f'{role}: "{column}"' for role, column in columns.items())
    raise GaslampError(
        "the rows are annotations of Prodigy: column 'answer' says whether an annotation is right (accept, reject, "
        "ignore), and is no answer to learn",
        f'learn what was accepted, data.columns: {{{fix}, keep: "answer", good_if: "accept"}}',
    )


def refuse_half_pairs(rows: Rows, names: list[str], found: Shape | None, kinds: tuple[str, ...]) -> None:
    """Raise for two answers without a verdict, or without a prompt: as anything else they would be learnt wrong.

    Raises:
        GaslampError: says which columns they are, and what is missing.
    """
    if found and registry.get("formats", found.name).KIND == "preference":
        return
    english = translate(names)
    translated = [{english[name]: value for name, value in row.items()} for row in rows]
    for name in ("preference", "compared"):
        if missing := registry.get("formats", name).explain_refusal(list(english.values()), translated, kinds):
            raise GaslampError(*missing)


def refuse_lost_images(kind: str, rows: Rows, name: str) -> None:
    """Raise when a format of text would leave the images of a set out.

    Raises:
        GaslampError: the rows hold images that only vision_sft learns from.
    """
    is_image = registry.get("formats", "vision").is_image_value
    for column in ("images", "image"):
        value = next((row[column] for row in rows if row.get(column) not in (None, "", [])), None)
        if value is not None and kind != "conversation" and is_image(value):
            raise GaslampError(
                f"the rows have pictures (column '{column}'), which the format {name} would leave out: only "
                "vision_sft learns from pictures",
                "for vision_sft give each row one answer: columns image, question, answer",
                f"when the text alone teaches the task, delete the column '{column}', or name the others in "
                "data.columns",
            )

"""Which format a set has, and whether the method can learn from it: decided by the first rows, before anything is downloaded or trained."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import can_adapt

LOOKED_AT = 50  # rows
STRICT = 40  # formats below this ORDER are told by columns that mean nothing else
NO_COLUMNS = ("threshold",)  # roles whose value is no column
Mapping = dict[str, str]


def get_columns(rows: list[dict[str, Any]]) -> list[str]:
    """Every column of the first rows, in the order they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _get_candidates(wanted: str, kinds: tuple[str, ...]) -> list[tuple[str, ModuleType]]:
    """Formats in the order they are tried: the unmistakable ones, those that give what the method takes, the others."""
    if wanted != "auto":
        return [(wanted, registry.get("formats", wanted))]
    found = [(name, registry.get("formats", name)) for name in registry.names("formats")]

    def get_key(item: tuple[str, ModuleType]) -> tuple[int, int, str]:
        name, plugin = item
        order = getattr(plugin, "ORDER", 45)
        return (
            (0 if order <= STRICT else 1 if plugin.KIND in kinds[:1] else 2 if plugin.KIND in kinds else 3),
            order,
            name,
        )

    return sorted(found, key=get_key)


def find_format(
    rows: list[dict[str, Any]], wanted: str = "auto", columns: Mapping | None = None, kinds: tuple[str, ...] = ()
) -> tuple[str, ModuleType, Mapping]:
    """The format of some rows and which column has which role.

    Args:
        rows: the first rows of the set.
        wanted: data.format; ``auto`` finds it.
        columns: data.columns, which override what is found.
        kinds: what the method takes, best first (its KINDS).

    Raises:
        GaslampError: nothing fits, or data.columns names what is not there.
    """
    columns = columns or {}
    names = get_columns(rows)
    if not columns:
        _refuse_unlearnable(rows, names)
    missing = sorted({column for role, column in columns.items() if role not in NO_COLUMNS} - set(names))
    if missing:
        raise GaslampError(
            f"data.columns names {', '.join(missing)}, but the columns are: {', '.join(names)}",
            "correct data.columns in config.yaml",
        )
    candidates = _get_candidates(wanted, kinds)
    fitting: list[tuple[int, str, ModuleType, Mapping]] = []
    for name, plugin in candidates:
        found = plugin.detect(names, rows)
        if (
            wanted == "auto"
            and found
            and plugin.KIND == "rating"
            and "threshold" in found
            and kinds
            and "rating" not in kinds
        ):
            continue  # a score beside an answer is no verdict for a method that learns answers
        required = tuple(getattr(plugin, "REQUIRED", ()))
        known = {*required, *getattr(plugin, "OPTIONAL", ()), *(found or {})}
        if columns and not set(columns) <= known:
            continue
        mapping = {**(found or {}), **columns}
        if found and not columns:
            _refuse_lost_pictures(plugin.KIND, rows, name)
            return name, plugin, mapping
        if mapping and columns and (found or required) and set(required) <= set(mapping):
            fitting.append((len(set(required) & set(columns)), name, plugin, mapping))
    if fitting:
        _, name, plugin, mapping = max(fitting, key=lambda item: item[0])  # the first of the best
        return name, plugin, mapping
    if columns:
        raise GaslampError(
            f"data.columns has the roles {', '.join(columns)}: no format has all of them",
            "roles that belong together: "
            + "; ".join(_get_roles(plugin) for _, plugin in candidates if hasattr(plugin, "REQUIRED")),
        )
    raise _get_no_format(rows, names, kinds)


def _refuse_unlearnable(rows: list[dict[str, Any]], names: list[str]) -> None:
    """Raise for published shapes of which the best part would be lost: sounds, films, verdicts on single steps, token ids."""

    def first(name: str) -> Any:
        return next((row[name] for row in rows if row.get(name) not in (None, "", [])), None)

    said = registry.get("formats", "speech").detect(
        names, rows
    )  # sounds with what is said in them: tts learns from these
    for name in ("audios", "audio", "videos", "video"):
        if first(name) is not None and not said:
            raise GaslampError(
                f"the rows have {'sounds' if name.startswith('audio') else 'films'} (column '{name}'): no method here learns from these",
                f"leave these rows out, or delete the column '{name}' and its marks when the text alone teaches the task",
            )
    steps = next((name for name in ("completions", "steps") if isinstance(first(name), list)), None)
    labels = first("labels")
    if steps and isinstance(labels, list) and labels and all(isinstance(label, bool) for label in labels):
        raise GaslampError(
            f"the rows have a verdict on each step (columns '{steps}' and 'labels'): no method here learns from single steps",
            "for sft join the good steps of a row to one column completion; for kto give each row one completion and one label",
        )
    if "input_ids" in names:
        raise GaslampError(
            "the data is already tokenized (column input_ids)",
            "take the text it was made from: masks and template are made and checked here",
        )


def _refuse_lost_pictures(kind: str, rows: list[dict[str, Any]], name: str) -> None:
    """Raise when a format of text would leave the pictures of a set out without a word."""
    from gaslamp.data.formats.vision import is_image_value

    for column in ("images", "image"):
        value = next((row[column] for row in rows if row.get(column) not in (None, "", [])), None)
        if value is not None and kind != "conversation" and is_image_value(value):
            raise GaslampError(
                f"the rows have pictures (column '{column}'), which the format {name} would leave out: only vision_sft learns from pictures",
                "for vision_sft give each row one answer: columns image, question, answer",
                f"when the text alone teaches the task, delete the column '{column}', or name the others in data.columns",
            )


def _get_roles(plugin: ModuleType) -> str:
    optional = "".join(f" [{role}]" for role in plugin.OPTIONAL)
    return f"{plugin.__name__.rsplit('.', 1)[-1]}: {' '.join(plugin.REQUIRED)}{optional}"


def _show(rows: list[dict[str, Any]]) -> str:
    return (
        json.dumps(rows[0], ensure_ascii=False, default=lambda value: f"<{type(value).__name__}>")[:300]
        if rows
        else "(none)"
    )


def _get_no_format(rows: list[dict[str, Any]], names: list[str], kinds: tuple[str, ...]) -> GaslampError:
    usable = [
        name for name in registry.names("formats") if not kinds or _serves(registry.get("formats", name).KIND, kinds)
    ]
    known = "\n".join(f"      {name}: {registry.get('formats', name).EXAMPLE}" for name in usable)
    return GaslampError(
        f"no format fits the columns {', '.join(names) or '(none)'}\n    first row: {_show(rows)}\n    formats that are found by themselves:\n{known}",
        suggest_mapping(rows, names, kinds[0] if kinds else "conversation"),
        "the file has no header line: add one",
    )


def _serves(kind: str, kinds: tuple[str, ...]) -> bool:
    return any(can_adapt(kind, wanted) for wanted in kinds)


ROLES = {
    "conversation": ("prompt", "completion"),
    "preference": ("prompt", "chosen", "rejected"),
    "rating": ("prompt", "completion", "label"),
    "prompt": ("prompt", "answer"),
    "pair": ("anchor", "positive"),
    "text": ("text",),
    "speech": ("audio", "transcript"),
}


def suggest_mapping(rows: list[dict[str, Any]], names: list[str], kind: str) -> str:
    """A data.columns line for ``kind`` with the user's own columns, filled in as far as types and names tell."""

    def is_text(name: str) -> bool:
        return any(isinstance(row.get(name), str) for row in rows)

    def get_size(name: str) -> int:
        return max((len(row[name]) for row in rows if isinstance(row.get(name), str)), default=0)

    texts = [
        name
        for name in names
        if is_text(name) and not name.lower().endswith(("id", "split", "date", "url", "slice", "group"))
    ]
    if len(texts) > len(ROLES[kind]):  # the longest hold what is learnt
        kept = sorted(texts, key=get_size, reverse=True)[: len(ROLES[kind])]
        texts = [name for name in texts if name in kept]
    flags = [name for name in names if any(isinstance(row.get(name), bool | int | float) for row in rows)]
    filled = []
    for role in ROLES[kind]:
        if role in names:
            column = role
        elif role == "label":
            column = flags[0] if flags else "a column of true and false"
        else:
            column = texts.pop(0) if texts else "a column that you have to add"
        if column in texts:
            texts.remove(column)
        filled.append(f"{role}: {json.dumps(column, ensure_ascii=False)}")
    return f"say which column is what in config.yaml: data.columns: {{{', '.join(filled)}}}"


def choose_kind(
    found: str, method_name: str, method: ModuleType, rows: list[dict[str, Any]], format_name: str, mapping: Mapping
) -> str:
    """The kind of row that is written: what the format gives when the method takes it, else what it can honestly be made into.

    Raises:
        GaslampError: the method needs other columns; it lists what was found, what is needed and a mapping that would work.
    """
    if found in method.KINDS:
        return found
    if found == "rating" and "conversation" in method.KINDS:
        _refuse_bad_answers(method_name, method, rows, format_name, mapping)
    for kind in method.KINDS:
        if can_adapt(found, kind) and not (found == "prompt" and kind == "conversation" and "answer" not in mapping):
            return str(kind)
    names = get_columns(rows)
    methods = [name for name in registry.names("methods") if found in registry.get("methods", name).KINDS]
    raise GaslampError(
        f"the method {method_name} cannot learn from these columns"
        f"\n    found:  {', '.join(names)}, read as {format_name} ({', '.join(f'{role} = {column}' for role, column in mapping.items())})"
        f"\n    needed: {method.NEEDS}"
        f"\n    example: {next((plugin.EXAMPLE for _, plugin in _get_candidates('auto', method.KINDS) if method.KINDS[0] == plugin.KIND), '')}",
        suggest_mapping(rows, names, method.KINDS[0]),
        f"these rows suit the method{'s' if len(methods) > 1 else ''} {', '.join(methods)}: set method in config.yaml"
        if methods
        else None,
    )


def _refuse_bad_answers(
    method_name: str, method: ModuleType, rows: list[dict[str, Any]], format_name: str, mapping: Mapping
) -> None:
    """Raise when some of the rated answers are bad: a method that learns every answer would learn them as good ones."""
    column = mapping["label"]
    plugin = registry.get("formats", format_name)
    bad = []
    for row in rows:
        try:
            if not plugin.convert(row, mapping)["label"]:
                bad.append(row[column])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # the data phase names every such row
    if not bad:
        return
    good = next((row[column] for row in rows if row.get(column) is not None and row[column] not in bad), None)
    where = (
        f'"{column}" >= {mapping["threshold"]}'
        if "threshold" in mapping
        else f'"{column}"'
        if good is True
        else f'"{column}" = {_quote(good)}'
    )
    learnt = {role: name for role, name in mapping.items() if role in ("prompt", "completion", "messages", "system")}
    every = ", ".join(f"{role}: {json.dumps(name, ensure_ascii=False)}" for role, name in learnt.items())
    methods = [name for name in registry.names("methods") if "rating" in registry.get("methods", name).KINDS]
    raise GaslampError(
        f"the method {method_name} would learn bad answers as good ones: {len(bad)} of the first {len(rows)} rows are rated bad"
        f"\n    found:  {', '.join(get_columns(rows))}, read as {format_name} ({', '.join(f'{role} = {name}' for role, name in mapping.items())})"
        f"\n    needed: {method.NEEDS}",
        f"method: {' or '.join(methods)} in config.yaml learns from both; or keep the good rows alone, data.sql: SELECT * FROM source WHERE {where}",
        f"to learn every answer whatever its rating, say which column is what: data.columns: {{{every}}}",
    )


def _quote(value: Any) -> str:
    """A value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else json.dumps(value)

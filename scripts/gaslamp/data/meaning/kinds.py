"""Which kind of row a method gets from a reading, and whether it can honestly learn from it."""

from __future__ import annotations

import json
from types import ModuleType

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning.decide import get_columns
from gaslamp.data.meaning.profile import look_at
from gaslamp.data.meaning.readings import Mapping, show_mapping
from gaslamp.data.rows import LeftOut, SourceRow, can_adapt

ROLES = {
    "conversation": "{prompt: the prompt, completion: the answer}",
    "preference": "{prompt: the prompt, chosen: the better answer, rejected: the worse answer}",
    "rating": "{prompt: the prompt, completion: the answer, label: a column of true and false}",
    "prompt": "{prompt: the prompt, answer: what a reward compares with}",
    "pair": "{anchor: a text, positive: a text that belongs to it}",
    "text": "{text: running text}",
    "speech": "{audio: recordings, transcript: what is said in them}",
}
"""Kind -> the roles that its columns need."""
EXAMPLES = {
    "conversation": "prompt_completion",
    "preference": "preference",
    "rating": "kto",
    "prompt": "grpo",
    "pair": "pair",
    "text": "text",
    "speech": "speech",
}
"""Kind -> the format whose example an error shows: the plainest one."""


def choose_kind(
    found: str, method_name: str, method: ModuleType, rows: list[SourceRow], format_name: str, mapping: Mapping
) -> str:
    """The kind of row that is written.

    What the format gives when the method takes it, else what it can honestly be made into.

    Args:
        found: the kind that the format gives.
        method_name, method: whose KINDS the rows must become.
        rows: the sample.
        format_name, mapping: how it is read.

    Raises:
        GaslampError: the method needs other columns, or would learn bad answers as good ones.
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
    example = "vision" if method_name.startswith("vision") else EXAMPLES[method.KINDS[0]]
    suited = (
        f"these rows suit the method{'s' if len(methods) > 1 else ''} {', '.join(methods)}: set method in config.yaml"
        if methods
        else f"take data with other columns: {method.NEEDS}"
    )
    pairs = _write_pairs(rows, mapping) if method.KINDS[:1] == ("preference",) else None
    if pairs:
        suited = f"several answers to one prompt are rated: compare them, data.sql: {pairs}; or {suited}"
    raise GaslampError(
        f"the method {method_name} cannot learn from these columns"
        f"\n    found:  {', '.join(names)}, read as {format_name} ({show_mapping(mapping)})"
        f"\n    needed: {method.NEEDS}"
        f"\n    example: {registry.get('formats', example).EXAMPLE}",
        suited,
        f"when the file has such columns under other names, data.columns: {ROLES[method.KINDS[0]]}",
    )


def _write_pairs(rows: list[SourceRow], mapping: Mapping) -> str | None:
    """A query that pairs the answers to a prompt by their rating (HelpSteer2); ``None`` when no prompt comes twice."""
    prompt, answer = (mapping.get(role) for role in ("prompt", "completion"))
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return None
    prompts = [row[prompt] for row in rows if isinstance(row.get(prompt), str)]
    if len(set(prompts)) == len(prompts):
        return None
    profiles = [look_at(name, [row.get(name) for row in rows]) for name in get_columns(rows)]
    rated = [p.name for p in profiles if p.concept == "rating" and p.holds in ("number", "flag") and p.distinct > 1]
    label = mapping.get("label") or next(iter(rated), None)
    if not isinstance(label, str):
        return None
    p, a, r = (_quote_name(name) for name in (prompt, answer, label))
    return (
        f"SELECT x.{p} AS prompt, x.{a} AS chosen, y.{a} AS rejected FROM source x JOIN source y "
        f"ON x.{p} = y.{p} AND x.{r} > y.{r}"
    )


def _quote_name(name: str) -> str:
    """A column as SQL writes it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _refuse_bad_answers(
    method_name: str, method: ModuleType, rows: list[SourceRow], format_name: str, mapping: Mapping
) -> None:
    """Raise when some of the rated answers are bad: a method that learns every answer would learn them as good ones."""
    column = str(mapping["label"])
    plugin = registry.get("formats", format_name)
    bad = []
    for row in rows:
        try:
            if not plugin.convert(row, mapping)["label"]:
                bad.append(row[column])
        except (ValueError, KeyError, TypeError, AttributeError, LeftOut):
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
        f"the method {method_name} would learn bad answers as good ones: {len(bad)} of the first {len(rows)} "
        "rows are rated bad"
        f"\n    found:  {', '.join(get_columns(rows))}, read as {format_name} ({show_mapping(mapping)})"
        f"\n    needed: {method.NEEDS}",
        f"method: {' or '.join(methods)} in config.yaml learns from both; or keep the good rows alone, "
        f"data.sql: SELECT * FROM source WHERE {where}",
        f"to learn every answer whatever its rating, say which column is what: data.columns: {{{every}}}",
    )


def _quote(value: object) -> str:
    """A value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else json.dumps(value)

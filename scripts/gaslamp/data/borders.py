"""Separators around prompts and answers, as OpenAI's fine-tuning of completions wanted them.

Each prompt ends with one (``\\n\\n###\\n\\n``, `` ->``), each completion begins with a space and ends with a stop
(`` END``, ``\\n``). A chat template has borders of its own: learnt as text they would be written in every answer.
https://platform.openai.com/docs/guides/legacy-fine-tuning (preparing your dataset).
"""

from __future__ import annotations

import os
import re

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import SourceRow

ROLES = ("prompt_end", "completion_start", "completion_end")
"""Settings of data.columns: what is left out there; empty: all of it is learnt."""
ENOUGH = 4  # rows in which all prompts and answers must show it
_SEPARATOR = re.compile(r"\s*(?:#{2,}|-+>|=+>|-{3,}|={3,}|\|{2,}|\$\$\$)\s*\Z")
_STOP = re.compile(r"\s*(?:END|STOP|EOS|#{2,}|-{3,}|={3,}|<\|endoftext\|>|<END>|\[END\])\s*\Z|\n\Z")


def find_borders(rows: list[SourceRow], prompt: str, completion: str) -> dict[str, str]:
    """The separators of two columns, as roles; empty when not every row of the sample has them.

    Args:
        rows: the sample.
        prompt, completion: the columns.
    """
    pairs = [(row.get(prompt), row.get(completion)) for row in rows]
    prompts = [value for value, _ in pairs if isinstance(value, str) and value.strip()]
    answers = [value for _, value in pairs if isinstance(value, str) and value.strip()]
    if min(len(prompts), len(answers)) < ENOUGH:
        return {}
    found: dict[str, str] = {}
    if end := _match(_SEPARATOR, _get_common_end(prompts)):
        found["prompt_end"] = end
    if all(answer[0] == " " and answer[1:2].strip() for answer in answers):
        found["completion_start"] = " "
    if stop := _match(_STOP, _get_common_end(answers)):
        found["completion_end"] = stop
    # a line end alone, or one kind of rule, may be the text's own
    return found if {"prompt_end", "completion_start"} & set(found) else {}


def _get_common_end(texts: list[str]) -> str:
    return os.path.commonprefix([text[::-1] for text in texts])[::-1]


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""


def strip_borders(row: SourceRow, mapping: JsonObject) -> SourceRow:
    """The row without the separators of its prompt and its answer."""
    changed = dict(row)
    for role, name in (("prompt_end", mapping["prompt"]), ("completion_end", mapping["completion"])):
        text, border = row.get(name) if isinstance(name, str) else None, mapping.get(role)
        if isinstance(text, str) and border:
            changed[name] = text.removesuffix(border)
    name, start = mapping["completion"], mapping.get("completion_start")
    if start and isinstance(changed.get(name), str):
        changed[name] = changed[name].removeprefix(start)
    return changed


def describe_borders(mapping: JsonObject) -> str:
    """A note about what is left out; empty without separators."""
    named = {role: mapping[role] for role in ROLES if mapping.get(role)}
    if not named:
        return ""
    words = {"prompt_end": "each prompt ends with", "completion_start": "each answer begins with"}
    said = ", ".join(f"{words.get(role, 'each answer ends with')} {text!r}" for role, text in named.items())
    return (
        f"{said}, as OpenAI's older fine-tuning wanted it: left out, the chat template has its own borders "
        f"(data.columns: {{{', '.join(f'{role}: {chr(34) * 2}' for role in named)}}} keeps them)"
    )

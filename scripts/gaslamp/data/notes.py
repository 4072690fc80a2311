"""What is decided about the conversations of a source and would be noticed by nobody: said once, from the sample."""

from __future__ import annotations

import re

from gaslamp.core import registry
from gaslamp.data.borders import describe_borders
from gaslamp.data.calls import holds_call
from gaslamp.data.cells import IMAGE_MARK, parse_list, to_text
from gaslamp.data.formats.alpaca import NO_INPUT
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning.examples import shorten
from gaslamp.data.meaning.profile import look_at
from gaslamp.data.order import sort_results
from gaslamp.data.peek import Peek
from gaslamp.data.rows import LeftOut, Message, Row, SourceRow, get_images, get_text
from gaslamp.data.several import LIST, TAKE
from gaslamp.data.talks import read_talk

REPEATED = 15  # letters of a question that no answer begins with by chance
TURNS = ("messages", "prompt", "chosen", "rejected", "completion")
READ = ("role", "content", "train", "tool_calls", "tool_call_id")


def get_notes(found: Peek, method: str) -> list[str]:
    """Keys of turns that no chat template shows, calls that are learnt as text, tools that are listed already."""
    plugin = registry.get("formats", found.format)
    tools = str(found.mapping.get("tools", "tools")) if "tools" in plugin.OPTIONAL else ""
    values: dict[str, list[object]] = {}
    in_text = listed = without_image = False
    repeated = 0
    for row in found.rows:
        try:
            made = convert_kept(plugin.convert, row, found.mapping)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, LeftOut):
            continue  # the data phase names every such row
        messages = [turn for key in TURNS for turn in made.get(key) or () if isinstance(turn, dict)]
        for message in messages:
            for key, value in message.items():
                if (
                    key not in READ
                    and value != message["content"]
                    and not (key == "name" and message["role"] == "tool")
                ):
                    values.setdefault(key, []).append(value)
        without_image = without_image or (not get_images(messages) and any(IMAGE_MARK in get_text(m) for m in messages))
        repeated += _repeats_question(made)
        in_text = in_text or _calls_in_text(messages)
        listed = listed or ("tools" not in made and row.get(tools) not in (None, "", [], "[]", " "))
    notes = []
    if lists := _find_lists(found):
        column, first = lists
        notes.append(
            f"column {column} holds lists of texts, which are learnt as lists ({first}); if they are different ways "
            f'to say one answer, keep the first: data.sql: SELECT * REPLACE ("{column}"[1] AS "{column}") FROM source'
        )
    if said := describe_borders(found.mapping):
        notes.append(said)
    notes += _note_texts(found)
    if 2 * repeated > len(found.rows):
        notes.append(
            f"in {repeated} of the first {len(found.rows)} rows the answer begins with its whole question, which is "
            "learnt with it: cut it off in the file, unless it should be said again"
        )
    if sorted_rows := sum(_has_sorted_results(row, found) for row in found.rows):
        notes.append(
            f"in {sorted_rows} of the first {len(found.rows)} rows the results of parallel calls are put in the "
            "order of the calls, by their ids"
        )
    if without_image:
        notes.append(f"texts hold {IMAGE_MARK}, and no image belongs to them: the mark is learnt as text")
    if keys := [key for key, cells in values.items() if look_at("", cells).has_information]:
        notes.append(
            f"the turns hold {', '.join(keys)}, which chat templates do not show: kept with each row, not learnt"
        )
    if plugin.KIND == "preference" and found.kind == "conversation":
        notes.append("of each pair the better answer is learnt, and the worse one is not: method dpo learns from both")
    if "margin" in found.mapping and method != "reward":
        notes.append(
            f"column {found.mapping['margin']}, how much better an answer is, is learnt by method reward alone"
        )
    if in_text:
        notes.append("answers call tools in their text: the calls are learnt as they are written")
    if listed:
        notes.append("the system turns list the tools already: the column of tools is not shown a second time")
    return notes


CALCULATED = re.compile(r"<<[^<>\n]*=[^<>\n]*>>")
"""GSM8K's marks of what a calculator would say: ``<<48/2=24>>``."""
VAGUE = ("None", "none", "null", "NULL", "N/A", "n/a", "NA")
"""A label, or what a program writes for an empty cell."""


def _note_texts(found: Peek) -> list[str]:
    """What stands in the cells of answers and inputs and is not meant as text."""
    notes = []
    answers = found.mapping.get("completion", found.mapping.get("output"))
    column = answers if isinstance(answers, str) else ""
    texts = [row[column] for row in found.rows if isinstance(row.get(column), str)]
    if marked := sum(CALCULATED.search(text) is not None for text in texts):
        notes.append(
            f"{marked} of the first {len(found.rows)} answers hold calculator marks (<<48/2=24>>), which are learnt as "
            f"text; without them: data.sql: SELECT * REPLACE (regexp_replace(\"{column}\", '<<[^<>]*>>', '', 'g') "
            f'AS "{column}") FROM source'
        )
    vague = [text for text in texts if text.strip() in VAGUE]
    if vague and len(set(texts)) > len(texts) / 3:  # not one of a few labels
        notes.append(
            f"{len(vague)} of the first {len(found.rows)} answers are '{vague[0].strip()}', which is learnt: "
            f"where the cell was empty, data.sql: SELECT * FROM source WHERE \"{column}\" <> '{vague[0]}'"
        )
    extra = found.mapping.get("input") if found.format == "alpaca" else None
    unsaid = [str(row[extra]).strip() for row in found.rows if isinstance(extra, str) and row.get(extra)]
    if none := [text for text in unsaid if text.casefold() in NO_INPUT]:
        names = ", ".join(repr(text) for text in dict.fromkeys(none))
        notes.append(f"{len(none)} of the first {len(found.rows)} rows have the input {names}: read as no input")
    return notes


def _has_sorted_results(row: SourceRow, found: Peek) -> bool:
    """Whether the format changes the order of the results of tools in a row."""
    if found.format != "messages":
        return False
    try:
        turns = read_talk(row.get(str(found.mapping["messages"])), "")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False
    return sort_results(turns) is not turns


def _repeats_question(row: Row) -> bool:
    """Whether every answer of a row, chosen and rejected, begins with the question in front of it."""
    shown = row.get("prompt") or (row.get("messages") or [])[:-1]
    answers = [row[key][:1] for key in ("chosen", "rejected", "completion") if row.get(key)] or [
        row.get("messages", [])[-1:]
    ]
    if not isinstance(shown, list) or not shown:
        return False
    question = get_text(shown[-1]).strip()
    return len(question) >= REPEATED and all(
        get_text(turn).lstrip().startswith(question) for turns in answers for turn in turns
    )


def _find_lists(found: Peek) -> tuple[str, str] | None:
    """The column of answers when it holds lists of texts, and the first of them as it is learnt."""
    learns_list = found.format == "prompt_completion" and found.mapping.get(TAKE, LIST) == LIST
    column = found.mapping.get("completion") if learns_list else None
    if not isinstance(column, str):
        return None
    values = [parse_list(row.get(column)) for row in found.rows]
    lists = [value for value in values if isinstance(value, list) and value]
    if 2 * len(lists) <= len(values) or not all(isinstance(item, str) for value in lists for item in value):
        return None
    return column, shorten(to_text(lists[0]))


def _calls_in_text(messages: list[Message]) -> bool:
    """Whether the result of a tool follows an answer that calls it in its text."""
    return any(
        turn["role"] == "tool"
        and before["role"] == "assistant"
        and not before.get("tool_calls")
        and holds_call(get_text(before))
        for before, turn in zip(messages, messages[1:], strict=False)
    )

"""Wording by a language model (``reflect.llm``): the text of an entry may read better; its facts are never the model's.

Only the title and body of an entry travel, and an entry holds nothing that was not cleaned of secrets and
personal paths. What comes back is taken only when its numbers, names and direction are those of the entry;
else the plain text stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, sha256_text, write_json
from gaslamp.memory.cleaning import clean
from gaslamp.memory.entry import BODY, Entry
from gaslamp.models.endpoint import EndpointClient
from gaslamp.models.messages import drop_blocks

KEPT = Path(".gaslamp") / "wording.json"
"""What was said of which text: a rerun words the same entry the same way, and sends nothing."""
BY_HAND = ":section_11:"
"""In the id of hints, notes and failures: the words of a person or of a program stay as they are."""
TIMEOUT, TOKENS, FAILURES = 120.0, 200, 2
PROMPT = """You rewrite one note of an engineer's notebook so that it reads well.

Title: {title}
Note: {body}

Write one plain English sentence of at most {limit} characters that says exactly what the note says. \
Keep every number and every name as it is written. Add nothing. Reply with the sentence only."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"[A-Za-z][\w]*(?:[._:/-][\w]+)*")
_COUNTS = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred"
    r"|thousand|million|half|quarter|third|doubled?|twice|triple|once)\b"
)
_DIRECTION = re.compile(
    r"\b(?:no|not|never|none|without|better|worse|higher|lower|more|less|fewer|longer|shorter|faster|slower|larger"
    r"|smaller|raised?|lowered|increased?|decreased?|rose|fell|helped|hurt|failed|passed|lost|gained|before|after"
    r"|enough)\b"
)
"""Words that turn a sentence round."""


def find_problem(text: str, entry: Entry) -> str | None:
    """Why ``text`` cannot stand for the body of an entry; ``None`` when it says the same by all that can be checked."""
    if not text:
        return "it is empty"
    if len(text) > BODY:
        return f"it has {len(text)} characters"
    before, known = _get_numbers(entry.body), _get_numbers(f"{entry.title} {entry.body}")
    after = _get_numbers(text)
    if wrong := sorted(after - known) or sorted(before - after):
        return f"the number {wrong[0]} is {'not of the facts' if wrong[0] in after else 'missing'}"
    for words in (_COUNTS, _DIRECTION):
        before, after = (set(words.findall(one.lower())) for one in (entry.body, text))
        if wrong := sorted(before ^ after):
            return f"the word {wrong[0]} is {'new' if wrong[0] in after else 'missing'}"
    before, after = _get_names(entry.body), _get_names(text)
    if wrong := sorted(after - _get_names(f"{entry.title} {entry.body}")) or sorted(before - after):
        return f"the name {wrong[0]} is {'new' if wrong[0] in after else 'missing'}"
    return None


def _get_numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in _NUMBER.findall(text)}


def _get_names(text: str) -> set[str]:
    """Names of settings, models and files: words with a digit, an underscore or a dot inside."""
    return {name for name in _NAME.findall(text) if re.search(r"[\d_]|\w[.:/]\w", name)}


def word(entries: list[Entry], place: object, kept: Path = KEPT) -> list[Entry]:
    """The entries, worded by the server of ``reflect.llm`` where it is set and says the same.

    Args:
        entries: candidates of a run.
        place: section reflect.llm: url, model, key_env; an empty url: off.
        kept: file with what was worded before.
    """
    url, model, key_env = (getattr(place, name) for name in ("url", "model", "key_env"))
    mine = [entry for entry in entries if entry.kind != "user" and entry.body and BY_HAND not in entry.candidate_id]
    if not url or not mine:
        return entries
    try:
        client = EndpointClient(url, model, key_env, place="reflect.llm", timeout=TIMEOUT)
    except GaslampError as error:
        say(f"warning: {error.cause}; the entries keep their plain text: {error.fix}")
        return entries
    known: JsonObject = read_json(kept) if kept.is_file() else {}

    def ask(entry: Entry) -> str:
        prompt = clean(PROMPT.format(title=entry.title, body=entry.body, limit=BODY))
        reply = client.ask([{"role": "user", "content": prompt}], temperature=0.0, seed=0, max_tokens=TOKENS)
        return clean(" ".join(drop_blocks(reply.text).split()).strip("\"' "))

    worded, refused = _word_all(mine, known, f"{url} {model}", ask)
    write_json(kept, known)
    if refused:
        reasons = "; ".join(f"{entry.title}: {why}" for entry, why in refused[:3])
        say(f"{len(refused)} of {len(mine)} texts of {model} are not taken, the plain ones stay ({reasons})")
    if worded:
        say(f"{len(worded)} of {len(mine)} entries are worded by {model}")
    return [worded.get(entry.candidate_id, entry) for entry in entries]


def _word_all(
    entries: list[Entry], known: JsonObject, who: str, ask: Callable[[Entry], str]
) -> tuple[dict[str, Entry], list[tuple[Entry, str]]]:
    """Id -> entry with another body, and the entries whose text is not taken, with the reason."""
    worded, refused, failures = {}, [], 0
    for entry in entries:
        key = sha256_text(json.dumps([who, PROMPT, entry.title, entry.body]))[:16]
        if key not in known:
            if failures >= FAILURES:  # a server that is gone is not waited for again and again
                continue
            try:
                known[key] = ask(entry)
            except GaslampError as error:
                failures += 1
                refused.append((entry, error.cause))
                continue
        if problem := find_problem(known[key], entry):
            refused.append((entry, problem))
        else:
            worded[entry.candidate_id] = entry.model_copy(update={"body": known[key]})
    return worded, refused

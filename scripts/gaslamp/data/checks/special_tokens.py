"""Special tokens of this or another model inside the text of a row: the tokenizer reads them as borders of turns."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import KINDS, Message, Row, get_text

TITLE = "special tokens in the text"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
OPTIONS = {"redact": False, "tokens": ()}  # further tokens; those of the model are added by the data phase
FIX = (
    "data.checks: {special_tokens: {options: {redact: true}}} removes them; to keep them as text, put a space into "
    "each, as in <| im_end|>"
)
KNOWN = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|begin_of_text|>", "<|eot_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>", "<end_of_turn>", "<end_of_utterance>"),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<bos>", "<eos>"),
    *("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|return|>", "<|START_OF_TURN_TOKEN|>"),
    *(
        "<|END_OF_TURN_TOKEN|>",
        "<\uff5cUser\uff5c>",
        "<\uff5cAssistant\uff5c>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
    ),
)
"""What the templates of common model families put around turns."""


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows whose text holds a special token of the model, or one that a known chat template uses."""
    own = frozenset(facts.options["tokens"])
    pattern = get_pattern(tuple(facts.options["tokens"]))
    written = facts.shared.get("json")
    for number, sample in enumerate(samples):
        if written is not None and b"<" not in written[number] and b"[" not in written[number][13:]:
            continue
        found = list(dict.fromkeys(token for text in get_texts(sample.row) for token in pattern.findall(text)))
        if found:
            whose = "this model" if own.intersection(found) else "another chat template"
            yield Finding(sample.place, f"its text holds {', '.join(found[:4])}: special tokens of {whose}")


def fix(row: Row, options: dict[str, Any]) -> Row:
    """The row without these tokens; white space that they leave at the ends goes too."""
    pattern = get_pattern(tuple(options["tokens"]))

    def clean(message: Message) -> Message:
        content = message.get("content")
        if isinstance(content, str) and pattern.search(content):
            return {**message, "content": pattern.sub("", content).strip()}
        return message

    return {
        key: [clean(item) if isinstance(item, dict) else item for item in value]
        if isinstance(value, list) and key in TURNS
        else pattern.sub("", value).strip()
        if isinstance(value, str) and key in TEXTS and pattern.search(value)
        else value
        for key, value in row.items()
    }


TURNS = ("messages", "prompt", "chosen", "rejected", "completion")
TEXTS = ("text", "anchor", "positive", "negative", "answer")


def get_texts(row: Row) -> Iterator[str]:
    """The texts of a row; none of a row of running text with marks, which holds its special tokens itself."""
    if "audio" in row or ("text" in row and "train" in row):
        return
    for key in {*TURNS, *TEXTS, *(key for keys in KINDS.values() for key in keys)}:
        value = row.get(key)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (get_text(item) for item in value if isinstance(item, dict))


@lru_cache(maxsize=8)
def get_pattern(own: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern of the model's and the known special tokens, longest first."""
    tokens = sorted({*own, *KNOWN} - {""}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tokens)))

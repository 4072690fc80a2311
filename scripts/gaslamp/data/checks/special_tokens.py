"""Special tokens of this or another model inside the text of a row: the tokenizer reads them as borders of turns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from gaslamp.core.files import JsonObject
from gaslamp.data.calls import CALL_MARKS
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
    signs = get_signs(tuple(facts.options["tokens"]))
    written = facts.shared.get("json")
    for sample in samples if written is None else get_suspects(samples, written, signs):
        found = list(dict.fromkeys(token for text in get_texts(sample.row) for token in pattern.findall(text)))
        if found:
            whose = "this model" if own.intersection(found) else "another chat template"
            yield Finding(sample.place, f"its text holds {', '.join(found[:4])}: special tokens of {whose}")


def get_suspects(samples: Iterable[Sample], written: list[bytes], signs: tuple[bytes, ...]) -> Iterator[Sample]:
    """The samples with one of ``signs`` in their JSON; of the others no sample is made."""
    numbers = []
    for number, line in enumerate(written):
        begin = len(HEAD) if line.startswith(HEAD) else 0
        for sign in signs:
            if line.find(sign, begin) >= 0:
                numbers.append(number)
                break
    if isinstance(samples, Sequence):
        return (samples[number] for number in numbers)
    wanted = set(numbers)
    return (sample for number, sample in enumerate(samples) if number in wanted)


def fix(row: Row, options: JsonObject) -> Row:
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


HEAD = b'{"messages":['
"""The JSON of a conversation up to its first turn: this bracket is no part of a text."""


@lru_cache(maxsize=8)
def get_tokens(own: tuple[str, ...]) -> list[str]:
    """The model's and the known special tokens, longest first.

    Without those that mean something inside an answer: the marks of calls and thoughts.
    """
    inside = re.compile("|".join(map(re.escape, (*CALL_MARKS, "<think", "</think", "</tool_call"))))
    return sorted((token for token in {*own, *KNOWN} if token and not inside.match(token)), key=len, reverse=True)


@lru_cache(maxsize=8)
def get_pattern(own: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern of the tokens of ``get_tokens``."""
    return re.compile("|".join(map(re.escape, get_tokens(own))))


@lru_cache(maxsize=8)
def get_signs(own: tuple[str, ...]) -> tuple[bytes, ...]:
    """The first characters of all tokens: a row without them holds no token.

    One that every row holds, or that JSON writes in another way, makes the look into each text necessary.
    """
    signs = {token[0] for token in get_tokens(own)}
    return tuple(b"" if sign in '"\\{}:, ' or not sign.isprintable() else sign.encode() for sign in sorted(signs))

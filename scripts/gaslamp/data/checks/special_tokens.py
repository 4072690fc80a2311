"""Special tokens of this or another model inside the text of a row: the tokenizer reads them as borders of turns."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from gaslamp.core.files import JsonObject
from gaslamp.data.calls import CALL_MARKS
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import Row
from gaslamp.data.suspects import get_suspects
from gaslamp.data.texts import change_texts, get_texts

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
    for sample in get_suspects(samples, facts, signs):
        found = list(dict.fromkeys(token for text in get_texts(sample.row) for token in pattern.findall(text)))
        if found:
            whose = "this model" if own.intersection(found) else "another chat template"
            yield Finding(sample.place, f"its text holds {', '.join(found[:4])}: special tokens of {whose}")


def fix(row: Row, options: JsonObject) -> Row:
    """The row without these tokens; white space that they leave at the ends goes too."""
    pattern = get_pattern(tuple(options["tokens"]))

    return change_texts(row, lambda text: pattern.sub("", text).strip() if pattern.search(text) else text)


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

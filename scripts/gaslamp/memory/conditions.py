"""The condition of a recipe, ``task=sft AND model_size<=1B AND rows>=500``: parsed, compared, never evaluated as code.

    condition    = alternative { "OR" alternative }
    alternative  = comparison { "AND" comparison }
    comparison   = name operator value
    operator     = "=" | "!=" | "<=" | ">=" | "<" | ">"
    value        = word | "text in quotes" | number [ "K" | "M" | "B" | "GB" ]

Standard library only: cookiecutter's interpreter reads recipes before anything is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gaslamp.core.errors import GaslampError
from gaslamp.core.nearest import get_hint

TEXTS = {
    "task": "the training method",
    "hardware": "the backend",
    "model": "name of the base model",
    "template": "family of the chat template, or sha- and the first eight digits of its hash",
    "domain": "field of the audience",
    "language": "language of the data",
}
"""Names that are compared as words, with ``=`` and ``!=``."""
NUMBERS = {
    "model_size": "parameters of the base model",
    "rows": "rows of the data",
    "memory_gb": "memory of the GPU, else of the machine, in GB",
}
"""Names that are compared as numbers."""
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "gb": 1.0}
TAKES = {"model_size": ("", "k", "m", "b"), "rows": ("", "k", "m"), "memory_gb": ("", "gb")}
"""The units that each number may have: a model of 1GB would be one of a single parameter."""

Fact = str | float | tuple[str, ...] | None
Facts = Mapping[str, Fact]
"""What is known of a project, by the names above; several words for a name that has several, ``None``: unknown."""

_TOKEN = re.compile(r"""\s*(?:(?P<operator><=|>=|!=|=|<|>)|"(?P<quoted>[^"]*)"|(?P<word>[^\s=<>!"]+))""")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(k|m|b|gb)?", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """One ``name operator value``; the value is lower-case text, or a number in units of one."""

    name: str
    operator: str
    value: str | float

    def holds(self, facts: Facts) -> bool:
        """Whether the comparison is true; one with an unknown fact is not."""
        fact = facts.get(self.name)
        if fact is None or fact == () or fact == "":
            return False
        if isinstance(self.value, str):
            words = {str(word).lower() for word in (fact if isinstance(fact, tuple) else (fact,))}
            return (self.value in words) == (self.operator == "=")
        number = float(fact) if isinstance(fact, int | float) else None
        if number is None:
            return False
        return {
            "=": number == self.value,
            "!=": number != self.value,
            "<=": number <= self.value,
            ">=": number >= self.value,
            "<": number < self.value,
            ">": number > self.value,
        }[self.operator]


@dataclass(frozen=True)
class Condition:
    """Alternatives, each a list of comparisons that must all hold."""

    alternatives: tuple[tuple[Comparison, ...], ...]

    def get_match(self, facts: Facts) -> tuple[Comparison, ...]:
        """The alternative with the most comparisons that holds; empty when none does."""
        holding = [each for each in self.alternatives if all(comparison.holds(facts) for comparison in each)]
        return max(holding, key=len, default=())


@dataclass(frozen=True)
class _Token:
    kind: str  # operator, quoted or word; end
    text: str
    column: int  # from 1


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        GaslampError: it is none; the message names the column.
    """
    tokens = list(_read_tokens(text))
    alternatives: list[tuple[Comparison, ...]] = []
    comparisons: list[Comparison] = []
    at = 0
    while True:
        comparisons.append(_read_comparison(text, tokens[at : at + 3]))
        at += 3
        joint = tokens[at]
        word = joint.text.upper() if joint.kind == "word" else ""
        if joint.kind == "end" or word == "OR":
            alternatives.append(tuple(comparisons))
            comparisons = []
        if joint.kind == "end":
            return Condition(tuple(alternatives))
        if word not in ("AND", "OR"):
            raise _get_error(text, joint, f"AND or OR is expected, not {joint.text!r}")
        at += 1


def quote_word(text: str) -> str:
    """``text`` as a value of a condition: in quotes where it is no single word."""
    text = text.replace('"', "'")
    return text if re.fullmatch(r"[^\s=<>!\"]+", text) and text.upper() not in ("AND", "OR") else f'"{text}"'


def _read_tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            column = len(text) - len(text[at:].lstrip()) + 1
            quote = text[column - 1] == '"'
            what = "this quotation mark is not closed" if quote else f"{text[column - 1]!r} has no meaning here"
            raise _get_error(text, _Token("", "", column), what)
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind) + 1 - (kind == "quoted"))
        at = found.end()
    for _ in range(3):  # a comparison may be cut off anywhere
        yield _Token("end", "the end", len(text.rstrip()) + 1)


def _read_comparison(text: str, tokens: list[_Token]) -> Comparison:
    name, operator, value = tokens
    known = {**TEXTS, **NUMBERS}
    if name.kind != "word":
        raise _get_error(text, name, f"a name is expected, not {name.text!r}")
    if name.text.lower() not in known:
        raise _get_error(text, name, f"unknown name {name.text!r}; {get_hint(name.text, known)}")
    if operator.kind != "operator":
        raise _get_error(text, operator, f"one of = != <= >= < > is expected, not {operator.text!r}")
    if value.kind not in ("word", "quoted") or (value.kind == "word" and value.text.upper() in ("AND", "OR")):
        raise _get_error(text, value, f"a value is expected, not {value.text!r}")
    key = name.text.lower()
    if key in TEXTS:
        if operator.text not in ("=", "!="):
            raise _get_error(text, operator, f"{key} is a word: compare it with = or !=")
        return Comparison(key, operator.text, value.text.lower())
    number = _NUMBER.fullmatch(value.text)
    unit = (number[2] or "").lower() if number else ""
    if not number or unit not in TAKES[key]:
        units = ", ".join(each.upper() for each in TAKES[key] if each)
        raise _get_error(text, value, f"{key} is a number, alone or with {units}, not {value.text!r}")
    return Comparison(key, operator.text, float(number[1]) * UNITS[unit])


def _get_error(text: str, token: _Token, problem: str) -> GaslampError:
    names = ", ".join([*TEXTS, *NUMBERS])
    return GaslampError(
        f"condition {text!r}, column {token.column}: {problem}",
        "write it as: task=sft AND hardware=cpu AND model_size<=1B AND rows>=500",
        f"the names are {names}",
    )

"""Lists and objects as Python prints them: what ``DataFrame.to_csv`` leaves of a column of lists."""

from __future__ import annotations

import ast
import io
import re
import tokenize

LITERAL = re.compile(r"\s*(?:array\(\s*)?[\[{]\s*(?:$|[\]}\[{'\"(\-\d]|array\(|None|True|False|dict\()")
CLOSING, OPENING = ("]", "}", ")"), ("[", "{", "(")


def parse_repr(text: str) -> object | None:
    """The list or object whose Python ``repr`` a text is, numpy arrays as lists; ``None`` when it is none.

    A numpy array prints its items without commas, and a long one with ``...`` in the place of most: that one is not
    read.
    """
    if not LITERAL.match(text):
        return None
    try:
        value: object = ast.literal_eval(_add_commas(text))
    except (ValueError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError, IndentationError):
        return None
    if not isinstance(value, list | dict | tuple) or _is_cut(value):
        return None
    return _as_json(value)


def _is_cut(value: object) -> bool:
    """Whether ``...`` stands for items that are not there."""
    if isinstance(value, dict):
        return any(map(_is_cut, value.values()))
    return value is ... or (isinstance(value, list | tuple | set) and any(map(_is_cut, value)))


def _add_commas(text: str) -> str:
    """The text with a comma between neighbours that have none, and without ``array(...)`` and its dtype."""
    parts: list[str] = []
    before: str | None = None  # the end of a value
    depth: list[bool] = []  # of each open bracket: whether it is that of an array
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(f"({text.strip()})").readline)
        if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    ][1:-1]
    at = 0
    while at < len(tokens):
        token, word = tokens[at], tokens[at].string
        if word == "array" and at + 1 < len(tokens) and tokens[at + 1].string == "(":
            if before:
                parts.append(",")
            depth.append(True)
            before, at = None, at + 2
            continue
        if word == "dtype" and at + 2 < len(tokens) and tokens[at + 1].string == "=":
            at += 3
            if parts and parts[-1] == ",":
                parts.pop()
            continue
        is_sign = (
            word == "-"
            and token.line[: token.start[1]].endswith(" ")
            and not token.line[token.end[1] :].startswith(" ")
        )
        starts = is_sign or word in OPENING or token.type in (tokenize.STRING, tokenize.NUMBER, tokenize.NAME)
        if starts and before:
            parts.append(",")
        if word in OPENING:
            depth.append(False)
        elif word in CLOSING and depth and depth.pop():
            before, at = word, at + 1
            continue
        parts.append("None" if word == "nan" else word)
        is_value = word in CLOSING or token.type in (tokenize.STRING, tokenize.NUMBER, tokenize.NAME)
        before = word if is_value else None
        at += 1
    return " ".join(parts)


def _as_json(value: object) -> object:
    """Tuples and sets as lists, keys as text."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_as_json(item) for item in value]
    return value

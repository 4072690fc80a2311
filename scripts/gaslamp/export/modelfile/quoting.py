"""Text as a Modelfile and a Go template write it."""

from __future__ import annotations


def quote(text: str) -> str | None:
    """``text`` as a value of a Modelfile; ``None`` when Ollama's parser would read another text.

    The parser (parser.go) ends a value at the first line end behind which three quotes stand, and drops characters
    that do not print. Quotes inside a line, and at both ends, are read as they are.
    """
    value = f'"""{text}"""'
    lines = value.split("\n")
    is_cut = any(
        len(begun) >= 6 and begun.endswith('"""')
        for begun in ("\n".join(lines[:end]).strip() for end in range(1, len(lines)))
    )
    if is_cut or "\r" in text or not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    return value


def to_go(text: str) -> str:
    """Literal text of a Go template: as it is, or as a string constant where it holds braces or does not print."""
    if "{{" not in text and "}}" not in text and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    plain = "".join(
        c if c.isprintable() else f"\\U{ord(c):08x}" for c in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return '{{ "' + plain.replace("{{", "{\\u007b").replace("}}", "}\\u007d") + '" }}'

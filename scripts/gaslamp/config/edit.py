"""Single lines of config.yaml, edited as a person would: every other line, and every comment, stays as it is.

Standard library and PyYAML alone: cookiecutter's own interpreter runs it too.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gaslamp.core.errors import GaslampError

if TYPE_CHECKING:
    import yaml

WHY = "# why: "
"""How the line above a value begins that says why this value was recommended."""

CHOSEN = "you chose it"
"""The reason of a value that a person set in the interview."""

MISSING = ""
"""The text of a value whose key is not in the file."""

_PLAIN = re.compile(r"[A-Za-z][\w./-]*(:[\w./-]+)?", re.ASCII)
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 reads these as something else


def write_scalar(value: object) -> str:
    """A value as YAML in one line, which reads back as the same: a plain word without quotation marks."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(write_scalar, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_scalar(key)}: {write_scalar(one)}" for key, one in value.items()) + "}"
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"^(-?\d+)e", r"\1.0e", text) if isinstance(value, float) else text  # 1e-05 would be a word


def set_value(text: str, path: tuple[str, ...], value: object) -> str:
    """YAML ``text`` with one value replaced; comments and all else stay as they are.

    Raises:
        GaslampError: the key is not there.
    """
    _find_node(text, path)
    return put_line(text, ".".join(path), write_scalar(value))


def get_line(text: str, key: str) -> str:
    """The value of ``train.batch_size`` as it is written; ``MISSING`` where the key is not in the text."""
    _, value, _ = _find(text, key)
    return text[value.start_mark.index : value.end_mark.index].strip() if value else MISSING


def put_line(text: str, key: str, written: str, comment: str = "") -> str:
    """``text`` with a value replaced, or with the key added to its section.

    Args:
        text: of config.yaml.
        key: with its section: ``train.batch_size``.
        written: the value as YAML; ``MISSING`` deletes the line of the key.
        comment: goes on a line of its own above.

    Raises:
        GaslampError: the text is no YAML, or a section is written so that no line can be added to it.
    """
    name, node, section = _find(text, key)
    if node is not None and name is not None:
        if written == MISSING:
            return _delete(text, key, name, section)
        begin = text[: node.start_mark.index] + written
        if written.startswith("- ") and node.start_mark.line == name.end_mark.line:
            # a list of several lines, as it was read from the file: it goes below its key, as far left as it stood
            rest = re.search(r"\n( *)- ", written)
            column = len(rest[1]) if rest else name.start_mark.column + 2
            begin = f"{text[: name.end_mark.index]}:\n{' ' * column}{written}"
        elif node.start_mark.line > name.end_mark.line:
            # a list may stand as far left as its key: what replaces it goes behind the key
            colon = text.index(":", name.end_mark.index) + 1
            line_end = text.index("\n", colon)
            between = text[line_end : text.rfind("\n", 0, node.start_mark.index)]
            begin = f"{text[:colon]} {written}{text[colon:line_end]}{between}"
        changed = begin + text[_get_end(text, node) :]
        start, _ = _get_span(text, name.start_mark.index)
        return _insert(changed, start, name.start_mark.column, comment)
    return text if written == MISSING else _add(text, key, written, comment, section)


def get_value(values: object, key: str) -> object:
    """The value of ``train.max_length`` in a config that was read; ``None`` when it is not there."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def flatten(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """Every key of a config that was read, as ``train.max_length``, with its value; sections too."""
    for key, value in values.items():
        yield f"{path}{key}", value
        if isinstance(value, dict):
            yield from flatten(value, f"{path}{key}.")


def set_reasoned(text: str, changes: Iterable[tuple[tuple[str, ...], object, str | None]]) -> str:
    """YAML ``text`` with values replaced, each with its reason on a line of its own above; an earlier reason goes.

    A value that is there already keeps its spelling.

    Args:
        text: of config.yaml.
        changes: path of a key, its new value, and why; "" takes an earlier reason away, None where the value is new.

    Raises:
        GaslampError: a key is not there.
    """
    import yaml

    root, values = yaml.compose(text), yaml.safe_load(text)
    edits: list[tuple[int, int, str]] = []
    for path, value, why in changes:
        key, node = _find_node(text, path, root)
        start, end = node.start_mark.index, node.end_mark.index
        written = text[start:end].rstrip()
        is_new = get_value(values, ".".join(path)) != value
        if is_new:
            # a list may stand as far left as its key, which nothing else may
            indent = "  " if start and node.start_mark.column <= key.start_mark.column else ""
            edits.append((start, start + len(written), indent + write_scalar(value)))
        if why is None:
            if not is_new:
                continue
            why = ""
        line = text.rfind("\n", 0, key.start_mark.index) + 1
        start, end = _find_reason(text, line)
        reason = " " * key.start_mark.column + WHY + " ".join(why.split()) + "\n" if why else ""
        edits.append((start, end, reason))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _find_reason(text: str, line: int) -> tuple[int, int]:
    """Where the reason above the key at ``line`` stands, other comments between them; an empty place when none does."""
    start = line
    while start and text[:start].splitlines()[-1].strip().startswith("#"):
        end, start = start, text.rfind("\n", 0, start - 1) + 1
        if text[start:end].strip().startswith(WHY.strip()):
            return start, end
    return line, line


def is_recommended(text: str, path: tuple[str, ...]) -> bool:
    """Whether a comment above a key says why its value was recommended: a person did not choose it."""
    key, _ = _find_node(text, path)
    start, end = _find_reason(text, text.rfind("\n", 0, key.start_mark.index) + 1)
    return start < end and not text[start:end].strip().endswith(CHOSEN)


def _find_node(text: str, path: tuple[str, ...], root: Any = None) -> tuple[Any, Any]:
    """The nodes of a key and of its value."""
    import yaml

    node: Any = yaml.compose(text) if root is None else root
    key: Any = None
    for name in path:
        found = _find_key(node, name)
        if found is None:
            raise GaslampError(f"config.yaml has no key {'.'.join(path)}", f"add it: {path[-1]}: ...")
        key, node = found
    return key, node


def _find_key(node: Any, key: str) -> Any:
    import yaml

    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((pair for pair in pairs if pair[0].value == key), None)


def remove_comment(text: str, mark: str) -> str:
    """``text`` without the comment lines that hold ``mark``."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not (line.lstrip().startswith("#") and mark in line))


def _get_end(text: str, node: yaml.Node) -> int:
    """Where a value ends: a block value ends with its last line, not with the blank lines after it."""
    value = text[node.start_mark.index : node.end_mark.index]
    return node.start_mark.index + len(value.rstrip())


def _find(text: str, key: str) -> tuple[yaml.Node | None, yaml.Node | None, yaml.MappingNode | None]:
    """The nodes of a key and of its value, and the mapping that has it or would have it; ``None`` when not there."""
    import yaml

    try:
        node = yaml.compose(text)
    except yaml.YAMLError as error:
        raise GaslampError(
            f"config.yaml is not valid YAML: {' '.join(str(error).split())[:200]}",
            "fix the line that the message names",
        ) from error
    name: yaml.Node | None = None
    section: yaml.MappingNode | None = None
    parts = key.split(".")
    for number, part in enumerate(parts):
        if not isinstance(node, yaml.MappingNode):
            return None, None, None
        section = node
        pair = next(((one, other) for one, other in node.value if one.value == part), None)
        if pair is None:
            return None, None, section if number == len(parts) - 1 else None
        name, node = pair
    return name, node, section


def _get_span(text: str, index: int) -> tuple[int, int]:
    """Start of the line at ``index``, and of the next one."""
    start = text.rfind("\n", 0, index) + 1
    end = text.find("\n", index)
    return start, len(text) if end < 0 else end + 1


def _delete(text: str, key: str, name: yaml.Node, section: yaml.MappingNode | None) -> str:
    """``text`` without the line of a key; a section that has no other key goes with it."""
    start, end = _get_span(text, name.start_mark.index)
    text = text[:start] + text[end:]
    if section is not None and len(section.value) == 1 and "." in key:
        return put_line(text, key.rpartition(".")[0], MISSING)
    return text


def _insert(text: str, at: int, column: int, comment: str) -> str:
    return f"{text[:at]}{' ' * column}# {comment}\n{text[at:]}" if comment else text


def _add(text: str, key: str, value: str, comment: str, section: yaml.MappingNode | None) -> str:
    """The key as a new line at the beginning of its section, or with a section of its own at the end."""
    *parents, last = key.split(".")
    if section is not None and not section.flow_style and section.value:
        first = section.value[0][0].start_mark
        start, _ = _get_span(text, first.index)
        return _insert(
            f"{text[:start]}{' ' * first.column}{last}: {value}\n{text[start:]}", start, first.column, comment
        )
    if section is None and len(parents) == 1 and get_line(text, parents[0]) == MISSING:
        note = f"  # {comment}\n" if comment else ""
        return f"{text.rstrip()}\n\n{parents[0]}:\n{note}  {last}: {value}\n"
    raise GaslampError(
        f"config.yaml has no section {'.'.join(parents)} that a line can be added to", f"add {key}: {value} by hand"
    )


def list_changes(before: str, after: str) -> list[str]:
    """The lines that differ between two texts of config.yaml: ``-old`` and ``+new``, without headings."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]

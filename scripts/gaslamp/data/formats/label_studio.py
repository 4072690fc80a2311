"""Tasks of Label Studio: the data of a task, and the first annotation of a person as the answer.

Choices, ratings, written texts, and spans, which are learnt as JSON. https://labelstud.io/guide/export
"""

from __future__ import annotations

import json
from typing import Any

from gaslamp.data.cells import find_column, first_value, parse_list, to_text
from gaslamp.data.rows import LeftOut, Row, SourceRow

KIND = "conversation"
ORDER = 36
EXAMPLE = (
    '{"data": {"text": "Where is my order?"}, "annotations": [{"result": [{"type": "choices", "from_name": "topic", '
    '"value": {"choices": ["delivery"]}}]}]}'
)
REQUIRED = ("data", "annotations")
OPTIONAL = ()
READ_ANYWAY = ()
SPANS = ("labels", "hypertextlabels", "paragraphlabels")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column ``data`` with an object, and one of annotations with results."""
    data, annotations = find_column(columns, ("data",)), find_column(columns, ("annotations", "completions"))
    if not data or not annotations or not isinstance(first_value(rows, data), dict):
        return None
    value = first_value(rows, annotations)
    is_list = isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "result" in value[0]
    return {"data": data, "annotations": annotations} if is_list else None


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The texts of the task as the question, its annotation as the answer.

    Raises:
        LeftOut: nobody annotated the task, or it was skipped.
        ValueError: the task has no text, or its annotation is of pictures or sounds.
    """
    data = row.get(mapping["data"])
    texts = {
        key: item for key, item in (data.items() if isinstance(data, dict) else ()) if isinstance(item, str) and item
    }
    if not texts:
        raise ValueError(f"column '{mapping['data']}' holds no text")
    found = [one for one in parse_list(row.get(mapping["annotations"])) or [] if isinstance(one, dict)]
    done = [one["result"] for one in found if one.get("result") and not one.get("was_cancelled")]
    if not done:
        raise LeftOut(f"column '{mapping['annotations']}' has no annotation")
    prompt = (
        next(iter(texts.values())) if len(texts) == 1 else "\n".join(f"{key}: {text}" for key, text in texts.items())
    )
    answer = _write_answer(done[0], mapping["annotations"])
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def _write_answer(results: list[Any], column: str) -> str:
    """The results of an annotation: one value alone, several as JSON by the name of their control."""
    values: dict[str, list[Any]] = {}
    for one in results:
        value, kind = one.get("value", {}), str(one.get("type", ""))
        if kind in ("choices", "taxonomy"):
            found = [" > ".join(item) if isinstance(item, list) else item for item in value.get(kind, [])]
        elif kind == "textarea":
            found = [value["text"]] if isinstance(value.get("text"), str) else list(value.get("text", []))
        elif kind in SPANS:
            found = [{"label": label, "text": value.get("text", "")} for label in value.get(kind, [])]
        elif kind in ("rating", "number"):
            found = [value.get(kind)]
        elif kind == "relation":
            continue
        else:
            raise ValueError(f"column '{column}' holds an annotation of the type '{kind}', which is not learnt as text")
        values.setdefault(str(one.get("from_name", kind)), []).extend(found)
    if len(values) == 1:
        (only,) = values.values()
        if any(isinstance(item, dict) for item in only):
            return json.dumps(only, ensure_ascii=False)
        return ", ".join(to_text(item) for item in only)
    shown = {
        name: found[0] if len(found) == 1 and not isinstance(found[0], dict) else found
        for name, found in values.items()
    }
    return json.dumps(shown, ensure_ascii=False)

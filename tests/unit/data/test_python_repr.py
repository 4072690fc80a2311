"""Cells as Python prints lists and objects: what ``DataFrame.to_csv`` leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.config.schema import Config
from gaslamp.data.cells import parse_list
from gaslamp.data.peek import peek
from gaslamp.data.readers.python_repr import parse_repr

TURNS = [{"role": "user", "content": 'it\'s "quoted"\nand more'}, {"role": "assistant", "content": "yes, [it] {is}"}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (str(TURNS), TURNS),
        (f"[{TURNS[0]}\n {TURNS[1]}]", TURNS),  # a numpy array of objects
        (f"array([{TURNS[0]},\n       {TURNS[1]}], dtype=object)", TURNS),
        (
            "{'text': array(['a', 'b'], dtype=object), 'answer_start': array([5, 7], dtype=int32)}",
            {"text": ["a", "b"], "answer_start": [5, 7]},
        ),
        ("['a' 'b'\n 'c']", ["a", "b", "c"]),
        ("[1 2 -3]", [1, 2, -3]),
        ("[1, -2.5]", [1, -2.5]),
        ("{'a': None, 'b': True, 'c': nan}", {"a": None, "b": True, "c": None}),
        ("('a', 1)", None),
        ("['a' ... 'b']", None),
        ("[Music] la la", None),
        ("[x for x in y]", None),
        ("{'a': 1", None),
        ("hello", None),
    ],
)
def test_what_python_prints(text: str, value: object) -> None:
    assert parse_repr(text) == value
    assert parse_list(text) == (text if value is None else value)


def test_turns_of_a_csv_from_pandas(tmp_path: Path) -> None:
    import pandas

    talks = [[{"role": "user", "content": f"it's {n}"}, {"role": "assistant", "content": f"a {n}"}] for n in range(12)]
    pandas.DataFrame({"messages": talks}).to_csv(tmp_path / "rows.csv", index=False)
    found = peek(Config.model_validate({"data": {"source": str(tmp_path / "rows.csv")}}).data, "sft")
    assert (found.format, found.kind) == ("messages", "conversation")
    from gaslamp.core import registry

    plugin = registry.get("formats", found.format)
    assert [plugin.convert(row, found.mapping)["messages"] for row in found.rows] == talks

"""A config file of any kind is read, or refused with its line and a fix; never with a traceback, never for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.config.yaml_file import find_bad_text, read_yaml
from gaslamp.core.errors import GaslampError

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "itself": ("data: &a\n  source: *a\n", "line 1: this value contains itself"),
    "itself in a list": ("run: main\ndata: &a [1, *a]\n", "line 2: this value contains itself"),
    "deep": ("[" * 2000 + "]" * 2000, "nested too deeply"),
    "deep mapping": ("".join(" " * n + f"k{n}:\n" for n in range(60)), "nested too deeply"),
    "aliases that explode": (LAUGHS, "nested too deeply, or aliases that stand for very much"),
    "a list": ("- a\n- b\n", "holds no mapping"),
    "a word": ("hello", "holds no mapping"),
    "no YAML": ("a: [1, 2\nb: 3", "is not valid YAML"),
    "a tag of Python": ("a: !!python/object/apply:os.system [id]\n", "is not valid YAML"),
    "binary": (b"\x00\x01\x02" * 9, "is not valid YAML"),
    "UTF-16": ("run: main\n".encode("utf-16"), "line 1: not UTF-8 but UTF-16"),
    "Latin-1": ("run: main\n# gr\u00fcn\n".encode("latin-1"), "line 2: not UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_config_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    file = tmp_path / "config.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(GaslampError) as caught:
        read_yaml(file)
    assert message in caught.value.cause and "config.yaml" in caught.value.cause and caught.value.fix


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# only a comment\n", {}),
        ("\ufeffrun: main\n", {"run": "main"}),
        ("run: main\r\ntrain: {r: 8}\r\n", {"run": "main", "train": {"r": 8}}),
        ("a: &a {r: 8}\nb: *a\n", {"a": {"r": 8}, "b": {"r": 8}}),
    ],
)
def test_what_is_one_is_read(tmp_path: Path, text: str, values: dict[str, object]) -> None:
    (tmp_path / "config.yaml").write_bytes(text.encode())
    assert read_yaml(tmp_path / "config.yaml") == values


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "cannot read"), (tmp_path / "config.yaml", "does not exist")):
        with pytest.raises(GaslampError, match=message):
            read_yaml(path)


def test_characters_that_no_terminal_should_get_are_named_with_their_place() -> None:
    values = {"data": {"system": "a\x1b]52;c;aa\x07"}, "names": ["fine", "\u202eevil"], "a\x00": 1, "half": "\ud800"}
    found = dict(find_bad_text(values))
    assert set(found) == {("data", "system"), ("names", 1), (), ("half",)}
    assert found[("data", "system")] == "character 2 is a control character (U+001B): remove it"
    assert found[("half",)].startswith("character 1 is half of a character")
    fine = {"a": "two\nlines\twith tabs", "b": "\u05e9\u05dc\u05d5\u05dd \u200f \u200d \U0001f600", "c": 1, "d": None}
    assert list(find_bad_text(fine)) == []

"""What lies in the user's cache is used as it was written, or made again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from gaslamp.core import manifests
from gaslamp.core.files import sha256_path, write_json
from gaslamp.core.manifests import find_damage, find_damaged_uses, get_manifest, is_whole, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recorded folder, renamed into place."""
    made = tmp_path / "unfinished"
    (made / "inner" / "__pycache__").mkdir(parents=True)
    (made / "weights.bin").write_bytes(bytes(range(256)) * 100)
    (made / "inner" / "config.json").write_text("{}")
    (made / "inner" / "__pycache__" / "a.pyc").write_text("x")
    record(made, tmp_path / "model")
    made.rename(tmp_path / "model")
    return tmp_path / "model"


def flip(file: Path) -> None:
    """Another byte, with size and time of the change kept."""
    facts = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:10])


def test_a_whole_folder_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "sha256_path", None)  # nothing is read
    assert is_whole(folder)
    (folder / "later.txt").write_text("more")
    (folder / "inner" / "__pycache__" / "a.pyc").write_text("y")
    assert is_whole(folder)
    monkeypatch.setattr(manifests, "sha256_path", sha256_path)
    os.utime(folder / "weights.bin")
    assert is_whole(folder), "touched, and read again"
    monkeypatch.setattr(manifests, "sha256_path", None)
    assert is_whole(folder), "and that is kept"


@pytest.mark.parametrize(
    ("damage", "what"),
    [(flip, "is not as it was written"), (cut, "is not as it was written"), (Path.unlink, "is missing")],
)
def test_a_damaged_folder_is_set_aside(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object], what: str
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(manifests, "say", lines.append)
    damage(folder / "weights.bin")
    write_json(tmp_path / "model.json", {"path": str(folder / "inner" / "config.json"), "more": [{"n": 1}]})
    assert find_damage(folder) == {"weights.bin": what}
    assert find_damaged_uses([tmp_path / "model.json"]) == [
        (tmp_path / "model.json", f"{folder} is damaged (weights.bin {what})")
    ]
    assert not is_whole(folder)
    assert lines == [f"{folder} is damaged (weights.bin {what}): set aside as model.set-aside and made again"]
    assert not folder.exists() and not get_manifest(folder).exists() and (tmp_path / "model.set-aside").is_dir()
    assert not is_whole(folder) and find_damaged_uses([tmp_path / "model.json"]) == []


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"files": []}', '{"files": {"a": 1}}', '{"files": {"a": {}}}'])
def test_a_folder_without_a_manifest_is_taken_as_it_is(folder: Path, text: str | None) -> None:
    """Of an earlier version; a manifest that is damaged itself says nothing."""
    if text is None:
        get_manifest(folder).unlink()
        assert is_whole(folder)
        assert set(json.loads(get_manifest(folder).read_text())["files"]) == {"weights.bin", "inner/config.json"}
        cut(folder / "weights.bin")
        assert not is_whole(folder)
        return
    get_manifest(folder).write_text(text)
    assert find_damage(folder) == {} and is_whole(folder)


def test_a_cache_may_be_reached_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "model"
    link.symlink_to(folder)
    record(link, files_of=[folder / "weights.bin", tmp_path / "no_part_of_it"])
    assert list(json.loads(get_manifest(link).read_text())["files"]) == ["weights.bin"]
    cut(folder / "weights.bin")
    assert find_damage(link) == {"weights.bin": "is not as it was written"}


def test_records_that_cannot_be_read_name_nothing(tmp_path: Path) -> None:
    for number, text in enumerate(("", "[1, null]", '{"path": "relative"}', '"/"')):
        (tmp_path / f"{number}.json").write_text(text)
    assert find_damaged_uses([*tmp_path.glob("*.json"), tmp_path / "missing.json"]) == []

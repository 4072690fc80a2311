"""Plug-ins are found by file name, in the library and in the project; names of earlier versions are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError


def write(kind: str, name: str, *lines: str) -> None:
    folder = Path(kind)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text("\n".join(('"""A plug-in."""', *lines, "")), encoding="utf-8")


@pytest.mark.parametrize("kind", registry.ROOMS)
def test_a_project_adds_and_replaces_plugins_of_every_kind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library = registry.get_library_names(kind)
    write(kind, "zzz_mine", "TITLE = 'new'")
    write(kind, library[0], "TITLE = 'replaced'")
    assert registry.names(kind) == [*library, "zzz_mine"] and registry.get_library_names(kind) == library
    assert registry.get(kind, "zzz_mine").TITLE == "new" and registry.get(kind, library[0]).TITLE == "replaced"
    assert registry.find(kind, "zzz_mine") == tmp_path / kind / "zzz_mine.py"
    assert registry.find_name_problem(kind, "zzz_nine") is not None


@pytest.mark.parametrize(("kind", "old", "new"), [(k, o, n) for k, t in registry.RENAMED.items() for o, n in t.items()])
def test_a_plugin_with_a_name_of_an_earlier_version_is_refused(
    kind: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"def get_trainer(context): {old}('sample')" if "." in old else f"{old} = ()"
    write(kind, "written_long_ago", line)
    with pytest.raises(GaslampError) as caught:
        registry.get(kind, "written_long_ago")
    assert f"written_long_ago.py uses a name that was changed: {old}" in caught.value.cause
    assert caught.value.fix == f"rename {old} to {new}"


@pytest.mark.parametrize("kind", registry.RENAMED)
def test_no_plugin_of_the_library_has_an_old_name(kind: str) -> None:
    for name in registry.get_library_names(kind):
        module = registry.get(kind, name)
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert not [old for old in registry.RENAMED[kind] if (old in text if "." in old else hasattr(module, old))]

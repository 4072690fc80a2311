"""Generated projects for the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from baking import Bake, bake_in


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def bake(tmp_path: Path, home: Path) -> Bake:
    """``bake("task=...", "data=...")`` -> Baked."""
    return lambda *options, **settings: bake_in(tmp_path / "out", home, *options, **settings)


@pytest.fixture(scope="session")
def default_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project from no answers at all; tests read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("bake with spaces")
    baked = bake_in(folder / "out", folder / "home")
    assert baked.code == 0, baked.output
    return baked.project

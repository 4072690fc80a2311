"""A project with nothing but a config, and the metrics file of its run."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.core.events import Events


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "config.yaml").write_text("project: {name: cafe}\n")
    return tmp_path


@pytest.fixture
def events(project: Path) -> Events:
    return Events(project / "logs" / "main" / "train.metrics.jsonl", "k1")

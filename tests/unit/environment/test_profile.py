"""The profile that a run takes when none is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gaslamp.environment import profile
from gaslamp.environment.profile import get_project_profile
from gaslamp.train.backends import cpu

GPU: dict[str, Any] = {"gpus": [{"name": "NVIDIA L4", "vram_gb": 24.2}], "is_apple_silicon": False}
MAC: dict[str, Any] = {"gpus": [], "is_apple_silicon": True, "apple_chip": "Apple M3"}
PLAIN: dict[str, Any] = {"gpus": [], "is_apple_silicon": False}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile.importlib.util, "find_spec", lambda name: SimpleNamespace())
    monkeypatch.setattr(profile, "get_train_python", lambda wanted, backend, project: "/other/bin/python")


@pytest.mark.usefixtures("installed")
def test_what_fits_the_machine_with_the_reason(tmp_path: Path) -> None:
    assert get_project_profile(tmp_path, GPU) == ("cuda", "NVIDIA L4, 24.2 GB")
    assert get_project_profile(tmp_path, MAC) == ("mac", "Apple M3")
    assert get_project_profile(tmp_path, MAC, "grpo").name == "mps"
    assert get_project_profile(tmp_path, PLAIN).name == "cpu"


def test_without_its_packages_the_processor_trains_and_the_way_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile.importlib.util, "find_spec", lambda name: None if name == "unsloth" else name)
    name, reason = get_project_profile(tmp_path, GPU)
    assert name == "cpu" and reason == (
        "NVIDIA L4, 24.2 GB is here, and unsloth is not installed (make setup EXTRA=cuda, then PROFILE=cuda)"
    )
    monkeypatch.setattr(profile, "get_train_python", lambda wanted, backend, project: sys.executable)
    name, reason = get_project_profile(tmp_path, MAC)
    assert name == "cpu" and "make mlx, then PROFILE=mac" in reason


@pytest.mark.usefixtures("installed")
def test_a_project_that_trained_keeps_its_profile(tmp_path: Path) -> None:
    """Another profile would train again."""
    (tmp_path / ".gaslamp.json").write_text(
        json.dumps({"plan": {"lines": [{"name": "profile", "value": "mps", "fixed": True}]}})
    )
    assert get_project_profile(tmp_path, GPU) == ("mps", "chosen when the project was made")
    metrics = tmp_path / "logs" / "main" / "train.metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    metrics.write_text(json.dumps({"event": "start", "backend": "cpu"}) + "\n")
    assert get_project_profile(tmp_path, GPU).name == "cpu"
    facts = tmp_path / "outputs" / "main" / "train.json"
    facts.parent.mkdir(parents=True)
    facts.write_text(json.dumps({"backend": "cuda"}))
    assert get_project_profile(tmp_path, PLAIN) == ("cuda", "the last training of this project ran with it")


def test_a_recommendation_that_nobody_chose_is_no_choice(tmp_path: Path) -> None:
    lines = [{"name": "profile", "value": "mps", "fixed": False}]
    (tmp_path / ".gaslamp.json").write_text(json.dumps({"plan": {"lines": lines}}))
    assert get_project_profile(tmp_path, PLAIN).name == "cpu"
    (tmp_path / ".gaslamp.json").write_text("not JSON")
    assert get_project_profile(tmp_path, PLAIN).name == "cpu"


def test_a_gpu_that_the_profile_cpu_leaves_idle_is_a_warning() -> None:
    system: Any = GPU
    (warning,) = cpu.find_machine_warnings(system)
    assert "NVIDIA L4" in warning and "make setup EXTRA=cuda, then make run PROFILE=cuda" in warning
    plain: Any = PLAIN
    assert cpu.find_machine_warnings(plain) == []
    mac: Any = MAC
    assert "make mlx, then make run PROFILE=mac" in cpu.find_machine_warnings(mac)[0]

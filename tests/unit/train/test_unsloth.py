"""The cuda backend through Unsloth, on Unsloth's own CPU backend: a changed interface is seen without a GPU.

Its packages are no part of the environment (they patch transformers and trl on import), so they are installed into a
folder of their own and the trainings run in a process of their own: this file, started with the names of methods.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
METHODS = ("sft", "dpo", "kto", "grpo", "reward")


def train(name: str, base: Path, place: Path) -> dict[str, Any]:
    """Ten steps of ``name``; what it minimizes or maximizes at the start and at the end."""
    import training as helpers
    from gaslamp.config.schema import Config
    from gaslamp.config.slices import get_slice, parse_slice
    from gaslamp.core.events import get_history, read_events
    from gaslamp.train import run as training

    base, kind = helpers.get_place(name, base)
    config = Config.model_validate({"method": name, "backend": "cuda", "train": helpers.get_values(name)})
    training.train_model(
        parse_slice(get_slice(config, "backend", "method", "train")),
        base / "model.json",
        base / f"{kind}.train.jsonl",
        base / f"{kind}.valid.jsonl",
        base / "template.json",
        place / "checkpoints",
        place / "metrics.jsonl",
        place / "adapters",
        place / "train.json",
    )
    steps = get_history(read_events(place / "metrics.jsonl"))
    key = "reward" if "reward" in steps[0] else "loss"
    files = sorted(
        str(file.relative_to(place / "adapters")) for file in (place / "adapters").rglob("*") if file.is_file()
    )
    return {"key": key, "values": [step[key] for step in steps], "files": files}


@pytest.fixture(scope="module")
def packages() -> Path:
    """A folder with the packages of the extra unsloth-cpu, kept in the user's cache."""
    from gaslamp.core.files import get_cache_dir

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"][
        "unsloth-cpu"
    ]
    folder = get_cache_dir() / f"unsloth-cpu-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "-q",
            "--no-deps",
            "--target",
            str(part),
            *wanted,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Unsloth's packages could not be had: {done.stderr.strip().splitlines()[-1][:200]}")
        part.rename(folder)
    return folder


def test_methods_train_through_unsloth(packages: Path, tiny_model: Path, tmp_path: Path) -> None:
    import training as helpers

    base = helpers.write_base(tmp_path / "base", tiny_model, helpers.ROWS)
    place = os.pathsep.join([str(packages), str(ROOT / "scripts"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, __file__, str(base), str(tmp_path / "out"), *METHODS],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": place, "UNSLOTH_COMPILE_LOCATION": str(tmp_path / "compiled")},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["unsloth"] and set(found["trained"]) == set(METHODS)
    for name, one in found["trained"].items():
        first, last = one["values"][0], sum(one["values"][-3:]) / 3
        assert last > first + 0.1 if one["key"] == "reward" else last < first, (name, one["values"])
        assert one["files"] == ["adapter_config.json", "adapter_model.safetensors"], (name, one["files"])
    golden = json.loads((ROOT / "tests/golden/sft.json").read_text(encoding="utf-8"))["values"]
    assert found["trained"]["sft"]["values"] == pytest.approx(
        golden, rel=0.05, abs=0.02
    )  # the same losses as plain TRL on the cpu backend


if __name__ == "__main__":
    base, out, *names = sys.argv[1:]
    trained = {name: train(name, Path(base), Path(out) / name) for name in names}
    print(json.dumps({"unsloth": "unsloth" in sys.modules, "trained": trained}))

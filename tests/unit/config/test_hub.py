"""Hub ids for the model and the data, through the real client library against a stub of the hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hub_stub
import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import write_config
from gaslamp.models.fetch import get_download_bar

SCRIPTS = Path(__file__).parents[3] / "scripts"
ROWS = [
    f'"{1 + n % 9} {item} for {name}",ok'
    for n, (item, name) in enumerate((i, m) for i in tiny.ITEMS for m in tiny.NAMES)
]


def run(url: str, home: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # the library reads where its hub is when it is imported
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def test_model_and_data_come_from_a_hub(tmp_path: Path) -> None:
    root, home = tmp_path / "hub", tmp_path / "home"
    home.mkdir()
    tiny.write_checkpoint(root / "models" / "me" / "tiny")
    (root / "models" / "me" / "tiny" / "modeling_evil.py").write_text(
        "raise SystemExit('remote code')\n", encoding="utf-8"
    )
    (root / "datasets" / "me" / "orders").mkdir(parents=True)
    (root / "datasets" / "me" / "orders" / "train.csv").write_text(
        "question,answer\n" + "\n".join(ROWS) + "\n", encoding="utf-8"
    )
    values: dict[str, Any] = {"model": {"source": "me/tiny"}, "data": {"source": "me/orders", "rehearsal": 0}}
    config = Config.model_validate(values)
    with hub_stub.serve_hub(root) as (url, requested):
        model = ["--out", str(home / "model.json"), "--log", str(home / "model.log")]
        done = run(url, home, "fetch_model.py", "--config", str(write_config(config, home)), *model)
        assert done.returncode == 0, done.stdout + done.stderr
        facts = json.loads((home / "model.json").read_text())
        assert (
            facts["name"] == "me_tiny"
            and facts["revision"] == hub_stub.COMMIT
            and not any("evil" in path for path in requested)
        )
        places = [f"--{name}={home / f'{name}.jsonl'}" for name in ("train", "valid", "test")]
        places += [
            f"--template={home / 'template.json'}",
            f"--card={home / 'card.json'}",
            f"--strategy={home / 'strategy.md'}",
            f"--log={home / 'data.log'}",
        ]
        done = run(
            url,
            home,
            "prepare_data.py",
            f"--model={home / 'model.json'}",
            f"--config={write_config(config, home)}",
            *places,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        card = json.loads((home / "card.json").read_text())
        assert hub_stub.COMMIT in json.dumps(card) and card["rows"]["read"] == len(ROWS)
        # what is in the cache needs no hub any more when the revision is pinned
        changed = {**values, "model": {"source": "me/tiny", "revision": hub_stub.COMMIT}}
        pinned = str(write_config(Config.model_validate(changed), home))
        missing = run(
            url,
            home,
            "fetch_model.py",
            "--config",
            str(write_config(Config.model_validate({"model": {"source": "me/nothing"}}), home)),
            *model,
        )
        assert (
            missing.returncode == 1
            and "the hub has no model 'me/nothing' that you may read" in missing.stdout + missing.stderr
        )
    done = run(url, home, "fetch_model.py", "--config", pinned, *model)
    assert done.returncode == 0, done.stdout + done.stderr
    gone = run(url, tmp_path, "fetch_model.py", "--config", str(write_config(config, home)), *model)
    assert (
        gone.returncode == 1
        and "cannot download me/tiny" in gone.stdout + gone.stderr
        and "local folder" in gone.stdout + gone.stderr
    )


def test_a_download_logs_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("gaslamp.models.fetch.say", said.append)
    bar = get_download_bar(every=0.0)(total=200_000_000, unit="B", unit_scale=True, mininterval=0.0)
    bar.update(50_000_000)
    bar.refresh()
    bar.close()
    assert said and said[-1].startswith("downloaded 50 MB of 200 MB, ") and said[-1].endswith(" left")

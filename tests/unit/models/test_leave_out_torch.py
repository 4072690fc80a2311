"""Steps that only cut text do not wait for torch, and get the same tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from gaslamp.models.loading import is_torch_needed, load_tokenizer

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import sys
from gaslamp.models.loading import leave_out_torch, load_tokenizer
leave_out_torch()
tokenizer = load_tokenizer(sys.argv[1])
print(tokenizer(sys.argv[2])["input_ids"], "torch" in sys.modules)
import torch
print(torch.ones(2).sum().item())
"""


def test_the_same_tokens_in_silence(tiny_model: Path) -> None:
    text = "<|im_start|>user\nTwo teas, för zwei<|im_end|>"
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tiny_model), text],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{load_tokenizer(tiny_model)(text)['input_ids']} False", "2.0"]


@pytest.mark.parametrize(
    ("method", "needed"), [("sft", False), ("dpo", False), ("embedding", False), ("vision_sft", True), ("tts", True)]
)
def test_models_of_images_and_speech_need_it(
    method: str, needed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_torch_needed(method) is needed
    (tmp_path / "checks").mkdir()
    assert is_torch_needed(method)  # a check of the project's own may use any model

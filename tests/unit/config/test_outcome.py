"""Which formats make a run plan GGUF files."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.config.load import load_config
from gaslamp.config.outcome import get_formats, is_converted

CASES: list[tuple[str, list[str], dict[str, Any], bool]] = [
    ("sft", ["gguf", "ollama"], {}, True),
    ("sft", ["merged"], {}, False),
    ("sft", ["ollama"], {}, True),
    ("sft", ["lora_gguf"], {}, True),
    ("sft", ["adapter", "vllm", "sglang", "mlx"], {}, False),
    ("sft", ["hub"], {}, True),
    ("sft", ["hub"], {"files": ["adapter", "merged"]}, False),
    ("sft", ["hub"], {"files": ["lora_gguf"]}, True),
    ("vision_sft", ["merged"], {}, False),
    ("reward", ["ollama", "merged"], {}, False),  # an Ollama model answers
    ("embedding", ["gguf"], {}, True),
]


@pytest.mark.parametrize(("method", "formats", "hub", "expected"), CASES)
def test_formats(method: str, formats: list[str], hub: dict[str, Any], expected: bool) -> None:
    export = {"formats": formats, "hub": hub}
    config = load_config({"method": method, "model": {"source": "org/name"}, "export": export})
    assert is_converted(config) is expected


def test_formats_of_a_model_that_does_not_answer() -> None:
    config = load_config({"method": "reward", "export": {"formats": ["gguf", "ollama", "merged"]}})
    assert get_formats(config) == ["gguf", "merged"]

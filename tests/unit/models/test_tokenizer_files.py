"""A merged folder has every tokenizer file of its base, and says what was recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import facts
import tiny
from gaslamp.core.files import read_json, write_json
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.tokenizer_files import save_tokenizer


def test_every_file_of_the_base_is_kept(tmp_path: Path) -> None:
    base, out = tiny.write_checkpoint(tmp_path / "base"), tmp_path / "merged"
    out.mkdir()
    (base / "tokenizer.model").write_bytes(b"the sentencepiece model")
    write_json(base / "added_tokens.json", {"<extra>": 900})
    special = {"eos_token": {"content": "<|im_end|>", "lstrip": False}, "pad_token": "<|im_end|>", "unk_token": "<unk>"}
    write_json(base / "special_tokens_map.json", special)
    settings = read_json(base / "tokenizer_config.json") | {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 77}
    write_json(base / "tokenizer_config.json", settings)
    recorded = facts.template(eos_token="<|im_start|>", pad_token="<|endoftext|>", eos_id=1, pad_id=0)
    save_tokenizer(base, out, recorded)
    for name in ("tokenizer.json", "tokenizer.model", "added_tokens.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes(), name
    found = json.loads((out / "tokenizer_config.json").read_text())
    assert found == settings | {
        "eos_token": "<|im_start|>",
        "pad_token": "<|endoftext|>",
        "chat_template": recorded.chat_template,
    }
    assert read_json(out / "special_tokens_map.json") == {
        "eos_token": "<|im_start|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<unk>",
    }
    assert (out / "chat_template.jinja").read_text() == recorded.chat_template
    tokenizer = load_tokenizer(out)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_start|>", "<|endoftext|>")
    assert tokenizer.chat_template == recorded.chat_template


def test_a_base_with_a_part_of_the_files_gets_the_rest(tmp_path: Path) -> None:
    """Where the chat template stands in a file of its own, and tokenizer_config.json has none."""
    base, out = tiny.write_checkpoint(tmp_path / "base", None), tmp_path / "merged"
    out.mkdir()
    (base / "chat_template.jinja").write_text("an old one")
    save_tokenizer(base, out, facts.template())
    assert (out / "chat_template.jinja").read_text() == facts.CHATML == load_tokenizer(out).chat_template
    shutil.rmtree(out)

